//! A stand-in for the running gateway: it serves what `current` names, refuses what it is told to
//! refuse, and answers calls as a gateway would that knows one public path.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_model::id::EnvironmentName;
use gw_policy::{
    decision::Reason,
    gateway::{GENERATION, PROBE, Refused, SOCKET, STATUS, Served, Serving, Status},
    generation::Generation,
};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{
    net::{TcpListener, UnixListener},
    task::JoinSet,
};

use super::shop::{key, shop, target, workspace};

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Gateway {
    _tasks: JoinSet<()>,
}

struct Shared {
    folder: PathBuf,
    environment: EnvironmentName,
    listen: std::net::SocketAddr,
    owner: u8,
    refuses: Option<u64>,
}

impl Gateway {
    /// At the shop's target.
    pub(crate) async fn start(state: &Path, owner: u8, refuses: Option<u64>) -> Self {
        let folder = state.join("targets/dev/default");
        Self::serve(folder, &shop("1/1s").environment, owner, refuses).await
    }

    pub(crate) async fn serve(
        folder: PathBuf,
        environment: &EnvironmentName,
        owner: u8,
        refuses: Option<u64>,
    ) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let socket = folder.join(SOCKET);
        let socket = UnixListener::bind(socket).unwrap();
        let public = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listen = public.local_addr().unwrap();
        let shared =
            Arc::new(Shared { folder, environment: environment.clone(), listen, owner, refuses });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = shared.answer(request.uri().path());
                    async move { Ok::<_, std::convert::Infallible>(answer) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        tasks.spawn(async move {
            loop {
                let (stream, _) = public.accept().await.unwrap();
                let service = service_fn(|request: Request<Incoming>| async move {
                    Ok::<_, std::convert::Infallible>(call(request.uri().path()))
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { _tasks: tasks }
    }
}

fn call(path: &str) -> Response<Full<Bytes>> {
    let (status, reason) = match path {
        "/health" => (200, Reason::Granted),
        "/orders/probe" => (401, Reason::NotSignedIn),
        _ => (404, Reason::NoRoute),
    };
    let answer = Response::builder().status(status).header(PROBE, reason.code());
    answer.body(Full::default()).unwrap()
}

impl Shared {
    fn current(&self) -> Option<u64> {
        std::fs::read_to_string(self.folder.join("current")).ok()?.trim().parse().ok()
    }

    fn serving(&self) -> Option<Generation> {
        let number = self.current().filter(|number| Some(*number) != self.refuses)?;
        let file = self.folder.join(format!("generations/{number:012}.json"));
        Generation::verify(&std::fs::read(file).ok()?, &key().public()).ok()
    }

    fn answer(&self, path: &str) -> Response<Full<Bytes>> {
        let serving = self.serving();
        match (path, serving) {
            (STATUS, serving) => json(&Status {
                pinned: false,
                workspace_id: workspace(self.owner),
                environment: self.environment.clone(),
                target: target(),
                listen: self.listen,
                serving: serving.as_ref().map(Serving::from),
                refused: self
                    .current()
                    .filter(|number| Some(*number) == self.refuses)
                    .map(|number| Refused { number: Some(number), because: "told to".to_owned() }),
                probe: String::new(),
                unready: vec![],
            }),
            (GENERATION, Some(generation)) => json(&Served {
                workspace_id: workspace(self.owner),
                serving: Serving::from(&generation),
                objects: generation.objects,
            }),
            _ => Response::builder().status(StatusCode::NOT_FOUND).body(Full::default()).unwrap(),
        }
    }
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    Response::new(Full::new(serde_json::to_vec(value).unwrap().into()))
}
