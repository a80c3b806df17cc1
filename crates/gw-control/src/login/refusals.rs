//! Refusals for the ledger, so counted that a flood of them does not fill it.
//!
//! The first of a kind is an entry at once. Equal ones within a minute are counted, and become one
//! entry after it. Kinds are bounded: declared issuers, times the closed list of reasons. The count of
//! the minute under way is in memory only, so a process that is killed loses it, and nothing else.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use time::{Duration, OffsetDateTime};

use super::refused::Refused;

const WINDOW: Duration = Duration::MINUTE;

#[derive(Debug, Default)]
pub(super) struct Refusals {
    windows: Mutex<BTreeMap<Kind, Window>>,
}

/// What is equal: by whose proof or at which door, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

#[derive(Debug)]
struct Window {
    since: OffsetDateTime,
    /// Beside the first.
    more: u64,
}

impl From<&Refused> for Kind {
    fn from(refused: &Refused) -> Self {
        Self { source: refused.source().to_owned(), reason: refused.reason() }
    }
}

/// What the ledger is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) kind: Kind,
    pub(super) times: u64,
    /// When the first of them was.
    pub(super) since: OffsetDateTime,
}

impl Refusals {
    /// Counts one, and gives what has become due.
    pub(super) fn count(&self, kind: impl Into<Kind>, at: OffsetDateTime) -> Vec<Counted> {
        let kind = kind.into();
        let mut due = self.due(at);
        let mut windows = self.windows.lock();
        match windows.get_mut(&kind) {
            Some(window) => window.more += 1,
            None => {
                windows.insert(kind.clone(), Window { since: at, more: 0 });
                due.push(Counted { kind, times: 1, since: at });
            }
        }
        due
    }

    /// Counts of the minutes that have ended.
    pub(super) fn due(&self, at: OffsetDateTime) -> Vec<Counted> {
        let mut due = vec![];
        self.windows.lock().retain(|kind, window| {
            // A clock that was set back ends a window as well.
            let open = (at - window.since).abs() < WINDOW;
            if !open && window.more > 0 {
                let (kind, times) = (kind.clone(), window.more);
                due.push(Counted { kind, times, since: window.since });
            }
            open
        });
        due
    }
}

#[cfg(test)]
mod tests;
