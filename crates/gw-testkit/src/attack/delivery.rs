//! The same for whoever takes webhooks.
//!
//! (a) Nothing is queued because of it. (b) Exactly one entry of the ledger is added: a refusal with
//! the stable reason that was expected. (c) Nothing secret stands in the answer or in any file that is
//! written. (d) The next genuine delivery is taken, on the same connection or, where that was closed,
//! by the same process.
//!
//! What is signed has to be borne, whatever it says and however often it comes: [`bear`] asserts that
//! no more is queued than it hints at, and that the ledger says nothing of it. So has a mistake of the
//! taker itself, which [`outlive`] asks for.

use std::{fmt, net::SocketAddr, path::PathBuf, thread};

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

/// Deliveries that are signed, and mean harm all the same.
#[derive(Debug)]
pub struct Burden<'a> {
    pub name: &'a str,
    /// As they go over the wire. Each of these is sent by somebody else, one after the other.
    pub deliveries: &'a [Vec<Vec<u8>>],
    /// How often anything may be asked for because of them.
    pub hints: u64,
    /// What must not be seen again.
    pub secrets: &'a [&'a str],
}

/// Sends all of them at once, each answered before any work is done, and asserts the four.
pub fn bear(bench: &Bench<'_>, burden: &Burden<'_>) {
    let Burden { name, deliveries, hints, secrets } = burden;
    let (queued, before) = ((bench.queued)(), (bench.entries)().len());
    let address = bench.address;
    let send = move |deliveries: &[Vec<u8>]| {
        let mut connection = Connection::open(address).expect("connections are accepted");
        let mut answered = vec![];
        for delivery in deliveries {
            connection.send(delivery).expect("it is read");
            let reply = connection.reply().expect("an answer comes in time");
            let reply = reply.unwrap_or_else(|| unreachable!("closed without an answer"));
            assert_eq!(reply.status, 202, "it is not answered: {}", reply.text());
            answered.extend(answer_bytes(&reply));
        }
        answered
    };
    let answered: Vec<u8> = thread::scope(|scope| {
        let senders: Vec<_> = deliveries.iter().map(|it| scope.spawn(move || send(it))).collect();
        senders.into_iter().flat_map(|it| it.join().expect("every one is answered")).collect()
    });
    let asked = (bench.queued)() - queued;
    assert_eq!(asked, *hints, "{name}: (a) not what it hints at");
    let entries = (bench.entries)();
    assert_eq!(entries.len(), before, "{name}: (b) the ledger says something of a hint");
    assert_unseen(name, secrets, answered, bench.written.iter().map(PathBuf::as_path));
    let mut connection = Connection::open(bench.address).expect("connections are accepted");
    take_good(bench, &mut connection, name);
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
    take_good(bench, &mut connection, name);
    reply
}

/// Sends what ends in a mistake of the taker, and asserts the four: of what was not decided, the ledger
/// says nothing.
pub fn outlive(bench: &Bench<'_>, attack: &Attack<'_>) -> Reply {
    let Attack { name, bytes, status, reason, secrets } = attack;
    let (queued, before) = ((bench.queued)(), (bench.entries)().len());
    let mut connection = Connection::open(bench.address).expect("connections are accepted");
    connection.send(bytes).expect("it is read");
    let reply = connection.reply().expect("an answer comes in time");
    let reply = reply.unwrap_or_else(|| unreachable!("{name}: closed without an answer"));
    let told = reply.json().get("reason").and_then(Value::as_str).map(str::to_owned);
    assert_eq!((reply.status, told.as_deref()), (*status, Some(*reason)), "{name}: (b)");
    assert_eq!((bench.queued)(), queued, "{name}: (a) something is queued");
    assert_eq!((bench.entries)().len(), before, "{name}: (b) the ledger says something");
    let answered = answer_bytes(&reply);
    assert_unseen(name, secrets, answered, bench.written.iter().map(PathBuf::as_path));
    take_good(bench, &mut connection, name);
    reply
}

/// (d).
fn take_good(bench: &Bench<'_>, connection: &mut Connection, name: &str) {
    let queued = (bench.queued)();
    connection.send(&(bench.good)()).expect("the good delivery is read");
    let good = connection.reply().expect("an answer comes in time");
    let good = good.unwrap_or_else(|| unreachable!("{name}: (d) closed without an answer"));
    assert_eq!(good.status, 202, "{name}: (d) a good delivery fails: {}", good.text());
    assert!((bench.queued)() > queued, "{name}: (d) a good delivery queues nothing");
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
