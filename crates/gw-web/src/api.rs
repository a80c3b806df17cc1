//! The places of the contract, each in the file of what it is about.

mod changes;
mod decisions;
mod doctor;
mod drift;
mod environments;
mod ledger;
mod pages;
mod plans;
mod rights;
mod secrets;
mod tasks;
mod token;
mod webhooks;

use std::sync::Arc;

use axum::{
    Json, Router,
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{Web, contract::Health, openapi, problem::Refusal};

/// Everything that is answered.
pub fn routes(web: Arc<Web>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .route("/openapi.json", get(document))
        .route("/p/{id}", get(pages::plan))
        .route("/d/{id}", get(pages::decision))
        .route("/v1/webhooks/bitbucket", post(webhooks::bitbucket))
        .route("/v1/login", get(token::login))
        .route("/v1/token", post(token::exchange))
        .route("/v1/token/revoke", post(token::revoke))
        .route("/v1/whoami", get(token::whoami))
        .route("/v1/environments", get(environments::list))
        .route("/v1/environments/{environment}/plans", post(plans::make))
        .route(
            "/v1/environments/{environment}/changes",
            get(environments::changes).post(changes::order),
        )
        .route("/v1/environments/{environment}/changes/{number}", get(environments::change))
        .route("/v1/environments/{environment}/drift", get(drift::look))
        .route("/v1/environments/{environment}/drift/{id}/acceptance", post(drift::accept))
        .route("/v1/environments/{environment}/drift/{id}/adoption", post(drift::adopt))
        .route("/v1/environments/{environment}/rights", get(rights::look))
        .route("/v1/environments/{environment}/secrets", get(secrets::list))
        .route("/v1/environments/{environment}/doctor", get(doctor::examine))
        .route("/v1/plans/{id}", get(plans::look))
        .route("/v1/plans/{id}/approvals", post(plans::approve))
        .route("/v1/tasks", get(tasks::list))
        .route("/v1/tasks/{id}", get(tasks::look))
        .route("/v1/tasks/{id}/retry", post(tasks::retry))
        .route("/v1/decisions/last", get(decisions::last))
        .route("/v1/decisions/{id}", get(decisions::look))
        .route("/v1/ledger/checkpoints", get(ledger::checkpoints))
        .route("/v1/ledger/{*path}", get(ledger::file))
        .fallback(nowhere)
        .method_not_allowed_fallback(nowhere)
        .with_state(web)
}

async fn health() -> Json<Health> {
    Json(Health { status: "ok".to_owned() })
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::text()).into_response()
}

async fn nowhere() -> Refusal {
    Refusal::Unseen
}

/// A moment as it is written in bodies, to the second.
fn written(at: OffsetDateTime) -> String {
    at.truncate_to_second().format(&Rfc3339).unwrap_or_default()
}

/// The name of an environment out of a path. One that cannot be is one that is not seen.
fn environment(name: &str) -> Result<gw_model::id::EnvironmentName, Refusal> {
    name.parse().map_err(|_| Refusal::Unseen)
}

/// The id of a plan or a decision out of a path.
fn id(text: &str) -> Result<&str, Refusal> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_id = (1..=64).contains(&text.len()) && text.bytes().all(sign);
    if is_id { Ok(text) } else { Err(Refusal::Unseen) }
}
