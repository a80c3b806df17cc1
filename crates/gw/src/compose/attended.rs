//! A built-in target whose gateway runs in this process: it is started before anything is written, so
//! that what is written can be proved.

use std::time::Duration;

use gw_control::server::Targets;
use gw_drivers::registry::Registry;
use gw_model::{
    desired::Desired,
    diagnostic::Diagnostic,
    environment::Target,
    id::{EnvironmentName, TargetName},
    secret::Redacted,
};
use gw_plan::{
    difference::Difference,
    driver::{Actor, Driver, Lowered, Object, Observed, Order, Pending, Probe, Probed, Step},
};
use serde_json::Value;
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

/// Longer nobody waits for a gateway: what is written without one is told as not verified.
const PATIENCE: Duration = Duration::from_secs(10);

/// A gateway that has to run now.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) environment: EnvironmentName,
    pub(crate) name: TargetName,
    pub(crate) target: Target,
    /// Told when it runs, or does not.
    pub(crate) started: oneshot::Sender<()>,
}

/// Drivers as a server has them.
#[derive(Debug)]
pub(super) struct Gateways {
    pub(super) registry: Registry,
    pub(super) wanted: mpsc::Sender<Wanted>,
}

#[derive(Debug)]
struct Attended {
    driver: Box<dyn Driver>,
    environment: EnvironmentName,
    name: TargetName,
    target: Target,
    wanted: mpsc::Sender<Wanted>,
}

impl Targets for Gateways {
    fn open(
        &self,
        environment: &EnvironmentName,
        name: &TargetName,
        target: &Target,
    ) -> Result<Box<dyn Driver>, Box<Diagnostic>> {
        let driver = self.registry.open(environment, name, target)?;
        Ok(Box::new(Attended {
            driver,
            environment: environment.clone(),
            name: name.clone(),
            target: target.clone(),
            wanted: self.wanted.clone(),
        }))
    }
}

impl Attended {
    async fn attend(&self) {
        let (started, runs) = oneshot::channel();
        let (environment, name, target) =
            (self.environment.clone(), self.name.clone(), self.target.clone());
        if self.wanted.send(Wanted { environment, name, target, started }).await.is_ok() {
            // Whether it runs, read-back and probes tell.
            drop(timeout(PATIENCE, runs).await);
        }
    }
}

impl Driver for Attended {
    fn kind(&self) -> &'static str {
        self.driver.kind()
    }

    fn place(&self) -> String {
        self.driver.place()
    }

    fn lower(&self, desired: &Desired) -> Lowered {
        self.driver.lower(desired)
    }

    fn raise(&self, objects: &[Object]) -> Option<Desired> {
        self.driver.raise(objects)
    }

    fn canonical(&self, object: &Object) -> Value {
        self.driver.canonical(object)
    }

    fn steps(&self, differences: &[Difference]) -> Vec<Step> {
        self.driver.steps(differences)
    }

    fn probes(&self, desired: &Desired) -> Vec<Probe> {
        self.driver.probes(desired)
    }

    fn observe(&self) -> Pending<'_, Observed> {
        self.driver.observe()
    }

    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()> {
        Box::pin(async move {
            if matches!(order.step, Step::Stage) {
                self.attend().await;
            }
            self.driver.step(order).await
        })
    }

    fn probe<'a>(&'a self, probe: &'a Probe) -> Pending<'a, Probed> {
        self.driver.probe(probe)
    }

    fn call<'a>(
        &'a self,
        probe: &'a Probe,
        token: Option<&'a Redacted<String>>,
    ) -> Pending<'a, Probed> {
        self.driver.call(probe, token)
    }

    fn actor<'a>(&'a self, difference: &'a Difference) -> Pending<'a, Option<Actor>> {
        self.driver.actor(difference)
    }

    fn import(&self) -> Pending<'_, Vec<Object>> {
        self.driver.import()
    }
}
