//! Bitbucket Cloud on this machine: REST 2.0, git over http, webhooks, the identity of pipeline
//! steps, and a small page.
//!
//! It refuses what the published contract does not have, and what Bitbucket refuses. It runs no
//! pipelines and has no issues, wikis, snippets or merge queues.

mod access;
mod api;
mod contract;
mod events;
mod faults;
mod hooks;
mod insights;
mod landing;
mod memory;
mod merging;
mod oauth;
mod objects;
mod oidc;
mod page;
mod paging;
mod pipelines;
mod pull;
mod query;
mod refusal;
mod render;
mod setup;
mod shape;
mod smart;
mod state;
#[cfg(test)]
mod tests;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use gw_model::clock::Clock;
use parking_lot::Mutex;
use tokio::{sync::watch, task::spawn_blocking, time::sleep};

pub use self::{
    access::Reach,
    faults::Fault,
    hooks::{Delivery, Outcome},
    objects::GitError,
    oidc::Audience,
    pipelines::Ending,
    setup::{Consumer, Exempt, Person, Rule, SERVER_EVENTS, SERVER_SCOPES, SetupError},
    state::{Permission, Uuid},
};
use self::{
    contract::Contract,
    faults::Faults,
    hooks::Mailer,
    memory::Memory,
    state::{Names, World},
};
use crate::serving::{Serving, StartError, listen};

/// No request is larger; a push is one request.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Bitbucket {
    serving: Serving,
    host: Arc<Host>,
}

#[derive(Debug)]
struct Host {
    /// Of the API, of git and of the page: here they have one.
    url: String,
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    contract: Contract,
    world: Mutex<World>,
    faults: Faults,
    mailer: Mailer,
    /// Where everything is kept from one start to the next, if it is.
    memory: Mutex<Option<Memory>>,
    /// Names of deliveries.
    letters: Mutex<Names>,
    /// How many requests were answered that may have changed something.
    written: watch::Sender<u64>,
}

impl Bitbucket {
    /// Listens on the loopback port; 0 lets the system choose. Repositories lie in the folder. Nothing
    /// is there yet.
    pub async fn start(
        port: u16,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let world = World {
            names: Names::draw().ok_or(StartError::Keys)?,
            accounts: Vec::new(),
            workspaces: Vec::new(),
            repositories: Vec::new(),
            credentials: Vec::new(),
        };
        Self::open(port, folder, clock, world, None).await
    }

    /// The same with everything that was there before, where somebody had it remembered.
    pub async fn resume(
        port: u16,
        folder: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Option<Self>, StartError> {
        let memory = Memory::of(folder);
        let Some(world) = memory.read()? else { return Ok(None) };
        Self::open(port, folder, clock, world, Some(memory)).await.map(Some)
    }

    async fn open(
        port: u16,
        folder: &Path,
        clock: Arc<dyn Clock>,
        world: World,
        memory: Option<Memory>,
    ) -> Result<Self, StartError> {
        let listener = listen(port).await?;
        let address = listener.local_addr().map_err(|cause| StartError::Listen { port, cause })?;
        let url = format!("http://localhost:{}", address.port());
        let host = Arc::new(Host {
            url,
            folder: folder.to_owned(),
            clock,
            contract: Contract::read().ok_or(StartError::Contract)?,
            world: Mutex::new(world),
            faults: Faults::default(),
            mailer: Mailer::start(),
            memory: Mutex::new(memory),
            letters: Mutex::new(Names::draw().ok_or(StartError::Keys)?),
            written: watch::Sender::new(0),
        });
        host.catch_up()?;
        let routes = Router::new().fallback(serve).with_state(Arc::clone(&host));
        Ok(Self { serving: Serving::start(listener, routes)?, host })
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// The address of everything: the API is below its `/2.0`.
    pub fn url(&self) -> &str {
        &self.host.url
    }

    /// The next request whose method and path have this in them goes wrong. Several wait in line.
    pub fn fail_next(&self, place: &str, fault: Fault) {
        self.host.faults.add(place, fault);
    }

    /// How long a delivery waits before it is tried again.
    pub fn set_retry_pause(&self, pause: Duration) {
        self.host.mailer.set_pause(pause);
    }

    /// Every attempt to deliver a webhook that has ended, the oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.host.mailer.deliveries()
    }

    /// How many requests were answered that may have changed something: whoever waits for what
    /// somebody writes, by the API or by git, looks again when it changes.
    pub fn written(&self) -> watch::Receiver<u64> {
        self.host.written.subscribe()
    }

    /// Waits until no delivery is under way.
    pub async fn settled(&self) {
        self.host.mailer.settled().await;
    }
}

/// For whoever waits from outside of this process: answers as soon as more requests than these were
/// answered that may have changed something, and says how many.
const WRITTEN: &str = "/_page/written/";

async fn serve(State(host): State<Arc<Host>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if let Some(known) = path.strip_prefix(WRITTEN) {
        let Ok(known) = known.parse::<u64>() else { return StatusCode::NOT_FOUND.into_response() };
        let mut written = host.written.subscribe();
        let more = written.wait_for(|count| *count > known).await.map(|count| *count);
        return more.map_or(StatusCode::SERVICE_UNAVAILABLE.into_response(), |count| {
            count.to_string().into_response()
        });
    }
    let fault = host.faults.take(parts.method.as_str(), path);
    if let Some(Fault::Slow(time)) = fault {
        sleep(time).await;
    }
    if let Some(answer) = fault.as_ref().and_then(|it| faults::instead(it, &parts.headers)) {
        return answer;
    }
    let Ok(body) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let writes = !parts.method.is_safe();
    let asked = Arc::clone(&host);
    // Git is waited for, and the state is one.
    let answered = spawn_blocking(move || kept(&asked, &parts, &body)).await;
    if writes {
        host.written.send_modify(|count| *count += 1);
    }
    if let Some(Fault::Unsaid(status)) = fault {
        return faults::failed(status);
    }
    answered.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

/// Whoever hears that something was done finds it done after the next start.
fn kept(host: &Host, parts: &Parts, body: &Bytes) -> Response {
    let answer = answer(host, parts, body);
    if parts.method.is_safe() || host.remember().is_ok() {
        return answer;
    }
    StatusCode::INSUFFICIENT_STORAGE.into_response()
}

fn answer(host: &Host, parts: &Parts, body: &Bytes) -> Response {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    let (query, headers) = (parts.uri.query().unwrap_or_default(), &parts.headers);
    if let Some(path) = path.strip_prefix("/2.0") {
        let asked = api::Asked { method, path, query, headers, body };
        return api::answer(host, &asked).unwrap_or_else(IntoResponse::into_response);
    }
    if path.contains(".git/") {
        return smart::answer(host, &api::Asked { method, path, query, headers, body });
    }
    if path == "/site/oauth2/access_token" {
        return oauth::answer(host, method, headers, body);
    }
    page::answer(host, &page::Asked { method, path, headers, body })
}
