//! A server that works: its interface listens, what is queued is done, its gateways run.

use std::{sync::Arc, time::Duration};

use gw_control::{
    login::Exchange, schedule::schedule, server::Server, store::StateLock, work::work,
};
use gw_web::Web;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::interval,
};

use super::{
    certificate::Certificate,
    gateways::{Gateways, Manner},
};
use crate::{
    commands::Context,
    compose::{self, Served, State, Wanted},
    config::ServerFile,
    exit::{Exit, Failure},
};

/// How often it is looked whether other gateways have to run.
const LOOK: Duration = Duration::from_secs(1);
/// How often the counts of refused proofs are put on the record, and certificates are looked at.
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(in crate::commands) struct Service<'a> {
    pub(in crate::commands) server: Arc<Server>,
    /// Where its interface listens, as an address of the web.
    pub(in crate::commands) listen: String,
    pub(in crate::commands) web: Arc<Web>,
    context: Context<'a>,
    exchange: Arc<Exchange>,
    certificate: Option<Certificate>,
    gateways: Gateways<'a>,
    /// Gateways that have to run now.
    wanted: mpsc::Receiver<Wanted>,
    stop: watch::Sender<bool>,
    parts: [JoinHandle<()>; 3],
    lock: StateLock,
}

impl<'a> Service<'a> {
    pub(in crate::commands) async fn start(
        context: Context<'a>,
        state: State,
        file: ServerFile,
        mut manner: Manner,
    ) -> Result<Self, Failure> {
        let (listen, poll) = (file.listen, file.bitbucket.poll);
        let certificate = file.tls.clone().map(Certificate::open).transpose()?;
        let settings = file.path.clone();
        let Served { server, web, exchange, state, lock, gateways: wanted } =
            compose::serve(context, state, file).await?;
        let listener = match manner.listener.take() {
            Some(listener) => listener,
            None => TcpListener::bind(listen).await.map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot listen at {listen}: {error}"))
                    .help("stop what listens there, or change `listen` in the settings")
            })?,
        };
        let listen = listener.local_addr().map_or(listen, |address| address);
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let (stop, ends) = watch::channel(false);
        let waiting = server.store.requeue(server.clock.now()).await;
        waiting.map_err(|error| Failure::from(&error))?;
        let tls = certificate.as_ref().map(Certificate::server).transpose()?;
        let parts = [
            tokio::spawn(work(Arc::clone(&server), ends.clone())),
            tokio::spawn(schedule(Arc::clone(&server), poll, ends.clone())),
            tokio::spawn(gw_web::serve(listener, tls, Arc::clone(&web), ends)),
        ];
        Ok(Self {
            server,
            listen: format!("{scheme}://{listen}"),
            web,
            context,
            exchange,
            certificate,
            gateways: Gateways::new(context, state, settings, manner),
            wanted,
            stop,
            parts,
            lock,
        })
    }

    /// Looks after its gateways until something else is over. Both go on side by side: either may wait
    /// for what the other has.
    pub(in crate::commands) async fn attend<T>(&mut self, until: impl Future<Output = T>) -> T {
        let (goes_on, mut is_over) = oneshot::channel::<()>();
        let until = async {
            let over = until.await;
            drop(goes_on);
            over
        };
        let (mut look, mut minute) = (interval(LOOK), interval(MINUTE));
        let care = async {
            loop {
                tokio::select! {
                    _over = &mut is_over => return,
                    Some(wanted) = self.wanted.recv() => self.gateways.attend(wanted),
                    _tick = look.tick() => self.gateways.follow(&self.server).await,
                    _tick = minute.tick() => {
                        // What cannot be written now is written a minute later.
                        drop(self.exchange.settle().await);
                        if let Some(certificate) = &mut self.certificate {
                            certificate.follow(self.context);
                        }
                    }
                }
            }
        };
        let (over, ()) = tokio::join!(until, care);
        over
    }

    /// Brings what is under way to its end.
    pub(in crate::commands) async fn stop(self) {
        self.stop.send_replace(true);
        for part in self.parts {
            // A part that panicked has ended as well.
            drop(part.await);
        }
        self.gateways.stop();
        drop(self.lock);
    }
}
