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

/// Asks for the last decision: an answer means that all before it are in the files.
fn settle(folder: &Path) {
    let Ok(mut socket) = UnixStream::connect(folder.join("gateway.sock")) else { return };
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket takes a time limit");
    let request = b"GET /v1/decisions/last HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n";
    socket.write_all(request).expect("the gateway reads its socket");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).expect("the gateway answers on its socket");
}

fn decision(line: &str) -> Decision {
    let whole: Value = serde_json::from_str(line).expect("a record is one line of JSON");
    let reason = whole.get("reason").and_then(Value::as_str).expect("a record has a reason");
    Decision { reason: reason.to_owned(), whole }
}
