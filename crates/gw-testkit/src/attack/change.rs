//! The same for whoever changes an environment.
//!
//! (a) Nothing is written to any target. (b) Exactly one entry of the ledger says that a change was
//! refused, and the stable code that was expected is told. (c) Nothing secret stands in what is told,
//! in the ledger or in any file that is written. (d) A change that is right is made right afterwards.
//!
//! What only looks as if it asked for a change is a lure: [`ignore`] asserts that nobody follows it, and
//! that the ledger says nothing of it.

use std::{fmt, path::PathBuf};

use serde_json::Value;

use super::assert_unseen;

/// Somebody who changes an environment, its target and a ledger.
pub struct Bench<'a> {
    /// Files or folders that are written.
    pub written: Vec<PathBuf>,
    /// How often anything was written to the target.
    pub writes: &'a dyn Fn() -> u64,
    /// Every entry of the ledger, as it is kept.
    pub entries: &'a dyn Fn() -> Vec<Vec<u8>>,
    /// A change that has to be made, another one each time.
    pub good: &'a dyn Fn() -> Said,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Said {
    pub done: bool,
    pub code: Option<String>,
    pub words: String,
}

/// A change that must not be made.
pub struct Attack<'a> {
    pub name: &'a str,
    pub ask: &'a dyn Fn() -> Said,
    /// The stable code that is told.
    pub code: &'a str,
    /// What must not be seen again.
    pub secrets: &'a [&'a str],
}

/// What must lead to nothing.
pub struct Lure<'a> {
    pub name: &'a str,
    pub put: &'a dyn Fn(),
    /// What must not be seen again.
    pub secrets: &'a [&'a str],
}

/// Puts it there and asserts the four.
pub fn ignore(bench: &Bench<'_>, lure: &Lure<'_>) {
    let Lure { name, put, secrets } = lure;
    let (writes, before) = ((bench.writes)(), (bench.entries)().len());
    put();
    assert_eq!((bench.writes)(), writes, "{name}: (a) something was written");
    let entries = (bench.entries)();
    assert_eq!(entries.len(), before, "{name}: (b) the ledger says something of it");
    assert_unseen(name, secrets, entries.concat(), bench.written.iter().map(PathBuf::as_path));
    make_good(bench, name, writes);
}

/// Asks for the change and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, ask, code, secrets } = attack;
    let (writes, before) = ((bench.writes)(), (bench.entries)().len());
    let said = ask();
    assert!(!said.done, "{name}: it was done: {}", said.words);
    assert_eq!((bench.writes)(), writes, "{name}: (a) something was written");

    let entries = (bench.entries)();
    let refused = entries.iter().skip(before).filter(|entry| is_refusal(entry)).count();
    assert_eq!(refused, 1, "{name}: (b) not exactly one refusal: {}", said.words);
    assert_eq!(said.code.as_deref(), Some(*code), "{name}: (b) {}", said.words);

    let told = [said.words.as_bytes(), &entries.concat()].concat();
    assert_unseen(name, secrets, told, bench.written.iter().map(PathBuf::as_path));

    make_good(bench, name, writes);
    said
}

/// The same of whoever was overtaken in the middle: there is no entry of it, because they may not write
/// any more.
pub fn overtaken(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, ask, code, secrets } = attack;
    let (writes, before) = ((bench.writes)(), (bench.entries)().len());
    let said = ask();
    assert!(!said.done, "{name}: it was done: {}", said.words);
    assert_eq!((bench.writes)(), writes, "{name}: (a) something was written");
    assert_eq!(said.code.as_deref(), Some(*code), "{name}: (b) {}", said.words);
    let entries = (bench.entries)();
    assert_eq!(entries.len(), before, "{name}: (b) the ledger says something of it");
    let told = [said.words.as_bytes(), &entries.concat()].concat();
    assert_unseen(name, secrets, told, bench.written.iter().map(PathBuf::as_path));
    make_good(bench, name, writes);
    said
}

/// (d).
fn make_good(bench: &Bench<'_>, name: &str, writes: u64) {
    let then = (bench.good)();
    assert!(then.done, "{name}: (d) a change that is right fails: {}", then.words);
    assert!((bench.writes)() > writes, "{name}: (d) nothing was written");
}

/// Whether an entry says that a change was refused.
fn is_refusal(entry: &[u8]) -> bool {
    let entry: Value = serde_json::from_slice(entry).expect("an entry is JSON");
    let text = |place| entry.pointer(place).and_then(Value::as_str).unwrap_or_default();
    (text("/act"), text("/outcome")) == ("change.decided", "refused")
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("written", &self.written).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Attack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}
