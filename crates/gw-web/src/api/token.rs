//! Tokens of ours: given for a proof, taken back, and what they say of their holder.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
};
use gw_control::login::{
    self, Issued, NotIssued, Refused,
    exchange::{ISSUED_TYPE, PREFIX},
};
use url::form_urlencoded;

use super::written;
use crate::{
    Web,
    contract::{Holder, Token, TokenRefusal, Whoami},
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
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (&**name, &**value)).collect();
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

/// Whoever holds a token may take it back. That it is none, nobody is told.
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
    let at = web.server.clock.now();
    if token.starts_with(PREFIX)
        && let Some(granted) = web.server.store.token(token, at).await?
    {
        web.server.store.revoke(&granted.id, granted.asker.actor, at).await?;
    }
    Ok(StatusCode::OK)
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
