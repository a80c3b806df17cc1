//! Speaks to a running gateway: what it serves over its socket, how it behaves over its address.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gw_model::{id::WorkspaceId, secret::Redacted};
use gw_net::socket;
use gw_plan::driver::{Fate, Object, Probe, Probed, TargetError, Token};
use gw_policy::{
    decision::Reason,
    gateway::{self, Served, Status},
};
use http::{
    HeaderMap, Request, Response, StatusCode,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::Place;

/// One question and its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a gateway may take to serve a generation that it was given.
const SETTLING: Duration = Duration::from_secs(15);
/// Between two looks at a gateway that is about to change.
const LOOK: Duration = Duration::from_millis(20);
/// More than any gateway serves.
const ANSWER_MAX: usize = 512 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Client {
    place: Arc<Place>,
    socket: PathBuf,
}

/// What a running gateway says that it serves.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) owner: WorkspaceId,
    pub(super) objects: Vec<Object>,
}

impl Client {
    pub(super) fn new(place: &Arc<Place>) -> Self {
        Self { place: Arc::clone(place), socket: place.folder.join(gateway::SOCKET) }
    }

    /// None: no gateway runs.
    pub(super) async fn served(&self) -> Result<Option<Live>, TargetError> {
        let Some(status) = self.status().await? else { return Ok(None) };
        let nothing = || Live { owner: status.workspace_id.clone(), objects: vec![] };
        let (code, body) = self.ask(gateway::GENERATION).await?;
        if code == StatusCode::NOT_FOUND {
            return Ok(Some(nothing()));
        }
        let Served { workspace_id, serving: _, objects } = self.read(code, &body)?;
        Ok(Some(Live { owner: workspace_id, objects }))
    }

    /// Returns when the gateway serves this generation; at once where none runs.
    pub(super) async fn settle(&self, number: u64) -> Result<(), TargetError> {
        let end = Instant::now() + SETTLING;
        loop {
            let Some(status) = self.status().await? else { return Ok(()) };
            if status.serving.is_some_and(|serving| serving.number == number) {
                return Ok(());
            }
            if let Some(refused) = status.refused
                && refused.number == Some(number)
            {
                let because = refused.because;
                return Err(TargetError::Refused { place: self.place.words(), because });
            }
            if Instant::now() >= end {
                return Err(
                    self.unreachable(format!("it did not take generation {number} in time"))
                );
            }
            sleep(LOOK).await;
        }
    }

    /// Calls as a stranger would.
    pub(super) async fn probe(
        &self,
        probe: &Probe,
        token: Option<&Redacted<String>>,
    ) -> Result<Probed, TargetError> {
        let Some(status) = self.status().await? else {
            return Err(self.unreachable("no gateway is running"));
        };
        if let Some(declared) = status.awaits(self.place.listen.as_deref()) {
            let because = format!("it takes {declared} when it is started again");
            return Err(self.unreachable(because));
        }
        let address = reachable(status.listen);
        let host = probe.host.clone().unwrap_or_else(|| address.to_string());
        let mut request = Request::builder()
            .method(probe.method.as_str())
            .uri(&probe.path)
            .header(HOST, host)
            .header(gateway::PROBE, status.probe);
        match probe.token {
            Token::None => {}
            Token::Health => request = request.header(gateway::HEALTH, "1"),
            Token::Given => {
                request = request.header(gateway::DECIDE, "1");
                if let Some(token) = token {
                    request = request.header(AUTHORIZATION, format!("Bearer {}", token.reveal()));
                }
            }
            Token::OfAnotherIssuer => {
                let token = stranger().ok_or_else(|| self.place.broken("no key could be made"))?;
                request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            }
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| self.place.broken(format!("`{probe}` is no call: {error}")))?;
        let stream = within(TcpStream::connect(address)).await;
        let stream = stream.map_err(|error| self.unreachable(error.to_string()))?;
        let answer = self.send(stream, request).await?;
        let fate = fate(answer.headers()).ok_or_else(|| {
            self.place.broken("it does not say what it decided; start it again with this version")
        })?;
        Ok(Probed { status: answer.status().as_u16(), fate })
    }

