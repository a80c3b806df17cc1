//! One line of JSON per call, for those who collect logs. It holds no query, header or token.

use std::{
    io::Write,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Instant,
};

use gw_model::terminal;
use gw_policy::decision::DecisionId;
use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::{settings::AccessLog, wire::body::Tally};

/// The end that many threads hold.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    queue: SyncSender<Option<Box<Line>>>,
    lost: Arc<AtomicU64>,
    one_in: u32,
}

/// One call, after its last byte.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) time: OffsetDateTime,
    pub(crate) decision: DecisionId,
    /// None where the head was not read.
    pub(crate) trace: Option<TraceId>,
    pub(crate) client: IpAddr,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) api: Option<String>,
    pub(crate) operation: Option<String>,
    pub(crate) identity: Option<String>,
    pub(crate) subject: Option<String>,
    pub(crate) generation: Option<u64>,
    pub(crate) bytes: u64,
    /// Whether the caller got all of the answer.
    pub(crate) complete: bool,
    pub(crate) took_us: u64,
}

/// Written in hexadecimal.
#[derive(Debug)]
pub(crate) struct TraceId(pub(crate) u128);

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:032x}", self.0))
    }
}

const QUEUE: usize = 8 * 1024;

impl Lines {
    pub(crate) fn open(log: AccessLog) -> std::io::Result<(Self, JoinHandle<()>)> {
        let AccessLog { writer, one_in } = log;
        let (queue, lines) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let for_thread = Arc::clone(&lost);
        let thread = thread::Builder::new().name("gw-access-log".to_owned());
        let thread = thread.spawn(move || write(writer, &lines, &for_thread))?;
        Ok((Self { queue, lost, one_in: one_in.max(1) }, thread))
    }

    /// Whether the call with this number of chance is one that is written.
    pub(crate) fn takes(&self, chance: u64) -> bool {
        chance.is_multiple_of(u64::from(self.one_in))
    }

    pub(crate) fn keep(&self, line: Line) {
        if self.queue.try_send(Some(Box::new(line))).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn stop(&self) {
        // A writer that is gone needs no telling.
        let _gone = self.queue.send(None);
    }
}

/// Writes the line of a call when its last byte is gone, or the caller is.
#[derive(Debug)]
pub(crate) struct Ending {
    lines: Lines,
    started: Instant,
    line: Option<Line>,
}

impl Ending {
    pub(crate) fn new(lines: &Lines, started: Instant, line: Line) -> Self {
        Self { lines: lines.clone(), started, line: Some(line) }
    }
}

impl Tally for Ending {
    fn add(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.bytes += u64::try_from(bytes).unwrap_or_default();
        }
    }

    fn complete(&mut self) {
        if let Some(line) = &mut self.line {
            line.complete = true;
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.took_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.lines.keep(line);
        }
    }
}

fn write(mut writer: Box<dyn Write + Send>, lines: &Receiver<Option<Box<Line>>>, lost: &AtomicU64) {
    let mut batch = Vec::new();
    while let Ok(Some(first)) = lines.recv() {
        batch.clear();
        let more = lines.try_iter().take(255).map_while(|line| line);
        let mut count = 0;
        for line in std::iter::once(first).chain(more) {
            count += 1;
            if let Ok(line) = serde_json::to_string(&line) {
                batch.extend_from_slice(terminal::json(line).as_bytes());
                batch.push(b'\n');
            }
        }
        if writer.write_all(&batch).and_then(|()| writer.flush()).is_err() {
            lost.fetch_add(count, Relaxed);
        }
    }
}
