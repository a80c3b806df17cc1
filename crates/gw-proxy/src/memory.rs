//! The highest generation ever served here, remembered over restarts: a lower one is somebody's old
//! copy. Beside it the address that callers know, for a start at which nothing may be served.
//!
//! A disk takes long to say that it holds a number, so a thread of its own writes it, and of several
//! numbers only the last. A machine that loses its power in between remembers the number before.
//! While a number cannot be written down, no further generation is taken.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    path::Path,
    str::FromStr,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
};

use parking_lot::Mutex;

use crate::home::{Home, new_file};

#[derive(Debug)]
pub(crate) struct Memory {
    home: Home,
    last: Option<LastServed>,
    numbers: Sender<LastServed>,
    /// Why the last number was not written down.
    fault: Arc<Mutex<Option<String>>>,
}

/// What callers met last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastServed {
    pub(crate) number: u64,
    /// Where, as declared; none where that was no address.
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug)]
pub(crate) struct NoNumber;

/// Whether a gateway whose own folder this is ever served a generation.
pub fn served_before(folder: &Path) -> bool {
    Home::at(folder).last_served().exists()
}

impl Memory {
    /// The thread ends when the memory is dropped and everything is written down.
    pub(crate) fn begin(home: &Home) -> io::Result<(Self, JoinHandle<()>)> {
        let (numbers, received) = channel();
        let fault = Arc::new(Mutex::new(None));
        let (written, faults) = (home.clone(), Arc::clone(&fault));
        let thread = thread::Builder::new().name("gw-memory".to_owned());
        let thread = thread.spawn(move || write_down(&written, &received, &faults))?;
        Ok((Self { home: home.clone(), last: None, numbers, fault }, thread))
    }

    /// `None`: nothing was ever served here.
    pub(crate) fn last(&self) -> Result<Option<LastServed>, String> {
        if let Some(fault) = self.fault.lock().clone() {
            return Err(fault);
        }
        if self.last.is_some() {
            return Ok(self.last);
        }
        match fs::read_to_string(self.home.last_served()) {
            Ok(text) => text.parse().map(Some).map_err(|NoNumber| {
                "the file `last-served` holds no number, so age cannot be judged".to_owned()
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("the file `last-served` cannot be read: {}", error.kind())),
        }
    }

    pub(crate) fn keep(&mut self, last: LastServed) {
        self.last = Some(last);
        if self.numbers.send(last).is_err() {
            let gone = "nobody writes the file `last-served` any more".to_owned();
            *self.fault.lock() = Some(gone);
        }
    }
}

fn write_down(home: &Home, numbers: &Receiver<LastServed>, fault: &Mutex<Option<String>>) {
    while let Ok(first) = numbers.recv() {
        let last = numbers.try_iter().last().unwrap_or(first);
        let written = write_whole(&home.last_served(), last.to_string().as_bytes());
        *fault.lock() = written
            .err()
            .map(|error| format!("the file `last-served` cannot be written: {}", error.kind()));
    }
}

/// Writes a file so that a reader finds the old bytes or the new ones, never a part.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = new_file().write(true).create(true).truncate(true).open(&beside)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// The number, and the address behind it.
impl fmt::Display for LastServed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, listen } = self;
        write!(f, "{number}")?;
        listen.map_or(Ok(()), |listen| write!(f, " {listen}"))
    }
}

/// Without an address too, as former versions wrote it.
impl FromStr for LastServed {
    type Err = NoNumber;
    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let mut words = text.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok()).ok_or(NoNumber)?;
        Ok(Self { number, listen: words.next().and_then(|word| word.parse().ok()) })
    }
}

#[cfg(test)]
mod tests;
