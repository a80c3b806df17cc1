//! A folder of this machine as a workspace. Files are taken as they are; no commit is claimed.
//!
//! Nothing outside the folder is ever read, wherever its links lead, and what is hidden (`.git`,
//! `.secrets`) is not part of a workspace.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gw_model::load::{Files, ReadError};
use parking_lot::Mutex;
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
};

use super::Snapshot;

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
    /// The folder itself: files are opened from here, whatever becomes of its name.
    opened: File,
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
        let opened = File::open(&root).map_err(unreadable)?;
        let mut paths = vec![];
        list(&root, "", 0, &mut paths)?;
        paths.sort_unstable();
        Ok(Self { root, opened, paths, read: Mutex::default() })
    }

    /// The whole path of the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn read_from_disk(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let say = |error: io::Error| ReadError(error.to_string());
        if self.paths.binary_search_by(|known| known.as_str().cmp(path)).is_err() {
            return Err(ReadError("there is no such file in the workspace".to_owned()));
        }
        let file = self.open_below(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::XDEV) => {
                ReadError("it is a link that leads out of the workspace".to_owned())
            }
            _ => say(error),
        })?;
        let about = file.metadata().map_err(say)?;
        if !about.is_file() {
            return Err(ReadError("it is not a file".to_owned()));
        }
        // Room for the whole of it, and to see its end.
        let length = usize::try_from(about.len().min(MAX_FILE_BYTES)).unwrap_or_default();
        let mut bytes = Vec::with_capacity(length + 1);
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(say)?;
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE_BYTES) {
            Ok(bytes)
        } else {
            Err(ReadError(format!("it is larger than {} MiB", MAX_FILE_BYTES >> 20)))
        }
    }

    /// Opens what lies below the folder. The system itself follows links, and none that leads out:
    /// whoever exchanges a folder for a link at the same moment gains nothing.
    fn open_below(&self, path: &str) -> io::Result<File> {
        // A pipe must not make us wait for its other end.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let below = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.opened, path, flags, Mode::empty(), below)?.into())
    }
}

impl Snapshot for Folder {
    fn was_read(&self) -> BTreeMap<String, Vec<u8>> {
        self.read.lock().clone()
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
