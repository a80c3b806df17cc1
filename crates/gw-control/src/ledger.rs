//! The files of the ledger: made from the entries in the state, for whoever verifies without it.
//!
//! The state holds the entries and is what counts; the files are written behind it and are never
//! ahead. Where they are, the state was set back to an older copy, and nothing is done before
//! somebody has looked.

mod files;

use std::{fmt, path::Path};

use gw_audit::{
    checkpoint::{Checkpoint, Refusal},
    entry::{Act, Actor, Event, Outcome},
    folder::{self, CHECKPOINT, ReadError},
    growth::{Growth, TooLong},
    key::{Keys, hand_over},
    note::{Malformed, Note, Signer, Verifier},
    order::{Fault, Order},
    tree::Hash,
};
use gw_model::code::Code;
use time::OffsetDateTime;

pub use self::files::LedgerFiles;
use crate::store::{Store, StoreError};

/// So many entries are read from the state at once.
const PAGE: u32 = 1024;
/// So many entries have their hashes in one file.
const FILE: u32 = 256;
/// So often a handover is tried again because somebody else wrote meanwhile.
const ATTEMPTS: u32 = 5;

/// A ledger in a folder of this machine, and the key that signs it.
#[derive(Debug)]
pub struct Ledger {
    files: LedgerFiles,
    signer: Signer,
}

/// How far the files go now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    pub size: u64,
    pub lost: Option<Lost>,
}

/// Somebody took entries away from the files. They are written again; what was signed in between is
/// gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub left: u64,
    pub signed: u64,
}

/// Why the files of the ledger are not as they should be.
#[derive(Debug)]
pub enum LedgerError {
    Store(StoreError),
    /// A file is missing, or damaged.
    Read(ReadError),
    /// The newest checkpoint is not one of ours.
    Checkpoint(Refusal),
    /// The files have entries that the state does not have.
    Ahead {
        files: u64,
        state: u64,
    },
    /// The files have another entry at a place than the state.
    Forked {
        index: u64,
    },
    /// The entries of the state are not those that a checkpoint was signed over.
    Rewritten {
        size: u64,
    },
    /// An entry of the state is none that may be signed.
    Misfit {
        index: u64,
        because: Fault,
    },
    /// Nothing was recorded yet, so no key signs.
    NoKey,
    /// Others wrote each time that a key was to be handed over.
    Restless,
    /// A file cannot be written.
    Write {
        path: String,
        because: String,
    },
}

impl Ledger {
    pub fn new(folder: &Path, signer: Signer) -> Self {
        Self { files: LedgerFiles::new(folder), signer }
    }

    /// Brings the files up to the newest entry.
    pub async fn publish(&self, store: &Store) -> Result<Published, LedgerError> {
        let _one_at_a_time = self.files.lock()?;
        let newest = self.files.agree(self.signer.verifier(), store).await?;
        self.files.keep(&store.people().await?)?;
        let keys = store.keys().await?;
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        let signed = store.sealed().await?;
        let lost = signed.as_ref().map(|(signed, _)| *signed).filter(|signed| *signed > size);
        let lost = lost.map(|signed| Lost { left: size, signed });
        let mut growth = match newest {
            Some(Checkpoint { size, root, .. }) => Growth::resume(&self.files, size, root)?,
            None => Growth::default(),
        };
        let mut order = Order::resume(keys.up_to(size));
        let mut writes = vec![];
        let mut entries = store.entries(size, PAGE).await?;
        if entries.is_empty() {
            return Ok(Published { size, lost });
        }
        while !entries.is_empty() {
            for entry in entries {
                let index = growth.size();
                order
                    .meet(index, &entry, || Some(growth.root()))
                    .map_err(|because| LedgerError::Misfit { index, because })?;
                growth.push(entry, &mut writes).map_err(unwritable)?;
                // What was signed once is never signed in another form.
                if let Some((size, note)) = signed.as_ref().filter(|it| it.0 == growth.size()) {
                    same_root(*size, note, growth.root())?;
                }
            }
            entries = store.entries(growth.size(), PAGE).await?;
        }
        let note = growth.seal(self.signer.verifier().name(), &[&self.signer], &mut writes);
        self.files.write(writes)?;
        let size = growth.size();
        store.seal(size, &note).await?;
        Ok(Published { size, lost })
    }

    /// Hands over to another key, in an entry that both sign, and says which. From there on this key
    /// signs nothing, and the files go on with the next one.
    pub async fn hand_over(
        &self,
        store: &Store,
        next: &Signer,
        by: &Actor,
        at: OffsetDateTime,
    ) -> Result<u64, LedgerError> {
        for _ in 0..ATTEMPTS {
            self.publish(store).await?;
            let newest = self.files.agree(self.signer.verifier(), store).await?;
            let before = newest.ok_or(LedgerError::NoKey)?;
            let handover = hand_over(&before, &self.signer, next);
            let rotated = Event::new(Act::KeyRotated, Outcome::Done, by.clone());
            let rotated = rotated.naming(next.verifier(), Some(&handover));
            if store.hand_over(before.size, next.verifier(), rotated, at).await? {
                return Ok(before.size);
            }
        }
        Err(LedgerError::Restless)
    }
}

