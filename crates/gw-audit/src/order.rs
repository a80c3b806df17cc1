//! What each entry has to be behind the one in front of it: canonical, in its place, not older, and
//! with a key only where one is handed over. Whoever writes a ledger and whoever verifies one ask
//! the same.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{entry::is_canonical, key::Keys, tree::Hash};

/// How far the entries go that were met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    keys: Keys,
    former: Option<OffsetDateTime>,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bundle ends before it, or goes on after its last.
    Torn,
    /// It is not what was hashed when it was written.
    Edited,
    NotCanonical,
    /// It does not know its place.
    Misplaced,
    /// It is older than the entry in front of it.
    BackInTime,
    /// The first entry does not open the ledger, or a later one does.
    Opening,
    /// It should name the key that signs, and does not.
    NoKey,
    /// It names a key that the one before it did not hand over to.
    NoHandover,
}

/// What has to be known of any entry, of whatever version.
#[derive(Deserialize)]
pub(crate) struct Head {
    index: u64,
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    pub(crate) act: String,
    #[serde(default)]
    pub(crate) facts: BTreeMap<String, Value>,
}

impl Order {
    /// Goes on behind entries that were met before: the keys that they name, and the last of them.
    pub fn resume(keys: Keys, last: Option<&[u8]>) -> Self {
        let head: Option<Head> = last.and_then(|entry| serde_json::from_slice(entry).ok());
        Self { keys, former: head.map(|head| head.at) }
    }

    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Takes the next entry. `before` gives the root over all entries in front of it.
    pub fn meet(
        &mut self,
        index: u64,
        entry: &[u8],
        before: impl FnOnce() -> Option<Hash>,
    ) -> Result<(), Fault> {
        if !is_canonical(entry) {
            return Err(Fault::NotCanonical);
        }
        let head: Head = serde_json::from_slice(entry).map_err(|_| Fault::Misplaced)?;
        if head.index != index {
            return Err(Fault::Misplaced);
        }
        if self.former.is_some_and(|former| head.at < former) {
            return Err(Fault::BackInTime);
        }
        self.former = Some(head.at);
        self.keys.meet(index, &head, before)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torn => "cannot be read from its bundle",
            Self::Edited => "is not what was hashed when it was written",
            Self::NotCanonical => "is not canonical JSON",
            Self::Misplaced => "does not know its place",
            Self::BackInTime => "is older than the entry in front of it",
            Self::Opening => "is not where a ledger opens",
            Self::NoKey => "does not name the key that signs",
            Self::NoHandover => "names a key that the one before it did not hand over to",
        })
    }
}
