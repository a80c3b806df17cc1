//! The credentials by which the work on an environment is done.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use gw_control::credentials::{Standing, standing};

use super::{environment, written};
use crate::{
    Web,
    contract::{Credential, Secrets},
    door,
    problem::Refusal,
};

pub(super) async fn list(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Secrets>, Refusal> {
    let granted = door::viewer(&web, &headers, "secrets").await?;
    let environment = environment(&name)?;
    if environment != granted.scope.environment {
        return Err(Refusal::Unseen);
    }
    let rules = web.server.in_force(&environment).await?;
    let secrets = standing(&web.server, rules.as_deref()).await?;
    let secrets = secrets.into_iter().map(Credential::from).collect();
    Ok(Json(Secrets { environment: environment.to_string(), secrets }))
}

impl From<Standing> for Credential {
    fn from(standing: Standing) -> Self {
        let Standing { credential, since, last_used, warnings } = standing;
        Self {
            name: credential.name.to_string(),
            purpose: credential.purpose,
            owner: credential.owner,
            source: credential.source,
            since: since.map(written),
            expires: credential.expires.map(|day| day.to_string()),
            last_used: last_used.map(written),
            warnings,
        }
    }
}
