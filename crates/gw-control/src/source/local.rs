//! A folder of this machine as a workspace. Files are taken as they are; no commit is claimed.
//!
//! Nothing outside the folder is ever read, wherever its links lead, and what is hidden (`.git`,
//! `.secrets`) is not part of a workspace.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use gw_model::load::{Files, ReadError};
use parking_lot::Mutex;

/// More files than this are no workspace but a mistaken folder.
const MAX_FILES: usize = 200_000;
/// Deeper folders are not looked into.
const MAX_DEPTH: usize = 32;
/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// A folder, listed once. Remembers what was read, so that the digest is over exactly that.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    paths: Vec<String>,
    read: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// Why a folder cannot be a workspace.
#[derive(Debug)]
pub enum FolderError {
    Unreadable {
        path: PathBuf,
        error: io::Error,
    },
    NotAFolder {
        path: PathBuf,
    },
    /// A name that is not UTF-8 cannot stand in a declaration.
    NameNotText {
        path: PathBuf,
    },
    TooManyFiles {
        path: PathBuf,
    },
    TooDeep {
        path: PathBuf,
    },
}

impl Folder {
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let unreadable = |error| FolderError::Unreadable { path: path.to_owned(), error };
        let root = path.canonicalize().map_err(unreadable)?;
        if !root.is_dir() {
            return Err(FolderError::NotAFolder { path: path.to_owned() });
        }
        let mut paths = vec![];
        list(&root, "", 0, &mut paths)?;
        paths.sort_unstable();
        Ok(Self { root, paths, read: Mutex::default() })
    }

    /// The whole path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Every file that was read so far, with its content at that time.
    pub fn was_read(&self) -> BTreeMap<String, Vec<u8>> {
        self.read.lock().clone()
    }

    fn read_from_disk(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let say = |error: io::Error| ReadError(error.to_string());
        if self.paths.binary_search_by(|known| known.as_str().cmp(path)).is_err() {
            return Err(ReadError("there is no such file in the workspace".to_owned()));
        }
        let mut real = self.root.join(path);
        let mut about = fs::symlink_metadata(&real).map_err(say)?;
        // The folders on the way were none but real ones when they were listed.
        if about.is_symlink() {
            real = real.canonicalize().map_err(say)?;
            about = fs::metadata(&real).map_err(say)?;
        }
        if !real.starts_with(&self.root) {
            return Err(ReadError("it is a link that leads out of the workspace".to_owned()));
        }
        if !about.is_file() {
            return Err(ReadError("it is not a file".to_owned()));
        }
        if about.len() > MAX_FILE_BYTES {
            return Err(ReadError(format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20)));
        }
        fs::read(&real).map_err(say)
    }
}

impl Files for Folder {
    fn paths(&self) -> Vec<String> {
        self.paths.clone()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.read.lock().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = self.read_from_disk(path)?;
        self.read.lock().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

/// Adds the files of one folder and of those below it. Links to folders are not followed.
fn list(
    folder: &Path,
    prefix: &str,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<(), FolderError> {
    if depth > MAX_DEPTH {
        return Err(FolderError::TooDeep { path: folder.to_owned() });
    }
    let unreadable = |error| FolderError::Unreadable { path: folder.to_owned(), error };
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| FolderError::NameNotText { path: entry.path() })?;
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            list(&entry.path(), &format!("{path}/"), depth + 1, paths)?;
        } else if paths.len() < MAX_FILES {
            paths.push(path);
        } else {
            return Err(FolderError::TooManyFiles { path: folder.to_owned() });
        }
    }
    Ok(())
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "cannot read `{}`: {error}", path.display())
            }
            Self::NotAFolder { path } => write!(f, "`{}` is not a folder", path.display()),
            Self::NameNotText { path } => {
                write!(f, "the name of `{}` is not UTF-8 text", path.display())
            }
            Self::TooManyFiles { path } => write!(
                f,
                "`{}` and its neighbours hold more than {MAX_FILES} files",
                path.display()
            ),
            Self::TooDeep { path } => {
                write!(f, "`{}` lies more than {MAX_DEPTH} folders deep", path.display())
            }
        }
    }
}

impl std::error::Error for FolderError {}

#[cfg(test)]
mod tests;
