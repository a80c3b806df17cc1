//! Bodies in both directions. Trailers end here: nobody decided about them.

use std::{
    cell::Cell,
    error, fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::{
    pace::{Late, Watch},
    upstream::Lease,
};

/// What a caller sends. It counts, and stops at its bound.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<(Incoming, Rc<Watch>)>,
    left: u64,
    progress: Progress,
}

/// How far a caller's body has come, for those who wait while somebody else reads it.
#[derive(Clone, Debug)]
pub(crate) struct Progress(Rc<Cell<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reading,
    Ended,
    /// It went over its bound.
    Overrun,
    /// It came too slowly.
    Late,
    /// It broke off, or its parts are not well formed.
    Broken,
}

/// What a caller receives.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    /// Told about every byte, and dropped with the body: the end of the call.
    tally: Option<Box<dyn Tally>>,
    /// Of the caller's connection, told of the end of the call too.
    watch: Option<Rc<Watch>>,
}

/// Counts what is sent to a caller; dropped when the last byte is gone or the caller is.
pub(crate) trait Tally: fmt::Debug {
    fn add(&mut self, bytes: usize);
    fn complete(&mut self);
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Upstream(Relay),
}

/// A body on its way through from an upstream.
#[derive(Debug)]
struct Relay {
    incoming: Incoming,
    /// The connection, given back when the body is complete.
    lease: Option<Lease>,
    idle: Duration,
    watch: Rc<Watch>,
    /// Whether the next piece is waited for.
    waiting: bool,
}

#[derive(Debug)]
pub(crate) enum BodyFault {
    TooLarge,
    TooSlow,
    Stalled,
    Broken(hyper::Error),
}

impl Progress {
    pub(crate) fn is_overrun(&self) -> bool {
        self.0.get() == Stage::Overrun
    }

    pub(crate) fn is_late(&self) -> bool {
        self.0.get() == Stage::Late
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.get() == Stage::Broken
    }

