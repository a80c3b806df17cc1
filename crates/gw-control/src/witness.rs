//! A second place that remembers how large the ledger is and what its root is.
//!
//! Whoever holds state and key can write another story, or an older one. A place that he cannot write
//! to, because it has a credential of its own, tells the two apart.

mod repository;

use std::{
    fmt,
    path::{Path, PathBuf},
    pin::Pin,
};

use gw_audit::folder::{CHECKPOINT, Folder};

pub use self::repository::{Access, WitnessRepository};
use crate::ledger::LedgerFiles;

/// What a witness will have answered, or why it did not.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unreached>> + Send + 'a>>;

/// Remembers the newest checkpoint of one ledger.
pub trait Witness: fmt::Debug + Send + Sync {
    /// For people.
    fn name(&self) -> String;

    /// What was left here last; nothing of it is believed before it was compared.
    fn newest(&self) -> Pending<'_, Option<Vec<u8>>>;

    /// Leaves a newer checkpoint.
    fn leave<'a>(&'a self, checkpoint: &'a [u8]) -> Pending<'a, ()>;
}

/// Why nobody remembers it yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    pub witness: String,
    pub because: String,
}

/// A folder elsewhere: another machine's, mounted here, that this one may write to and nobody who
/// has the state.
#[derive(Clone, Debug)]
pub struct WitnessFolder {
    folder: PathBuf,
    files: LedgerFiles,
}

impl WitnessFolder {
    /// Remembers the ledger of that name below the folder, which has to be there already: one that
    /// is not mounted is not mistaken for an empty one.
    pub fn new(folder: &Path, ledger: &str) -> Self {
        Self { folder: folder.to_owned(), files: LedgerFiles::new(&folder.join(ledger)) }
    }

    fn reached(&self) -> Result<(), Unreached> {
        let missing = || self.unreached("there is no such folder");
        self.folder.is_dir().then_some(()).ok_or_else(missing)
    }

    fn unreached(&self, because: impl Into<String>) -> Unreached {
        Unreached { witness: self.name(), because: because.into() }
    }

    fn read(&self) -> Result<Option<Vec<u8>>, Unreached> {
        self.reached()?;
        self.files.read(CHECKPOINT).map_err(|because| self.unreached(because))
    }

    fn write(&self, checkpoint: &[u8]) -> Result<(), Unreached> {
        self.reached()?;
        let put = self.files.put(CHECKPOINT, checkpoint);
        put.map_err(|error| self.unreached(error.to_string()))
    }
}

impl Witness for WitnessFolder {
    fn name(&self) -> String {
        self.folder.display().to_string()
    }

    fn newest(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(std::future::ready(self.read()))
    }

    fn leave<'a>(&'a self, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(std::future::ready(self.write(checkpoint)))
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the witness `{}` is not reached: {}", self.witness, self.because)
    }
}

impl std::error::Error for Unreached {}

#[cfg(test)]
mod tests;
