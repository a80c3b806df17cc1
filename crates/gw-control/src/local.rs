//! What the user of this machine can do to the built-in targets of a workspace.
//!
//! Without a server the reserved identity `local` asks, the rules last applied judge, and the state
//! folder remembers. The first apply is judged by the folder's own rules.

mod failure;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gw_model::{
    clock::Clock,
    desired::Desired,
    environment::ChangeAction,
    id::{ApiName, EnvironmentName, IdentityName, TargetName, WorkspaceId},
};
use gw_plan::{
    digest::Digest,
    driver::{Driver, Object},
    plan::{Applied as InForce, Inputs, Planned, Script, TargetInput, plan},
};
use gw_policy::{
    change::Asked,
    principal::{Caller, Principal},
};
use time::OffsetDateTime;

pub use self::failure::LocalError;
use crate::{
    apply::{self, Executed, Listener, Work},
    store::{Action, Begun, Change, Documents, Outcome, Store},
};

/// The drivers of an environment's targets.
pub type Drivers = BTreeMap<TargetName, Box<dyn Driver>>;

/// One environment of one workspace, as its local user reaches it.
#[derive(Clone, Copy, Debug)]
pub struct Local<'a> {
    pub store: &'a Store,
    pub clock: &'a dyn Clock,
    pub drivers: &'a Drivers,
    pub workspace_id: &'a WorkspaceId,
    pub environment: &'a EnvironmentName,
}

/// What somebody wants to be so.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub declared: &'a Arc<Desired>,
    /// The digest of the files that say so.
    pub source: Digest,
    /// Only these APIs; empty: everything.
    pub only: &'a BTreeSet<ApiName>,
    pub action: ChangeAction,
}

/// A change that came to its end.
#[derive(Debug)]
pub struct Applied {
    pub number: u64,
    pub executed: Executed,
}

/// What an apply led to.
#[derive(Debug)]
pub enum Outcomes {
    /// Everything is as declared, and was verified before.
    Nothing,
    /// Nothing was to be written; what an earlier change wrote was looked at again.
    Proved(Applied),
    Changed(Applied),
}

impl<'a> Local<'a> {
    /// The reserved identity: whoever owns the state folder.
    pub fn caller() -> Option<Caller> {
        let identity = IdentityName::parse(IdentityName::LOCAL).ok()?;
        Some(Caller {
            principals: vec![Principal {
                identity,
                issuer: IdentityName::LOCAL.to_owned(),
                subject: IdentityName::LOCAL.to_owned(),
                claims: BTreeMap::new(),
                expires_at: None,
            }],
        })
    }

    /// What would have to be done now, and whether it may.
    pub async fn plan(self, wish: Wish<'_>) -> Result<Planned, LocalError> {
        let in_force = match self.store.in_force(self.environment).await? {
            Some(change) => Some((self.in_force(&change, wish.declared).await?, change)),
            None => None,
        };
        let applied = in_force.as_ref().map(|(desired, change)| InForce {
            change: change.number,
            at: change.begun.began_at,
            desired,
        });
        let mut targets = vec![];
        for target in wish.declared.spec.targets.keys() {
            let driver = self.driver(target)?;
            let observed = driver.observe().await.map_err(LocalError::Target)?;
            let written = self.written(target).await?;
            targets.push(TargetInput { target, driver, written, observed });
        }
        let asked = Asked {
            action: wish.action,
            actor: Self::caller().unwrap_or_default(),
            commit: None,
            approvers: BTreeSet::new(),
            approver_teams: BTreeSet::new(),
            authors: BTreeSet::new(),
            approvals: 0,
            verified_in: BTreeSet::new(),
            at: self.clock.now(),
        };
        Ok(plan(Inputs {
            workspace_id: self.workspace_id,
            source: wish.source,
            declared: wish.declared,
            applied,
            targets,
            only: wish.only,
            asked: &asked,
            subject: None,
        }))
    }

    /// Does what a plan made just now says, as far as it may be done.
    pub async fn apply(
        self,
        planned: &Planned,
        listener: &dyn Listener,
    ) -> Result<Outcomes, LocalError> {
        let Planned { plan, .. } = planned;
        self.admit(planned).await?;
        let in_force = self.store.in_force(self.environment).await?;
        if plan.is_empty()
            && let Some(change) = in_force
        {
            return match change.outcome {
                Outcome::Applied => self.prove(&change, listener).await.map(Outcomes::Proved),
                _ => Ok(Outcomes::Nothing),
            };
        }
        let effect = plan.digests.effect.total();
        if let Some(number) = self.store.held(self.environment, effect.as_str()).await? {
            return Err(LocalError::Held { number });
        }
        let new = self.new_change(planned, Action::Apply);
        let applied = self.begin(&new, planned, listener).await?;
        self.store.release(self.environment).await?;
        Ok(Outcomes::Changed(applied))
    }

    /// Goes back to the state that an earlier change left, and holds the state that was in force.
    pub async fn rollback(
        self,
        planned: &Planned,
        to: u64,
        reason: Option<String>,
        listener: &dyn Listener,
    ) -> Result<Outcomes, LocalError> {
        self.admit(planned).await?;
        let in_force = self.store.in_force(self.environment).await?;
        let Some(left) = in_force.filter(|_| !planned.plan.is_empty()) else {
            return Ok(Outcomes::Nothing);
        };
        let effect = left.begun.effect_digest.as_str();
        let at = self.clock.now();
        self.store.hold(self.environment, effect, left.number, reason.as_deref(), at).await?;
        let mut new = self.new_change(planned, Action::Rollback);
        (new.restores, new.reason) = (Some(to), reason);
        self.begin(&new, planned, listener).await.map(Outcomes::Changed)
    }

