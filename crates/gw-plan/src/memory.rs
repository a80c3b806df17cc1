//! A target in memory, and plans for it, for the tests of this crate.

use std::{collections::BTreeSet, sync::Arc};

use gw_model::{
    desired::{Api, Desired},
    environment::ChangeAction,
    id::{ApiName, IdentityName, TargetName, WorkspaceId},
};
use gw_policy::{
    change::{Asked, CommitFacts},
    principal::{Caller, ClaimSet, Principal},
};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    difference::{Difference, without_origins},
    digest::Digest,
    driver::{
        Actor, Body, Driver, Fate, Lowered, Object, Observed, Order, Pending, Probe, Probed,
        Served, Step, TargetError,
    },
    fixture::{NOW, shop},
    plan::{InForce, Inputs, Planned, TargetInput, TargetScript, plan},
};

pub(crate) fn asked() -> Asked {
    Asked {
        action: ChangeAction::Apply,
        actor: Caller {
            principals: vec![Principal {
                identity: IdentityName::parse(IdentityName::LOCAL).unwrap(),
                issuer: "local".to_owned(),
                subject: "me".to_owned(),
                claims: ClaimSet::new(),
                expires_at: None,
            }],
        },
        commit: Some(CommitFacts {
            sha: "9f2c1e7d0a".to_owned(),
            branches: BTreeSet::from(["main".to_owned()]),
            tags: BTreeSet::new(),
            signed: false,
            unproven: None,
        }),
        approvers: BTreeSet::new(),
        approver_teams: BTreeSet::new(),
        authors: BTreeSet::new(),
        approvals: 0,
        verified_in: BTreeSet::new(),
        at: NOW,
    }
}

/// A target that keeps what it is given.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) objects: Mutex<Vec<Object>>,
    staged: Mutex<Vec<Object>>,
}

impl Memory {
    /// Does what a plan says on its one target.
    pub(crate) fn apply(&self, planned: &Planned) {
        let TargetScript { wanted, steps, .. } = &planned.script.targets[0];
        steps.iter().for_each(|step| self.take(step, wanted));
    }

    /// Does a step without a runtime: it is ready at once.
    fn take(&self, step: &Step, wanted: &[Object]) {
        match step {
            Step::Stage => *self.staged.lock() = wanted.to_vec(),
            Step::Switch => self.objects.lock().clone_from(&self.staged.lock()),
            Step::Retire | Step::Abandon => self.staged.lock().clear(),
            Step::Write { .. } | Step::Delete { .. } => unreachable!("it stages"),
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        let objects = self.objects.lock().clone();
        Observed {
            version: Some(objects.len().to_string()),
            objects,
            owner: None,
            served: Served::Live,
            read_at: NOW - time::Duration::seconds(3),
        }
    }
}

impl Driver for Memory {
    fn kind(&self) -> &'static str {
        "memory"
    }
    fn place(&self) -> String {
        "the gateway at 127.0.0.1:8080".to_owned()
    }
    fn lower(&self, desired: &Desired) -> Lowered {
        let api = |(name, api): (&ApiName, &Api)| Object {
            kind: "api".to_owned(),
            name: name.to_string(),
            body: Body::write(api).unwrap(),
        };
        let settings = Object {
            kind: "gateway".to_owned(),
            name: "settings".to_owned(),
            body: Body::write(&json!({ "egress": desired.spec.egress })).unwrap(),
        };
        let objects = std::iter::once(settings).chain(desired.apis.iter().map(api)).collect();
        Lowered { objects, diagnostics: vec![] }
    }
    fn raise(&self, objects: &[Object]) -> Option<Desired> {
        let apis = objects.iter().filter(|object| object.kind == "api");
        let apis = apis.map(|it| (ApiName::parse(&it.name).unwrap(), it.body.read().unwrap()));
        Some(Desired { apis: apis.collect(), ..shop() })
    }
    fn canonical(&self, object: &Object) -> Value {
        without_origins(object.body.value())
    }
    fn steps(&self, _: &[Difference]) -> Vec<Step> {
        vec![Step::Stage, Step::Switch, Step::Retire]
    }
    fn probes(&self, _: &Desired) -> Vec<Probe> {
        vec![]
    }
    fn observe(&self) -> Pending<'_, Observed> {
        Box::pin(async { Ok(self.observed()) })
    }
    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()> {
        self.take(order.step, order.wanted);
        Box::pin(async { Ok::<(), TargetError>(()) })
    }
    fn probe<'a>(&'a self, _: &'a Probe) -> Pending<'a, Probed> {
        Box::pin(async { Ok(Probed { status: 404, fate: Fate::Refused }) })
    }
    fn actor<'a>(&'a self, _: &'a Difference) -> Pending<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }
    fn import(&self) -> Pending<'_, Vec<Object>> {
        Box::pin(async { Ok(vec![]) })
    }
}

/// Plans from one state to another on a target that holds the first.
pub(crate) fn planned(before: Option<&Desired>, after: &Desired, memory: &Memory) -> Planned {
    planned_only(before, after, memory, &[])
}

pub(crate) fn planned_only(
    before: Option<&Desired>,
    after: &Desired,
    memory: &Memory,
    only: &[&str],
) -> Planned {
    let target = TargetName::parse("default").unwrap();
    let written = before.map(|before| memory.lower(before).objects).unwrap_or_default();
    let before = before.cloned().map(Arc::new);
    plan(Inputs {
        workspace_id: &WorkspaceId::from_random([7; 16]),
        source: Digest::of_bytes(b"files"),
        declared: &Arc::new(after.clone()),
        in_force: before.as_ref().map(|desired| InForce {
            change: 41,
            at: NOW - time::Duration::days(4),
            desired,
        }),
        targets: vec![TargetInput {
            target: &target,
            driver: memory,
            written,
            observed: memory.observed(),
        }],
        only: &only.iter().map(|name| ApiName::parse(name).unwrap()).collect(),
        asked: &asked(),
        owners: None,
        subject: Some("Let sales create orders".to_owned()),
    })
}

/// A target that holds what is declared.
pub(crate) fn holding(desired: &Desired) -> Memory {
    let memory = Memory::default();
    memory.objects.lock().clone_from(&memory.lower(desired).objects);
    memory
}
