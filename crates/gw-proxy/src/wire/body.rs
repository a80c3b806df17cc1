//! Bodies in both directions. Trailers end here: nobody decided about them.

use std::{
    cell::Cell,
    error, fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::upstream::Lease;

/// What a caller sends. It counts, and stops at its bound.
#[derive(Debug)]
pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
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
}

/// What a caller receives.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    source: Source,
    /// Told about every byte, and dropped with the body: the end of the call.
    tally: Option<Box<dyn Tally>>,
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
    /// Set while nothing arrives.
    deadline: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
pub(crate) enum BodyFault {
    TooLarge,
    Stalled,
    Broken(hyper::Error),
}

impl Progress {
    pub(crate) fn is_overrun(&self) -> bool {
        self.0.get() == Stage::Overrun
    }

    /// Whether the last byte was taken.
    pub(crate) fn is_ended(&self) -> bool {
        self.0.get() == Stage::Ended
    }
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, bound: u64) -> Self {
        let stage = if incoming.is_end_stream() { Stage::Ended } else { Stage::Reading };
        let progress = Progress(Rc::new(Cell::new(stage)));
        Self { incoming: Some(incoming), left: bound, progress }
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
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        loop {
            match ready!(Pin::new(&mut *incoming).poll_frame(cx)) {
                None => {
                    this.progress.0.set(Stage::Ended);
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(BodyFault::Broken(error)))),
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
        self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl ResponseBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self { source: Source::Whole(Some(bytes.into())), tally: None }
    }

    pub(crate) fn empty() -> Self {
        Self { source: Source::Whole(None), tally: None }
    }

    pub(crate) fn set_tally(&mut self, mut tally: Box<dyn Tally>) {
        // Nobody asks a body that is known to be empty for its end.
        if self.is_end_stream() {
            tally.complete();
        }
        self.tally = Some(tally);
    }

    /// `idle` bounds the wait for each piece.
    pub(crate) fn relay(incoming: Incoming, lease: Lease, idle: Duration) -> Self {
        let relay = Relay { incoming, lease: Some(lease), idle, deadline: None };
        let mut body = Self { source: Source::Upstream(relay), tally: None };
        // Nothing is read of a body that is known to be empty, so its end is now.
        if let Source::Upstream(relay) = &mut body.source
            && relay.incoming.is_end_stream()
        {
            relay.give_back();
        }
        body
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
        loop {
            match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Ready(None) => {
                    self.give_back();
                    return Poll::Ready(None);
                }
                Poll::Ready(Some(Err(error))) => {
                    self.lease = None;
                    return Poll::Ready(Some(Err(BodyFault::Broken(error))));
                }
                Poll::Ready(Some(Ok(frame))) => {
                    self.deadline = None;
                    let Ok(data) = frame.into_data() else { continue };
                    if self.incoming.is_end_stream() {
                        self.give_back();
                    }
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Pending => {
                    let idle = self.idle;
                    let deadline = self
                        .deadline
                        .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + idle)));
                    ready!(deadline.as_mut().poll(cx));
                    self.lease = None;
                    return Poll::Ready(Some(Err(BodyFault::Stalled)));
                }
            }
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
            Self::Stalled => f.write_str("the body stopped half way"),
            Self::Broken(error) => write!(f, "the body broke off: {error}"),
        }
    }
}

impl error::Error for BodyFault {}