    async fn status(&self) -> Result<Option<Status>, TargetError> {
        if socket::connect(&self.socket).await.is_err() {
            return Ok(None);
        }
        let (code, body) = self.ask(gateway::STATUS).await?;
        let status: Status = self.read(code, &body)?;
        *self.place.seen.lock() = Some(status.listen);
        Ok(Some(status))
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), TargetError> {
        let request = Request::get(path).header(HOST, "gateway").body(Empty::new());
        let request = request.map_err(|error| self.place.broken(error.to_string()))?;
        let stream = within(socket::connect(&self.socket)).await;
        let stream = stream.map_err(|error| self.unreachable(error.to_string()))?;
        let (head, body) = self.send(stream, request).await?.into_parts();
        Ok((head.status, body))
    }

    async fn send(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Bytes>, TargetError> {
        let lost = |error: String| self.unreachable(error);
        let exchange = async {
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            let talk = async {
                let answer =
                    sender.send_request(request).await.map_err(|error| error.to_string())?;
                let (head, body) = answer.into_parts();
                let body = Limited::new(body, ANSWER_MAX).collect().await;
                let body = body.map_err(|error| error.to_string())?;
                Ok(Response::from_parts(head, body.to_bytes()))
            };
            tokio::pin!(talk, connection);
            tokio::select! {
                answer = &mut talk => answer,
                ended = &mut connection => match ended {
                    // What came before the end may be a whole answer.
                    Ok(()) => talk.await,
                    Err(error) => Err(error.to_string()),
                },
            }
        };
        match timeout(PATIENCE, exchange).await {
            Ok(answer) => answer.map_err(lost),
            Err(_) => Err(self.unreachable("it took too long to answer")),
        }
    }

    fn read<T: DeserializeOwned>(&self, code: StatusCode, body: &[u8]) -> Result<T, TargetError> {
        if code != StatusCode::OK {
            return Err(self.place.broken(format!("its socket answered {code}")));
        }
        serde_json::from_slice(body)
            .map_err(|error| self.place.broken(format!("its socket answered nonsense: {error}")))
    }

    fn unreachable(&self, because: impl Into<String>) -> TargetError {
        TargetError::Unreachable { place: self.place.words(), because: because.into() }
    }
}

/// What the gateway says became of a call; a backend cannot say it.
fn fate(headers: &HeaderMap) -> Option<Fate> {
    let code = headers.get(gateway::PROBE)?.to_str().ok()?;
    let reason = Reason::ALL.iter().find(|reason| reason.code() == code)?;
    let detail = headers.get(gateway::PROBE_DETAIL);
    let detail = detail.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let words = || detail.unwrap_or_else(|| reason.title().to_owned());
    Some(match reason {
        Reason::Granted | Reason::Preflight => Fate::Answered,
        Reason::SecretUnavailable => Fate::Unanswered { because: words() },
        Reason::UpstreamUnreachable | Reason::UpstreamTimeout | Reason::UpstreamInvalid => {
            Fate::Unanswered { because: format!("the backend does not answer: {}", words()) }
        }
        _ => Fate::Refused,
    })
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// A gateway that listens on every address is called on this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        address.set_ip(match listen {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// A well-formed token with a right signature, by a key that nobody trusts.
fn stranger() -> Option<String> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
    let key = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).ok()?;
    let header = r#"{"alg":"ES256","kid":"probe","typ":"JWT"}"#;
    let claims = concat!(
        r#"{"iss":"https://probe.gatewright.invalid","sub":"probe","aud":"probe","#,
        r#""iat":1700000000,"exp":4102444800}"#
    );
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = key.sign(&random, signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
}
