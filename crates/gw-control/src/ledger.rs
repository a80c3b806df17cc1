//! The files of the ledger: made from the entries in the state, for whoever verifies without it.
//!
//! The state holds the entries and is what counts; the files are written behind it and are never
//! ahead. Where they are, the state was set back to an older copy, and nothing is done before
//! somebody has looked.

mod files;

use std::{fmt, path::Path};

use gw_audit::{
    checkpoint::{Checkpoint, Refusal},
    folder::{self, CHECKPOINT, ReadError},
    growth::Growth,
    note::{Signer, Verifier},
    tree::Hash,
};
use gw_model::code::Code;

pub use self::files::LedgerFiles;
use crate::store::{Store, StoreError};

/// So many entries are read from the state at once.
const PAGE: u32 = 1024;

/// A ledger in a folder of this machine, and the key that signs it.
#[derive(Debug)]
pub struct Ledger {
    files: LedgerFiles,
    signer: Signer,
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

    /// Brings the files up to the newest entry, and says how many entries they have.
    pub async fn publish(&self, store: &Store) -> Result<u64, LedgerError> {
        let _one_at_a_time = self.files.lock()?;
        let newest = self.files.agree(self.signer.verifier(), store).await?;
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        let mut entries = store.entries(size, PAGE).await?;
        if entries.is_empty() {
            return Ok(size);
        }
        let mut growth = match newest {
            Some(Checkpoint { size, root, .. }) => Growth::resume(&self.files, size, root)?,
            None => Growth::default(),
        };
        let mut writes = vec![];
        while !entries.is_empty() {
            for entry in entries {
                growth
                    .push(entry, &mut writes)
                    .map_err(|error| StoreError::Unwritable { reason: error.to_string() })?;
            }
            entries = store.entries(growth.size(), PAGE).await?;
        }
        growth.seal(self.signer.verifier().name(), &[&self.signer], &mut writes);
        self.files.write(writes)?;
        Ok(growth.size())
    }
}

impl LedgerFiles {
    /// The newest checkpoint of the files, where they tell what the state tells, as far as they go.
    pub async fn agree(
        &self,
        key: &Verifier,
        store: &Store,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        store.check_key().await?;
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        let newest = Checkpoint::open(&bytes, key).map_err(LedgerError::Checkpoint)?;
        let (files, state) = (newest.size, store.entry_count().await?);
        if files > state {
            return Err(LedgerError::Ahead { files, state });
        }
        let Some(last) = files.checked_sub(1) else { return Ok(Some(newest)) };
        // The last entry alone tells two stories apart: each knows its place and its time.
        let ours = store.entries(last, 1).await?;
        let theirs = folder::leaf(self, last, files)?;
        if ours.first().map(|entry| Hash::leaf(entry)) == theirs {
            Ok(Some(newest))
        } else {
            Err(LedgerError::Forked { index: last })
        }
    }
}

impl LedgerError {
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Read(_) | Self::Checkpoint(_) => Code::LedgerBroken,
            Self::Ahead { .. } | Self::Forked { .. } => Code::LedgerAhead,
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
                 state was set back and went on"
            ),
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
