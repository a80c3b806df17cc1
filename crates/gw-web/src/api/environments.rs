//! What is in force, how it came to be, and whether it still holds.

use std::{cmp::Reverse, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use gw_audit::{entry::Event, report};
use gw_control::{
    drift,
    store::{self, Store},
    waits,
};
use gw_model::id::EnvironmentName;

use super::{environment, written};
use crate::{
    Web,
    contract::{
        Change, ChangeWithSteps, Changes, Deployment, Environment, Environments, Gate, Glass, Step,
        Wait,
    },
    door,
    problem::Refusal,
};

/// So many changes are listed.
const MOST: usize = 100;

pub(super) async fn list(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Json<Environments>, Refusal> {
    let granted = door::viewer(&web, &headers, "environments").await?;
    let (store, name) = (&web.server.store, granted.scope.environment);
    let (mut in_force, mut glass, mut under_way) = (None, None, None);
    if let Some(change) = store.in_force(&name).await? {
        let until = change.begun.until;
        let change = named(store, change).await?;
        // Only what goes round the ordinary rules has an end.
        glass = until.map(|until| Glass {
            change: change.number,
            by: change.by.clone(),
            reason: change.reason.clone().unwrap_or_default(),
            until: written(until),
        });
        in_force = Some(change);
    }
    if let Some(change) = store.under_way(&name).await? {
        under_way = Some(named(store, change).await?);
    }
    let environment = Environment {
        name: name.to_string(),
        glass,
        in_force,
        under_way,
        drift: drift::unaccepted(&web.server, &name).await?.map(|known| drift::id(&known.digest)),
        uncompared: store.compared(&name).await?.and_then(|compared| compared.why),
        waits: waiting(store, &name).await?,
        held: store.holds(&name).await?,
        gates: store.gates(&name).await?.iter().map(Gate::from).collect(),
    };
    Ok(Json(Environments { environments: vec![environment] }))
}

/// What waits for people: pull requests, and those who would go back from what is in force.
async fn waiting(store: &Store, name: &EnvironmentName) -> Result<Vec<Wait>, Refusal> {
    let mut waits: Vec<Wait> = store.waits(name).await?.into_iter().map(Wait::from).collect();
    let Some(in_force) = store.in_force(name).await? else { return Ok(waits) };
    for waits::Back { to, plan, mut gates, asked_by: _, since } in
        store.waits_back(name, in_force.number).await?
    {
        if gates.is_empty() {
            gates.push(waits::AGAIN.to_owned());
        }
        let wait = |gate| Wait {
            pull_request: None,
            rollback_to: Some(to),
            plan: Some(plan.clone()),
            gate,
            since: written(since),
        };
        waits.extend(gates.into_iter().map(wait));
    }
    Ok(waits)
}

pub(super) async fn changes(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Changes>, Refusal> {
    let environment = seen(&web, &headers, &name).await?;
    let store = &web.server.store;
    let mut known = store.changes(&environment).await?;
    known.sort_by_key(|change| Reverse(change.number));
    let mut changes = vec![];
    for change in known.into_iter().take(MOST) {
        changes.push(named(store, change).await?);
    }
    Ok(Json(Changes { changes, held: store.holds(&environment).await? }))
}

pub(super) async fn change(
    State(web): State<Arc<Web>>,
    Path((name, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<ChangeWithSteps>, Refusal> {
    let environment = seen(&web, &headers, &name).await?;
    let number: Option<u64> = number.parse().ok();
    let number = number.filter(|number| i64::try_from(*number).is_ok()).ok_or(Refusal::Unseen)?;
    let store = &web.server.store;
    let change = store.change(&environment, number).await?.ok_or(Refusal::Unseen)?;
    let steps = store.steps(&environment, number).await?.into_iter().map(Step::from).collect();
    Ok(Json(ChangeWithSteps { change: named(store, change).await?, steps }))
}

/// The environment of the token, where that is the one that is asked for.
pub(super) async fn seen(
    web: &Web,
    headers: &HeaderMap,
    name: &str,
) -> Result<EnvironmentName, Refusal> {
    let granted = door::viewer(web, headers, "changes").await?;
    let name = environment(name)?;
    // One of which nothing was ever done is most often a slip.
    let is_known = web.server.store.environments().await?.contains(&name);
    if is_known && name == granted.scope.environment { Ok(name) } else { Err(Refusal::Unseen) }
}

/// A change, and who asked for it by name.
async fn named(store: &Store, change: store::Change) -> Result<Change, Refusal> {
    let store::Change { number, begun, ended_at, outcome, detail } = change;
    let deployed = store.deployed(&begun.environment, number).await?;
    Ok(Change {
        number,
        action: begun.action.as_str().to_owned(),
        outcome: outcome.as_str().to_owned(),
        detail,
        by: store.who(&begun.actor).await?,
        commit: begun.commit,
        plan: begun.plan_id,
        effect: begun.effect_digest,
        restores: begun.restores,
        reason: begun.reason,
        run: begun.actor.run(),
        deployment: deployed.as_ref().map(Deployment::from),
        began_at: written(begun.began_at),
        ended_at: ended_at.map(written),
    })
}

impl From<&Event> for Deployment {
    fn from(deployed: &Event) -> Self {
        let fact = |name: &str| deployed.facts.get(name)?.as_str().map(str::to_owned);
        Self {
            environment: fact("deployment"),
            state: fact("state"),
            run: fact("run"),
            url: fact("url"),
            why: fact("why"),
            text: report::deployed(deployed),
        }
    }
}

impl From<waits::Wait> for Wait {
    fn from(wait: waits::Wait) -> Self {
        let waits::Wait { pull_request, gate, since, head: _, until: _ } = wait;
        let (pull_request, since) = (Some(pull_request), written(since));
        Self { pull_request, rollback_to: None, plan: None, gate, since }
    }
}

impl From<&waits::Gate> for Gate {
    fn from(gate: &waits::Gate) -> Self {
        Self {
            gate: gate.name.clone(),
            median_s: u64::try_from(gate.median.whole_seconds()).unwrap_or_default(),
            passed: u64::try_from(gate.passed).unwrap_or(u64::MAX),
            text: gate.to_string(),
        }
    }
}

impl From<store::StepRecord> for Step {
    fn from(step: store::StepRecord) -> Self {
        Self {
            target: step.target.to_string(),
            step: step.name.as_str().to_owned(),
            state: step.state.as_str().to_owned(),
            detail: step.detail,
            began_at: written(step.began_at),
            ended_at: step.ended_at.map(written),
        }
    }
}
