//! Does what was decided, step by step, and decides nothing itself.
//!
//! Every act is written to the journal before it is done and again after. Whoever finds a change
//! half done, after a kill or a power cut, calls [`execute`] again: what is recorded as done is not
//! done twice, what was only intended is done again, which every step of a driver bears.

mod act;

use std::{collections::BTreeMap, fmt, pin::Pin};

use gw_model::{
    clock::Clock,
    id::{EnvironmentName, TargetName, WorkspaceId},
};
use gw_plan::{
    difference::compare,
    digest::Digest,
    driver::{Class, Driver, Object, Stamp, Step, TargetError},
    plan::{Script, TargetScript},
};
use time::OffsetDateTime;

use self::act::{Act, Acted};
use crate::store::{ActName, Ending, Outcome, StepRecord, StepState, Store, StoreError, Written};

/// What an execution works with.
#[derive(Clone, Copy, Debug)]
pub struct Work<'a> {
    pub store: &'a Store,
    pub clock: &'a dyn Clock,
    pub drivers: &'a BTreeMap<TargetName, Box<dyn Driver>>,
    pub listener: &'a dyn Listener,
    pub workspace_id: &'a WorkspaceId,
    pub environment: &'a EnvironmentName,
    pub number: u64,
    /// When the change began: every step of it carries the same stamp, also after a restart.
    pub began_at: OffsetDateTime,
    pub effect: &'a Digest,
}

/// Hears of every act as it goes on.
pub trait Listener: fmt::Debug + Send + Sync {
    fn hear<'a>(&'a self, news: &'a News<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
}

#[derive(Clone, Copy, Debug)]
pub struct News<'a> {
    pub number: u64,
    pub target: &'a TargetName,
    pub step: ActName,
    pub moment: Moment<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment<'a> {
    /// It is in the journal and not done.
    Intended,
    /// It is done and the journal does not know yet.
    Acted,
    /// It is done, and the journal knows.
    Done {
        words: &'a str,
        ms: u64,
    },
    Failed {
        words: &'a str,
    },
}

/// How an execution ended that came to its end.
#[derive(Debug)]
pub enum Executed {
    /// Read back and probed.
    Verified,
    /// Read back and probed; and calls that are let through bring no answer of a backend.
    Hindered(Vec<String>),
    /// Written, and nobody is there to prove it.
    Unproven(TargetError),
}

/// Why an execution did not come to its end.
#[derive(Debug)]
pub enum Halt {
    /// The state failed; the journal says how far it came.
    Store(StoreError),
    /// The ground moved, or the target is not to be had; nothing was written, the change is over.
    NotBegun(TargetError),
    /// Running it again continues.
    HalfWay { step: ActName, target: TargetName, reach: Reach, error: TargetError },
    /// The environment has no such target any more.
    NoDriver(TargetName),
    /// Callers may meet the new state already, so it cannot be given up.
    TooLate,
}

/// What callers see of a change that stopped half way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Still the former state.
    Former,
    /// The new state, at least on some target.
    New,
}

/// How often a busy target is asked again.
const ATTEMPTS: u32 = 5;
/// The longest wait for a busy target.
const MAX_WAIT_MS: u64 = 10_000;

/// Does the acts of a script that are not done yet, and ends the change.
pub async fn execute(work: Work<'_>, script: &Script) -> Result<Executed, Halt> {
    let journal = work.store.steps(work.environment, work.number).await?;
    let mut hindrances = vec![];
    for (position, (part, act)) in (0u32..).zip(act::acts(script)) {
        let known = journal.iter().find(|record| record.position == position);
        if known.is_some_and(|record| record.state == StepState::Done)
            && !(act.name() == ActName::Stage && is_cleared(&journal, part))
        {
            continue;
        }
        // Once we write, the target moves because of us; the conditions of the steps watch on.
        if act == Act::Recheck && journal.iter().any(|record| record.name != act.name()) {
            continue;
        }
        let error = match work.perform(position, part, act).await? {
            Ok(found) => {
                hindrances.extend(found);
                continue;
            }
            Err(error) => error,
        };
        if act == Act::ReadBack && matches!(error, TargetError::Unreachable { .. }) {
            work.end(Outcome::Applied, Some(error.to_string()), Some(script)).await?;
            return Ok(Executed::Unproven(error));
        }
        return Err(work.halt(part, act, script, error).await?);
    }
    work.verified(hindrances, Some(script)).await
}

/// Proves again what is in force: reads back and probes, and writes nothing to any target.
pub async fn verify(work: Work<'_>, script: &Script) -> Result<Executed, Halt> {
    let mut hindrances = vec![];
    let proofs = (0u32..).zip(act::acts(script));
    for (position, (part, act)) in proofs.filter(|(_, (_, act))| act.proves()) {
        match work.perform(position, part, act).await? {
            Ok(found) => hindrances.extend(found),
            Err(error) => {
                work.end(Outcome::Applied, Some(error.to_string()), None).await?;
                return Ok(Executed::Unproven(error));
            }
        }
    }
    work.verified(hindrances, None).await
}

