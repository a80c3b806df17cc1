//! What can be done to one environment: planned, applied, gone back from, given up.
//!
//! Whoever asks, the rules last applied judge, and the store remembers. The first apply is judged by
//! the declarations' own rules.

mod failure;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gw_audit::entry::Event;
use gw_model::{
    clock::Clock,
    code::Code,
    desired::Desired,
    environment::{ChangeAction, Target},
    id::{ApiName, EnvironmentName, TargetName, WorkspaceId},
};
use gw_plan::{
    digest::Digest,
    driver::{Class, Driver, Object},
    plan::{InForce, Inputs, Note, Plan, Planned, Script, TargetInput, Weight, plan},
};
use gw_policy::change::{Asked, CommitFacts, Owner};
use serde_json::json;
use time::OffsetDateTime;

pub use self::failure::EngineError;
use crate::{
    apply::{self, Executed, Halt, Listener, Work},
    asker::Asker,
    event,
    glass::Glass,
    store::{Action, Begun, Change, Documents, Hold, Outcome, Store, Written},
};

/// The drivers of an environment's targets.
pub type Drivers = BTreeMap<TargetName, Box<dyn Driver>>;

/// One environment of one workspace, in the hands of somebody.
#[derive(Clone, Copy, Debug)]
pub struct Engine<'a> {
    pub asker: &'a Asker,
    /// Who may bring the first state, where its own rules do not say that.
    pub owners: Option<&'a Arc<[Owner]>>,
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
    pub facts: &'a Facts,
    pub measured: Measured,
}

/// From where it is measured what a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measured {
    InForce,
    /// From the last ordinary state, also while glass is broken: what came in need has to pass the rules
    /// before it stays.
    Ordinary,
}

/// What is known beside the files. It comes from the source and its host, never from whoever asks.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// None: the files are not those of a commit.
    pub commit: Option<CommitFacts>,
    /// The first line of the commit's message.
    pub subject: Option<String>,
    /// Where the same files were verified.
    pub verified_in: BTreeSet<EnvironmentName>,
}

/// A change that came to its end.
#[derive(Debug)]
pub struct Applied {
    pub number: u64,
    pub executed: Executed,
    /// The change before it that took effect: where going back leads. None: it was the first.
    pub before: Option<u64>,
}

/// What an apply led to.
#[derive(Debug)]
pub enum ApplyResult {
    /// Everything is as declared, and was verified before.
    Nothing,
    /// Nothing was to be written; what an earlier change wrote was looked at again.
    Proved(Applied),
    Changed(Applied),
}

/// What became of a change that had stopped half way.
#[derive(Debug)]
pub enum Former {
    /// There was none.
    None,
    /// It went on, and ended.
    Resumed(Applied),
    /// A target refuses it, so what is wanted now takes its place.
    Superseded(u64),
}

/// What a rollback led to.
#[derive(Debug)]
pub struct RolledBack {
    /// The change whose state was left and is held now.
    pub left: Option<u64>,
    pub result: ApplyResult,
}

impl<'a> Engine<'a> {
    /// What would have to be done now, and whether it may.
    pub async fn plan(self, wish: Wish<'_>) -> Result<Planned, EngineError> {
        let from = match wish.measured {
            Measured::InForce => self.store.in_force(self.environment).await?,
            Measured::Ordinary => self.store.ordinary(self.environment).await?,
        };
        let in_force = match from {
            Some(change) => Some((self.in_force(&change, wish.declared).await?, change)),
            None => None,
        };
        let in_force = in_force.as_ref().map(|(desired, change)| InForce {
            change: change.number,
            at: change.begun.began_at,
            desired,
        });
        let half_way = match self.store.under_way(self.environment).await? {
            Some(change) => Some(self.script_of(change.number).await?),
            None => None,
        };
        let names = self.targets(wish.declared).await?;
        let mut targets = vec![];
        for target in &names {
            let driver = self.driver(target)?;
            let observed = driver.observe().await.map_err(EngineError::Target)?;
            let mut written = self.store.written(self.environment, target).await?;
            let part = half_way.iter().flat_map(|script| &script.targets);
            if let Some(part) = part.into_iter().find(|part| part.target == *target) {
                // What we did ourselves is nobody else's doing.
                written = apply::taken(driver, part, written, &observed.objects);
            }
            let written = objects(&written)?;
            targets.push(TargetInput { target, driver, written, observed });
        }
        let asked = self.asked(wish.action, wish.facts);
        let mut planned = plan(Inputs {
            workspace_id: self.workspace_id,
            source: wish.source,
            declared: wish.declared,
            in_force,
            targets,
            only: wish.only,
            asked: &asked,
            owners: self.owners,
            subject: wish.facts.subject.clone(),
        });
        if matches!(wish.action, ChangeAction::Apply | ChangeAction::BreakGlass)
            && let Some(number) = self.held(&planned.plan).await?
        {
            planned.plan.notes.push(held_back(number));
        }
        Ok(planned)
    }

