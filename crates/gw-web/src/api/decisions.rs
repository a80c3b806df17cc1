//! Why a change may or may not be made: who was judged, by which rules, and how far it came.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};
use gw_control::{
    explain::{self, Explained, Mark, Part, explain},
    store::Granted,
};
use serde_json::Value;

use super::id;
use crate::{
    Web,
    contract::{Blocked, Decided, Link},
    door,
    problem::Refusal,
};

pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Decided>, Refusal> {
    let granted = door::viewer(&web, &headers, "decision").await?;
    Ok(Json(decided(&web, &granted, Some(id(&name)?)).await?))
}

pub(super) async fn last(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Json<Decided>, Refusal> {
    let granted = door::viewer(&web, &headers, "decision").await?;
    Ok(Json(decided(&web, &granted, None).await?))
}

/// A decision about the environment of the token; without an id the newest one.
pub(super) async fn decided(
    web: &Web,
    granted: &Granted,
    id: Option<&str>,
) -> Result<Decided, Refusal> {
    // Each asks the Git host: a few at a time.
    let _place = web.looking.try_acquire().map_err(|_| Refusal::Busy)?;
    let (store, environment) = (&web.server.store, &granted.scope.environment);
    let explained = explain(&web.server, environment, id).await?.ok_or(Refusal::Unseen)?;
    let entries = match &explained.decision {
        Some(decision) => store.entries_of(decision).await?,
        None => store.entries(explained.entry, 1).await?,
    };
    let entries = entries.iter().filter_map(|bytes| serde_json::from_slice::<Value>(bytes).ok());
    let here = |entry: &Value| entry["environment"].as_str() == Some(environment.as_str());
    Ok(Decided { entries: entries.filter(here).collect(), ..explained.into() })
}

impl From<Explained> for Decided {
    fn from(explained: Explained) -> Self {
        Self {
            text: explained.to_string(),
            id: explained.decision,
            is_allowed: explained.is_allowed,
            action: explained.action,
            environment: explained.environment,
            who: explained.who,
            commit: explained.commit,
            at: explained.at,
            entry: explained.entry,
            links: explained.links.into_iter().map(Link::from).collect(),
            end: explained.end,
            cure: explained.cure,
            entries: vec![],
        }
    }
}

impl From<explain::Link> for Link {
    fn from(link: explain::Link) -> Self {
        let part = match link.part {
            Part::GitHost => "gitHost",
            Part::Files => "files",
            Part::Rules => "rules",
            Part::Target => "target",
            Part::Vault => "vault",
        };
        let mark = match link.mark {
            Mark::Good => "good",
            Mark::Bad => "bad",
            Mark::Open => "open",
        };
        let blocked = link.blocked.map(|blocked| {
            let explain::Blocked { action, scope, who, has, needs } = blocked;
            Blocked { action, scope, who, has, needs }
        });
        Self { part: part.to_owned(), mark: mark.to_owned(), says: link.says, blocked }
    }
}
