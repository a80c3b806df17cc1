//! The highest generation ever served here, remembered over restarts: a lower one is somebody's old
//! copy.
//!
//! A disk takes long to say that it holds a number, so a thread of its own writes it, and of several
//! numbers only the last. A machine that loses its power in between remembers the number before.
//! While a number cannot be written down, no further generation is taken.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;

#[derive(Debug)]
pub(crate) struct Memory {
    folder: PathBuf,
    highest: Option<u64>,
    numbers: Sender<u64>,
    /// Why the last number was not written down.
    fault: Arc<Mutex<Option<String>>>,
}

const LAST_SERVED: &str = "last-served";

impl Memory {
    /// The thread ends when the memory is dropped and everything is written down.
    pub(crate) fn begin(folder: &Path) -> io::Result<(Self, JoinHandle<()>)> {
        let (numbers, received) = channel();
        let fault = Arc::new(Mutex::new(None));
        let (folder, written, faults) = (folder.to_owned(), folder.to_owned(), Arc::clone(&fault));
        let thread = thread::Builder::new().name("gw-memory".to_owned());
        let thread = thread.spawn(move || write_down(&written, &received, &faults))?;
        Ok((Self { folder, highest: None, numbers, fault }, thread))
    }

    /// `None`: nothing was ever served here.
    pub(crate) fn highest(&self) -> Result<Option<u64>, String> {
        if let Some(fault) = self.fault.lock().clone() {
            return Err(fault);
        }
        if self.highest.is_some() {
            return Ok(self.highest);
        }
        match fs::read_to_string(self.folder.join(LAST_SERVED)) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| {
                format!("the file `{LAST_SERVED}` holds no number, so age cannot be judged")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("the file `{LAST_SERVED}` cannot be read: {}", error.kind())),
        }
    }

    pub(crate) fn keep(&mut self, number: u64) {
        self.highest = Some(number);
        if self.numbers.send(number).is_err() {
            let gone = format!("nobody writes the file `{LAST_SERVED}` any more");
            *self.fault.lock() = Some(gone);
        }
    }
}

fn write_down(folder: &Path, numbers: &Receiver<u64>, fault: &Mutex<Option<String>>) {
    while let Ok(first) = numbers.recv() {
        let number = numbers.try_iter().last().unwrap_or(first);
        let written = write_whole(folder, LAST_SERVED, number.to_string().as_bytes());
        *fault.lock() = written
            .err()
            .map(|error| format!("the file `{LAST_SERVED}` cannot be written: {}", error.kind()));
    }
}

/// Writes a file so that a reader finds the old bytes or the new ones, never a part.
fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.new"));
    let mut file = fs::File::create(&beside)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))
}

#[cfg(test)]
mod tests;