    /// What the rules are asked, before anybody's approval is counted.
    pub fn asked(self, action: ChangeAction, facts: &Facts) -> Asked {
        Asked {
            action,
            actor: self.asker.caller.clone(),
            commit: facts.commit.clone(),
            approvers: BTreeSet::new(),
            approver_teams: BTreeSet::new(),
            authors: BTreeSet::new(),
            approvals: 0,
            verified_in: facts.verified_in.clone(),
            at: self.clock.now(),
        }
    }

    /// Does what a plan made just now says, as far as it may be done.
    pub async fn apply(
        self,
        planned: &Planned,
        listener: &dyn Listener,
    ) -> Result<ApplyResult, EngineError> {
        let Planned { plan, .. } = planned;
        if let Some(number) = self.held(plan).await? {
            return Err(EngineError::Held { number });
        }
        self.admit(planned).await?;
        let in_force = self.store.in_force(self.environment).await?;
        // What somebody did in need is taken over by an ordinary change, also where that writes nothing.
        let in_force = in_force.filter(|change| change.begun.action != Action::BreakGlass);
        if plan.is_empty()
            && let Some(change) = in_force
        {
            return match change.outcome {
                Outcome::Applied => self.prove(&change, listener).await.map(ApplyResult::Proved),
                _ => Ok(ApplyResult::Nothing),
            };
        }
        let new = self.new_change(planned, Action::Apply);
        let applied = self.begin(&new, planned, None, listener).await?;
        Ok(ApplyResult::Changed(applied))
    }

    /// Does what a plan says without what an ordinary apply needs, where a rule for that allows it.
    pub async fn break_glass(
        self,
        planned: &Planned,
        glass: &Glass,
        listener: &dyn Listener,
    ) -> Result<ApplyResult, EngineError> {
        if let Some(number) = self.held(&planned.plan).await? {
            return Err(EngineError::Held { number });
        }
        self.admit(planned).await?;
        if planned.plan.is_empty() {
            return Ok(ApplyResult::Nothing);
        }
        let mut new = self.new_change(planned, Action::BreakGlass);
        (new.reason, new.until) = (Some(glass.reason.clone()), Some(glass.until));
        let applied = self.begin(&new, planned, None, listener).await?;
        Ok(ApplyResult::Changed(applied))
    }

    /// Goes back to the last ordinary state, because the time of an emergency is over. What is left
    /// is not held: it may come again in the ordinary way.
    pub async fn expire(
        self,
        planned: &Planned,
        to: u64,
        listener: &dyn Listener,
    ) -> Result<ApplyResult, EngineError> {
        self.admit(planned).await?;
        let mut new = self.new_change(planned, Action::Rollback);
        new.restores = Some(to);
        let applied = self.begin(&new, planned, None, listener).await?;
        Ok(ApplyResult::Changed(applied))
    }

    /// The change that was rolled back, where a plan would bring its state again. What only takes
    /// access away is never kept waiting.
    pub async fn held(self, plan: &Plan) -> Result<Option<u64>, EngineError> {
        if plan.is_empty() || plan.only_narrows() {
            return Ok(None);
        }
        let effect = plan.digests.effect.total();
        Ok(self.store.held(self.environment, effect.as_str()).await?)
    }

