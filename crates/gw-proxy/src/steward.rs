//! The thread beside those that serve calls: it takes new generations, reads secrets again, and
//! answers on the admin addresses.

use std::{sync::Arc, time::Duration};

use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
};
use gw_policy::gateway::listen_address;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    generations::{Found, Generations, Meanwhile},
    memory::LastServed,
    phase::Phase,
    serving::Serving,
    shared::Shared,
    upstream::tls::Trust,
};

#[derive(Debug)]
pub(crate) struct Steward {
    pub(crate) shared: Arc<Shared>,
    pub(crate) generations: Generations,
    pub(crate) trust: Trust,
    /// Whoever wants it to look now, and hear when it has.
    pub(crate) asked: mpsc::Receiver<oneshot::Sender<()>>,
    pub(crate) providers: Providers,
}

/// How the identity providers are reached. Which addresses may be, the generation says.
#[derive(Debug)]
pub(crate) struct Providers {
    settings: ClientSettings,
    client: Client,
}

/// How often it is asked whether the last call of a former generation has ended.
const RELEASE: Duration = Duration::from_millis(100);

impl Providers {
    pub(crate) fn new(settings: ClientSettings) -> Self {
        Self { client: Client::new(&settings), settings }
    }

    /// Whoever reads the keys of issuers that this generation names.
    fn client(&mut self, listed: &[String], loopback: LoopbackReach) -> &Client {
        if self.settings.listed != listed || self.settings.loopback != loopback {
            self.settings.listed = listed.to_vec();
            self.settings.loopback = loopback;
            self.client = Client::new(&self.settings);
        }
        &self.client
    }
}

impl Steward {
    /// Works until told to stop.
    pub(crate) async fn work(mut self, mut phase: watch::Receiver<Phase>) {
        let bounds = &self.shared.bounds;
        let (mut look, mut refresh) = (every(bounds.look), every(bounds.secrets_refresh));
        loop {
            tokio::select! {
                Some(done) = self.asked.recv() => {
                    self.look().await;
                    // Whoever asked may have stopped waiting.
                    let _gone = done.send(());
                }
                _tick = look.tick() => self.look().await,
                _tick = refresh.tick() => self.refresh().await,
                _asked = phase.wait_for(|phase| *phase >= Phase::End) => return,
            }
        }
    }

    /// Takes a generation that is there now and was not before.
    async fn look(&mut self) {
        let meanwhile = match self.shared.current.load().is_some() {
            true => Meanwhile::Served,
            false => Meanwhile::Denied,
        };
        if let Some(found) = self.generations.look(meanwhile) {
            self.serve(found).await;
        }
    }

    /// Serves what was found, and says what was refused.
    pub(crate) async fn serve(&mut self, found: Found) {
        let Found { serving, refused } = found;
        if let Some(serving) = &serving {
            serving.refresh(&self.trust).await;
            self.generations.memory.keep(LastServed {
                number: serving.generation.number,
                listen: listen_address(serving.listen.as_deref()),
            });
        }
        if refused.is_some() {
            self.shared.metrics.not_loaded.add(1);
        }
        // Said before the swap: whoever sees the new generation sees what is true of it.
        *self.shared.refused.lock() = refused;
        if let Some(serving) = serving {
            self.swap(serving);
        }
    }

    fn swap(&mut self, serving: Serving) {
        let number = serving.generation.number;
        let client = self.providers.client(&serving.egress, serving.loopback);
        self.shared.issuers.set(client, serving.issuers.iter().map(|issuer| issuer.url()));
        let serving = Arc::new(serving);
        let before = self.shared.current.swap(Some(Arc::clone(&serving)));
        self.shared.metrics.loaded.add(1);
        self.shared.metrics.generation.set(number);
        let apis = serving.snapshot.apis().iter().map(|api| api.name.as_str());
        let apis: std::collections::BTreeSet<_> = apis.collect();
        self.shared.metrics.keep(|name| apis.contains(name));
        if let Some(before) = before {
            free_later(before);
        }
    }

    async fn refresh(&self) {
        let serving = self.shared.current.load_full();
        if let Some(serving) = serving {
            serving.refresh(&self.trust).await;
        }
        let now = self.shared.clock.now().unix_timestamp_nanos() / 1_000_000;
        self.shared.counters.sweep(u64::try_from(now).unwrap_or_default());
    }
}

/// Ticks that were missed are not made up for.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A large snapshot takes long to free, and the last holder frees it. Calls hold it for a moment
/// only; here it is held until they have let go.
fn free_later(before: Arc<Serving>) {
    tokio::spawn(async move {
        while Arc::strong_count(&before) > 1 {
            tokio::time::sleep(RELEASE).await;
        }
    });
}
