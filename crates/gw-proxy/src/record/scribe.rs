//! Owns the files of the decision log: segments of JSON lines, of which the oldest goes when the
//! whole grows over its bound.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Write as _},
    mem::take,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_policy::decision::{DecisionId, Record};
use serde::Serialize;

use super::{DECISIONS, Inbox, Question, Repeats, Wanted, groups::WHILE};

#[derive(Debug)]
pub(super) struct Scribe {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    open: Option<BufWriter<File>>,
    max_bytes: u64,
    inbox: Arc<Inbox>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
}

/// What was taken over to be done at once.
struct Work {
    records: Vec<Record>,
    repeats: Vec<Repeats>,
    questions: Vec<Question>,
    /// The groups that the questions are about, where these are still open.
    open: Vec<Option<Repeats>>,
    stop: bool,
}

/// The whole is cut into so many files, so that dropping one loses little.
pub(super) const SEGMENTS: u64 = 8;
/// The longest time that a record lies in memory.
const FLUSH: Duration = Duration::from_millis(200);

impl Scribe {
    pub(super) fn open(folder: &Path, max_bytes: u64, inbox: Arc<Inbox>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let segments = segments(folder)?.into();
        Ok(Self { folder: folder.to_owned(), segments, open: None, max_bytes, inbox })
    }

    pub(super) fn work(&mut self) {
        loop {
            let Work { records, repeats, questions, open, stop } = self.take_over();
            let mut lost = 0;
            for record in &records {
                lost += u64::from(self.write(record).is_err());
            }
            for group in &repeats {
                lost += u64::from(self.write(group).is_err());
            }
            lost += u64::from(self.flush().is_err());
            if lost > 0 {
                self.open = None;
                self.inbox.pending.lock().lost += lost;
            }
            for (Question { wanted, answer }, open) in questions.into_iter().zip(open) {
                // Whoever asked may have gone.
                let _gone = answer.send(self.find(&wanted, open));
            }
            if stop {
                return;
            }
        }
    }

    /// Waits for work, a moment at most.
    fn take_over(&self) -> Work {
        let mut pending = self.inbox.pending.lock();
        if pending.questions.is_empty() && !pending.stop {
            let _in_time = self.inbox.hurry.wait_for(&mut pending, FLUSH);
        }
        let (now, stop) = (Instant::now(), pending.stop);
        pending.bytes = 0;
        let mut questions = take(&mut pending.questions);
        for question in &mut questions {
            if let (Wanted::Last, Some(last)) = (&question.wanted, &pending.last) {
                question.wanted = Wanted::Id(last.clone());
            }
        }
        let open = |question: &Question| match &question.wanted {
            Wanted::Id(id) => pending.groups.find(id),
            Wanted::Last => None,
        };
        Work {
            open: questions.iter().map(open).collect(),
            questions,
            records: take(&mut pending.records),
            repeats: pending.groups.close(|began| stop || now.duration_since(began) >= WHILE),
            stop,
        }
    }

    fn write(&mut self, line: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(line)?;
        line.push(b'\n');
        let bytes = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let full = self.segments.back().is_none_or(|last| last.bytes >= self.max_bytes / SEGMENTS);
        if full || self.open.is_none() {
            self.begin_segment()?;
        }
        if let (Some(file), Some(segment)) = (&mut self.open, self.segments.back_mut()) {
            file.write_all(&line)?;
            segment.bytes += bytes;
        }
        self.drop_oldest();
        Ok(())
    }

    fn begin_segment(&mut self) -> io::Result<()> {
        self.flush()?;
        let number = self.segments.back().map_or(1, |last| last.number + 1);
        let file = OpenOptions::new().create_new(true).append(true).open(self.path(number))?;
        self.open = Some(BufWriter::new(file));
        self.segments.push_back(Segment { number, bytes: 0 });
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let total = |segments: &VecDeque<Segment>| segments.iter().map(|s| s.bytes).sum::<u64>();
        while self.segments.len() > 1 && total(&self.segments) > self.max_bytes {
            if let Some(oldest) = self.segments.pop_front() {
                // A file that cannot be removed is left; it is no part of the log any more.
                let _left = fs::remove_file(self.path(oldest.number));
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    fn find(&self, wanted: &Wanted, open: Option<Repeats>) -> Option<Record> {
        Shelf { folder: &self.folder, segments: self.segments.iter() }.find(wanted, open)
    }

    fn path(&self, number: u64) -> PathBuf {
        path(&self.folder, number)
    }
}

/// What lies on disk, the oldest first.
struct Shelf<'a, S> {
    folder: &'a Path,
    segments: S,
}

impl<'a, S: DoubleEndedIterator<Item = &'a Segment> + Clone> Shelf<'_, S> {
    /// The record of a decision. One that only repeats another is told as that other, with its own
    /// id and time, and with the number of all of them.
    fn find(&self, wanted: &Wanted, open: Option<Repeats>) -> Option<Record> {
        let id = match wanted {
            Wanted::Last => return self.search(|line| serde_json::from_slice(line).ok()),
            Wanted::Id(id) => id,
        };
        let repeats = open.or_else(|| {
            self.search(|line| {
                let found = holds(line, id).then(|| serde_json::from_slice::<Repeats>(line).ok());
                found.flatten().filter(|repeats| repeats.speaks_of(id))
            })
        });
        let first = repeats.as_ref().map_or(id, |repeats| &repeats.first);
        let mut record = self.search(|line| {
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

    /// The newest line that says something. One that was cut off by a crash says nothing.
    fn search<T>(&self, read: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        self.segments.clone().rev().find_map(|segment| {
            let file = File::open(path(self.folder, segment.number)).ok()?;
            let lines = io::BufRead::split(BufReader::new(file), b'\n').map_while(Result::ok);
            lines.filter_map(|line| read(&line)).last()
        })
    }
}

/// A record as it lies in the folder of a target, for whoever asks where no gateway runs.
pub fn recorded(target_folder: &Path, wanted: &Wanted) -> Option<Record> {
    let folder = target_folder.join(DECISIONS);
    let segments = segments(&folder).ok()?;
    Shelf { folder: &folder, segments: segments.iter() }.find(wanted, None)
}

/// The segments of a folder, the oldest first.
fn segments(folder: &Path) -> io::Result<Vec<Segment>> {
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

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:012}.jsonl"))
}

/// Whether it is worth reading the line.
fn holds(line: &[u8], id: &DecisionId) -> bool {
    let text = id.as_str().as_bytes();
    line.windows(text.len()).any(|part| part == text)
}
