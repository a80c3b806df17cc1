//! The patience of one thread: how long callers and upstreams may take, looked at for all together.
//!
//! A timer for each request would be set and taken away thousands of times a second and hardly ever
//! ring. Here a connection only notes what it waits for, and every tick all of them are looked at, so
//! whatever is said here happens up to one tick late.

use std::{
    cell::{Cell, RefCell},
    io,
    pin::{Pin, pin},
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often the connections of a thread are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// What a caller may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// Between two calls.
    pub(crate) idle: Duration,
    /// While a caller sends a body, it is looked at each time that so much was spent waiting for it.
    pub(crate) body: Duration,
    /// The same for a caller that takes an answer.
    pub(crate) reader: Duration,
    /// Then so many bytes must have passed for each second of that.
    pub(crate) bytes_per_second: u64,
}

/// The connections of one thread.
#[derive(Debug)]
pub(crate) struct Pacer {
    now: Rc<Cell<u64>>,
    patience: Patience,
    watched: RefCell<Vec<Weak<Watch>>>,
}

/// One connection of a caller: what it does, and what is waited for.
#[derive(Debug)]
pub(crate) struct Watch {
    /// In ticks, of the thread.
    now: Rc<Cell<u64>>,
    waker: RefCell<Option<Waker>>,
    stage: Cell<Stage>,
    received: Meter,
    /// The last four bytes that came.
    tail: Cell<u32>,
    /// Whether the request of this call has no body, so that its last bytes are an empty line. Where a
    /// body ends, its bytes do not say.
    ends_with_head: Cell<bool>,
    sent: Meter,
    /// The tick at which no answer of the upstream is waited for any longer.
    due: Cell<u64>,
    late: Cell<Option<Late>>,
    /// There was no room when it came.
    sent_back: Cell<bool>,
    draining: Cell<bool>,
}

/// Where a connection is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing of the next head has come.
    Idle {
        since: u64,
        received: u64,
    },
    Head {
        since: u64,
    },
    Call,
}

/// Bytes in one direction, and for how long the caller let us wait since they were last looked at. What
/// it took quickly before counts for nothing: a stall is no shorter for it.
#[derive(Debug, Default)]
struct Meter {
    bytes: Cell<u64>,
    at_begin: Cell<u64>,
    waiting: Cell<bool>,
    waited: Cell<u64>,
}

/// Whom the gateway stops waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// No call came on an open connection: that is no fault.
    Idle,
    Head,
    Body,
    Reader,
}

/// A stream that tells its watch what passes.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    stream: S,
    watch: Rc<Watch>,
}

const NEVER: u64 = u64::MAX;
/// Where there is no room, a head that has taken so long is given up for another caller.
const SETTLED: Duration = Duration::from_secs(1);

impl Pacer {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { now: Rc::default(), patience, watched: RefCell::default() }
    }

    /// Looks after one more connection, until it is dropped.
    pub(crate) fn watch(&self) -> Rc<Watch> {
        let watch = Rc::new(Watch::new(Rc::clone(&self.now)));
        self.watched.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// One tick has passed.
    pub(crate) fn tick(&self) {
        self.now.set(self.now.get() + 1);
        self.each(|watch| watch.look(&self.patience));
    }

    /// Closes at most so many connections on which nothing is under way, those first that have waited
    /// longest. Returns how many.
    pub(crate) fn shed(&self, count: usize) -> u64 {
        let watched = self.watched.borrow();
        let all = watched.iter().filter_map(Weak::upgrade);
        let mut waiting: Vec<_> =
            all.filter_map(|watch| Some((watch.dispensable()?, watch))).collect();
        waiting.sort_by_key(|((since, _), _)| *since);
        waiting.truncate(count);
        for ((_, late), watch) in &waiting {
            watch.late.set(Some(*late));
            watch.wake();
        }
        waiting.len().try_into().unwrap_or(u64::MAX)
    }

    /// From now on each connection ends with the call that is on it.
    pub(crate) fn drain(&self) {
        self.each(|watch| {
            watch.draining.set(true);
            watch.wake();
        });
    }

    fn each(&self, look: impl Fn(&Watch)) {
        self.watched.borrow_mut().retain(|watch| {
            let watch = watch.upgrade();
            watch.inspect(|watch| look(watch)).is_some()
        });
    }
}

impl Watch {
    pub(crate) fn new(now: Rc<Cell<u64>>) -> Self {
        let stage = Cell::new(Stage::Head { since: now.get() });
        Self {
            now,
            waker: RefCell::default(),
            stage,
            received: Meter::default(),
            tail: Cell::default(),
            ends_with_head: Cell::default(),
            sent: Meter::default(),
            due: Cell::new(NEVER),
            late: Cell::default(),
            sent_back: Cell::default(),
            draining: Cell::default(),
        }
    }

