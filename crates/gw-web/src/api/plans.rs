//! Plans: made, looked at, and approved.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request, StatusCode},
};
use gw_control::{
    approvals,
    approve::Given,
    back, event,
    host::PullRequestState,
    reconcile::{self, Aim, Ground, Order},
    review::{self, Reading},
    stop::Stop,
    store::{Granted, StoreError},
    task::Task,
    tell::{Links, Waiting},
};
use gw_model::{
    environment::ChangeAction,
    id::{ApiName, EnvironmentName},
};
use gw_plan::{
    plan::{Plan, Rules, from_file, replan},
    render,
};
use gw_policy::change::judge;

use super::{environment, id};
use crate::{
    Web,
    contract::{ApprovalOrder, Approved, Gate, PlanOrder, Planned},
    door::{self, covers, denied, may},
    problem::Refusal,
};

/// The digits of a hash, by SHA-1 and by SHA-256.
const HASHES: [usize; 2] = [40, 64];
/// So many of the newest pull requests are looked at.
const MOST_TOLD: usize = 100;
/// A reason that is longer is a document.
const REASON_BYTES: usize = 1_000;

pub(super) async fn make(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Json<Planned>, Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let environment = environment(&name)?;
    covers(&granted, &environment, ChangeAction::Plan, None)?;
    let aim = match door::order(request).await? {
        PlanOrder { commit: Some(commit), pull_request: None, to: None, only } => {
            Aim::Commit { sha: hash(commit)?, only: apis(only)?, plan: None }
        }
        PlanOrder { commit: None, pull_request: Some(number), to: None, only } => {
            let plan = merged(&web, &granted, environment, number, apis(only)?).await?;
            return Ok(Json(written(&web, &plan).await?));
        }
        PlanOrder { commit: None, pull_request: None, to: Some(to), only: None } => {
            Aim::State { to, reason: None }
        }
        _ => {
            return Err(Refusal::malformed(
                "a plan is of a `commit` or a `pullRequest`, perhaps `only` some APIs of it, or goes \
                 back `to` a change",
            ));
        }
    };
    let order = Order { environment, asker: granted.asker.clone(), aim };
    let (_, planned) = plan(&web, &granted, &order, ChangeAction::Plan).await?;
    Ok(Json(written(&web, &planned.plan).await?))
}

pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Planned>, Refusal> {
    let granted = door::viewer(&web, &headers, "plan").await?;
    let plan = shown(&web, &granted, id(&name)?).await?;
    Ok(Json(written(&web, &plan).await?))
}

/// Binds somebody's approval to what a plan changes, as it would be changed now.
pub(super) async fn approve(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Approved>), Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let name = id(&name)?;
    let environment = granted.scope.environment.clone();
    covers(&granted, &environment, ChangeAction::Approve, Some(name))?;
    let ApprovalOrder { reason } = door::order(request).await?;
    let reason = reason.map(|reason| within(reason, REASON_BYTES)).transpose()?;
    let former = shown(&web, &granted, name).await?;
    let Some(commit) = &former.commit else {
        return Err(Refusal::Conflict { what: "the plan is of no commit".to_owned() });
    };
    let (sha, only) = (commit.sha.clone(), former.only.clone());
    let aim = match former.restores {
        Some(to) => Aim::State { to, reason: None },
        None => Aim::Commit { sha: sha.clone(), only, plan: Some(former.id.clone()) },
    };
    let order = Order { environment, asker: granted.asker.clone(), aim };
    let (ground, planned) = plan(&web, &granted, &order, ChangeAction::Approve).await?;
    replan(&former, &planned.plan)
        .map_err(|moved| Refusal::Conflict { what: moved.to_string() })?;
    if planned.changed.is_empty() {
        let what = "the plan changes nothing that anybody has to approve".to_owned();
        return Err(Refusal::Conflict { what });
    }
    let Rules::Declared(rules) = &planned.rules else {
        let what = "nothing is in force yet: the first state is brought by an owner".to_owned();
        return Err(Refusal::Conflict { what });
    };
    let asked = door::asked(&web.server, &granted, ChangeAction::Approve, &ground.facts);
    judge(rules, &asked, &planned.plan.facts).map_err(denied)?;
    let entries = planned.changed.keys().cloned().collect();
    let by = granted.asker.caller;
    let at = web.server.clock.now();
    let (commit, restores) = (sha.clone(), former.restores);
    let given = Given { by, at, commit, restores, entries: planned.changed.clone() };
    let server = &web.server;
    if let Some(why) =
        approvals::in_vain(server, &order.environment, &ground, &planned, &given).await?
    {
        return Err(Refusal::InVain { why });
    }
    let told = event::approved(granted.asker.actor, &planned);
    let told = match reason {
        Some(reason) => told.fact("reason", reason),
        None => told,
    };
    web.server.store.approve(&order.environment, &given, told).await?;
    tell_again(&web, &order.environment, &sha).await?;
    if let Some(to) = given.restores {
        back::look_again(server, &order.environment, to).await?;
    }
    let next = next(&web, &order.environment, given.restores, name);
    let approved = Approved { plan: name.to_owned(), commit: sha, entries, next };
    Ok((StatusCode::CREATED, Json(approved)))
}

