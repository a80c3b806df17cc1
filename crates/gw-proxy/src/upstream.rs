//! Connections to upstreams: one pool per thread, never shared between credentials.
//!
//! A connection is lent for one exchange and comes back when the last byte of the answer and that of
//! the request have passed. One whose request is still on its way at the end of the answer is closed.
//! Only the call that holds a connection moves bytes on it, so when the call ends early, whatever it
//! had begun to send ends with it, and nobody else is ever woken for it.
//!
//! What comes on a connection while nothing is asked on it would be taken for the answer to the next
//! request. So the system is asked right before one is sent, and a connection on which anything came
//! is closed. What comes later, nothing in HTTP/1.1 tells from an answer.

pub(crate) mod tls;
mod wire;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt, io,
    net::IpAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use gw_net::address::{Reach, Unreachable};
use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{Builder, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;
use url::Host;

use self::wire::{Silence, Wire};
use crate::{
    room::Room,
    settings::Bounds,
    wire::{
        body::{Progress, RequestBody},
        head::Scheme,
    },
};

/// What makes two connections the same: where they go, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) scheme: Scheme,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    /// Which upstream credential speaks on it; 0 where none is tied to the connection.
    pub(crate) credential: u64,
}

/// How to reach a place, beside where it is.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) place: Arc<Place>,
    pub(crate) tls: Arc<ClientConfig>,
    /// Judged anew for every connection, address by address.
    pub(crate) reach: Arc<Reach>,
}

/// The idle connections of one thread.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    shelf: Rc<RefCell<HashMap<Arc<Place>, Vec<Idle>>>>,
    connect_timeout: Duration,
    idle: Duration,
    max_head_bytes: usize,
    /// How many connections there are, in use or not, and those that are being made.
    lines: Rc<Cell<usize>>,
    /// A call holds one at most, so these are enough for the callers of a thread.
    max_lines: usize,
}

#[derive(Debug)]
struct Idle {
    line: Line,
    since: Instant,
}

/// One connection: where requests go in, and what moves their bytes when it is polled.
struct Line {
    sender: SendRequest<RequestBody>,
    /// `None` once the connection has ended.
    transport: Option<Transport>,
    silence: Silence,
    _counted: Counted,
}

/// One of the connections that there are.
struct Counted(Rc<Cell<usize>>);

type Transport = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// The same request again, where repeating it does no harm.
pub(crate) type Again<'a> = &'a dyn Fn() -> Option<Request<RequestBody>>;

/// A connection in use. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Lease {
    line: Line,
    place: Arc<Place>,
    pool: Pool,
    /// Of the request that is sent on it.
    request: Option<Progress>,
}

/// Why there is no answer from the upstream.
#[derive(Debug)]
pub(crate) enum UpstreamFault {
    /// It has no address, or none that this environment may speak to.
    Address(Unreachable),
    NoConnection(io::ErrorKind),
    ConnectTimeout,
    Tls,
    Broken(hyper::Error),
}

/// More idle connections than these to one place are closed.
const MAX_IDLE: usize = 256;

impl Pool {
    pub(crate) fn new(bounds: &Bounds, room: Room) -> Self {
        Self {
            shelf: Rc::default(),
            connect_timeout: bounds.connect_timeout,
            idle: bounds.upstream_idle,
            max_head_bytes: bounds.max_head_bytes,
            lines: Rc::default(),
            max_lines: room.callers,
        }
    }

    /// Sends a request on an idle connection or a new one. A request is sent again at most once, on a
    /// new connection, and only when no byte of it can have had an effect: it never left, or it is
    /// safe to repeat, has no body and nothing was answered.
    pub(crate) async fn send(
        &self,
        access: &Access,
        mut request: Request<RequestBody>,
        again: Again<'_>,
    ) -> Result<(Response<Incoming>, Lease), UpstreamFault> {
        let progress = request.body().progress();
        if let Some(mut lease) = self.take(&access.place) {
            let mut failed = match lease.line.exchange(request).await {
                Ok(response) => return Ok((response, lease.during(progress))),
                Err(failed) => failed,
            };
            request = match failed.take_message() {
                Some(unsent) => unsent,
                None => match again().filter(|_| !failed.error().is_parse()) {
                    Some(repeated) => repeated,
                    None => return Err(UpstreamFault::Broken(failed.into_error())),
                },
            };
        }
        // Rare and large: every call would carry room for it.
        let mut lease = Box::pin(self.connect(access)).await?;
        let answered = lease.line.exchange(request).await;
        let response = answered.map_err(|failed| UpstreamFault::Broken(failed.into_error()))?;
        Ok((response, lease.during(progress)))
    }