fn same_root(size: u64, note: &Note, root: Hash) -> Result<(), LedgerError> {
    let signed = Checkpoint::parse(note.text());
    if signed.is_some_and(|signed| signed.root == root) {
        Ok(())
    } else {
        Err(LedgerError::Rewritten { size })
    }
}

fn unwritable(error: TooLong) -> LedgerError {
    LedgerError::Store(StoreError::Unwritable { reason: error.to_string() })
}

impl LedgerFiles {
    /// The newest checkpoint of the files; none where nothing was ever published.
    pub fn newest(&self, key: &Verifier) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        Checkpoint::open(&bytes, key).map(Some).map_err(LedgerError::Checkpoint)
    }

    /// The same, signed by the key that was in force when it was written.
    fn newest_by(
        &self,
        keys: &Keys,
        at_hand: &Verifier,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        let malformed = |why: Malformed| LedgerError::Checkpoint(Refusal::Malformed(why));
        let note = Note::parse(&bytes).map_err(malformed)?;
        let size = Checkpoint::parse(note.text()).map_or(0, |claim| claim.size);
        let key = keys.in_force(size).unwrap_or(at_hand);
        Checkpoint::of(&note, key).map(Some).map_err(LedgerError::Checkpoint)
    }

    /// The newest checkpoint of the files, where they tell what the state tells, as far as they go.
    pub async fn agree(
        &self,
        key: &Verifier,
        store: &Store,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        store.check_key().await?;
        let keys = store.keys().await?;
        if keys.newest().is_some_and(|newest| newest != key) {
            return Err(LedgerError::Checkpoint(Refusal::NotSigned));
        }
        let Some(newest) = self.newest_by(&keys, key)? else { return Ok(None) };
        let (files, state) = (newest.size, store.entry_count().await?);
        if files > state {
            return Err(LedgerError::Ahead { files, state });
        }
        let Some(last) = files.checked_sub(1) else { return Ok(Some(newest)) };
        // The last entry alone tells two stories apart: each knows its place and its time.
        let ours = store.entries(last, 1).await?;
        let theirs = folder::leaves(self, last, files)?;
        if ours.first().map(|entry| Hash::leaf(entry)).as_ref() == theirs.last() {
            Ok(Some(newest))
        } else {
            Err(LedgerError::Forked { index: last })
        }
    }

    /// Whether every entry of the files is the one of the state.
    pub async fn compare(&self, newest: &Checkpoint, store: &Store) -> Result<(), LedgerError> {
        let mut index = 0;
        while index < newest.size {
            let leaves = folder::leaves(self, index, newest.size)?;
            let entries = store.entries(index, FILE).await?;
            for (leaf, entry) in leaves.iter().zip(&entries) {
                if *leaf != Hash::leaf(entry) {
                    return Err(LedgerError::Forked { index });
                }
                index += 1;
            }
            if entries.len() < leaves.len() {
                return Err(LedgerError::Ahead { files: newest.size, state: index });
            }
        }
        Ok(())
    }
}

impl LedgerError {
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Read(_) | Self::Checkpoint(_) => Code::LedgerBroken,
            Self::Ahead { .. } | Self::Forked { .. } | Self::Rewritten { .. } => Code::LedgerAhead,
            Self::Misfit { because: Fault::NoHandover | Fault::NoKey | Fault::Opening, .. } => {
                Code::LedgerKey
            }
            Self::Misfit { .. } => Code::LedgerBroken,
            Self::NoKey => Code::NoLedger,
            Self::Restless => Code::StateBusy,
            Self::Write { .. } => Code::LedgerFiles,
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Read(error) => write!(f, "of the ledger, {error}"),
            Self::Checkpoint(why) => {
                write!(f, "of the ledger, `{CHECKPOINT}` is not believed: {why}")
            }
            Self::Ahead { files, state } => write!(
                f,
                "the files of the ledger have {files} entries and the state only {state}, so the \
                 state was set back"
            ),
            Self::Forked { index } => write!(
                f,
                "entry {index} of the ledger is another one in its files than in the state: the \
                 state was set back and went on, or somebody changed it"
            ),
            Self::Rewritten { size } => write!(
                f,
                "the first {size} entries of the state are not those that were signed: somebody \
                 changed them"
            ),
            Self::Misfit { index, because } => write!(
                f,
                "entry {index} of the state {because}, so it is not signed: somebody changed the \
                 state"
            ),
            Self::NoKey => f.write_str("there is no ledger yet"),
            Self::Restless => f.write_str("others write to the ledger all the time"),
            Self::Write { path, because } => {
                write!(f, "of the ledger, `{path}` cannot be written: {because}")
            }
        }
    }
}

impl std::error::Error for LedgerError {}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests;
