//! Our own gateway as a target: signed generations in a folder, and a socket to ask it.
//!
//! `mapping` and `capabilities` are pure, `store` is the folder, `client` speaks to the gateway.

mod capabilities;
mod client;
mod mapping;
mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use gw_model::{
    clock::Clock,
    desired::Desired,
    id::{EnvironmentName, TargetName, WorkspaceId},
    secret::Redacted,
};
use gw_plan::{
    difference::Difference,
    driver::{
        Actor, Condition, Driver, Lowered, Object, Observed, Order, Pending, Probe, Probed, Served,
        Stamp, Step, TargetError,
    },
};
use gw_policy::{
    gateway::LISTEN,
    generation::{SigningKey, desired_of},
};
use parking_lot::Mutex;
use serde_json::Value;

pub(crate) use self::capabilities::missing;
use self::{client::Client, store::Store};

/// One builtin target of one environment.
#[derive(Debug)]
pub struct Place {
    pub folder: PathBuf,
    pub workspace_id: WorkspaceId,
    pub environment: EnvironmentName,
    pub target: TargetName,
    pub listen: Option<String>,
    pub overseer: Overseer,
    /// Where its gateway listened when it was last asked.
    pub(crate) seen: Mutex<Option<SocketAddr>>,
}

/// Who looks after a target. A server does by itself what a user has to do by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overseer {
    User,
    Server,
}

/// The driver.
#[derive(Debug)]
pub struct Builtin {
    place: Arc<Place>,
    store: Arc<Store>,
    client: Client,
    clock: Arc<dyn Clock>,
}

impl Builtin {
    pub fn new(place: Place, key: Arc<SigningKey>, clock: Arc<dyn Clock>) -> Self {
        let place = Arc::new(place);
        let client = Client::new(&place);
        Self { store: Arc::new(Store::new(Arc::clone(&place), key)), place, client, clock }
    }

    /// Runs work on files where it may block.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, TargetError> + Send + 'static,
    ) -> Result<T, TargetError> {
        let store = Arc::clone(&self.store);
        let done = tokio::task::spawn_blocking(move || work(&store)).await;
        done.unwrap_or_else(|stopped| Err(self.place.broken(stopped.to_string())))
    }

    async fn look(&self) -> Result<Observed, TargetError> {
        let read_at = self.clock.now();
        let stored = self.on_disk(Store::current).await?;
        let version = stored.as_ref().map(|generation| generation.number.to_string());
        if let Some(live) = self.client.served().await? {
            let owner = Some(live.owner);
            return Ok(Observed {
                objects: live.objects,
                owner,
                version,
                served: Served::Live,
                read_at,
            });
        }
        let Some(generation) = stored else { return Ok(Observed::nothing(read_at)) };
        Ok(Observed {
            objects: generation.objects,
            owner: Some(generation.workspace_id),
            version,
            served: Served::Stored,
            read_at,
        })
    }

    async fn switch(&self, stamp: Stamp, condition: Condition) -> Result<(), TargetError> {
        let turn = self.on_disk(move |store| store.switch(&stamp, &condition)).await?;
        let settled = self.client.settle(turn.number).await;
        if let Err(TargetError::Refused { .. }) = settled {
            // Callers still meet the former state, so the folder says so again. After any other
            // error the gateway may have served the new one, and then never serves an older.
            self.on_disk(move |store| store.turn_back(&turn)).await?;
        }
        settled
    }
}

impl Driver for Builtin {
    fn kind(&self) -> &'static str {
        "builtin"
    }

    fn place(&self) -> String {
        self.place.words()
    }

    fn lower(&self, desired: &Desired) -> Lowered {
        mapping::lower(desired, &self.place.target, self.place.overseer)
    }

    fn raise(&self, objects: &[Object]) -> Option<Desired> {
        desired_of(&self.place.environment, &self.place.target, objects).ok()
    }

    fn canonical(&self, object: &Object) -> Value {
        mapping::canonical(object)
    }

    fn steps(&self, _differences: &[Difference]) -> Vec<Step> {
        vec![Step::Stage, Step::Switch, Step::Retire]
    }

    fn probes(&self, desired: &Desired) -> Vec<Probe> {
        mapping::probes(desired, &self.place.target)
    }

    fn observe(&self) -> Pending<'_, Observed> {
        Box::pin(self.look())
    }

    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()> {
        let (stamp, condition) = (order.stamp.clone(), order.condition.clone());
        match order.step {
            Step::Stage => {
                let objects = order.wanted.to_vec();
                Box::pin(self.on_disk(move |store| store.stage(objects, &stamp, &condition)))
            }
            Step::Switch => Box::pin(self.switch(stamp, condition)),
            Step::Retire => Box::pin(self.on_disk(Store::retire)),
            Step::Abandon => Box::pin(self.on_disk(move |store| store.abandon(&stamp))),
            Step::Write { key } | Step::Delete { key } => {
                let because = format!("`{key}` is part of a generation and is not written alone");
                let refused = TargetError::Refused { place: self.place.words(), because };
                Box::pin(std::future::ready(Err(refused)))
            }
        }
    }

    fn probe<'a>(&'a self, probe: &'a Probe) -> Pending<'a, Probed> {
        Box::pin(self.client.probe(probe, None))
    }

    fn call<'a>(
        &'a self,
        probe: &'a Probe,
        token: Option<&'a Redacted<String>>,
    ) -> Pending<'a, Probed> {
        Box::pin(self.client.probe(probe, token))
    }

    fn actor<'a>(&'a self, _difference: &'a Difference) -> Pending<'a, Option<Actor>> {
        // The folder does not know who wrote to it.
        Box::pin(std::future::ready(Ok(None)))
    }

    fn import(&self) -> Pending<'_, Vec<Object>> {
        Box::pin(async { Ok(self.look().await?.objects) })
    }
}

impl Place {
    /// By the address that a running gateway has; where none was asked yet, by the declared one.
    fn words(&self) -> String {
        match (*self.seen.lock(), &self.listen) {
            (Some(seen), _) => format!("the gateway at {seen}"),
            (None, Some(declared)) => format!("the gateway at {declared}"),
            (None, None) => format!("the gateway at {LISTEN}"),
        }
    }

    fn broken(&self, because: impl Into<String>) -> TargetError {
        TargetError::Broken { place: self.words(), because: because.into() }
    }
}
