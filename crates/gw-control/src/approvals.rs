//! Who approved what a plan changes: gathers what store, source and host know, and has it judged.

use std::collections::BTreeMap;

use gw_model::id::EnvironmentName;
use gw_plan::{
    driver::Class,
    plan::{Planned, Rules},
};
use gw_policy::change::Asked;

use crate::{
    approve::{self, Approved, Candidate, Question},
    host::{Account, Permission, PullRequest, PullRequestState},
    reconcile::{Ground, aside},
    server::Server,
    source::git::ObjectId,
    stop::Stop,
};

/// So many pull requests are looked at, the newest first.
const MOST: usize = 100;

/// Counts the approvals of what is changed, and puts them where the rules look.
pub(crate) async fn fill(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
    planned: &Planned,
    asked: &mut Asked,
) -> Result<Approved, Stop> {
    let (Rules::Declared(rules), Some(_)) = (&planned.rules, ground.commit) else {
        return Ok(Approved::default());
    };
    let history = history(server, environment, ground).await?;
    let mut candidates = vec![];
    if !planned.changed.is_empty() {
        candidates = gather(server, environment, planned).await?;
        candidates = lasting(ground, &history, candidates).await?;
    }
    let given = server.store.given(environment).await?;
    let permissions = permissions(server, &candidates).await?;
    let history: Vec<String> = history.commits.iter().map(ToString::to_string).collect();
    let question = Question {
        changed: &planned.changed,
        rules,
        facts: &planned.plan.facts,
        commit: ground.facts.commit.as_ref(),
        history: &history,
    };
    let approved = approve::judge(question, &candidates, &given, |account| {
        permissions.get(&account.id).copied()
    });
    approved.fill(asked);
    Ok(approved)
}

/// What came after the commit in force.
#[derive(Clone, Default)]
struct History {
    former: Option<ObjectId>,
    /// The oldest first.
    commits: Vec<ObjectId>,
}

async fn history(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
) -> Result<History, Stop> {
    let Some(commit) = ground.commit else { return Ok(History::default()) };
    let in_force = server.store.in_force(environment).await?;
    let in_force = in_force.and_then(|change| change.begun.commit);
    let view = ground.view.clone();
    aside(move || {
        let former = in_force.as_deref().and_then(|sha| view.find(sha));
        let commits = view.since(former.as_ref(), &commit)?;
        Ok(History { former, commits })
    })
    .await
}

/// Without those whose files somebody changed after they were merged: what was taken back, or made
/// otherwise, comes only by whoever brings it anew, with approvals of its own.
async fn lasting(
    ground: &Ground,
    history: &History,
    candidates: Vec<Candidate>,
) -> Result<Vec<Candidate>, Stop> {
    let (view, history) = (ground.view.clone(), history.clone());
    aside(move || {
        let lasts = |candidate: &Candidate| {
            let PullRequest { state, merge_commit, source, .. } = &candidate.pull_request;
            let merged = merge_commit.as_deref().and_then(|sha| view.find(sha));
            let (PullRequestState::Merged, Some(merged)) = (state, merged) else { return true };
            // A branch that was only moved on may be many commits.
            let base = history.former.as_ref().filter(|_| source.commit == *merge_commit);
            // What cannot be read is not known to last.
            view.lasts(&merged, base, &history.commits).unwrap_or_default()
        };
        Ok(candidates.into_iter().filter(lasts).collect())
    })
    .await
}

/// The pull requests below which something of the change was shown.
async fn gather(
    server: &Server,
    environment: &EnvironmentName,
    planned: &Planned,
) -> Result<Vec<Candidate>, Stop> {
    let mut candidates = vec![];
    for number in server.store.shown_on(environment).await?.into_iter().take(MOST) {
        let shown = server.store.shown(environment, number).await?;
        let moves = |name: &String| shown.iter().any(|it| it.entries.contains_key(name));
        if planned.changed.keys().any(moves) {
            let pull_request = server.host.pull_request(number).await?;
            candidates.push(Candidate { pull_request, shown });
        }
    }
    Ok(candidates)
}

/// What those who approved may do now. Where the host does not let this server know, nothing is known
/// and nothing counts; where it only does not answer, it is asked again.
async fn permissions(
    server: &Server,
    candidates: &[Candidate],
) -> Result<BTreeMap<String, Permission>, Stop> {
    let mut permissions = BTreeMap::new();
    let approvals = candidates.iter().flat_map(|it| &it.pull_request.approvals);
    let accounts: BTreeMap<&String, &Account> =
        approvals.map(|approval| (&approval.by.id, &approval.by)).collect();
    for (id, account) in accounts {
        match server.host.permission(account).await {
            Ok(permission) => drop(permissions.insert(id.clone(), permission)),
            Err(error) if error.class() == Class::Human => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(permissions)
}
