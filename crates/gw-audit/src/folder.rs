//! A ledger as files in a folder, wherever that folder is.

use std::fmt;

use crate::{
    tile::{self, Kind, TileId, WIDTH},
    tree::Hash,
};

/// The newest checkpoint.
pub const CHECKPOINT: &str = "checkpoint";
/// The folder with every checkpoint that was signed, each named by its size.
pub const CHECKPOINTS: &str = "checkpoints";

/// Reads by paths below the folder of the ledger.
pub trait Folder {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String>;
    /// The names of the files in a folder, in any order; none where there is no folder.
    fn names(&self, path: &str) -> Result<Vec<String>, String>;
}

/// Why a file of the ledger is of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    Unreadable {
        path: String,
        because: String,
    },
    Missing {
        path: String,
    },
    /// It is not what the checkpoint was signed over.
    Damaged {
        path: String,
    },
}

pub(crate) fn read(folder: &dyn Folder, path: &str) -> Result<Vec<u8>, ReadError> {
    let path = path.to_owned();
    match folder.read(&path) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(ReadError::Missing { path }),
        Err(because) => Err(ReadError::Unreadable { path, because }),
    }
}

pub(crate) fn names(folder: &dyn Folder, path: &str) -> Result<Vec<String>, ReadError> {
    let unreadable = |because| ReadError::Unreadable { path: path.to_owned(), because };
    folder.names(path).map_err(unreadable)
}

/// The hashes of the entries of a ledger of `size` that lie in one file with entry `index`, from the
/// first of that file on; none beyond the end.
pub fn leaves(folder: &dyn Folder, index: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
    match TileId::holding(Kind::Hashes(0), index, size) {
        Some(id) => hashes(folder, id),
        None => Ok(vec![]),
    }
}

/// One entry of a ledger of `size`; `None` where it has fewer.
pub fn entry(folder: &dyn Folder, index: u64, size: u64) -> Result<Option<Vec<u8>>, ReadError> {
    let Some(id) = TileId::holding(Kind::Entries, index, size) else { return Ok(None) };
    let path = id.to_string();
    let bytes = read(folder, &path)?;
    let entries = tile::unbundle(&bytes, id.width).map_err(|_| ReadError::Damaged { path })?;
    let place = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
    Ok(entries.get(place).map(|entry| entry.to_vec()))
}

/// The hashes of a tile of exactly this width.
pub(crate) fn hashes(folder: &dyn Folder, id: TileId) -> Result<Vec<Hash>, ReadError> {
    let path = id.to_string();
    let bytes = read(folder, &path)?;
    tile::hashes(&bytes, id.width).ok_or(ReadError::Damaged { path })
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, because } => write!(f, "`{path}` cannot be read: {because}"),
            Self::Missing { path } => write!(f, "`{path}` is missing"),
            Self::Damaged { path } => write!(f, "`{path}` is not what was signed"),
        }
    }
}

impl std::error::Error for ReadError {}
