//! One question to the gateway of a folder: over its Unix socket, or to the log that it left.

use std::{io::ErrorKind, path::Path, time::Duration};

use bytes::Bytes;
use gw_net::socket;
use gw_policy::{
    decision::Record,
    gateway::{DECISIONS, SOCKET, STATUS, Status},
};
use gw_proxy::{Wanted, recorded};
use http::{Request, StatusCode, header::HOST};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::exit::{Exit, Failure};

const PATIENCE: Duration = Duration::from_secs(5);
/// More than any record has.
const MAX_BYTES: usize = 1 << 20;

/// A decision of the gateway of a target's folder; `None` if it knows none. A gateway that runs is
/// asked, because it holds the newest records in memory; else its log is read from the folder.
pub(crate) async fn decision(folder: &Path, wanted: &Wanted) -> Result<Option<Record>, Failure> {
    let id = match wanted {
        Wanted::Last => "last",
        Wanted::Id(id) => id.as_str(),
    };
    match by_gateway(folder, id).await {
        Ok(found) => Ok(found),
        Err(failure) => match recorded(folder, wanted) {
            Some(record) => Ok(Some(record)),
            None => Err(failure),
        },
    }
}

/// How the gateway of a target's folder is; `None` where none answers.
pub(crate) async fn gateway_status(folder: &Path) -> Option<Status> {
    let (status, body) = timeout(PATIENCE, ask(folder, STATUS)).await.ok()?.ok()?;
    (status == StatusCode::OK).then(|| serde_json::from_slice(&body).ok())?
}

async fn by_gateway(folder: &Path, id: &str) -> Result<Option<Record>, Failure> {
    let asked = timeout(PATIENCE, ask(folder, &format!("{DECISIONS}{id}"))).await;
    let answered = asked.unwrap_or_else(|_| Err("it does not answer in time".to_owned()));
    let (status, body) = answered.map_err(|reason| unreachable(&reason))?;
    match status {
        StatusCode::OK => serde_json::from_slice(&body)
            .map(Some)
            .map_err(|error| unreachable(&format!("its answer cannot be read: {error}"))),
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Ok(None),
        other => Err(unreachable(&format!("it answered {other}"))),
    }
}

async fn ask(folder: &Path, path: &str) -> Result<(StatusCode, Bytes), String> {
    let stream = socket::connect(&folder.join(SOCKET)).await;
    let stream = stream.map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => "it does not run".to_owned(),
        _ => error.to_string(),
    })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(HOST, "gateway")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    connection.abort();
    Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
}

fn unreachable(reason: &str) -> Failure {
    Failure::new(Exit::Unreachable, format!("the gateway cannot be asked: {reason}"))
        .coded(gw_model::code::Code::TargetUnreachable)
        .help("start it: `gatewright gateway`")
}
