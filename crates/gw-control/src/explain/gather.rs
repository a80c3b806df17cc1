//! What is known of a decision: by ledger, store and Git host.

use std::collections::BTreeMap;

use gw_audit::{
    entry::{Act, Entry},
    report,
};
use gw_model::id::EnvironmentName;
use gw_plan::plan::{Plan, from_file};

use super::{Explained, HostView, Known, Review};
use crate::{
    engine::plan_of,
    host::{Permission, approvals},
    server::Server,
    stop::Stop,
    store::{Change, StepRecord},
    tell::Links,
};

/// What stands in front of the name of a run, where another name would be the id of a decision.
const RUN: &str = "run-";
/// So many pull requests of a commit are told of.
const REVIEWS: usize = 3;

/// Explains a decision of an environment, or the newest one. None: there is none.
pub async fn explain(
    server: &Server,
    environment: &EnvironmentName,
    decision: Option<&str>,
) -> Result<Option<Explained>, Stop> {
    let Some(entry) = find(server, environment, decision).await? else { return Ok(None) };
    let change = change(server, environment, &entry).await?;
    let plan = plan(server, environment, &entry, change.as_ref()).await?;
    let mut host = host(server, entry.event.commit.as_deref()).await;
    if let Some((change, _)) = &change {
        let deployed = server.store.deployed(environment, change.number).await?;
        host.deployment = deployed.as_ref().map(report::deployed);
    }
    Ok(Some(Explained::of(&Known {
        who: server.store.who(&entry.event.by).await?,
        entry: &entry,
        environment,
        plan: plan.as_ref(),
        change: change.as_ref(),
        host: &host,
        links: &Links::to(&server.address),
    })))
}

async fn find(
    server: &Server,
    environment: &EnvironmentName,
    decision: Option<&str>,
) -> Result<Option<Entry>, Stop> {
    let Some(decision) = decision else {
        let newest = server.store.newest_decided(environment).await?;
        return Ok(newest.and_then(|bytes| Entry::parse(&bytes)));
    };
    if let Some(run) = decision.strip_prefix(RUN) {
        return of_run(server, environment, run).await;
    }
    let entries = server.store.entries_of(decision).await?;
    let entries: Vec<Entry> = entries.iter().filter_map(|bytes| Entry::parse(bytes)).collect();
    let here = |entry: &&Entry| entry.event.environment.as_deref() == Some(environment.as_str());
    let mut found = entries.iter().filter(here);
    // What was shown first was decided later, if at all.
    let first = found.clone().next();
    Ok(found.find(|entry| entry.event.act == Act::Decided).or(first).cloned())
}

/// The newest that a run of a pipeline asked for: what was decided, else what was planned.
async fn of_run(
    server: &Server,
    environment: &EnvironmentName,
    run: &str,
) -> Result<Option<Entry>, Stop> {
    let entries = server.store.entries_about(environment, run).await?;
    let entries: Vec<Entry> = entries.iter().filter_map(|bytes| Entry::parse(bytes)).collect();
    let of = |act| {
        let is = move |entry: &&Entry| entry.event.act == act && entry.event.by.is_of_run(run);
        entries.iter().find(is).cloned()
    };
    Ok(of(Act::Decided).or_else(|| of(Act::Planned)))
}

/// The change that the decision led to, as far as it came.
async fn change(
    server: &Server,
    environment: &EnvironmentName,
    entry: &Entry,
) -> Result<Option<(Change, Vec<StepRecord>)>, Stop> {
    let Some(plan) = &entry.event.plan else { return Ok(None) };
    let changes = server.store.changes(environment).await?;
    let Some(change) = changes.into_iter().rev().find(|it| it.begun.plan_id == *plan) else {
        return Ok(None);
    };
    let steps = server.store.steps(environment, change.number).await?;
    Ok(Some((change, steps)))
}

/// The plan as it was judged then. One that cannot be read any more is one that is not kept.
async fn plan(
    server: &Server,
    environment: &EnvironmentName,
    entry: &Entry,
    change: Option<&(Change, Vec<StepRecord>)>,
) -> Result<Option<Plan>, Stop> {
    if let Some((change, _)) = change {
        return Ok(plan_of(&server.store, environment, change.number).await.ok());
    }
    let Some(id) = &entry.event.plan else { return Ok(None) };
    let kept = server.store.plan(id).await?;
    let plan = kept.and_then(|kept| from_file(kept.as_bytes()).ok());
    // The same plan can have been judged twice; what is told is of this decision.
    Ok(plan.filter(|plan| entry.event.decision.as_deref() == Some(plan.decision.id.as_str())))
}

async fn host(server: &Server, commit: Option<&str>) -> HostView {
    let repository = server.host.repository().await;
    let reviews = match (&repository, commit) {
        // What the host does not tell is not told; that it does not, its repository says.
        (Ok(_), Some(commit)) => reviews(server, commit).await.unwrap_or_default(),
        _ => vec![],
    };
    HostView { repository, reviews, deployment: None }
}

async fn reviews(server: &Server, commit: &str) -> Result<Vec<Review>, Stop> {
    let mut reviews = vec![];
    for number in server.host.pull_requests_of(commit).await?.into_iter().take(REVIEWS) {
        let pull_request = server.host.pull_request(number).await?;
        let mut may: BTreeMap<String, Permission> = BTreeMap::new();
        for approval in &pull_request.approvals {
            if let Ok(permission) = server.host.permission(&approval.by).await {
                may.insert(approval.by.id.clone(), permission);
            }
        }
        let judged = approvals::judge(&pull_request, |account| may.get(&account.id).copied());
        let approvals = judged.iter().map(|it| (it.approval.by.name.clone(), it.refusal)).collect();
        reviews.push(Review { number, approvals });
    }
    Ok(reviews)
}
