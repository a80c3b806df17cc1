//! The one way in which a test attacks a gateway: whatever the attack is, four things must hold.
//!
//! (a) Nothing of it reached the backend. (b) It left exactly one decision record, with the reason
//! that was expected. (c) Nothing secret of it stands in the answer or in any file that the gateway
//! writes. (d) The same connection, or where the gateway closed it the same process, still serves a
//! good request.
//!
//! It works from outside, over the wire and the folder, so the gateway may be in this process or in
//! another one. What attacks whoever reads declarations instead goes through [`folder`], whoever
//! fetches them from a Git host through [`source`], whoever gives tokens through [`exchange`], whoever
//! keeps the ledger through [`record`], whoever takes webhooks through [`delivery`], and whoever changes
//! an environment through [`change`].

pub mod change;
pub mod delivery;
pub mod exchange;
pub mod folder;
mod log;
pub mod record;
pub mod source;
#[cfg(test)]
mod tests;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use self::log::{Decision, decisions};
use crate::{
    backend::Backend,
    canary::Canaries,
    wire::{Connection, Reply},
};

/// Parts of a token that are shorter say nothing.
const SECRET_LENGTH: usize = 16;

/// A running gateway, what stands behind it and where it writes.
#[derive(Debug)]
pub struct Bench<'a> {
    pub gateway: SocketAddr,
    pub backend: &'a Backend,
    /// The target's folder: socket and decision log.
    pub folder: &'a Path,
    /// Files or folders beside it that the gateway writes, such as its access log.
    pub written: Vec<PathBuf>,
    /// A request that must pass, before and after every attack.
    pub good: Request,
}

/// A request as it goes over the wire.
#[derive(Clone, Debug)]
pub struct Request {
    pub target: String,
    bytes: Vec<u8>,
    secrets: Vec<String>,
}

/// An attack and what must come of it.
#[derive(Debug)]
pub struct Attack<'a> {
    pub name: &'a str,
    pub request: Request,
    pub status: u16,
    /// The stable reason of its record.
    pub reason: &'a str,
}

/// What came of it, for checks beside the four.
#[derive(Debug)]
pub struct Outcome {
    pub reply: Reply,
    /// The record, as it stands on disk.
    pub record: serde_json::Value,
}

impl Request {
    /// A GET with that token. Its parts are secrets that must not be seen again.
    pub fn with_token(target: &str, token: &str) -> Self {
        let mut request =
            Self::with_headers(target, &[("authorization", &format!("Bearer {token}"))]);
        request.secrets =
            token.split('.').filter(|part| is_secret(part)).map(str::to_owned).collect();
        request
    }

    pub fn with_headers(target: &str, headers: &[(&str, &str)]) -> Self {
        let mut head = format!("GET {target} HTTP/1.1\r\nhost: gateway.test\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        Self { target: target.to_owned(), bytes: head.into_bytes(), secrets: vec![] }
    }

    /// Any bytes at all.
    pub fn raw(target: &str, bytes: &[u8]) -> Self {
        Self { target: target.to_owned(), bytes: bytes.to_vec(), secrets: vec![] }
    }

    /// A text that must not be seen again.
    #[must_use]
    pub fn secret(mut self, text: &str) -> Self {
        self.secrets.push(text.to_owned());
        self
    }
}

/// The header says nothing that the gateway may not tell; claims and signature do.
fn is_secret(part: &str) -> bool {
    part.len() >= SECRET_LENGTH && !part.starts_with("eyJhbGci")
}

/// Runs the attack and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Outcome {
    let Attack { name, request, status, reason } = attack;
    let records_before = decisions(bench.folder).len();
    let received_before = bench.backend.requests().len();
    let mut connection = Connection::open(bench.gateway).expect("the gateway accepts connections");
    connection.send(&request.bytes).expect("the gateway reads");
    let reply = connection.reply().expect("the gateway answers in time");
    let reply = reply.unwrap_or_else(|| unreachable!("{name}: closed without an answer"));
    assert_eq!(reply.status, *status, "{name}: {}", reply.text());

