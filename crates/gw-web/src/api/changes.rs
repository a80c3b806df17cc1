//! Orders to change an environment. They are queued, and answered before anything is done.

use std::sync::Arc;

use aws_lc_rs::rand;
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request, StatusCode},
};
use gw_control::{
    engine::Facts,
    glass::Glass,
    request::{self, Wanted},
    task::Task,
};
use gw_model::environment::ChangeAction;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    environment, id,
    plans::{apis, hash, shown, within},
};
use crate::{
    Web,
    contract::{Accepted, ChangeOrder},
    door::{self, covers, may},
    problem::Refusal,
};

/// A reason of a rollback stands in the ledger in whole.
const REASON_BYTES: usize = 1_000;
/// More orders for one environment wait for nobody: whoever asks comes again.
const MOST_WAITING: u64 = 100;

pub(super) async fn order(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let environment = environment(&name)?;
    let mut order: ChangeOrder = door::order(request).await?;
    let (action, plan) = (order.action.clone(), order.plan.clone());
    let action = match action.as_str() {
        "apply" => ChangeAction::Apply,
        // It goes back to what is in force: who may go back may give up.
        "rollback" | "abandon" => ChangeAction::Rollback,
        "breakGlass" => ChangeAction::BreakGlass,
        // It changes nothing: who may see what a change would do may see what it did.
        "test" => ChangeAction::Plan,
        _ => {
            let words = "`action` is `apply`, `rollback`, `abandon`, `breakGlass` or `test`";
            return Err(Refusal::malformed(words));
        }
    };
    covers(&granted, &environment, action, plan.as_deref())?;
    if action == ChangeAction::Plan {
        may(&web, &granted, &environment, action, &Facts::default()).await?;
    }
    if let (ChangeAction::Apply, None, Some(plan)) = (action, &order.commit, &plan) {
        // A plan says of which commit it is.
        let shown = shown(&web, &granted, id(plan)?).await?;
        order.commit = shown.commit.map(|commit| commit.sha);
    }
    let wanted = wanted(order, web.server.clock.now())?;
    let request = request::Request { environment, asker: granted.asker, wanted };
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| Refusal::Fault)?;
    let id = format!("r-{:016x}", u64::from_be_bytes(random));
    let task = Task::Request { id, request: Box::new(request) };
    if web.server.store.waiting(&task.lane()).await? >= MOST_WAITING {
        return Err(Refusal::Busy);
    }
    let task = web.server.ask(task).await?;
    Ok((StatusCode::ACCEPTED, Json(Accepted { task })))
}

/// What it says, where it says only what belongs to it.
fn wanted(order: ChangeOrder, now: OffsetDateTime) -> Result<Wanted, Refusal> {
    let ChangeOrder { action, commit, plan, only, to, reason, until } = order;
    match (action.as_str(), commit, to) {
        ("breakGlass", Some(commit), None) if plan.is_none() => {
            let until = until.and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok());
            let until = until.ok_or_else(|| Refusal::malformed("`until` is a time (RFC 3339)"))?;
            let glass = Glass::parse(&reason.unwrap_or_default(), until, now);
            let glass = glass.map_err(|wrong| Refusal::malformed(wrong.to_string()))?;
            Ok(Wanted::BreakGlass { commit: hash(commit)?, only: apis(only)?, glass })
        }
        _ if until.is_some() => Err(Refusal::malformed("only `breakGlass` has `until`")),
        ("apply", Some(commit), None) if reason.is_none() => {
            let plan = plan.map(|plan| id(&plan).map(str::to_owned));
            Ok(Wanted::Apply { commit: hash(commit)?, only: apis(only)?, plan: plan.transpose()? })
        }
        ("rollback", None, Some(to)) if plan.is_none() && only.is_none() => {
            let reason = reason.map(|reason| within(reason, REASON_BYTES)).transpose()?;
            Ok(Wanted::Rollback { to, reason })
        }
        ("test", None, None) if plan.is_none() && only.is_none() && reason.is_none() => {
            Ok(Wanted::Test)
        }
        ("abandon", None, None) if plan.is_none() && only.is_none() && reason.is_none() => {
            Ok(Wanted::Abandon)
        }
        _ => Err(Refusal::malformed(
            "`apply` has `commit` or `plan`, perhaps both, perhaps `only`; `rollback` has `to`, \
             perhaps `reason`; `breakGlass` has `commit`, `reason` and `until`, perhaps `only`; \
             `abandon` and `test` have nothing",
        )),
    }
}