    /// Closes what has been idle for too long.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        self.shelf.borrow_mut().retain(|_, connections| {
            connections.retain_mut(|idle| {
                // Nobody moves it here: that the upstream has closed it is seen now.
                now.duration_since(idle.since) < self.idle && idle.line.is_silent()
            });
            !connections.is_empty()
        });
    }

    fn take(&self, place: &Arc<Place>) -> Option<Lease> {
        let mut shelf = self.shelf.borrow_mut();
        let connections = shelf.get_mut(place)?;
        let now = Instant::now();
        while let Some(mut idle) = connections.pop() {
            if now.duration_since(idle.since) < self.idle && idle.line.is_silent() {
                let (place, pool) = (Arc::clone(place), self.clone());
                return Some(Lease { line: idle.line, place, pool, request: None });
            }
        }
        None
    }

    async fn connect(&self, access: &Access) -> Result<Lease, UpstreamFault> {
        let opened = timeout(self.connect_timeout, self.open(access)).await;
        let line = opened.map_err(|_| UpstreamFault::ConnectTimeout)??;
        let (place, pool) = (Arc::clone(&access.place), self.clone());
        Ok(Lease { line, place, pool, request: None })
    }

    /// Counts one more connection, in place of the one that was idle longest where there is no room.
    fn count(&self) -> Counted {
        let counted = Counted::one(&self.lines);
        while self.lines.get() > self.max_lines && self.close_longest_idle() {}
        counted
    }

    fn close_longest_idle(&self) -> bool {
        let mut shelf = self.shelf.borrow_mut();
        // The first of each place has been there longest.
        let longest = shelf.values_mut().filter(|connections| !connections.is_empty());
        let longest = longest.min_by_key(|connections| connections.first().map(|idle| idle.since));
        longest.map(|connections| connections.remove(0)).is_some()
    }

    async fn open(&self, access: &Access) -> Result<Line, UpstreamFault> {
        let counted = self.count();
        let (stream, silence) = Wire::new(dial(&access.place, &access.reach).await?);
        match access.place.scheme {
            Scheme::Http => self.greet(stream, silence, counted).await,
            Scheme::Https => {
                let name = match &access.place.host {
                    Host::Domain(name) => ServerName::try_from(name.clone()),
                    Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
                    Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
                };
                let name = name.map_err(|_| UpstreamFault::Tls)?;
                let connector = TlsConnector::from(Arc::clone(&access.tls));
                let stream =
                    connector.connect(name, stream).await.map_err(|_| UpstreamFault::Tls)?;
                self.greet(stream, silence, counted).await
            }
        }
    }

    async fn greet(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        silence: Silence,
        counted: Counted,
    ) -> Result<Line, UpstreamFault> {
        let mut builder = Builder::new();
        builder.max_header_size(self.max_head_bytes);
        let (sender, connection) =
            builder.handshake(TokioIo::new(stream)).await.map_err(UpstreamFault::Broken)?;
        Ok(Line { sender, transport: Some(Box::pin(connection)), silence, _counted: counted })
    }
}

impl Counted {
    fn one(all: &Rc<Cell<usize>>) -> Self {
        all.set(all.get() + 1);
        Self(Rc::clone(all))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

impl Line {
    /// Moves bytes both ways, as far as that goes now. How the connection ends is told to whoever
    /// waits for an answer.
    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(transport) = &mut self.transport
            && transport.as_mut().poll(cx).is_ready()
        {
            self.transport = None;
        }
    }

    /// Whether it can take a request, and nothing came on it that nobody had asked for.
    fn is_silent(&mut self) -> bool {
        self.silence.demand(true);
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.silence.demand(false);
        self.is_ready()
    }

    fn is_ready(&self) -> bool {
        self.transport.is_some() && self.sender.is_ready()
    }

    async fn exchange(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, TrySendError<Request<RequestBody>>> {
        let mut answered = pin!(self.sender.try_send_request(request));
        std::future::poll_fn(|cx| {
            self.drive(cx);
            // The answer comes out of what was polled above, so nobody need be woken for it.
            answered.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await
    }
}

impl Lease {
    fn during(self, request: Progress) -> Self {
        Self { request: Some(request), ..self }
    }

    /// Moves the bytes of this exchange.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        self.line.drive(cx);
    }

    /// The answer is complete: puts the connection back for the next exchange, or closes it when
    /// the request is not.
    pub(crate) fn give_back(self) {
        let Self { line, place, pool, request } = self;
        if !line.is_ready() || !request.is_some_and(|request| request.is_ended()) {
            return;
        }
        let mut shelf = pool.shelf.borrow_mut();
        let connections = shelf.entry(place).or_default();
        if connections.len() < MAX_IDLE {
            connections.push(Idle { line, since: Instant::now() });
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("open", &self.transport.is_some()).finish_non_exhaustive()
    }
}

async fn dial(place: &Place, reach: &Reach) -> Result<TcpStream, UpstreamFault> {
    let host = match &place.host {
        Host::Domain(name) => Host::Domain(name.as_str()),
        Host::Ipv4(address) => Host::Ipv4(*address),
        Host::Ipv6(address) => Host::Ipv6(*address),
    };
    let addresses = reach.resolve(&host, place.port).await.map_err(UpstreamFault::Address)?;
    let mut last = io::ErrorKind::NotFound;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Without it small requests wait for the upstream's acknowledgement.
                let _slower = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => last = error.kind(),
        }
    }
    Err(UpstreamFault::NoConnection(last))
}

impl UpstreamFault {
    /// Which of them, in a word.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::NoConnection(_) => "no-connection",
            Self::ConnectTimeout => "connect-timeout",
            Self::Tls => "tls",
            Self::Broken(_) => "broken",
        }
    }

    /// For records: what the operator needs to know.
    pub(crate) fn why(&self) -> String {
        match self {
            Self::Address(refusal) => refusal.to_string(),
            Self::NoConnection(kind) => format!("the upstream takes no connection: {kind}"),
            Self::ConnectTimeout => "the upstream did not take a connection in time".to_owned(),
            Self::Tls => "the upstream's certificate was not accepted".to_owned(),
            Self::Broken(error) => format!("the upstream broke off: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
