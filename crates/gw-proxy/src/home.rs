//! Where a gateway keeps what is its own: one folder that only its owner may enter, with files that
//! only its owner may read.
//!
//! Generations may lie in the same folder, and may be delivered in another one. What remembers, signs
//! or answers is here alone, so whoever delivers generations cannot replace it.

use std::{
    fs, io,
    os::unix::{
        fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

use gw_net::socket;
use gw_policy::gateway::SOCKET;

#[derive(Clone, Debug)]
pub(crate) struct Home {
    folder: PathBuf,
}

/// Why a home has no socket.
#[derive(Debug)]
pub(crate) enum Unbound {
    /// A gateway answers on the one that is there.
    Answered,
    Failed(io::Error),
}

/// Bits of a mode by which others than the owner get in.
const OTHERS: u32 = 0o077;

impl Home {
    /// Makes the folder where it is missing, and shuts it to others.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        make_folder(folder)?;
        let mode = fs::metadata(folder)?.permissions().mode();
        if mode & OTHERS != 0 {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        }
        Ok(Self::at(folder))
    }

    /// The same for whoever only looks.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where it answers its owner.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// The folder of the decision log.
    pub(crate) fn decisions(&self) -> PathBuf {
        self.folder.join("decisions")
    }

    /// The key that signs assertions.
    pub(crate) fn assertion_key(&self) -> PathBuf {
        self.folder.join("assertion.key")
    }

    /// The highest generation that callers met.
    pub(crate) fn last_served(&self) -> PathBuf {
        self.folder.join("last-served")
    }

    /// Listens on the socket. A dead one of a former gateway is replaced, one that answers is not.
    pub(crate) fn bind(&self) -> Result<UnixListener, Unbound> {
        let path = self.socket();
        if socket::answers(&path) {
            return Err(Unbound::Answered);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Unbound::Failed(error));
            }
            Ok(()) | Err(_) => {}
        }
        let bind = || {
            // Until its mode is set it has that of the process: nobody else gets into the folder.
            let listener = socket::listen(&path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        bind().map_err(Unbound::Failed)
    }
}

/// Makes a folder, and those above it, that only the owner may enter.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// How a file is made that only the owner may read.
pub(crate) fn new_file() -> fs::OpenOptions {
    let mut file = fs::OpenOptions::new();
    file.mode(0o600);
    file
}