    let received = bench.backend.requests();
    assert_eq!(received.len(), received_before, "{name}: (a) it reached the backend");

    let records = decisions(bench.folder);
    let new: Vec<&Decision> = records.iter().skip(records_before).collect();
    let reasons: Vec<&str> = new.iter().map(|record| record.reason.as_str()).collect();
    assert_eq!(reasons, [*reason], "{name}: (b) not exactly that one record");
    let record = new.into_iter().next().map(|record| record.whole.clone()).unwrap_or_default();

    serve_good(bench, &mut connection, &reply, name);
    let roots = bench.written.iter().map(PathBuf::as_path).chain([bench.folder]);
    assert_unseen(name, &request.secrets, answer_bytes(&reply), roots);
    Outcome { reply, record }
}

/// Asserts that the good request passes, whole and once.
pub fn good(bench: &Bench<'_>) {
    let mut connection = Connection::open(bench.gateway).expect("the gateway accepts connections");
    pass(bench, &mut connection, "the good request");
}

/// (d), on the connection of the attack unless the gateway said that it closes it.
fn serve_good(bench: &Bench<'_>, connection: &mut Connection, reply: &Reply, name: &str) {
    let closes = |value: &str| value.eq_ignore_ascii_case("close");
    if reply.header("connection").is_some_and(closes) {
        let mut fresh = Connection::open(bench.gateway).expect("the gateway accepts connections");
        pass(bench, &mut fresh, name);
    } else {
        pass(bench, connection, name);
    }
}

fn pass(bench: &Bench<'_>, connection: &mut Connection, name: &str) {
    let before = bench.backend.requests().len();
    connection.send(&bench.good.bytes).expect("the gateway reads");
    let reply = connection.reply().expect("the gateway answers in time");
    let reply = reply.unwrap_or_else(|| unreachable!("{name}: (d) closed without an answer"));
    assert_eq!(reply.status, 200, "{name}: (d) a good request fails: {}", reply.text());
    let received = bench.backend.requests();
    let new: Vec<&str> =
        received.iter().skip(before).map(|request| request.target.as_str()).collect();
    // Stray bytes of an attack on a shared connection would show here, in front of the good request.
    assert_eq!(new, [bench.good.target.as_str()], "{name}: (d) the backend saw something else");
}

/// Asserts (c) alone, of a whole story: no secret stands in any of these, each with its name, nor in
/// any file below these roots, in whatever form.
pub fn unseen(secrets: &[String], told: &[(String, Vec<u8>)], roots: &[PathBuf]) {
    let canaries = Canaries::of(secrets);
    let written = roots.iter().flat_map(|root| files(root));
    let written = written.map(|path| {
        let bytes = fs::read(&path).unwrap_or_default();
        (path.display().to_string(), bytes)
    });
    for (place, bytes) in told.iter().cloned().chain(written) {
        let found = canaries.find(&bytes);
        assert!(found.is_empty(), "(c) secrets stand in {place}: {found:?}");
    }
}

/// (c): neither in what was answered nor in any file below these roots, in whatever form.
fn assert_unseen<'a>(
    name: &str,
    secrets: &[impl AsRef<str>],
    answered: Vec<u8>,
    roots: impl Iterator<Item = &'a Path>,
) {
    let mut places = vec![("the answer".to_owned(), answered)];
    for path in roots.flat_map(files) {
        let bytes = fs::read(&path).unwrap_or_default();
        places.push((path.display().to_string(), bytes));
    }
    let canaries = Canaries::of(secrets);
    for (place, bytes) in &places {
        let found = canaries.find(bytes);
        assert!(found.is_empty(), "{name}: (c) a secret stands in {place}: {found:?}");
    }
}

fn answer_bytes(reply: &Reply) -> Vec<u8> {
    let mut bytes = reply.body.clone();
    for (name, value) in &reply.headers {
        bytes.extend(format!("\n{name}: {value}").into_bytes());
    }
    bytes
}

/// Every file under the path, the path itself included.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else {
        return if path.is_file() { vec![path.to_owned()] } else { vec![] };
    };
    entries.flatten().flat_map(|entry| files(&entry.path())).collect()
}
