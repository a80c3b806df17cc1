//! A target in memory. What it lowers to, and what it compares, is the built-in driver's; what it
//! holds stands here, where a test can change it behind everybody's back.

use std::sync::Arc;

use gw_control::server::Targets;
use gw_drivers::registry::Registry;
use gw_model::{
    clock::Clock,
    desired::Desired,
    diagnostic::Diagnostic,
    environment::Target,
    id::{EnvironmentName, TargetName, WorkspaceId},
    secret::Redacted,
};
use gw_plan::{
    difference::Difference,
    driver::{
        Actor, Answer, Driver, Fate, Lowered, Object, Observed, Order, Pending, Probe, Probed,
        Served, Step, TargetError,
    },
};
use gw_policy::{
    can::{Known, Question, SOMEWHERE},
    principal::Caller,
    snapshot::Snapshot,
    token::{TrustedIssuers, Unverified, claimed},
};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

#[derive(Debug)]
pub(super) struct Gateways {
    pub(super) registry: Registry,
    pub(super) live: Live,
}

/// What is served, seen by whoever has a copy of this.
#[derive(Clone, Debug, Default)]
pub(super) struct Live(pub(super) Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) objects: Vec<Object>,
    staged: Option<Vec<Object>>,
    pub(super) version: u64,
    owner: Option<WorkspaceId>,
    /// How often another state was put in force.
    pub(super) switches: u64,
    /// With this text in what is served, the backend does not work.
    pub(super) sick: Option<String>,
    /// It does not answer.
    pub(super) is_down: bool,
    /// Who does this step next stops before it.
    pub(super) stop: Option<Stop>,
}

/// Where somebody stops in the middle.
#[derive(Clone, Debug)]
pub(super) struct Stop {
    pub(super) before: Step,
    pub(super) reached: Arc<Notify>,
    pub(super) go_on: Arc<Notify>,
}

#[derive(Debug)]
struct Memory {
    pure: Box<dyn Driver>,
    clock: Arc<dyn Clock>,
    workspace_id: WorkspaceId,
    live: Live,
}

impl Live {
    /// Somebody replaces a text in what is served.
    pub(super) fn tamper(&self, from: &str, to: &str) {
        let mut state = self.0.lock();
        let mut objects = vec![];
        for object in &state.objects {
            let text = serde_json::to_string(object).unwrap().replace(from, to);
            objects.push(serde_json::from_str(&text).unwrap());
        }
        assert_ne!(objects, state.objects, "`{from}` is not served");
        state.objects = objects;
        state.version += 1;
    }

    pub(super) fn has(&self, text: &str) -> bool {
        let state = self.0.lock();
        state.objects.iter().any(|it| serde_json::to_string(it).unwrap().contains(text))
    }

    pub(super) fn switches(&self) -> u64 {
        self.0.lock().switches
    }
}

impl Targets for Gateways {
    fn open(
        &self,
        environment: &EnvironmentName,
        name: &TargetName,
        target: &Target,
    ) -> Result<Box<dyn Driver>, Box<Diagnostic>> {
        let pure = self.registry.open(environment, name, target)?;
        let (clock, live) = (Arc::clone(&self.registry.clock), self.live.clone());
        let workspace_id = self.registry.workspace_id.clone();
        Ok(Box::new(Memory { pure, clock, workspace_id, live }))
    }
}

impl Memory {
    fn down(&self) -> Result<(), TargetError> {
        match self.live.0.lock().is_down {
            true => {
                let (place, because) = (self.place(), "it is down".to_owned());
                Err(TargetError::Unreachable { place, because })
            }
            false => Ok(()),
        }
    }
}

