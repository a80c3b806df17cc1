//! The decision log: what was decided about each call, bounded on disk, lossy by design.
//!
//! Threads that serve calls hand records over and never wait: when the writer cannot keep up,
//! records are lost and counted. Segments are files of one JSON line per record; the oldest goes
//! when the whole grows over its bound. Reading goes through the writer too, so that what was handed
//! over before a question is found by it.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use gw_policy::decision::{DecisionId, Record};
use tokio::sync::oneshot;

/// The end that many threads hold.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    queue: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Which record is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Last,
    Id(DecisionId),
}

#[derive(Debug)]
enum Message {
    Keep(Box<Record>),
    Find(Wanted, oneshot::Sender<Option<Record>>),
    Stop,
}

/// Owns the files.
#[derive(Debug)]
struct Scribe {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    open: Option<BufWriter<File>>,
    max_bytes: u64,
    lost: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Segment {
    number: u64,
    bytes: u64,
}

/// The folder of the log in that of a target.
pub(crate) const DECISIONS: &str = "decisions";

/// Handed over and not yet written.
const QUEUE: usize = 16 * 1024;
/// The whole is cut into so many files, so that dropping one loses little.
const SEGMENTS: u64 = 8;
/// The longest time that a record lies in memory.
const FLUSH: Duration = Duration::from_millis(200);

impl Decisions {
    /// Goes on with the segments that are there.
    pub(crate) fn open(folder: &Path, max_bytes: u64) -> io::Result<(Self, JoinHandle<()>)> {
        let lost = Arc::new(AtomicU64::new(0));
        let mut scribe = Scribe::open(folder, max_bytes, Arc::clone(&lost))?;
        let (queue, messages) = sync_channel(QUEUE);
        let thread = thread::Builder::new().name("gw-decisions".to_owned());
        let thread = thread.spawn(move || scribe.work(&messages))?;
        Ok((Self { queue, lost }, thread))
    }

    pub(crate) fn keep(&self, record: Record) {
        if self.queue.try_send(Message::Keep(Box::new(record))).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// How many records were lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    pub(crate) async fn find(&self, wanted: Wanted) -> Option<Record> {
        let (answer, found) = oneshot::channel();
        // A full queue drains at the speed of the disk: a question may wait for that.
        let mut message = Message::Find(wanted, answer);
        loop {
            match self.queue.try_send(message) {
                Ok(()) => break,
                Err(std::sync::mpsc::TrySendError::Full(back)) => {
                    message = back;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(std::sync::mpsc::TrySendError::Disconnected(_)) => return None,
            }
        }
        found.await.ok().flatten()
    }

    /// Writes what was handed over before and ends the writer.
    pub(crate) fn stop(&self) {
        // A writer that is gone needs no telling.
        let _gone = self.queue.send(Message::Stop);
    }
}

impl Scribe {
    fn open(folder: &Path, max_bytes: u64, lost: Arc<AtomicU64>) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let segments = segments(folder)?.into();
        Ok(Self { folder: folder.to_owned(), segments, open: None, max_bytes, lost })
    }

    fn work(&mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(FLUSH) {
                Ok(Message::Keep(record)) => self.write(&record),
                Ok(Message::Find(wanted, answer)) => {
                    self.flush();
                    // Whoever asked may have gone.
                    let _gone = answer.send(self.find(&wanted));
                }
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.flush();
                    return;
                }
                Err(RecvTimeoutError::Timeout) => self.flush(),
            }
        }
    }

    fn write(&mut self, record: &Record) {
        if self.try_write(record).is_err() {
            self.open = None;
            self.lost.fetch_add(1, Relaxed);
        }
    }

    fn try_write(&mut self, record: &Record) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
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
        self.flush();
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

    fn flush(&mut self) {
        if self.open.as_mut().is_some_and(|file| file.flush().is_err()) {
            self.open = None;
            self.lost.fetch_add(1, Relaxed);
        }
    }

    /// The newest first.
    fn find(&self, wanted: &Wanted) -> Option<Record> {
        self.segments
            .iter()
            .rev()
            .find_map(|segment| find_in_segment(&self.folder, segment.number, wanted))
    }

    fn path(&self, number: u64) -> PathBuf {
        path(&self.folder, number)
    }
}

/// A record as it lies in the folder of a target, for whoever asks where no gateway runs.
pub fn recorded(target_folder: &Path, wanted: &Wanted) -> Option<Record> {
    let folder = target_folder.join(DECISIONS);
    let segments = segments(&folder).ok()?;
    segments.iter().rev().find_map(|segment| find_in_segment(&folder, segment.number, wanted))
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

fn find_in_segment(folder: &Path, number: u64, wanted: &Wanted) -> Option<Record> {
    let file = File::open(path(folder, number)).ok()?;
    find_in(BufReader::new(file), wanted)
}

/// The last fitting line. A line that was cut off by a crash is passed over.
fn find_in(lines: impl io::BufRead, wanted: &Wanted) -> Option<Record> {
    let mut found = None;
    for line in lines.split(b'\n') {
        let Ok(line) = line else { break };
        let fits = match wanted {
            Wanted::Last => true,
            Wanted::Id(id) => holds(&line, id.as_str().as_bytes()),
        };
        if !fits {
            continue;
        }
        let Ok(record) = serde_json::from_slice::<Record>(&line) else { continue };
        match wanted {
            Wanted::Last => found = Some(record),
            Wanted::Id(id) if record.id == *id => return Some(record),
            Wanted::Id(_) => {}
        }
    }
    found
}

fn holds(line: &[u8], text: &[u8]) -> bool {
    line.windows(text.len()).any(|part| part == text)
}

#[cfg(test)]
mod tests;
