//! Reads files that somebody else named or delivered: never a pipe, which would be waited for, nor a
//! device, which has no end, nor more than a process can hold.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// More than any generation has.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() && !metadata.is_dir() {
        return Err(io::Error::other("it is a pipe or a device, and no file"));
    }
    if metadata.len() > MAX_BYTES {
        return Err(io::Error::other("it is larger than 256 MiB"));
    }
    let mut bytes = vec![];
    // It may grow while it is read.
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Why one cannot be read, in few words.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}
