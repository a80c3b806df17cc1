//! The decision log: what was decided about each call, bounded on disk, lossy by design.
//!
//! Threads that serve calls hand records over and never wait: when more bytes wait than memory is
//! given, records are lost and counted. Where refusals are grouped, the first of a cause is kept
//! whole and the others by id and number, so a flood of one cause pushes out nothing else. A question
//! goes through the writer, so that what was handed over before it is found; the reading does not.

mod groups;
mod scribe;
mod search;

use std::{
    io,
    path::Path,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use gw_policy::{
    decision::{DecisionId, Record},
    denial::{Candidate, PolicyHit},
};
use parking_lot::{Condvar, Mutex};
use tokio::{sync::oneshot, task::spawn_blocking};

pub use self::search::recorded;
use self::{
    groups::{Groups, Place, Repeats},
    scribe::Scribe,
    search::Search,
};

/// The end that many threads hold.
#[derive(Clone, Debug)]
pub(crate) struct Decisions {
    inbox: Arc<Inbox>,
}

/// Whether equal refusals share a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grouping {
    Off,
    ByCause,
}

/// Which record is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    Last,
    Id(DecisionId),
}

#[derive(Debug)]
struct Inbox {
    pending: Mutex<Pending>,
    /// The writer looks a few times a second of its own accord; it is only woken when it must hurry.
    hurry: Condvar,
}

/// Handed over and not yet written.
#[derive(Debug)]
struct Pending {
    grouping: Grouping,
    groups: Groups,
    records: Vec<Record>,
    bytes: usize,
    /// Of all records, the grouped ones too.
    last: Option<DecisionId>,
    questions: Vec<Question>,
    lost: u64,
    stop: bool,
}

#[derive(Debug)]
struct Question {
    wanted: Wanted,
    search: oneshot::Sender<Search>,
}

/// Records in memory may have so many bytes, about.
const PENDING_BYTES: usize = 4 * 1024 * 1024;
/// With so many the writer is woken.
const HURRY_BYTES: usize = PENDING_BYTES / 4;

impl Decisions {
    /// Goes on with the segments that are there.
    pub(crate) fn open(
        folder: &Path,
        max_bytes: u64,
        grouping: Grouping,
    ) -> io::Result<(Self, JoinHandle<()>)> {
        let pending = Pending {
            grouping,
            groups: Groups::default(),
            records: vec![],
            bytes: 0,
            last: None,
            questions: vec![],
            lost: 0,
            stop: false,
        };
        let inbox = Arc::new(Inbox { pending: Mutex::new(pending), hurry: Condvar::new() });
        let mut scribe = Scribe::open(folder, max_bytes, Arc::clone(&inbox))?;
        let thread = thread::Builder::new().name("gw-decisions".to_owned());
        let thread = thread.spawn(move || scribe.work())?;
        Ok((Self { inbox }, thread))
    }

    /// `kind` is a word for which refusal of its reason it is; there are few.
    pub(crate) fn keep(&self, record: Record, kind: &'static str) {
        let mut pending = self.inbox.pending.lock();
        let grouped = pending.grouping == Grouping::ByCause && record.status >= 400;
        if grouped && let Place::Further(id) = pending.groups.admit(&record, kind, Instant::now()) {
            pending.last = Some(id);
            return;
        }
        let (before, bytes) = (pending.bytes, weight(&record));
        if before + bytes > PENDING_BYTES {
            pending.lost += 1;
            return;
        }
        pending.bytes += bytes;
        pending.last = Some(record.id.clone());
        pending.records.push(record);
        if (before..before + bytes).contains(&HURRY_BYTES) {
            self.inbox.hurry.notify_one();
        }
    }

    /// How many records were lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.inbox.pending.lock().lost
    }

    pub(crate) async fn find(&self, wanted: Wanted) -> Option<Record> {
        let (search, begun) = oneshot::channel();
        self.inbox.pending.lock().questions.push(Question { wanted, search });
        self.inbox.hurry.notify_one();
        let search = begun.await.ok()?;
        spawn_blocking(|| search.run()).await.ok().flatten()
    }

    /// Writes what was handed over before and ends the writer.
    pub(crate) fn stop(&self) {
        self.inbox.pending.lock().stop = true;
        self.inbox.hurry.notify_one();
    }
}

/// About how many bytes a record holds.
fn weight(record: &Record) -> usize {
    let Record { method, host, path, detail, who, candidates, policies, cure, .. } = record;
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let who = who.iter().map(|asker| size_of_val(asker) + asker.issuer.len() + asker.subject.len());
    let candidates = candidates.iter().map(|candidate: &Candidate| {
        let parts = candidate.parts.iter().map(|part| size_of_val(part) + part.text.len());
        size_of_val(candidate) + candidate.rule.file.len() + parts.sum::<usize>()
    });
    let policies = policies.iter().map(|hit: &PolicyHit| {
        size_of_val(hit)
            + hit.id.len()
            + hit.source.file.len()
            + text(&hit.reason)
            + text(&hit.error)
    });
    let texts = method.len() + host.len() + path.len() + text(detail) + text(cure);
    size_of::<Record>()
        + texts
        + who.sum::<usize>()
        + candidates.sum::<usize>()
        + policies.sum::<usize>()
}

#[cfg(test)]
mod tests;
