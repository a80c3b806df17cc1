//! Who may come in: a token of ours, its scope, and the rules in force.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, Request, header},
};
use bytes::Bytes;
use gw_control::{engine::Facts, login::exchange::PREFIX, server::Server, store::Granted};
use gw_model::{environment::ChangeAction, id::EnvironmentName};
use gw_policy::change::{Asked, ChangeDenial, PlanFacts, judge, judge_first};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{Web, problem::Refusal};

/// A body that takes longer is not waited for.
const BODY_TIME: Duration = Duration::from_secs(10);
/// No order of anybody is longer.
pub(crate) const ORDER_BYTES: usize = 64 * 1024;

/// Who holds the token of a request.
pub(crate) async fn holder(web: &Web, headers: &HeaderMap) -> Result<Granted, Refusal> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer),
        _ => None,
    };
    let granted = match token {
        Some(token) => web.server.store.token(token, web.server.clock.now()).await?,
        None => None,
    };
    match granted {
        Some(granted) => Ok(granted),
        None => {
            let reason = if token.is_some() { "token-unknown" } else { "token-missing" };
            web.exchange.turn_away("api", reason).await?;
            Err(Refusal::NotLetIn)
        }
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let is_ours = scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX);
    is_ours.then_some(token)
}

/// Somebody whose token is for seeing, and whom the rules let see. What they may see is in the
/// environment of their token, and nothing else.
pub(crate) async fn viewer(
    web: &Web,
    headers: &HeaderMap,
    what: &'static str,
) -> Result<Granted, Refusal> {
    let granted = holder(web, headers).await?;
    let environment = granted.scope.environment.clone();
    is_there(web, &granted).await?;
    may(web, &granted, &environment, ChangeAction::View, &Facts::default()).await?;
    web.reads.record(&web.server, &granted, what).await?;
    Ok(granted)
}

/// An environment that nobody knows is most often a slip. Whoever may see another one is told so; for
/// others it is as if it were there.
async fn is_there(web: &Web, granted: &Granted) -> Result<(), Refusal> {
    let (server, name) = (&web.server, &granted.scope.environment);
    if server.store.environments().await?.contains(name) {
        return Ok(());
    }
    let asked = asked(server, granted, ChangeAction::View, &Facts::default());
    let mut seen = vec![];
    for known in server.environments().await? {
        let rules = server.in_force(&known).await?;
        if rules.is_some_and(|rules| judge(&rules, &asked, &PlanFacts::default()).is_ok()) {
            seen.push(known);
        }
    }
    if seen.is_empty() || server.declares(name).await? {
        return Ok(());
    }
    Err(Refusal::NoEnvironment { name: name.clone(), seen })
}

/// Somebody who may see every environment in force: the files of the ledger tell of all of them.
pub(crate) async fn auditor(web: &Web, headers: &HeaderMap) -> Result<Granted, Refusal> {
    let granted = viewer(web, headers, "ledger").await?;
    let asked = asked(&web.server, &granted, ChangeAction::View, &Facts::default());
    for environment in web.server.environments().await? {
        if let Some(rules) = web.server.in_force(&environment).await? {
            judge(&rules, &asked, &PlanFacts::default()).map_err(denied)?;
        }
    }
    Ok(granted)
}

/// Whether the token is for this and the rules in force allow it, as far as it is about who asks and
/// about a commit.
pub(crate) async fn may(
    web: &Web,
    granted: &Granted,
    environment: &EnvironmentName,
    action: ChangeAction,
    facts: &Facts,
) -> Result<(), Refusal> {
    covers(granted, environment, action, granted.scope.plan.as_deref())?;
    let asked = asked(&web.server, granted, action, facts);
    let judged = match web.server.in_force(environment).await? {
        Some(rules) => judge(&rules, &asked, &PlanFacts::default()),
        None => judge_first(&web.server.owners, environment, &asked),
    };
    judged.map(drop).map_err(denied)
}

/// Whether the token is for this.
pub(crate) fn covers(
    granted: &Granted,
    environment: &EnvironmentName,
    action: ChangeAction,
    plan: Option<&str>,
) -> Result<(), Refusal> {
    match granted.scope.covers(environment, action, plan) {
        true => Ok(()),
        false => Err(Refusal::Scope { needs: action.as_str() }),
    }
}

/// What the rules are asked, before anybody's approval is counted.
pub(crate) fn asked(
    server: &Server,
    granted: &Granted,
    action: ChangeAction,
    facts: &Facts,
) -> Asked {
    Asked {
        action,
        actor: granted.asker.caller.clone(),
        commit: facts.commit.clone(),
        approvers: BTreeSet::new(),
        approver_teams: BTreeSet::new(),
        authors: BTreeSet::new(),
        approvals: 0,
        verified_in: facts.verified_in.clone(),
        at: server.clock.now(),
    }
}

pub(crate) fn denied(denial: Box<ChangeDenial>) -> Refusal {
    Refusal::Denied(denial)
}

/// The bytes of a body, as they were sent.
pub(crate) async fn body(request: Request<Body>, most: usize) -> Result<Bytes, Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > u64::try_from(most).unwrap_or(u64::MAX)) {
        return Err(Refusal::TooLarge);
    }
    let read = timeout(BODY_TIME, Limited::new(request.into_body(), most).collect()).await;
    match read.map_err(|_| Refusal::TooSlow)? {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Err(_) => Err(Refusal::malformed("the body broke off")),
    }
}

/// An order as JSON.
pub(crate) async fn order<T: DeserializeOwned>(request: Request<Body>) -> Result<T, Refusal> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if !kind.trim().eq_ignore_ascii_case("application/json") {
        return Err(Refusal::malformed("send `content-type: application/json`"));
    }
    let bytes = body(request, ORDER_BYTES).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::malformed(error.to_string()))
}
