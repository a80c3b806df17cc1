//! A folder becomes declarations: which files are read, and what they say together.

use std::{error::Error, fmt};

/// The files of a workspace, by their paths from its root: `/` between folders, in order.
pub trait Files {
    fn paths(&self) -> Vec<String>;
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
}

/// Why a file could not be read, in the words of whatever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub String);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ReadError {}
