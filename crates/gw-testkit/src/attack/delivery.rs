//! The same for whoever takes webhooks.
//!
//! (a) Nothing is queued because of it. (b) Exactly one entry of the ledger is added: a refusal with
//! the stable reason that was expected. (c) Nothing secret stands in the answer or in any file that is
//! written. (d) The next genuine delivery is taken, on the same connection or, where that was closed,
//! by the same process.

use std::{fmt, net::SocketAddr, path::PathBuf};

use serde_json::Value;

use super::{answer_bytes, assert_unseen};
use crate::wire::{Connection, Reply};

/// Somebody who takes webhooks, a queue and a ledger.
pub struct Bench<'a> {
    pub address: SocketAddr,
    /// Files or folders that are written.
    pub written: Vec<PathBuf>,
    /// A genuine delivery, another one each time, as it goes over the wire.
    pub good: &'a dyn Fn() -> Vec<u8>,
    /// How often anything was asked for.
    pub queued: &'a dyn Fn() -> u64,
    /// Every entry of the ledger, as it is kept.
    pub entries: &'a dyn Fn() -> Vec<Vec<u8>>,
}

/// A delivery that must not be taken.
#[derive(Debug)]
pub struct Attack<'a> {
    pub name: &'a str,
    /// As it goes over the wire.
    pub bytes: &'a [u8],
    pub status: u16,
    /// The stable reason of its entry.
    pub reason: &'a str,
    /// What must not be seen again.
    pub secrets: &'a [&'a str],
}

/// Sends the delivery and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Reply {
    let Attack { name, bytes, status, reason, secrets } = attack;
    let (queued, before) = ((bench.queued)(), (bench.entries)().len());
    let mut connection = Connection::open(bench.address).expect("connections are accepted");
    // A body that is refused by its length may be answered before all of it was sent.
    let _cut_off = connection.send(bytes);
    let reply = connection.reply().expect("an answer comes in time");
    let reply = reply.unwrap_or_else(|| unreachable!("{name}: closed without an answer"));
    assert_eq!(reply.status, *status, "{name}: {}", reply.text());
    assert_eq!((bench.queued)(), queued, "{name}: (a) something is queued");

    let entries = (bench.entries)();
    let told: Vec<_> = entries.iter().skip(before).map(|entry| reason_of(entry)).collect();
    assert_eq!(told, [("refused".to_owned(), (*reason).to_owned())], "{name}: (b)");

    let mut answered = answer_bytes(&reply);
    answered.extend(entries.concat());
    assert_unseen(name, secrets, answered, bench.written.iter().map(PathBuf::as_path));

    if reply.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")) {
        connection = Connection::open(bench.address).expect("connections are accepted");
    }
    connection.send(&(bench.good)()).expect("the good delivery is read");
    let good = connection.reply().expect("an answer comes in time");
    let good = good.unwrap_or_else(|| unreachable!("{name}: (d) closed without an answer"));
    assert_eq!(good.status, 202, "{name}: (d) a good delivery fails: {}", good.text());
    assert!((bench.queued)() > queued, "{name}: (d) a good delivery queues nothing");
    reply
}

/// How what an entry says ended, and why.
fn reason_of(entry: &[u8]) -> (String, String) {
    let entry: Value = serde_json::from_slice(entry).expect("an entry is JSON");
    let text = |place| entry.pointer(place).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/outcome"), text("/facts/reason"))
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("address", &self.address).finish_non_exhaustive()
    }
}
