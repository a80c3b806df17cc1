//! A Unix socket by its path, however long that is.
//!
//! The system takes about a hundred bytes for the name of a socket, and a folder of state may lie
//! deeper. What does not fit is named from its folder, which is held open meanwhile.

use std::{
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::{SocketAddr, UnixListener, UnixStream as Stream},
    },
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};
use tokio::net::UnixStream;

/// A name that fits.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    /// The name holds as long as this is open.
    _folder: Option<OwnedFd>,
}

impl Name {
    fn of(path: &Path) -> io::Result<Self> {
        if SocketAddr::from_pathname(path).is_ok() {
            return Ok(Self { path: path.to_owned(), _folder: None });
        }
        let (Some(folder), Some(file)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let folder = rustix::fs::open(
            folder,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(file);
        Ok(Self { path, _folder: Some(folder) })
    }
}

/// Listens; nothing may stand in the place of the socket.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let name = Name::of(path)?;
    UnixListener::bind(&name.path)
}

/// Whether anybody takes connections there.
pub fn answers(path: &Path) -> bool {
    Name::of(path).and_then(|name| Stream::connect(&name.path)).is_ok()
}

pub async fn connect(path: &Path) -> io::Result<UnixStream> {
    let name = Name::of(path)?;
    UnixStream::connect(&name.path).await
}

#[cfg(test)]
mod tests;
