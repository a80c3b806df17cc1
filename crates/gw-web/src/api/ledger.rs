//! The files of the ledger, for whoever verifies on a machine of their own. Texts about people are
//! not among them.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use gw_audit::folder::{CHECKPOINT, CHECKPOINTS, Folder};
use tokio::task::spawn_blocking;

use crate::{Web, contract::Checkpoints, door, problem::Refusal};

/// No path of a tile is longer.
const PATH_BYTES: usize = 100;

pub(super) async fn checkpoints(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Json<Checkpoints>, Refusal> {
    door::auditor(&web, &headers).await?;
    let files = web.server.ledger.files().clone();
    let names = spawn_blocking(move || files.names(CHECKPOINTS)).await;
    let mut checkpoints = names.map_err(|_| Refusal::Fault)?.map_err(|_| Refusal::Fault)?;
    checkpoints.sort();
    Ok(Json(Checkpoints { checkpoints }))
}

pub(super) async fn file(
    State(web): State<Arc<Web>>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    door::auditor(&web, &headers).await?;
    if !is_public(&path) {
        return Err(Refusal::Unseen);
    }
    let files = web.server.ledger.files().clone();
    let read = spawn_blocking(move || files.read(&path)).await;
    let bytes = read.map_err(|_| Refusal::Fault)?.map_err(|_| Refusal::Fault)?;
    let bytes = bytes.ok_or(Refusal::Unseen)?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response())
}

/// Whether it is the path of a checkpoint or a tile, and leads nowhere else.
fn is_public(path: &str) -> bool {
    let part = |part: &str| {
        let sign = |byte: u8| matches!(byte, b'0'..=b'9' | b'x');
        let name = part.strip_suffix(".p").unwrap_or(part);
        (1..=20).contains(&name.len()) && name.bytes().all(sign)
    };
    let (kind, rest) = path.split_once('/').unwrap_or((path, ""));
    match kind {
        CHECKPOINT => path == CHECKPOINT,
        CHECKPOINTS => {
            !rest.is_empty() && rest.len() <= 20 && rest.bytes().all(|it| it.is_ascii_digit())
        }
        "tile" => {
            let rest = rest.strip_prefix("entries/").unwrap_or(rest);
            path.len() <= PATH_BYTES && rest.split('/').all(part)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
