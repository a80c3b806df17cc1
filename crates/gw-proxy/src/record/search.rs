//! Finds a record in the files of the decision log.
//!
//! Lines are only ever added to them, and the oldest file goes as a whole: whoever looks opens them by
//! himself, and nobody waits for him.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use gw_policy::decision::{DecisionId, Record};

use super::{Repeats, Wanted};
use crate::home::Home;

/// One file of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) bytes: u64,
}

/// The log at one moment, and what is looked for in it.
#[derive(Debug)]
pub(super) struct Search {
    pub(super) folder: PathBuf,
    /// The oldest first.
    pub(super) segments: Vec<Segment>,
    pub(super) wanted: Wanted,
    /// The group that it belongs to, where that is still open.
    pub(super) open: Option<Repeats>,
}

impl Search {
    /// The record of a decision. One that only repeats another is told as that other, with its own
    /// id and time, and with the number of all of them.
    pub(super) fn run(self) -> Option<Record> {
        let id = match &self.wanted {
            Wanted::Last => return self.newest(|line| serde_json::from_slice(line).ok()),
            Wanted::Id(id) => id,
        };
        let repeats = self.open.clone().or_else(|| {
            self.newest(|line| {
                let found = holds(line, id).then(|| serde_json::from_slice::<Repeats>(line).ok());
                found.flatten().filter(|repeats| repeats.speaks_of(id))
            })
        });
        let first = repeats.as_ref().map_or(id, |repeats| &repeats.first);
        let mut record = self.newest(|line| {
            let found = holds(line, first).then(|| serde_json::from_slice::<Record>(line).ok());
            found.flatten().filter(|record| record.id == *first)
        })?;
        if let Some(Repeats { count, .. }) = repeats {
            record.count = count;
        }
        if record.id != *id {
            record.at_ms = id.unix_ms();
            record.id = id.clone();
        }
        Some(record)
    }

    /// The newest line that says something. One that was cut off by a crash says nothing, and neither
    /// does a file that was dropped meanwhile.
    fn newest<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        self.segments.iter().rev().find_map(|segment| {
            let file = File::open(path(&self.folder, segment.number)).ok()?;
            let lines = BufReader::new(file).split(b'\n').map_while(Result::ok);
            lines.filter_map(|line| read(&line)).last()
        })
    }
}

/// A record as it lies in the own folder of a gateway, for whoever asks where none runs.
pub fn recorded(folder: &Path, wanted: &Wanted) -> Option<Record> {
    let folder = Home::at(folder).decisions();
    let segments = segments(&folder).ok()?;
    Search { folder, segments, wanted: wanted.clone(), open: None }.run()
}

/// The segments of a folder, the oldest first.
pub(super) fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
    let mut segments = vec![];
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        if let Some(number) = number.and_then(|digits| digits.parse().ok()) {
            segments.push(Segment { number, bytes: entry.metadata()?.len() });
        }
    }
    segments.sort_by_key(|segment| segment.number);
    Ok(segments)
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.jsonl"))
}

/// Whether it is worth reading the line.
fn holds(line: &[u8], id: &DecisionId) -> bool {
    let text = id.as_str().as_bytes();
    line.windows(text.len()).any(|part| part == text)
}
