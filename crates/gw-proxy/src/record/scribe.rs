//! Owns the files of the decision log: segments of JSON lines, of which the oldest goes when the
//! whole grows over its bound.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    mem::take,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_policy::decision::Record;
use serde::Serialize;

use super::{
    Inbox, Question, Repeats, Wanted,
    groups::WHILE,
    search::{Search, Segment, path, segments},
};
use crate::home::{make_folder, new_file};

#[derive(Debug)]
pub(super) struct Scribe {
    folder: PathBuf,
    segments: VecDeque<Segment>,
    open: Option<BufWriter<File>>,
    max_bytes: u64,
    inbox: Arc<Inbox>,
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
        make_folder(folder)?;
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
            // What was handed over before is in the files now; whoever asked reads them himself.
            for (Question { wanted, search }, open) in questions.into_iter().zip(open) {
                let (folder, segments) = (self.folder.clone(), self.segments.iter().copied());
                let found = Search { folder, segments: segments.collect(), wanted, open };
                // He may have gone.
                let _gone = search.send(found);
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
        let file = new_file().create_new(true).append(true).open(path(&self.folder, number))?;
        self.open = Some(BufWriter::new(file));
        self.segments.push_back(Segment { number, bytes: 0 });
        Ok(())
    }

    fn drop_oldest(&mut self) {
        let total = |segments: &VecDeque<Segment>| segments.iter().map(|s| s.bytes).sum::<u64>();
        while self.segments.len() > 1 && total(&self.segments) > self.max_bytes {
            if let Some(oldest) = self.segments.pop_front() {
                // A file that cannot be removed is left; it is no part of the log any more.
                let _left = fs::remove_file(path(&self.folder, oldest.number));
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}