    /// Goes back to the state that an earlier change left, and holds the state that was in force. A
    /// change that stopped half way ends here: what is there of it is what is gone back from.
    pub async fn rollback(
        self,
        planned: &Planned,
        to: u64,
        reason: Option<String>,
        listener: &dyn Listener,
    ) -> Result<RolledBack, EngineError> {
        self.permitted(planned).await?;
        let left = match self.store.under_way(self.environment).await? {
            Some(change) => {
                self.supersede(&change, listener).await?;
                Some(change)
            }
            None => {
                let in_force = self.store.in_force(self.environment).await?;
                in_force.filter(|_| !planned.plan.is_empty())
            }
        };
        let effect = planned.plan.digests.effect.total();
        let left = left.filter(|left| left.begun.effect_digest != effect.as_str());
        let left = left.map(|left| Hold {
            environment: self.environment.clone(),
            number: left.number,
            effect_digest: left.begun.effect_digest,
            reason: reason.clone(),
        });
        let number = left.as_ref().map(|left| left.number);
        if planned.plan.is_empty() {
            if let Some(left) = &left {
                self.store.hold(left, self.asker.actor.clone(), self.clock.now()).await?;
            }
            return Ok(RolledBack { left: number, result: ApplyResult::Nothing });
        }
        let mut new = self.new_change(planned, Action::Rollback);
        (new.restores, new.reason) = (Some(to), reason);
        let applied = self.begin(&new, planned, left.as_ref(), listener).await?;
        Ok(RolledBack { left: number, result: ApplyResult::Changed(applied) })
    }

    /// The state that a change left, to go back to.
    pub async fn state_of(self, number: u64) -> Result<(Arc<Desired>, Digest), EngineError> {
        let change = self.store.change(self.environment, number).await?;
        change.filter(Change::took_effect).ok_or(EngineError::NoChange { number })?;
        state_of(self.store, self.environment, number).await
    }

    /// Ends a change that stopped half way, before what is planned begins. It goes on; but where a
    /// target refuses it and something else is wanted now, the plan takes its place: made again, it
    /// leads from what is there.
    pub async fn make_way(
        self,
        planned: &Planned,
        listener: &dyn Listener,
    ) -> Result<Former, EngineError> {
        let Some(change) = self.store.under_way(self.environment).await? else {
            return Ok(Former::None);
        };
        let other = change.begun.effect_digest != planned.plan.digests.effect.total().as_str();
        let journal = self.store.steps(self.environment, change.number).await?;
        if !(other && apply::is_refused(&journal)) {
            let halt = match self.resume(&change, listener).await {
                Err(EngineError::Halt(halt @ Halt::HalfWay { .. })) => halt,
                resumed => return resumed.map(Former::Resumed),
            };
            let is_for_people =
                matches!(&halt, Halt::HalfWay { error, .. } if error.class() == Class::Human);
            let goes_on = self.store.under_way(self.environment).await?.is_some();
            if !(other && is_for_people && goes_on) {
                return Err(EngineError::Halt(halt));
            }
        }
        self.permitted(planned).await?;
        self.supersede(&change, listener).await?;
        Ok(Former::Superseded(change.number))
    }

    /// Brings the change to its end that stopped half way, where there is one that no target refuses.
    pub async fn go_on(self, listener: &dyn Listener) -> Result<Option<Applied>, EngineError> {
        let Some(change) = self.store.under_way(self.environment).await? else { return Ok(None) };
        let journal = self.store.steps(self.environment, change.number).await?;
        if apply::is_refused(&journal) {
            return Err(EngineError::HalfWay { number: change.number });
        }
        self.resume(&change, listener).await.map(Some)
    }

    async fn resume(
        self,
        change: &Change,
        listener: &dyn Listener,
    ) -> Result<Applied, EngineError> {
        let script = self.script_of(change.number).await?;
        self.execute(&change.begun, change.number, &script, listener).await
    }

    async fn supersede(self, change: &Change, listener: &dyn Listener) -> Result<(), EngineError> {
        let effect = digest(&change.begun.effect_digest)?;
        let work = self.work(change.number, change.begun.began_at, &effect, listener);
        Ok(apply::supersede(work, &self.script_of(change.number).await?).await?)
    }

