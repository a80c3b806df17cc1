//! Build statuses: how far the plan of a commit, and its apply to an environment, have come.

use gw_model::id::EnvironmentName;
use gw_plan::plan::Plan;
use gw_policy::decision::DecisionId;

use super::{Links, News, Told, Waiting, count_of, errors, line};
use crate::host::report::{Status, StatusState};

/// How far an apply has come.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    UnderWay,
    Verified {
        change: u64,
        /// By which it was allowed, and under which the ledger has it.
        decision: Option<&'a DecisionId>,
    },
    /// Everything is as declared.
    Nothing,
    /// It waits for somebody, or for a while.
    Waits(&'a str),
    Refused {
        decision: &'a DecisionId,
        why: &'a str,
    },
    /// It stopped half way, or could not begin.
    Failed(&'a str),
    /// Somebody gave it up.
    Abandoned,
}

/// The plan of a commit, over all environments.
pub fn of_plan(told: Told<'_>, branch: Option<&str>) -> Status {
    let (state, description) = match told.news {
        News::Plans(prospects) => {
            let plans: Vec<&Plan> = prospects.iter().map(|prospect| prospect.plan).collect();
            planned(&plans)
        }
        News::Broken(notes) => {
            let count = count_of(errors(notes), "error");
            (StatusState::Failed, format!("{count} in the declarations"))
        }
        News::Refused(plan) => (StatusState::Failed, format!("refused in {}", plan.environment)),
    };
    Status {
        key: "gatewright-plan".to_owned(),
        name: "Gatewright plan".to_owned(),
        description,
        state,
        url: told.page(),
        branch: branch.map(str::to_owned),
    }
}

fn planned(plans: &[&Plan]) -> (StatusState, String) {
    let broken = plans.iter().find(|plan| plan.has_errors());
    if let Some(plan) = broken {
        let count = count_of(errors(&plan.notes), "error");
        return (StatusState::Failed, format!("{count} in {}", plan.environment));
    }
    let changes: Vec<&&Plan> = plans.iter().filter(|plan| !plan.is_empty()).collect();
    if changes.is_empty() {
        return (StatusState::Passed, "nothing changes".to_owned());
    }
    let mut waits = vec![];
    for plan in changes.into_iter().filter(|plan| !plan.allowed()) {
        let Some(waiting) = Waiting::of(&plan.decision) else {
            let why = line(plan.decision.why.as_deref().unwrap_or_default());
            return (StatusState::Failed, format!("{}: {why}", plan.environment));
        };
        let whom: Vec<String> = waiting.whom().map(line).collect();
        waits.push(format!("{} waits for {}", plan.environment, whom.join(", ")));
    }
    if waits.is_empty() {
        (StatusState::Passed, "may be applied".to_owned())
    } else {
        (StatusState::Running, waits.join("; "))
    }
}

/// The apply of a commit to one environment.
pub fn of_apply(
    environment: &EnvironmentName,
    plan: &str,
    progress: Progress<'_>,
    links: &Links,
) -> Status {
    let (state, description) = match progress {
        Progress::UnderWay => (StatusState::Running, "under way".to_owned()),
        Progress::Verified { change, decision: _ } => {
            (StatusState::Passed, format!("change {change} is applied and verified"))
        }
        Progress::Nothing => (StatusState::Passed, "everything is as declared".to_owned()),
        Progress::Waits(whom) => (StatusState::Running, format!("waits for {}", line(whom))),
        Progress::Refused { decision: _, why } => {
            (StatusState::Failed, format!("refused: {}", line(why)))
        }
        Progress::Failed(why) => (StatusState::Failed, line(why)),
        Progress::Abandoned => (StatusState::Stopped, "given up".to_owned()),
    };
    let url = match progress {
        Progress::Refused { decision, why: _ }
        | Progress::Verified { change: _, decision: Some(decision) } => links.decision(decision),
        // What cannot be read has no plan.
        _ if plan.is_empty() => links.server().to_owned(),
        _ => links.plan(plan),
    };
    Status {
        key: format!("gatewright-apply-{environment}"),
        name: format!("Gatewright apply to {environment}"),
        description,
        state,
        url,
        branch: None,
    }
}
