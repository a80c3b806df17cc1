//! `gatewright serve`.

mod certificate;
mod gateways;

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use gw_control::{schedule::schedule, work::work};
use serde::Serialize;
use tokio::{net::TcpListener, sync::watch};

use self::{certificate::Certificate, gateways::Gateways};
use super::Context;
use crate::{
    compose::{self, Served},
    config::{self, SETTINGS, ServerFile},
    exit::{Exit, Failure},
    ui::Form,
};

/// Runs the server: it follows a repository, tells what pull requests would do, and puts in force what
/// the rules allow, until it is stopped.
///
/// Its settings stand in gatewright.toml: whom it serves, who owns it, by which secrets it is let in at
/// the Git host. Nobody hands it files; it fetches them. The built-in gateways of every environment in
/// force run inside of it. SIGTERM ends it with 0, the keyboard (SIGINT) with 130; what is under way is
/// brought to its end first, and whatever was queued is done after the next start.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The settings (else GATEWRIGHT_CONFIG, else gatewright.toml of the folder named by `--state`).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    listen: String,
    address: String,
    state: String,
}

/// How often it is looked whether other gateways have to run.
const LOOK: Duration = Duration::from_secs(1);
/// How often the counts of refused proofs are put on the record, and certificates are looked at.
const MINUTE: Duration = Duration::from_secs(60);

impl Serve {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let file = ServerFile::read(&self.settings(context)?)?;
        let stopped = config::interrupted();
        let (listen, poll) = (file.listen, file.bitbucket.poll);
        let mut certificate = file.tls.clone().map(Certificate::open).transpose()?;
        let settings = file.path.clone();
        let Served { server, web, exchange, state, lock, gateways: mut wanted } =
            compose::serve(context, file).await?;
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            Failure::new(Exit::Failed, format!("cannot listen at {listen}: {error}"))
                .help("stop what listens there, or change `listen` in the settings")
        })?;
        let listen = listener.local_addr().map_or(listen, |address| address);
        tell(
            context,
            &Document {
                schema: "gatewright.io/serve/v1",
                listen: format!(
                    "{}://{listen}",
                    if certificate.is_some() { "https" } else { "http" }
                ),
                address: server.address.to_string(),
                state: state.folder.display().to_string(),
            },
        );
        let (stop, ends) = watch::channel(false);
        let waiting = server.store.requeue(server.clock.now()).await;
        waiting.map_err(|error| Failure::from(&error))?;
        let working = tokio::spawn(work(Arc::clone(&server), ends.clone()));
        let scheduling = tokio::spawn(schedule(Arc::clone(&server), poll, ends.clone()));
        let tls = certificate.as_ref().map(Certificate::server).transpose()?;
        let serving = tokio::spawn(gw_web::serve(listener, tls, web, ends));
        let mut gateways = Gateways::new(context, state, settings);
        let ended = {
            tokio::pin!(stopped);
            let mut look = tokio::time::interval(LOOK);
            let mut minute = tokio::time::interval(MINUTE);
            loop {
                tokio::select! {
                    stop = &mut stopped => break stop,
                    Some(wanted) = wanted.recv() => gateways.attend(wanted),
                    _tick = look.tick() => gateways.follow(&server).await,
                    _tick = minute.tick() => {
                        // What cannot be written now is written a minute later.
                        drop(exchange.settle().await);
                        if let Some(certificate) = &mut certificate {
                            certificate.follow(context);
                        }
                    }
                }
            }
        };
        context.ui.say("stopping: what is under way is brought to its end");
        stop.send_replace(true);
        for part in [working, scheduling, serving] {
            // A part that panicked has ended as well.
            drop(part.await);
        }
        gateways.stop();
        drop(lock);
        Ok(Exit::stopped(ended))
    }

    fn settings(&self, context: Context<'_>) -> Result<PathBuf, Failure> {
        let named = context.surroundings.named_config(self.config.as_deref());
        if let Some(named) = named {
            return Ok(named.to_owned());
        }
        let state = context.surroundings.named_state(context.globals);
        state.map(|state| state.join(SETTINGS)).ok_or_else(|| {
            Failure::wrong("a server needs its settings")
                .help("name the file: `gatewright serve --config gatewright.toml`")
        })
    }
}

fn tell(context: Context<'_>, document: &Document) {
    match context.ui.form {
        Form::Json => context.ui.json(document),
        Form::Text => {
            context.ui.line(&format!("server listens at {}", document.listen));
            context.ui.say(&format!("people reach it at {}", document.address));
            context.ui.say(&format!("its state lies in {}", document.state));
        }
    }
}