/// Gives up a change that stopped half way, as long as callers cannot have seen it.
pub async fn abandon(work: Work<'_>, script: &Script) -> Result<(), Halt> {
    let journal = work.store.steps(work.environment, work.number).await?;
    if reach(&journal) == Reach::New {
        return Err(Halt::TooLate);
    }
    work.clear(script, &journal).await?;
    work.end(Outcome::Abandoned, None, None).await?;
    Ok(())
}

/// Ends a change that stopped half way so that another one can begin from what is there now. What
/// was only staged is removed; what a target took over counts as written.
pub async fn supersede(work: Work<'_>, script: &Script) -> Result<(), Halt> {
    let journal = work.store.steps(work.environment, work.number).await?;
    work.clear(script, &journal).await?;
    let mut taken = vec![];
    for part in &script.targets {
        let reached =
            |record: &StepRecord| record.target == part.target && record.name.reaches_callers();
        if journal.iter().any(reached) {
            let driver = work.driver(part)?;
            let observed = driver.observe().await;
            let observed =
                observed.map_err(|error| half_way(part, Act::ReadBack, &journal, error))?;
            let former = work.store.written(work.environment, &part.target).await?;
            taken.push(self::taken(driver, part, former, &observed.objects));
        }
    }
    let refused = journal.iter().rev().find(|record| record.state == StepState::Failed);
    let detail = refused.and_then(|record| record.detail.clone());
    let ending =
        Ending { outcome: Outcome::Superseded, detail, at: work.clock.now(), written: Some(taken) };
    work.store.end(work.environment, work.number, &ending).await?;
    Ok(())
}

/// What a target holds of a change that stopped half way: the new form of an object where it is
/// there, else what was written before.
pub fn taken(
    driver: &dyn Driver,
    part: &TargetScript,
    former: Written,
    live: &[Object],
) -> Written {
    let mut former = former.objects;
    let mut taken = written(part);
    for difference in compare(driver, &part.wanted, &part.wanted, live) {
        let key = difference.key.to_string();
        match former.remove(&key) {
            Some(document) => taken.objects.insert(key, document),
            None => taken.objects.remove(&key),
        };
    }
    taken
}

/// Whether a target refused a step of the change: the same again would be refused again.
pub fn is_refused(journal: &[StepRecord]) -> bool {
    journal.iter().any(|record| record.state == StepState::Failed)
}

/// Whether callers may have seen the new state.
pub fn reach(journal: &[StepRecord]) -> Reach {
    let seen =
        |record: &StepRecord| record.name.reaches_callers() && record.state != StepState::Failed;
    if journal.iter().any(seen) { Reach::New } else { Reach::Former }
}

/// Whether what was staged on a target was removed again, so that nothing is there to switch to.
fn is_cleared(journal: &[StepRecord], part: &TargetScript) -> bool {
    let cleared =
        |record: &StepRecord| record.target == part.target && record.name == ActName::Abandon;
    journal.iter().any(cleared)
}

impl<'a> Work<'a> {
    /// One act with its two entries in the journal. It gives what stands in the way of calls.
    async fn perform(
        self,
        position: u32,
        part: &TargetScript,
        act: Act<'_>,
    ) -> Result<Result<Vec<String>, TargetError>, Halt> {
        let driver = self.driver(part)?;
        let began_at = self.clock.now();
        let mut record = StepRecord {
            position,
            target: part.target.clone(),
            name: act.name(),
            state: StepState::Intended,
            detail: None,
            began_at,
            ended_at: None,
        };
        self.store.intend(self.environment, self.number, &record).await?;
        self.tell(part, act, Moment::Intended).await;
        let acted = self.insist(part, act, driver).await?;
        self.tell(part, act, Moment::Acted).await;
        let ended_at = self.clock.now();
        let (state, words) = match &acted {
            Ok(acted) => (StepState::Done, acted.words.clone()),
            Err(error) if error.may_have_acted() => (StepState::Intended, error.to_string()),
            Err(error) => (StepState::Failed, error.to_string()),
        };
        record.state = state;
        record.detail = Some(words.clone());
        record.ended_at = Some(ended_at);
        self.store.settle(self.environment, self.number, &record).await?;
        let moment = match &acted {
            Ok(_) => Moment::Done { words: &words, ms: millis(began_at, ended_at) },
            Err(_) => Moment::Failed { words: &words },
        };
        self.tell(part, act, moment).await;
        Ok(acted.map(|acted| acted.hindrances))
    }