/// Nothing is done because somebody approved it.
fn next(web: &Web, environment: &EnvironmentName, restores: Option<u64>, plan: &str) -> String {
    let links = Links::to(&web.server.address);
    let program = format!("gatewright --server {} --env {environment}", links.server());
    match restores {
        Some(to) => format!("whoever asked asks again: `{program} rollback --to {to}`"),
        None => format!("merge its pull request; or, once it is merged: `{program} apply {plan}`"),
    }
}

/// The pull requests with this head say what is still missing.
async fn tell_again(
    web: &Web,
    environment: &EnvironmentName,
    head: &str,
) -> Result<(), StoreError> {
    let store = &web.server.store;
    for number in store.shown_on(environment).await?.into_iter().take(MOST_TOLD) {
        let shown = store.shown(environment, number).await?;
        if shown.iter().any(|shown| shown.head == head) {
            web.server.ask(Task::PullRequest { number }).await?;
        }
    }
    Ok(())
}

/// Plans for whoever may do this to what is planned, a few at a time. What may be done by the plan is
/// judged as what it is for.
async fn plan(
    web: &Web,
    granted: &Granted,
    order: &Order,
    action: ChangeAction,
) -> Result<(Ground, gw_plan::plan::Planned), Refusal> {
    let _place = web.planning.try_acquire().map_err(|_| Refusal::Busy)?;
    let ground = reconcile::ground(&web.server, order).await?;
    may(web, granted, &order.environment, action, &ground.facts).await?;
    let planned = reconcile::plan(&web.server, order, &ground, order.aim.action()).await?;
    Ok((ground, planned))
}

/// Plans what a pull request would do if it were merged now: what stands below it.
async fn merged(
    web: &Web,
    granted: &Granted,
    environment: EnvironmentName,
    number: u64,
    only: BTreeSet<ApiName>,
) -> Result<Plan, Refusal> {
    let _place = web.planning.try_acquire().map_err(|_| Refusal::Busy)?;
    let (server, asker) = (&web.server, granted.asker.clone());
    let (order, ground) = match review::ground(server, environment, asker, number, only).await? {
        Ok(found) => found,
        Err(reading) => return Err(unplannable(number, reading)),
    };
    may(web, granted, &order.environment, ChangeAction::Plan, &ground.facts).await?;
    Ok(reconcile::plan(server, &order, &ground, ChangeAction::Apply).await?.plan)
}

fn unplannable(number: u64, reading: Reading) -> Refusal {
    let what = match reading {
        Reading::Wrong(wrong) => return wrong.stop.into(),
        Reading::Unread(unread) => return Stop::Source(unread.why).into(),
        Reading::Closed(PullRequestState::Declined) => "is declined",
        Reading::Closed(_) | Reading::Open(_) => "is merged: plan the commit that it became",
        Reading::Elsewhere => "comes from another repository: nothing of it is read",
    };
    Refusal::Conflict { what: format!("pull request {number} {what}") }
}

/// A plan of the environment that the token is for. Of others it is not told whether they are there.
pub(super) async fn shown(web: &Web, granted: &Granted, id: &str) -> Result<Plan, Refusal> {
    let document = web.server.store.plan(id).await?.ok_or(Refusal::Unseen)?;
    let plan = from_file(document.as_bytes()).map_err(|_| Refusal::Fault)?;
    if plan.environment == granted.scope.environment { Ok(plan) } else { Err(Refusal::Unseen) }
}

async fn written(web: &Web, plan: &Plan) -> Result<Planned, Refusal> {
    let waits_for = Waiting::of(&plan.decision).map(|it| it.gates()).unwrap_or_default();
    let mut gates = web.server.store.gates(&plan.environment).await?;
    gates.retain(|gate| waits_for.contains(&gate.name));
    Ok(Planned {
        id: plan.id.clone(),
        url: Links::to(&web.server.address).plan(&plan.id),
        text: render::text(plan),
        is_empty: plan.is_empty(),
        gates: gates.iter().map(Gate::from).collect(),
        plan: render::json(plan),
    })
}

/// A commit's hash. The beginning of one could be that of another by the time it is looked for.
pub(super) fn hash(text: String) -> Result<String, Refusal> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if HASHES.contains(&text.len()) && text.bytes().all(digit) {
        return Ok(text);
    }
    Err(Refusal::malformed("`commit` is a whole hash, in lower case"))
}

pub(super) fn apis(names: Option<Vec<String>>) -> Result<BTreeSet<ApiName>, Refusal> {
    let parse = |name: String| {
        let parsed = name.parse();
        parsed.map_err(|_| Refusal::malformed(format!("`{name}` is no name of an API")))
    };
    names.unwrap_or_default().into_iter().map(parse).collect()
}

pub(super) fn within(text: String, most: usize) -> Result<String, Refusal> {
    match text.len() <= most {
        true => Ok(text),
        false => Err(Refusal::malformed(format!("`reason` is longer than {most} bytes"))),
    }
}