impl Driver for Memory {
    fn kind(&self) -> &'static str {
        self.pure.kind()
    }

    fn place(&self) -> String {
        self.pure.place()
    }

    fn lower(&self, desired: &Desired) -> Lowered {
        self.pure.lower(desired)
    }

    fn raise(&self, objects: &[Object]) -> Option<Desired> {
        self.pure.raise(objects)
    }

    fn canonical(&self, object: &Object) -> Value {
        self.pure.canonical(object)
    }

    fn steps(&self, differences: &[Difference]) -> Vec<Step> {
        self.pure.steps(differences)
    }

    fn probes(&self, desired: &Desired) -> Vec<Probe> {
        self.pure.probes(desired)
    }

    fn observe(&self) -> Pending<'_, Observed> {
        Box::pin(async move {
            self.down()?;
            let state = self.live.0.lock();
            Ok(Observed {
                objects: state.objects.clone(),
                owner: state.owner.clone(),
                version: Some(state.version.to_string()),
                served: Served::Live,
                read_at: self.clock.now(),
            })
        })
    }

    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()> {
        Box::pin(async move {
            self.down()?;
            let stop = self.live.0.lock().stop.take_if(|stop| stop.before == *order.step);
            if let Some(Stop { reached, go_on, .. }) = stop {
                reached.notify_one();
                go_on.notified().await;
            }
            let mut state = self.live.0.lock();
            let found = Some(state.version.to_string());
            let is_before = matches!(order.step, Step::Stage | Step::Switch);
            // Who was cut off behind it does it again.
            let is_done = state.staged.is_none() && state.objects == order.wanted;
            if is_before && !is_done && order.condition.version != found {
                let (place, expected) = (self.place(), order.condition.version.clone());
                return Err(TargetError::Moved { place, expected, found });
            }
            match order.step {
                Step::Stage => state.staged = Some(order.wanted.to_vec()),
                Step::Switch => {
                    if let Some(staged) = state.staged.take() {
                        state.objects = staged;
                        state.version += 1;
                        state.switches += 1;
                        state.owner = Some(self.workspace_id.clone());
                    }
                }
                Step::Abandon => state.staged = None,
                Step::Write { .. } | Step::Delete { .. } | Step::Retire => {}
            }
            Ok(())
        })
    }

    fn probe<'a>(&'a self, probe: &'a Probe) -> Pending<'a, Probed> {
        Box::pin(async move {
            self.down()?;
            Ok(match probe.expect {
                Answer::Status(status) => Probed { status, fate: Fate::Refused },
                Answer::LetThrough => Probed { status: 200, fate: Fate::Answered },
                Answer::Success => {
                    let sick = self.live.0.lock().sick.clone();
                    let status = match sick.is_some_and(|sick| self.live.has(&sick)) {
                        true => 503,
                        false => 200,
                    };
                    Probed { status, fate: Fate::Answered }
                }
            })
        })
    }

    fn call<'a>(
        &'a self,
        probe: &'a Probe,
        token: Option<&'a Redacted<String>>,
    ) -> Pending<'a, Probed> {
        Box::pin(async move {
            let live = self.pure.raise(&self.live.0.lock().objects).unwrap();
            let target = live.spec.targets.keys().next().unwrap().clone();
            let snapshot = Snapshot::compile(&live, &target).unwrap();
            let issuers = TrustedIssuers::of(&live.identities);
            let now = self.clock.now();
            let principals = token.map(|token| {
                let token = Unverified::parse(token.reveal()).unwrap();
                let issuer = issuers.get(token.issuer()).unwrap();
                claimed(&token, issuer, now.unix_timestamp()).unwrap()
            });
            let caller = Caller { principals: principals.unwrap_or_default() };
            let answer = snapshot.can(&Question {
                caller: &caller,
                method: probe.method.as_str(),
                host: "localhost",
                path: &probe.path,
                ip: Known::Given(SOMEWHERE),
                now: Known::Given(now),
            });
            let fate = if answer.allowed { Fate::Answered } else { Fate::Refused };
            Ok(Probed { status: answer.reason.status(), fate })
        })
    }

    fn actor<'a>(&'a self, _: &'a Difference) -> Pending<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }

    fn import(&self) -> Pending<'_, Vec<Object>> {
        Box::pin(async move { Ok(self.live.0.lock().objects.clone()) })
    }
}