    /// Removes what was staged. Each target has a place of its own in the journal, behind all acts.
    async fn clear(self, script: &Script, journal: &[StepRecord]) -> Result<(), Halt> {
        let behind = act::acts(script).len();
        for (index, part) in script.targets.iter().enumerate() {
            let staged =
                |record: &StepRecord| record.target == part.target && record.name == ActName::Stage;
            if !journal.iter().any(staged) {
                continue;
            }
            let position = u32::try_from(behind + index).unwrap_or(u32::MAX);
            let act = Act::Step(&Step::Abandon);
            if let Err(error) = self.perform(position, part, act).await? {
                return Err(half_way(part, act, journal, error));
            }
        }
        Ok(())
    }

    /// Asks a busy target again, a few times.
    async fn insist(
        self,
        part: &TargetScript,
        act: Act<'_>,
        driver: &dyn Driver,
    ) -> Result<Result<Acted, TargetError>, StoreError> {
        let mut attempt = 1;
        loop {
            // A target asks nobody whether we still may: we do, each time.
            self.store.renew().await?;
            let acted = act.perform(self, part, driver).await;
            let Err(error) = &acted else { return Ok(acted) };
            match error.class() {
                Class::Retry { after_ms } if attempt < ATTEMPTS => {
                    let wait_ms = after_ms.min(MAX_WAIT_MS);
                    tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
                    attempt += 1;
                }
                Class::Retry { .. } | Class::Wait | Class::Human => return Ok(acted),
            }
        }
    }

    /// What an error means for the change as a whole.
    async fn halt(
        self,
        part: &TargetScript,
        act: Act<'_>,
        script: &Script,
        error: TargetError,
    ) -> Result<Halt, StoreError> {
        let journal = self.store.steps(self.environment, self.number).await?;
        match act {
            Act::Recheck => {
                self.end(Outcome::Failed, Some(error.to_string()), None).await?;
                return Ok(Halt::NotBegun(error));
            }
            // It is written: what remains is to prove it, which the next apply does.
            Act::ReadBack | Act::Probe => {
                self.end(Outcome::Applied, Some(error.to_string()), Some(script)).await?;
            }
            Act::Step(_) => {}
        }
        Ok(half_way(part, act, &journal, error))
    }

    async fn verified(
        self,
        hindrances: Vec<String>,
        script: Option<&Script>,
    ) -> Result<Executed, Halt> {
        let detail = Some(hindrances.join("; ")).filter(|words| !words.is_empty());
        self.end(Outcome::Verified, detail, script).await?;
        Ok(if hindrances.is_empty() { Executed::Verified } else { Executed::Hindered(hindrances) })
    }

    async fn end(
        self,
        outcome: Outcome,
        detail: Option<String>,
        script: Option<&Script>,
    ) -> Result<(), StoreError> {
        let written = script.map(|script| script.targets.iter().map(written).collect());
        let ending = Ending { outcome, detail, at: self.clock.now(), written };
        self.store.end(self.environment, self.number, &ending).await
    }

    async fn tell(self, part: &TargetScript, act: Act<'_>, moment: Moment<'_>) {
        let news = News { number: self.number, target: &part.target, step: act.name(), moment };
        self.listener.hear(&news).await;
    }

    fn driver(self, part: &TargetScript) -> Result<&'a dyn Driver, Halt> {
        let driver = self.drivers.get(&part.target);
        driver.map(AsRef::as_ref).ok_or_else(|| Halt::NoDriver(part.target.clone()))
    }

    fn stamp(self) -> Stamp {
        Stamp { change: self.number, effect: self.effect.clone(), at: self.began_at }
    }
}

fn half_way(part: &TargetScript, act: Act<'_>, journal: &[StepRecord], error: TargetError) -> Halt {
    let (step, target) = (act.name(), part.target.clone());
    Halt::HalfWay { step, target, reach: reach(journal), error }
}

fn written(part: &TargetScript) -> Written {
    let document = |object: &Object| {
        // An object is plain data: writing it as JSON cannot fail.
        (object.key().to_string(), serde_json::to_string(object).unwrap_or_default())
    };
    Written { target: part.target.clone(), objects: part.wanted.iter().map(document).collect() }
}

fn millis(from: OffsetDateTime, to: OffsetDateTime) -> u64 {
    u64::try_from((to - from).whole_milliseconds()).unwrap_or_default()
}

impl From<StoreError> for Halt {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::NotBegun(error) => write!(f, "{error}"),
            Self::HalfWay { step, target, reach: _, error } => {
                write!(f, "stopped at `{step}` on target `{target}`: {error}")
            }
            Self::NoDriver(target) => {
                write!(f, "there is no target `{target}` in this environment any more")
            }
            Self::TooLate => f.write_str(
                "callers may meet the new state already, so it cannot simply be given up",
            ),
        }
    }
}

impl std::error::Error for Halt {}

#[cfg(test)]
mod tests;
