//! What the ledger says of a decision: who was judged, by which rules, and what each said.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use gw_control::store::Granted;
use serde_json::Value;

use super::id;
use crate::{Web, contract::Decided, door, problem::Refusal};

pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Decided>, Refusal> {
    let granted = door::viewer(&web, &headers, "decision").await?;
    Ok(Json(decided(&web, &granted, id(&name)?).await?))
}

/// The entries of a decision about the environment of the token.
pub(super) async fn decided(web: &Web, granted: &Granted, id: &str) -> Result<Decided, Refusal> {
    let found = web.server.store.entries_of(id).await?;
    let found = found.iter().filter_map(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let environment = granted.scope.environment.as_str();
    let entries: Vec<Value> =
        found.filter(|entry| entry["environment"].as_str() == Some(environment)).collect();
    if entries.is_empty() {
        return Err(Refusal::Unseen);
    }
    Ok(Decided { id: id.to_owned(), entries })
}
