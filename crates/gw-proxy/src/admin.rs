//! How an operator sees the gateway: the Unix socket in its folder, health, and metrics.
//!
//! Everything here only answers; nothing can be changed.

use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use gw_net::issuer::State;
use gw_policy::{
    decision::DecisionId,
    gateway::{DECISIONS, GENERATION, STATUS, Served, Serving as ServingNote, Status},
};
use http::{
    Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
    time::timeout,
};

use crate::{phase::Phase, record::Wanted, room::ADMIN_CONNECTIONS, shared::Shared};

/// What is asked over which way: the socket is for the owner of the folder, the address for probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Socket,
    Address,
}

#[derive(Clone, Debug)]
pub(crate) struct Admin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) listen: SocketAddr,
    pub(crate) pinned: bool,
    /// Asks the steward to look for a new generation now.
    pub(crate) looks: mpsc::Sender<oneshot::Sender<()>>,
}

/// Which parts are ready, in words.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    /// Issuers whose tokens cannot be verified now; their routes refuse, others serve.
    issuers_without_keys: Vec<String>,
}

const TIMEOUT: Duration = Duration::from_secs(10);
/// A large generation takes long to load; whoever asks is told meanwhile what is served.
const LOOK: Duration = Duration::from_secs(1);

/// The connections over one way. Whoever comes is answered: where there are too many, the one that is
/// open longest gives way.
#[derive(Debug, Default)]
struct Visitors(VecDeque<AbortHandle>);

impl Visitors {
    fn admit(&mut self, visit: impl Future<Output = ()> + Send + 'static) {
        self.0.retain(|visit| !visit.is_finished());
        if self.0.len() >= ADMIN_CONNECTIONS
            && let Some(longest) = self.0.pop_front()
        {
            longest.abort();
        }
        self.0.push_back(tokio::spawn(visit).abort_handle());
    }
}

impl Admin {
    pub(crate) async fn on_socket(self, listener: UnixListener, mut phase: watch::Receiver<Phase>) {
        let mut visitors = Visitors::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _asked = phase.wait_for(|phase| *phase >= Phase::End) => return,
            };
            match accepted {
                Ok((stream, _)) => visitors.admit(self.clone().serve(stream, Way::Socket)),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    pub(crate) async fn on_address(self, listener: TcpListener, mut phase: watch::Receiver<Phase>) {
        let mut visitors = Visitors::default();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _asked = phase.wait_for(|phase| *phase >= Phase::End) => return,
            };
            match accepted {
                Ok((stream, _)) => visitors.admit(self.clone().serve(stream, Way::Address)),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send, way: Way) {
        let service = service_fn(|request: Request<Incoming>| {
            let admin = self.clone();
            async move { Ok::<_, Infallible>(admin.answer(request, way).await) }
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
        // Whoever asked may hang up.
        let _ended = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>, way: Way) -> Response<Full<Bytes>> {
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match (request.uri().path(), way) {
            ("/healthz", _) => plain(StatusCode::OK, "ok\n"),
            ("/readyz", _) => self.readiness(),
            ("/metrics", _) => {
                let lost = self.shared.decisions.lost();
                plain(StatusCode::OK, self.shared.metrics.render(lost))
            }
            (STATUS, Way::Socket) => {
                self.look().await;
                json(StatusCode::OK, &self.status())
            }
            (GENERATION, Way::Socket) => match self.served() {
                Some(served) => json(StatusCode::OK, &served),
                None => plain(StatusCode::NOT_FOUND, "no generation is served\n"),
            },
            (path, Way::Socket) => match path.strip_prefix(DECISIONS) {
                Some(wanted) => self.decision(wanted).await,
                None => plain(StatusCode::NOT_FOUND, "not found\n"),
            },
            (_, Way::Address) => plain(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    async fn decision(&self, wanted: &str) -> Response<Full<Bytes>> {
        let wanted = match wanted {
            "last" => Wanted::Last,
            id => match DecisionId::parse(id) {
                Ok(id) => Wanted::Id(id),
                Err(error) => return plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
            },
        };
        match self.shared.decisions.find(wanted).await {
            Some(record) => json(StatusCode::OK, &record),
            None => plain(StatusCode::NOT_FOUND, "the decision log does not hold it\n"),
        }
    }

    /// A status is of this moment: whoever published a generation need not wait for the next look.
    async fn look(&self) {
        let looked = async {
            let (done, is_done) = oneshot::channel();
            if self.looks.send(done).await.is_ok() {
                let _looked = is_done.await;
            }
        };
        let _in_time = timeout(LOOK, looked).await;
    }

    fn status(&self) -> Status {
        let current = self.shared.current.load();
        Status {
            workspace_id: self.shared.workspace.clone(),
            environment: self.shared.environment.clone(),
            target: self.shared.target.clone(),
            listen: self.listen,
            pinned: self.pinned,
            serving: current.as_ref().map(|serving| ServingNote::from(&serving.generation)),
            refused: self.shared.refused.lock().clone(),
            probe: self.shared.probe.clone(),
            unready: current.as_ref().map(|serving| serving.unready()).unwrap_or_default(),
        }
    }

    fn served(&self) -> Option<Served> {
        let current = self.shared.current.load_full()?;
        Some(Served {
            workspace_id: self.shared.workspace.clone(),
            serving: ServingNote::from(&current.generation),
            objects: current.generation.objects.clone(),
        })
    }

    fn readiness(&self) -> Response<Full<Bytes>> {
        let served = self.shared.current.load_full();
        let vacant = served.as_ref().is_some_and(|it| it.generation.objects.is_empty());
        let ready = served.is_some() && !vacant;
        let refused = self.shared.refused.lock().as_ref().map(|refused| refused.because.clone());
        let because = match (ready, refused) {
            (true, None) => None,
            (false, _) if vacant => Some("this target was taken out of its environment".to_owned()),
            (true, Some(why)) => Some(format!("the last good generation is served: {why}")),
            (false, Some(why)) => Some(why),
            (false, None) => Some("no generation was applied yet".to_owned()),
        };
        let missing = self.shared.issuers.health().into_iter();
        let missing = missing.filter(|health| health.state == State::Missing);
        let issuers_without_keys = missing.map(|health| health.url).collect();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &Readiness { ready, because, issuers_without_keys })
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text.into())
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(body) => answer(status, "application/json", body.into()),
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the answer has no written form\n"),
    }
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
