//! Reads and writes HTTP/1 towards callers with `hyper`. The only file that would change for
//! another codec.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};

use super::{
    body::{RequestBody, ResponseBody},
    head::{Length, Malformed, Peer, RequestHead},
};
use crate::{phase::Phase, settings::Bounds};

/// What the gateway does with a request, well formed or not.
pub(crate) trait Answer {
    fn answer(
        &self,
        head: Result<RequestHead, Malformed>,
        body: RequestBody,
    ) -> impl Future<Output = Response<ResponseBody>>;

    /// Bytes came that are no request at all. The codec has answered; there was nothing to decide.
    fn count_unreadable(&self);
}

/// Serves one connection until it ends, or until the gateway drains and the calls on it are answered.
pub(crate) async fn serve<A: Answer>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    bounds: &Bounds,
    gateway: &A,
    mut phase: watch::Receiver<Phase>,
) {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_timeout)
        .max_headers(bounds.max_headers)
        .max_header_size(bounds.max_head_bytes)
        .half_close(false);
    let service = service_fn(async |request: Request<Incoming>| {
        let (parts, incoming) = request.into_parts();
        let peer = peer.clone();
        let head = RequestHead::parse(parts.method, parts.uri, parts.version, parts.headers, peer);
        let body = match &head {
            Ok(RequestHead { length: Length::Empty, .. }) => RequestBody::empty(),
            Ok(_) | Err(_) => RequestBody::new(incoming, bounds.max_body_bytes),
        };
        Ok::<_, Infallible>(gateway.answer(head, body).await)
    });
    let connection = server.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _asked = phase.wait_for(|phase| *phase >= Phase::Drain) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // What else breaks a connection only ends it; the calls on it were recorded by their own end.
    if ended.is_err_and(|error| error.is_parse()) {
        gateway.count_unreadable();
    }
}
