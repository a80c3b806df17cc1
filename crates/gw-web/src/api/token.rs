//! Tokens of ours: given for a proof, taken back, and what they say of their holder.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
};
use gw_control::{
    login::{
        self, Issued, NotIssued, Proof, Refused,
        exchange::{ISSUED_TYPE, PREFIX},
        scope::{self, Scope},
    },
    store::Granted,
};
use url::form_urlencoded;

use super::written;
use crate::{
    Web,
    contract::{Holder, Login, Token, TokenRefusal, Whoami},
    door,
    problem::Refusal,
};

/// Proofs of people with many groups are long.
const FORM_BYTES: usize = 64 * 1024;

pub(super) async fn exchange(
    State(web): State<Arc<Web>>,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let body = door::body(request, FORM_BYTES).await?;
    let fields: Vec<_> = form_urlencoded::parse(&body).collect();
    let only = only(&web).await?;
    // Who names no environment means the only one; where there are more, nobody's choice is guessed.
    let meant = |name: &str, value| match only.as_deref() {
        Some(only) if name == "resource" && value == scope::ONLY => only,
        _ => value,
    };
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (&**name, meant(name, &**value))).collect();
    let issued = match login::Request::parse(&fields) {
        Ok(request) => {
            let environment = &request.scope.environment;
            let verifier = web.identities.of(&web.server, environment).await?;
            web.exchange.exchange(&verifier, &request).await
        }
        Err(fault) => Err(web.exchange.refuse(Refused::Request(fault)).await),
    };
    match issued {
        Ok(issued) => Ok(Json(given(&web, &issued)).into_response()),
        Err(NotIssued::Refused(refused)) => Ok(refusal(&refused)),
        Err(NotIssued::Store(error)) => Err(error.into()),
        Err(NotIssued::Random) => Err(Refusal::Fault),
    }
}

/// What is meant where there is one environment.
async fn only(web: &Web) -> Result<Option<String>, Refusal> {
    let known = web.server.environments().await?;
    let only = known.first().filter(|_| known.len() == 1);
    Ok(only.map(Scope::resource))
}

fn given(web: &Web, issued: &Issued) -> Token {
    let left = issued.expires_at - web.server.clock.now();
    Token {
        access_token: issued.token.reveal().clone(),
        issued_token_type: ISSUED_TYPE.to_owned(),
        token_type: "Bearer".to_owned(),
        expires_in: u64::try_from(left.whole_seconds()).unwrap_or_default(),
        scope: issued.scope.words(),
    }
}

fn refusal(refused: &Refused) -> Response {
    let status = match refused.error() {
        "temporarily_unavailable" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    let body = TokenRefusal {
        error: refused.error().to_owned(),
        error_description: refused.to_string(),
        reason: refused.reason().to_owned(),
        code: refused.code().to_string(),
        help: refused.cure().to_owned(),
    };
    (status, Json(body)).into_response()
}

/// Where a proof can be had. That is no secret: whoever wants in must know it.
pub(super) async fn login(State(web): State<Arc<Web>>) -> Result<Json<Login>, Refusal> {
    web.identities.login().map(Json).ok_or(Refusal::NoLogin)
}

/// Whoever holds a token may take it back, and whoever proves who they are may take back all that they
/// hold. That it is none, nobody is told.
pub(super) async fn revoke(
    State(web): State<Arc<Web>>,
    request: Request<Body>,
) -> Result<StatusCode, Refusal> {
    let body = door::body(request, FORM_BYTES).await?;
    let tokens: Vec<_> =
        form_urlencoded::parse(&body).filter(|(name, _)| name == "token").collect();
    let [(_, token)] = tokens.as_slice() else {
        return Err(Refusal::malformed("send the token as `token`, once"));
    };
    let (store, at) = (&web.server.store, web.server.clock.now());
    let held = match token.starts_with(PREFIX) {
        true => store.token(token, at).await?.into_iter().collect(),
        false => held_by(&web, token).await?,
    };
    for granted in held {
        store.revoke(&granted.id, granted.asker.actor, at).await?;
    }
    Ok(StatusCode::OK)
}

/// The tokens of whoever this proves.
async fn held_by(web: &Web, proof: &str) -> Result<Vec<Granted>, Refusal> {
    let verifier = web.identities.of_settings(&web.server);
    let Ok(asker) = verifier.verify(&Proof::Token(proof)).await else { return Ok(vec![]) };
    let Some(first) = asker.caller.principals.first() else { return Ok(vec![]) };
    let (store, at) = (&web.server.store, web.server.clock.now());
    Ok(store.tokens_of(&first.issuer, &first.subject, at).await?)
}

pub(super) async fn whoami(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Json<Whoami>, Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let holders = granted.asker.caller.principals.iter().map(|principal| Holder {
        identity: principal.identity.to_string(),
        issuer: principal.issuer.clone(),
        subject: principal.subject.clone(),
    });
    Ok(Json(Whoami {
        token: granted.id.clone(),
        holders: holders.collect(),
        environment: granted.scope.environment.to_string(),
        actions: granted.scope.actions.iter().map(|it| it.as_str().to_owned()).collect(),
        plan: granted.scope.plan.clone(),
        ends: written(granted.expires_at),
    }))
}