    /// The state that a change left, to go back to.
    pub async fn state_of(self, number: u64) -> Result<(Arc<Desired>, Digest), LocalError> {
        let change = self.store.change(self.environment, number).await?;
        let change = change.filter(Change::took_effect).ok_or(LocalError::NoChange { number })?;
        let source = digest(&change.begun.source_digest)?;
        let desired = from_text(&self.store.desired(self.environment, number).await?)?;
        Ok((Arc::new(desired), source))
    }

    /// Goes on with the change that stopped half way, where there is one.
    pub async fn resume(self, listener: &dyn Listener) -> Result<Option<Applied>, LocalError> {
        let Some(change) = self.store.under_way(self.environment).await? else { return Ok(None) };
        let script = self.script_of(change.number).await?;
        let applied = self.execute(&change.begun, change.number, &script, listener).await?;
        if change.begun.action == Action::Apply {
            self.store.release(self.environment).await?;
        }
        Ok(Some(applied))
    }

    /// Gives up the change that stopped half way, where there is one.
    pub async fn abandon(self, listener: &dyn Listener) -> Result<Option<u64>, LocalError> {
        let Some(change) = self.store.under_way(self.environment).await? else { return Ok(None) };
        let effect = digest(&change.begun.effect_digest)?;
        let work = self.work(change.number, change.begun.began_at, &effect, listener);
        apply::abandon(work, &self.script_of(change.number).await?).await?;
        Ok(Some(change.number))
    }

    /// Whether a plan may be executed now.
    async fn admit(self, planned: &Planned) -> Result<(), LocalError> {
        if let Some(change) = self.store.under_way(self.environment).await? {
            return Err(LocalError::HalfWay { number: change.number });
        }
        if planned.plan.has_errors() {
            return Err(LocalError::Errors);
        }
        match &planned.permit {
            Ok(_) => Ok(()),
            Err(denial) => Err(LocalError::Denied(denial.clone())),
        }
    }

    async fn prove(self, change: &Change, listener: &dyn Listener) -> Result<Applied, LocalError> {
        let effect = digest(&change.begun.effect_digest)?;
        let work = self.work(change.number, change.begun.began_at, &effect, listener);
        let executed = apply::verify(work, &self.script_of(change.number).await?).await?;
        Ok(Applied { number: change.number, executed })
    }

    async fn begin(
        self,
        change: &Begun,
        planned: &Planned,
        listener: &dyn Listener,
    ) -> Result<Applied, LocalError> {
        let documents = Documents {
            plan: to_text(&planned.plan)?,
            script: to_text(&planned.script)?,
            desired: to_text(&*planned.desired)?,
        };
        let number = self.store.begin(change, &documents).await?;
        self.execute(change, number, &planned.script, listener).await
    }

    async fn execute(
        self,
        change: &Begun,
        number: u64,
        script: &Script,
        listener: &dyn Listener,
    ) -> Result<Applied, LocalError> {
        let effect = digest(&change.effect_digest)?;
        let work = self.work(number, change.began_at, &effect, listener);
        let executed = apply::execute(work, script).await?;
        Ok(Applied { number, executed })
    }

    fn work<'w>(
        self,
        number: u64,
        began_at: OffsetDateTime,
        effect: &'w Digest,
        listener: &'w dyn Listener,
    ) -> Work<'w>
    where
        'a: 'w,
    {
        Work {
            store: self.store,
            clock: self.clock,
            drivers: self.drivers,
            listener,
            workspace_id: self.workspace_id,
            environment: self.environment,
            number,
            began_at,
            effect,
        }
    }

    fn new_change(self, planned: &Planned, action: Action) -> Begun {
        let plan = &planned.plan;
        Begun {
            environment: self.environment.clone(),
            action,
            actor: IdentityName::LOCAL.to_owned(),
            reason: None,
            restores: None,
            source_digest: plan.digests.source.to_string(),
            effect_digest: plan.digests.effect.total().to_string(),
            plan_id: plan.id.clone(),
            began_at: self.clock.now(),
        }
    }

    /// The state that a change left. Where it is the declared one, nothing is read a second time.
    async fn in_force(
        self,
        change: &Change,
        declared: &Arc<Desired>,
    ) -> Result<Arc<Desired>, LocalError> {
        let text = self.store.desired(self.environment, change.number).await?;
        if text == to_text(&**declared)? {
            return Ok(Arc::clone(declared));
        }
        from_text(&text).map(Arc::new)
    }

    async fn script_of(self, number: u64) -> Result<Script, LocalError> {
        from_text(&self.store.script(self.environment, number).await?)
    }

    fn driver(self, target: &TargetName) -> Result<&'a dyn Driver, LocalError> {
        let driver = self.drivers.get(target).map(AsRef::as_ref);
        driver.ok_or_else(|| LocalError::OnlyBuiltin { target: target.clone() })
    }

    async fn written(self, target: &TargetName) -> Result<Vec<Object>, LocalError> {
        let written = self.store.written(self.environment, target).await?;
        written.objects.values().map(|document| from_text(document)).collect()
    }
}

fn digest(text: &str) -> Result<Digest, LocalError> {
    text.parse().map_err(|error| LocalError::broken(&error))
}

fn to_text<T: serde::Serialize>(value: &T) -> Result<String, LocalError> {
    serde_json::to_string(value).map_err(|error| LocalError::broken(&error))
}

fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, LocalError> {
    serde_json::from_str(text).map_err(|error| LocalError::broken(&error))
}