    /// Gives up the change that stopped half way, where there is one.
    pub async fn abandon(self, listener: &dyn Listener) -> Result<Option<u64>, EngineError> {
        let Some(change) = self.store.under_way(self.environment).await? else { return Ok(None) };
        let effect = digest(&change.begun.effect_digest)?;
        let work = self.work(change.number, change.begun.began_at, &effect, listener);
        apply::abandon(work, &self.script_of(change.number).await?).await?;
        Ok(Some(change.number))
    }

    /// Whether a plan may be executed now.
    async fn admit(self, planned: &Planned) -> Result<(), EngineError> {
        if let Some(change) = self.store.under_way(self.environment).await? {
            return Err(EngineError::HalfWay { number: change.number });
        }
        self.permitted(planned).await
    }

    /// A refusal is on the record as well; a permission is with the change that begins by it.
    pub(crate) async fn permitted(self, planned: &Planned) -> Result<(), EngineError> {
        if planned.plan.has_errors() {
            return Err(EngineError::Errors);
        }
        let Err(denial) = &planned.permit else { return Ok(()) };
        let refused = self.decided(planned).await?;
        self.store.record(refused, self.clock.now()).await?;
        Err(EngineError::Denied(denial.clone()))
    }

    /// What is decided, and on whose approval: people stand in the ledger behind a salt.
    async fn decided(self, planned: &Planned) -> Result<Event, EngineError> {
        let mut approvers = vec![];
        for person in &planned.approvers {
            approvers.push(self.store.hide(person.as_str()).await?.as_str().to_owned());
        }
        let action = match &planned.permit {
            Ok(permit) => permit.action(),
            Err(denial) => denial.action,
        };
        let decided = event::decided(self.asker.actor.clone(), &planned.plan);
        let decided = decided.fact("action", action.as_str());
        let decided = match planned.waits.is_empty() {
            true => decided,
            false => decided.fact("waits", json!(planned.waits)),
        };
        let decided = match approvers.is_empty() {
            true => decided,
            false => decided.fact("approvedBy", approvers),
        };
        if planned.merges.is_empty() {
            return Ok(decided);
        }
        let mut merges = vec![];
        for (number, by) in &planned.merges {
            let by = match by {
                Some(name) => Some(self.store.hide(name).await?.as_str().to_owned()),
                None => None,
            };
            merges.push(json!([json!(number), json!(by.unwrap_or_default())]));
        }
        Ok(decided.fact("merges", merges))
    }

    async fn prove(self, change: &Change, listener: &dyn Listener) -> Result<Applied, EngineError> {
        let effect = digest(&change.begun.effect_digest)?;
        let work = self.work(change.number, change.begun.began_at, &effect, listener);
        let executed = apply::verify(work, &self.script_of(change.number).await?).await?;
        self.applied(change.number, executed).await
    }

    async fn begin(
        self,
        change: &Begun,
        planned: &Planned,
        left: Option<&Hold>,
        listener: &dyn Listener,
    ) -> Result<Applied, EngineError> {
        let documents = Documents {
            plan: to_text(&planned.plan)?,
            script: to_text(&planned.script)?,
            desired: to_text(&*planned.desired)?,
        };
        let decided = self.decided(planned).await?;
        let number = self.store.begin(change, &documents, decided, left).await?;
        self.execute(change, number, &planned.script, listener).await
    }

    async fn execute(
        self,
        change: &Begun,
        number: u64,
        script: &Script,
        listener: &dyn Listener,
    ) -> Result<Applied, EngineError> {
        let effect = digest(&change.effect_digest)?;
        let work = self.work(number, change.began_at, &effect, listener);
        let executed = apply::execute(work, script).await?;
        self.applied(number, executed).await
    }

