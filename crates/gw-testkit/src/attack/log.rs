//! The decision log of a gateway, read from its files.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde_json::Value;

/// One record.
#[derive(Clone, Debug)]
pub(super) struct Decision {
    pub(super) reason: String,
    pub(super) whole: Value,
}

/// Every record so far, the oldest first.
pub(super) fn decisions(folder: &Path) -> Vec<Decision> {
    settle(folder);
    let Ok(entries) = fs::read_dir(folder.join("decisions")) else { return vec![] };
    let mut segments: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    segments.sort();
    let read = |path: &std::path::PathBuf| fs::read_to_string(path).unwrap_or_default();
    let text: String = segments.iter().map(read).collect();
    text.lines().map(decision).collect()
}

/// The generation that the gateway of this target serves.
pub(super) fn served(folder: &Path) -> u64 {
    let answer = ask(folder, "/v1/status").expect("a gateway serves this target");
    let (_, body) = answer.split_once("\r\n\r\n").expect("an answer has a body");
    let status: Value = serde_json::from_str(body).expect("the status is JSON");
    let number = status.get("serving").and_then(|serving| serving.get("number")?.as_u64());
    number.unwrap_or_else(|| unreachable!("no generation is served: {status}"))
}

/// Asks for the last decision: an answer means that all before it are in the files.
fn settle(folder: &Path) {
    ask(folder, "/v1/decisions/last");
}

/// What the gateway answers on its socket; `None` where there is none.
fn ask(folder: &Path, path: &str) -> Option<String> {
    let mut socket = UnixStream::connect(folder.join("gateway.sock")).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a time limit");
    let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).expect("the gateway reads its socket");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).expect("the gateway answers on its socket");
    Some(answer)
}

fn decision(line: &str) -> Decision {
    let whole: Value = serde_json::from_str(line).expect("a record is one line of JSON");
    let reason = whole.get("reason").and_then(Value::as_str).expect("a record has a reason");
    Decision { reason: reason.to_owned(), whole }
}
