//! The same for whoever gives tokens for proofs.
//!
//! (a) Nothing is given. (b) Exactly one entry of the ledger is added: a refused login with the stable
//! reason that was expected. (c) No part of the proof stands in what is answered, in the ledger or in
//! any file that is written. (d) A good proof is exchanged right afterwards.

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf};

use serde_json::Value;

use super::{assert_unseen, is_secret};

/// Somebody who gives tokens, and a ledger.
pub struct Bench<'a> {
    /// Files or folders that are written.
    pub written: Vec<PathBuf>,
    /// Hands in a proof.
    pub exchange: &'a dyn Fn(&str) -> Said,
    /// A proof that holds, another one each time.
    pub good: &'a dyn Fn() -> String,
    /// Every entry of the ledger, as it is kept.
    pub entries: &'a dyn Fn() -> Vec<Vec<u8>>,
}

/// What was answered.
#[derive(Clone, Debug)]
pub struct Said {
    pub given: bool,
    /// Everything that is told, to whoever asked and to whoever runs it.
    pub words: String,
}

/// A proof that must not be taken.
#[derive(Debug)]
pub struct Attack<'a> {
    pub name: &'a str,
    pub proof: &'a str,
    /// The stable reason of its entry.
    pub reason: &'a str,
}

/// Hands in the proof and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, proof, reason } = attack;
    let before = (bench.entries)().len();
    let said = (bench.exchange)(proof);
    assert!(!said.given, "{name}: (a) it got a token: {}", said.words);

    let entries = (bench.entries)();
    let told: Vec<_> = entries.iter().skip(before).map(|entry| acts(entry)).collect();
    let refused = ["login", "refused", *reason].map(str::to_owned);
    assert_eq!(told, [refused], "{name}: (b) not exactly that: {}", said.words);

    let secrets: Vec<&str> = proof.split('.').filter(|part| is_secret(part)).collect();
    let answered = [said.words.as_bytes(), &entries.concat()].concat();
    assert_unseen(name, &secrets, answered, bench.written.iter().map(PathBuf::as_path));

    let before = entries.len();
    let then = (bench.exchange)(&(bench.good)());
    assert!(then.given, "{name}: (d) a good proof fails: {}", then.words);
    let entries = (bench.entries)();
    let told: Vec<_> = entries.iter().skip(before).map(|entry| acts(entry)).collect();
    let issued = ["token.issued", "done", ""].map(str::to_owned);
    assert_eq!(told, [issued], "{name}: (d) the good one left something else");
    said
}

/// What an entry says was done, how it ended and why.
fn acts(entry: &[u8]) -> [String; 3] {
    let entry: Value = serde_json::from_slice(entry).expect("an entry is JSON");
    ["/act", "/outcome", "/facts/reason"].map(|place| {
        let text = entry.pointer(place).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    })
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("written", &self.written).finish_non_exhaustive()
    }
}