    async fn applied(self, number: u64, executed: Executed) -> Result<Applied, EngineError> {
        let before = self.store.in_force_before(self.environment, number).await?;
        Ok(Applied { number, executed, before })
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
            actor: self.asker.actor.clone(),
            reason: None,
            restores: None,
            until: None,
            source_digest: plan.digests.source.to_string(),
            effect_digest: plan.digests.effect.total().to_string(),
            plan_id: plan.id.clone(),
            commit: plan.commit.as_ref().map(|commit| commit.sha.clone()),
            began_at: self.clock.now(),
        }
    }

    /// The state that a change left. Where it is the declared one, nothing is read a second time.
    async fn in_force(
        self,
        change: &Change,
        declared: &Arc<Desired>,
    ) -> Result<Arc<Desired>, EngineError> {
        let text = self.store.desired(self.environment, change.number).await?;
        if text == to_text(&**declared)? {
            return Ok(Arc::clone(declared));
        }
        from_text(&text).map(Arc::new)
    }

    async fn script_of(self, number: u64) -> Result<Script, EngineError> {
        from_text(&self.store.script(self.environment, number).await?)
    }

    fn driver(self, target: &TargetName) -> Result<&'a dyn Driver, EngineError> {
        let driver = self.drivers.get(target).map(AsRef::as_ref);
        driver.ok_or_else(|| EngineError::OnlyBuiltin { target: target.clone() })
    }

    /// The targets that are declared, and those that hold something of ours and are not any more.
    async fn targets(self, declared: &Desired) -> Result<BTreeSet<TargetName>, EngineError> {
        let mut targets: BTreeSet<_> = declared.spec.targets.keys().cloned().collect();
        targets.extend(self.store.written_targets(self.environment).await?);
        Ok(targets)
    }
}

/// What a change made hold, and the digest of the files that said so.
pub async fn state_of(
    store: &Store,
    environment: &EnvironmentName,
    number: u64,
) -> Result<(Arc<Desired>, Digest), EngineError> {
    let change = store.change(environment, number).await?;
    let change = change.ok_or(EngineError::NoChange { number })?;
    let desired = from_text(&store.desired(environment, number).await?)?;
    Ok((Arc::new(desired), digest(&change.begun.source_digest)?))
}

/// The plan that a change carried out.
pub async fn plan_of(
    store: &Store,
    environment: &EnvironmentName,
    number: u64,
) -> Result<Plan, EngineError> {
    from_text(&store.planned(environment, number).await?)
}

/// Every target that something may have to be done to, with its settings: those that are declared,
/// those of the state in force, and those of a change that stopped half way.
pub async fn known_targets(
    store: &Store,
    environment: &EnvironmentName,
    declared: &Desired,
) -> Result<BTreeMap<TargetName, Target>, EngineError> {
    let mut known = declared.spec.targets.clone();
    let under_way = store.under_way(environment).await?;
    let written = store.written_targets(environment).await?;
    if under_way.is_none() && written.iter().all(|target| known.contains_key(target)) {
        return Ok(known);
    }
    let in_force = store.in_force(environment).await?;
    for change in in_force.iter().chain(&under_way) {
        let former: Desired = from_text(&store.desired(environment, change.number).await?)?;
        for (name, target) in former.spec.targets {
            known.entry(name).or_insert(target);
        }
    }
    Ok(known)
}

fn objects(written: &Written) -> Result<Vec<Object>, EngineError> {
    written.objects.values().map(|document| from_text(document)).collect()
}

fn digest(text: &str) -> Result<Digest, EngineError> {
    text.parse().map_err(|error| EngineError::broken(&error))
}

fn to_text<T: serde::Serialize>(value: &T) -> Result<String, EngineError> {
    serde_json::to_string(value).map_err(|error| EngineError::broken(&error))
}

fn from_text<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, EngineError> {
    serde_json::from_str(text).map_err(|error| EngineError::broken(&error))
}

/// What a plan says first of all where its state was rolled back.
fn held_back(number: u64) -> Note {
    Note {
        code: Code::StateHeld.to_string(),
        severity: Weight::Error,
        text: format!("change {number} did this and was rolled back: it is held"),
        at: None,
        help: vec![
            "change the declarations, or apply another state first".to_owned(),
            format!("to have just that state again: `gatewright rollback --to {number}`"),
        ],
    }
}