    /// Whom to wake when something is found.
    pub(crate) fn listen(&self, waker: &Waker) {
        let mut held = self.waker.borrow_mut();
        match &mut *held {
            Some(held) => held.clone_from(waker),
            None => *held = Some(waker.clone()),
        }
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Its caller is only told to come back.
    pub(crate) fn send_back(&self) {
        self.sent_back.set(true);
    }

    pub(crate) fn is_sent_back(&self) -> bool {
        self.sent_back.get()
    }

    pub(crate) fn late(&self) -> Option<Late> {
        self.late.get()
    }

    pub(crate) fn begin_call(&self) {
        self.stage.set(Stage::Call);
        self.ends_with_head.set(false);
        self.received.waiting.set(false);
        self.received.begin();
        self.sent.begin();
    }

    /// The request of this call has no body.
    pub(crate) fn expect_no_body(&self) {
        self.ends_with_head.set(true);
    }

    pub(crate) fn end_call(&self) {
        let (since, received) = (self.now.get(), self.received.bytes.get());
        let next_has_begun = self.ends_with_head.get() && !self.came_to_empty_line();
        self.stage.set(if next_has_begun {
            Stage::Head { since }
        } else {
            Stage::Idle { since, received }
        });
    }

    fn came_to_empty_line(&self) -> bool {
        let [.., third, second, last] = self.tail.get().to_be_bytes();
        matches!([third, second, last], [_, b'\n', b'\n'] | [b'\n', b'\r', b'\n'])
    }

    fn receive(&self, bytes: &[u8]) {
        self.received.add(bytes.len());
        let last = bytes.iter().skip(bytes.len().saturating_sub(size_of::<u32>()));
        self.tail.set(last.fold(self.tail.get(), |tail, byte| (tail << 8) | u32::from(*byte)));
    }

    /// Between calls, time begins anew.
    fn stay(&self) {
        if self.stage.get() != Stage::Call {
            self.end_call();
        }
    }

    /// Whether more of the caller's body is waited for.
    pub(crate) fn wait_for_body(&self, waiting: bool) {
        self.received.waiting.set(waiting);
    }

    /// From now on an answer is waited for, this long at most.
    pub(crate) fn expect_within(&self, wait: Duration) {
        self.due.set(self.now.get().saturating_add(ticks(wait)).saturating_add(1));
    }

    pub(crate) fn expect_nothing(&self) {
        self.due.set(NEVER);
    }

    pub(crate) fn is_due(&self) -> bool {
        self.now.get() >= self.due.get()
    }

    /// Does the work, unless that takes too long.
    pub(crate) async fn within<W: Future>(
        &self,
        wait: Duration,
        mut work: Pin<&mut W>,
    ) -> Option<W::Output> {
        self.expect_within(wait);
        let done = std::future::poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.is_due() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let done = done.await;
        self.expect_nothing();
        done
    }

    /// Does the work, unless the caller is late meanwhile.
    pub(crate) async fn unless_late<W: Future>(&self, work: W) -> Option<W::Output> {
        let mut work = pin!(work);
        std::future::poll_fn(|cx| {
            self.listen(cx.waker());
            match work.as_mut().poll(cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if self.late().is_some() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Since when nothing is under way here, and as what it would be closed. A head that has only
    /// just begun is under way, and so is a connection that has only just come.
    fn dispensable(&self) -> Option<(u64, Late)> {
        if self.late.get().is_some() || self.sent.waiting.get() {
            return None;
        }
        let (now, bytes) = (self.now.get(), self.received.bytes.get());
        match self.stage.get() {
            Stage::Idle { since, received } if received == bytes => Some((since, Late::Idle)),
            Stage::Head { since } if now - since >= ticks(SETTLED) => {
                Some((since, if bytes == 0 { Late::Idle } else { Late::Head }))
            }
            Stage::Idle { .. } | Stage::Head { .. } | Stage::Call => None,
        }
    }

    fn look(&self, patience: &Patience) {
        let late = if self.sent.waiting.get() {
            self.sent.is_slow(patience.reader, patience).then_some(Late::Reader)
        } else {
            self.look_at_stage(patience)
        };
        if late.is_some() {
            self.late.set(late);
        }
        if late.is_some() || self.is_due() {
            self.wake();
        }
    }

    fn look_at_stage(&self, patience: &Patience) -> Option<Late> {
        let (now, bytes) = (self.now.get(), self.received.bytes.get());
        match self.stage.get() {
            Stage::Idle { received, .. } if received != bytes => {
                self.stage.set(Stage::Head { since: now });
                None
            }
            Stage::Idle { since, .. } => {
                (now - since >= ticks(patience.idle)).then_some(Late::Idle)
            }
            Stage::Head { since } => {
                // Whoever has never said anything has not begun to be slow.
                let late = if bytes == 0 { Late::Idle } else { Late::Head };
                (now - since >= ticks(patience.head)).then_some(late)
            }
            Stage::Call => self.received.is_slow(patience.body, patience).then_some(Late::Body),
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Meter {
    fn begin(&self) {
        self.at_begin.set(self.bytes.get());
        self.waited.set(0);
    }

    fn add(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + u64::try_from(bytes).unwrap_or_default());
    }

    /// Whether too little came in the time that was spent waiting.
    fn is_slow(&self, grace: Duration, patience: &Patience) -> bool {
        if !self.waiting.get() {
            return false;
        }
        let waited = self.waited.get() + 1;
        self.waited.set(waited);
        if waited < ticks(grace) {
            return false;
        }
        let passed = self.bytes.get() - self.at_begin.get();
        let owed = waited.saturating_mul(patience.bytes_per_second) / ticks(Duration::from_secs(1));
        self.begin();
        passed < owed
    }
}

impl<S> Paced<S> {
    pub(crate) fn new(stream: S, watch: Rc<Watch>) -> Self {
        Self { stream, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.watch.receive(buffer.filled().get(before..).unwrap_or_default());
        read
    }
}

impl<S: AsyncWrite + Unpin> Paced<S> {
    fn written(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = &written {
            self.watch.sent.add(*bytes);
        }
        let waiting = self.watch.sent.waiting.replace(written.is_pending());
        // An answer may still be on its way when its call has ended here: what comes next has not.
        if waiting && written.is_ready() {
            self.watch.stay();
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Of which a duration has this many, rounded up.
fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(TICK.as_millis())).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests;
