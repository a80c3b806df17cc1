//! One writer at a time. The system lets go of the lock when the process ends, however it ends.

use std::{
    fs::{File, TryLockError},
    path::Path,
};

use super::{StoreError, make_private_folder};

/// While it lives, nobody else changes this state.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        let path = folder.join("state.lock");
        let closed = |error: std::io::Error| StoreError::Closed {
            path: path.clone(),
            reason: error.to_string(),
        };
        make_private_folder(folder).map_err(closed)?;
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(closed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Busy { path: folder.to_owned() }),
            Err(TryLockError::Error(error)) => Err(closed(error)),
        }
    }
}
