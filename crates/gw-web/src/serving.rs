//! Connections: how many, how long they may take to say something and to read what they are told, and
//! what becomes of a handler that panics.

mod patience;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, Response, header},
    response::IntoResponse,
};
use gw_net::outlive::outlive;
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use self::patience::Patience;
use crate::{Web, problem::Refusal, routes};

/// What callers may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// More are told to come again.
    pub connections: usize,
    /// For the head of a request, and between two of them.
    pub head: Duration,
    /// For reading anything of an answer.
    pub write: Duration,
    /// For all that is asked by one connection.
    pub whole: Duration,
    /// For those who are being answered when that is over, or the server ends.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            connections: 1024,
            head: seconds(10),
            write: seconds(10),
            whole: seconds(120),
            farewell: seconds(10),
        }
    }
}

/// So many are told at once that there is no place.
const DOORSTEP: usize = 64;
/// For whoever is told that.
const BRIEF: Duration = Duration::from_secs(2);

/// All that a head may be.
const HEAD_BYTES: usize = 32 * 1024;
/// After the system gave no connection it is asked again.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Serves until told to stop; whoever is being answered is answered.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    web: Arc<Web>,
    stop: watch::Receiver<bool>,
) {
    serve_routes(listener, tls, routes(web), Limits::default(), stop).await;
}

/// The same with other routes.
pub async fn serve_routes(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    routes: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let places = Arc::new(Semaphore::new(limits.connections));
    let doorstep = Arc::new(Semaphore::new(DOORSTEP));
    let brief = Limits { head: BRIEF, write: BRIEF, whole: BRIEF, farewell: BRIEF, ..limits };
    let full = Router::new().fallback(full);
    let mut callers = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        while callers.try_join_next().is_some() {}
        let Ok((stream, _)) = accepted else {
            sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let (place, routes, limits) = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => (Ok(place), routes.clone(), limits),
            Err(full_house) => {
                let place = Arc::clone(&doorstep).try_acquire_owned();
                (place.map_err(|_| full_house), full.clone(), brief)
            }
        };
        // Where not even that can be told, the connection ends.
        let Ok(place) = place else { continue };
        let (tls, stop) = (tls.clone(), stop.clone());
        callers.spawn(async move {
            attend(stream, tls, routes, limits, stop).await;
            drop(place);
        });
    }
    let left = async { while callers.join_next().await.is_some() {} };
    // Whoever takes longer is cut off with the set.
    let _in_time = timeout(limits.farewell, left).await;
}

/// Comes back when nobody is served any more.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// What everybody is told while the house is full.
async fn full() -> Response<Body> {
    let mut response = Refusal::Busy.into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn attend(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    routes: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and whole: waiting for more to send only makes them late.
    drop(stream.set_nodelay(true));
    let Some(tls) = tls else { return converse(stream, routes, limits, stop).await };
    let greeted = tokio::select! {
        greeted = timeout(limits.head, tls.accept(stream)) => greeted,
        () = stopped(&mut stop) => return,
    };
    if let Ok(Ok(stream)) = greeted {
        converse(stream, routes, limits, stop).await;
    }
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Router,
    limits: Limits,
    mut stop: watch::Receiver<bool>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request: Request<Incoming>| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(&routes, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEAD_BYTES);
    let stream = TokioIo::new(Patience::new(stream, limits.write));
    let mut connection = std::pin::pin!(server.serve_connection(stream, service));
    // How it ended is the caller's affair.
    tokio::select! {
        _ended = connection.as_mut() => return,
        () = stopped(&mut stop) => {}
        () = sleep(limits.whole) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _in_time = timeout(limits.farewell, connection).await;
}

async fn answer(
    routes: &TowerToHyperService<Router>,
    request: Request<Incoming>,
) -> Response<Body> {
    let answered = outlive(routes.call(request)).await;
    let mut response = match answered {
        Some(Ok(response)) => response,
        Some(Err(never)) => match never {},
        None => Refusal::Fault.into_response(),
    };
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_plain = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if is_plain && response.status().is_client_error() {
        response = Refusal::malformed("the path cannot be read").into_response();
    }
    harden(&mut response);
    response
}

/// What every answer says to browsers: nothing of it runs, is kept, or stands in another page.
fn harden(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests;
