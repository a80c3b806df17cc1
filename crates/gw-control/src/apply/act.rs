//! The acts of a change and their order: every target is rechecked before one is written, staged
//! before one is switched, and nothing is cleared away before all is proved.

use gw_plan::{
    driver::{Condition, Driver, Order, Served, Step, TargetError, read_back},
    plan::{Script, TargetScript},
};

use super::Work;
use crate::store::ActName;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act<'a> {
    /// The target still looks as it did when the decision was made.
    Recheck,
    Step(&'a Step),
    /// It serves what was written.
    ReadBack,
    /// It answers as declared.
    Probe,
}

/// What was done, in words, and what stands in the way of calls all the same.
#[derive(Debug)]
pub(super) struct Acted {
    pub(super) words: String,
    pub(super) hindrances: Vec<String>,
}

impl From<String> for Acted {
    fn from(words: String) -> Self {
        Self { words, hindrances: vec![] }
    }
}

/// The acts of a script in the order in which they are done. The journal knows them by place.
pub(super) fn acts(script: &Script) -> Vec<(&TargetScript, Act<'_>)> {
    let parts = || script.targets.iter();
    let steps = |wanted: fn(&Step) -> bool| {
        parts().flat_map(move |part| {
            let chosen = part.steps.iter().filter(move |step| wanted(step));
            chosen.map(move |step| (part, Act::Step(step)))
        })
    };
    parts()
        .map(|part| (part, Act::Recheck))
        .chain(steps(|step| matches!(step, Step::Stage)))
        .chain(steps(|step| {
            matches!(step, Step::Write { .. } | Step::Delete { .. } | Step::Switch)
        }))
        .chain(parts().map(|part| (part, Act::ReadBack)))
        .chain(parts().map(|part| (part, Act::Probe)))
        .chain(steps(|step| matches!(step, Step::Retire | Step::Abandon)))
        .collect()
}

impl Act<'_> {
    /// Whether it only looks whether what was written is so.
    pub(super) const fn proves(self) -> bool {
        matches!(self, Self::ReadBack | Self::Probe)
    }

    pub(super) const fn name(self) -> ActName {
        match self {
            Self::Recheck => ActName::Recheck,
            Self::Step(Step::Stage) => ActName::Stage,
            Self::Step(Step::Write { .. }) => ActName::Write,
            Self::Step(Step::Delete { .. }) => ActName::Delete,
            Self::Step(Step::Switch) => ActName::Switch,
            Self::Step(Step::Retire) => ActName::Retire,
            Self::Step(Step::Abandon) => ActName::Abandon,
            Self::ReadBack => ActName::ReadBack,
            Self::Probe => ActName::Probe,
        }
    }

    /// Does it, and says in words what was done.
    pub(super) async fn perform(
        self,
        work: Work<'_>,
        part: &TargetScript,
        driver: &dyn Driver,
    ) -> Result<Acted, TargetError> {
        match self {
            Self::Recheck => recheck(work, part, driver).await.map(Acted::from),
            Self::Step(step) => {
                let condition = Condition { version: part.version.clone() };
                let (stamp, wanted) = (work.stamp(), part.wanted.as_slice());
                driver.step(Order { step, wanted, stamp: &stamp, condition: &condition }).await?;
                Ok(words(step, part).into())
            }
            Self::ReadBack => {
                let observed = driver.observe().await?;
                observed.admit(work.workspace_id, &driver.place())?;
                read_back(driver, &part.wanted, &observed)?;
                let count = part.wanted.len();
                Ok(format!("{count} of {count} objects are what was written").into())
            }
            Self::Probe => probe(part, driver).await,
        }
    }
}

async fn recheck(
    work: Work<'_>,
    part: &TargetScript,
    driver: &dyn Driver,
) -> Result<String, TargetError> {
    let observed = driver.observe().await?;
    let place = driver.place();
    observed.admit(work.workspace_id, &place)?;
    if observed.version == part.version {
        Ok(match observed.served {
            Served::Live => format!("{place} still looks as in the plan"),
            Served::Stored => "what is stored still looks as in the plan".to_owned(),
        })
    } else {
        Err(TargetError::Moved { place, expected: part.version.clone(), found: observed.version })
    }
}

async fn probe(part: &TargetScript, driver: &dyn Driver) -> Result<Acted, TargetError> {
    let (mut answers, mut hindrances) = (vec![], vec![]);
    for probe in &part.probes {
        let probed = driver.probe(probe).await?;
        hindrances.extend(probe.judge(&probed, &driver.place())?);
        let answer = format!("{} → {}", probe.name, probed.status);
        if !answers.contains(&answer) {
            answers.push(answer);
        }
    }
    let words = if answers.is_empty() { "nothing to ask".to_owned() } else { answers.join(" · ") };
    Ok(Acted { words, hindrances })
}

fn words(step: &Step, part: &TargetScript) -> String {
    match step {
        Step::Stage => format!("{} objects, not served yet", part.wanted.len()),
        Step::Write { key } => format!("`{key}`"),
        Step::Delete { key } => format!("`{key}` is deleted"),
        Step::Switch => "the new state is in force".to_owned(),
        Step::Retire => "what is no longer needed is gone".to_owned(),
        Step::Abandon => "what was staged is gone".to_owned(),
    }
}