    /// Whether the last byte was taken.
    pub(crate) fn is_ended(&self) -> bool {
        self.0.get() == Stage::Ended
    }
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, bound: u64, watch: Rc<Watch>) -> Self {
        let stage = if incoming.is_end_stream() { Stage::Ended } else { Stage::Reading };
        let progress = Progress(Rc::new(Cell::new(stage)));
        Self { incoming: Some((incoming, watch)), left: bound, progress }
    }

    pub(crate) fn empty() -> Self {
        Self { incoming: None, left: 0, progress: Progress(Rc::new(Cell::new(Stage::Ended))) }
    }

    /// The smaller of both bounds holds from now on.
    pub(crate) fn bound(&mut self, bytes: u64) {
        self.left = self.left.min(bytes);
    }

    pub(crate) const fn left(&self) -> u64 {
        self.left
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        let Some((incoming, watch)) = &mut this.incoming else { return Poll::Ready(None) };
        loop {
            let polled = Pin::new(&mut *incoming).poll_frame(cx);
            watch.wait_for_body(polled.is_pending());
            if polled.is_pending() && watch.late() == Some(Late::Body) {
                this.progress.0.set(Stage::Late);
                return Poll::Ready(Some(Err(BodyFault::TooSlow)));
            }
            match ready!(polled) {
                None => {
                    this.progress.0.set(Stage::Ended);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    this.progress.0.set(Stage::Broken);
                    return Poll::Ready(Some(Err(BodyFault::Broken(error))));
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                    let Some(left) = this.left.checked_sub(length) else {
                        this.progress.0.set(Stage::Overrun);
                        return Poll::Ready(Some(Err(BodyFault::TooLarge)));
                    };
                    this.left = left;
                    // After the last byte nobody asks again where the length was known.
                    if incoming.is_end_stream() {
                        this.progress.0.set(Stage::Ended);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(|(incoming, _)| incoming.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let empty = || SizeHint::with_exact(0);
        self.incoming.as_ref().map_or_else(empty, |(incoming, _)| incoming.size_hint())
    }
}

impl ResponseBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::of(Source::Whole(Some(bytes.into())))
    }

    pub(crate) fn empty() -> Self {
        Self::of(Source::Whole(None))
    }

    fn of(source: Source) -> Self {
        Self { source, tally: None, watch: None }
    }

    /// The call ends with this body.
    pub(crate) fn set_watch(&mut self, watch: Rc<Watch>) {
        self.watch = Some(watch);
    }

    pub(crate) fn set_tally(&mut self, mut tally: Box<dyn Tally>) {
        // Nobody asks a body that is known to be empty for its end.
        if self.is_end_stream() {
            tally.complete();
        }
        self.tally = Some(tally);
    }

    /// `idle` bounds the wait for each piece.
    pub(crate) fn relay(
        incoming: Incoming,
        lease: Lease,
        idle: Duration,
        watch: Rc<Watch>,
    ) -> Self {
        let mut relay = Relay { incoming, lease: Some(lease), idle, watch, waiting: false };
        // Nothing is read of a body that is known to be empty, so its end is now.
        if relay.incoming.is_end_stream() {
            relay.give_back();
        }
        Self::of(Source::Upstream(relay))
    }
}

impl Source {
    fn is_end(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Upstream(relay) => relay.incoming.is_end_stream(),
        }
    }
}

impl Relay {
    fn give_back(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.give_back();
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyFault>>> {
        let Poll::Ready(frame) = self.poll_frame(cx) else {
            if !self.waiting {
                self.waiting = true;
                self.watch.expect_within(self.idle);
            } else if self.watch.is_due() {
                self.lease = None;
                return Poll::Ready(Some(Err(BodyFault::Stalled)));
            }
            return Poll::Pending;
        };
        if std::mem::take(&mut self.waiting) {
            self.watch.expect_nothing();
        }
        match &frame {
            None => self.give_back(),
            Some(Err(_)) => self.lease = None,
            Some(Ok(_)) if self.incoming.is_end_stream() => self.give_back(),
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyFault::Broken)))
    }

    /// The next piece: what has come already, else what the connection brings when it is moved. Pieces
    /// come only out of that, so nobody need be woken for them.
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Bytes>>> {
        let mut quiet = Context::from_waker(Waker::noop());
        let mut next = |incoming: &mut Incoming| loop {
            match ready!(Pin::new(&mut *incoming).poll_frame(&mut quiet)) {
                // Trailers end here.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => return Poll::Ready(Some(Ok(data))),
                    Err(_) => continue,
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        };
        let come = next(&mut self.incoming);
        match &mut self.lease {
            Some(lease) if come.is_pending() => {
                lease.drive(cx);
                next(&mut self.incoming)
            }
            Some(_) | None => come,
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(watch) = &self.watch {
            watch.end_call();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let this = &mut *self;
        let data = match &mut this.source {
            Source::Whole(bytes) => bytes.take().map(Ok),
            Source::Upstream(relay) => ready!(relay.poll_data(cx)),
        };
        let ended = this.source.is_end();
        if let Some(tally) = &mut this.tally {
            if let Some(Ok(data)) = &data {
                tally.add(data.len());
            }
            // After the last byte nobody asks again where the length was known.
            if data.is_none() || (ended && data.as_ref().is_some_and(Result::is_ok)) {
                tally.complete();
            }
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(None) => SizeHint::with_exact(0),
            Source::Whole(Some(bytes)) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Source::Upstream(relay) => relay.incoming.size_hint(),
        }
    }
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the body is longer than allowed"),
            Self::TooSlow => f.write_str("the body comes too slowly"),
            Self::Stalled => f.write_str("the body stopped half way"),
            Self::Broken(error) => write!(f, "the body broke off: {error}"),
        }
    }
}

impl error::Error for BodyFault {}
