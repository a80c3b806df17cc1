//! What a server can reach for an environment.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use gw_control::doctor::{Link, of_environment};

use super::environment;
use crate::{
    Web,
    contract::{Examined, Tested},
    door,
    problem::Refusal,
};

pub(super) async fn examine(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Examined>, Refusal> {
    let granted = door::viewer(&web, &headers, "doctor").await?;
    let environment = environment(&name)?;
    if environment != granted.scope.environment {
        return Err(Refusal::Unseen);
    }
    let rules = web.server.in_force(&environment).await?;
    // It asks everybody there is: a few at a time.
    let _place = web.looking.try_acquire().map_err(|_| Refusal::Busy)?;
    let mut links = web.examine(rules.as_deref()).await;
    links.extend(of_environment(&web.server, rules.as_deref()).await);
    let links = links.into_iter().map(Tested::from).collect();
    Ok(Json(Examined { environment: environment.to_string(), links }))
}

impl From<Link> for Tested {
    fn from(link: Link) -> Self {
        let Link { name, good, found, repair, notes } = link;
        Self { name, good, found, repair, notes }
    }
}
