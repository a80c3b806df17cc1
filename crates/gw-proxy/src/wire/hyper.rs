//! Reads and writes HTTP/1 towards callers with `hyper`. The only file that would change for
//! another codec.

use std::{convert::Infallible, future::poll_fn, pin::pin, rc::Rc, task::Poll};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    body::{RequestBody, ResponseBody},
    head::{Length, Malformed, Peer, RequestHead},
};
use crate::{
    pace::{Late, Paced},
    settings::Bounds,
};

/// What the gateway does with a request, well formed or not.
pub(crate) trait Answer {
    fn answer(
        &self,
        peer: &Peer,
        head: Result<RequestHead, Malformed>,
        body: RequestBody,
    ) -> impl Future<Output = Response<ResponseBody>>;

    /// A connection ended with a request that nobody could decide about.
    fn note(&self, peer: &Peer, unreadable: Unreadable);
}

/// Why there was nothing to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Bytes came that are no request at all. The codec has answered.
    NoRequest,
    /// More of a head than is read. The codec has answered.
    HeadTooLarge,
    SlowHead,
    /// The answer was not taken.
    SlowReader,
}

/// Serves one connection until it ends, or until the gateway drains and the calls on it are answered.
pub(crate) async fn serve<A: Answer>(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Rc<Peer>,
    bounds: &Bounds,
    gateway: &A,
) {
    let watch = Rc::clone(&peer.watch);
    let mut server = http1::Builder::new();
    server.max_headers(bounds.max_headers).max_header_size(bounds.max_head_bytes).half_close(false);
    let service = service_fn(async |request: Request<Incoming>| {
        watch.begin_call();
        let (parts, incoming) = request.into_parts();
        let from = Rc::clone(&peer);
        let head = RequestHead::parse(parts.method, parts.uri, parts.version, parts.headers, from);
        let body = match &head {
            Ok(RequestHead { length: Length::Empty, .. }) => {
                watch.expect_no_body();
                RequestBody::empty()
            }
            Ok(_) | Err(_) => RequestBody::new(incoming, bounds.max_body_bytes, Rc::clone(&watch)),
        };
        let mut response = gateway.answer(&peer, head, body).await;
        response.body_mut().set_watch(Rc::clone(&watch));
        Ok::<_, Infallible>(response)
    });
    let stream = Paced::new(stream, Rc::clone(&watch));
    let mut connection = pin!(server.serve_connection(TokioIo::new(stream), service));
    let mut shutting = false;
    let ended = poll_fn(|cx| {
        watch.listen(cx.waker());
        if watch.is_draining() && !shutting {
            shutting = true;
            connection.as_mut().graceful_shutdown();
        }
        match watch.late() {
            // Whoever reads the body says so to the caller first.
            None | Some(Late::Body) => connection.as_mut().poll(cx).map(Ok),
            Some(late) => Poll::Ready(Err(late)),
        }
    });
    // What else breaks a connection only ends it; the calls on it were recorded by their own end.
    let unreadable = match ended.await {
        Ok(Err(error)) if error.is_parse_too_large() => Unreadable::HeadTooLarge,
        Ok(Err(error)) if error.is_parse() => Unreadable::NoRequest,
        Err(Late::Head) => Unreadable::SlowHead,
        Err(Late::Reader) => Unreadable::SlowReader,
        Ok(_) | Err(Late::Idle | Late::Body) => return,
    };
    gateway.note(&peer, unreadable);
}
