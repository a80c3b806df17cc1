//! The parts of the world that a workspace names on this machine, and that nobody plays yet: an
//! issuer for its identities and, in a demo workspace, a backend for its API.
//!
//! The backend of anybody else's API is called as it is declared: a demo that answers in its place
//! would hide that it is missing.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use gw_emulators::{backend::Backend, issuer::Issuer};
use gw_model::{
    clock::Clock,
    desired::Desired,
    id::{ApiName, IdentityName},
    workspace::Identity,
};
use gw_net::{
    client::{Client, ClientSettings, is_loopback},
    issuer::published,
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use url::Url;

use crate::exit::{Exit, Failure};

/// Both run until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Parts {
    issuers: Vec<Issuer>,
    backends: Vec<Backend>,
    /// APIs whose own backend does not answer, and where it should.
    missing: Vec<(ApiName, String)>,
}

/// A program on this machine takes a connection within this time, or it is not there.
const PATIENCE: Duration = Duration::from_millis(500);

impl Parts {
    /// Plays every issuer of this machine that is not there, and the backend of the demo's API. A
    /// port that somebody else has, who is not what belongs there, is an error.
    pub(super) async fn start(
        desired: &Desired,
        demo: Option<&ApiName>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, Failure> {
        let mut parts = Self::default();
        for (port, (identity, issuer)) in issuers(desired) {
            if is_free(port).await {
                let issuer = Issuer::start(port, Arc::clone(clock)).await;
                parts.issuers.push(issuer.map_err(|error| not_started(&error))?);
            } else if published(issuer, &Client::new(&ClientSettings::here())).await.is_err() {
                let part = format!("the issuer of identity `{identity}`");
                return Err(taken(port, &part, "the identity another port"));
            }
        }
        // What is played here may be the backend of others too, so it is there before they are asked.
        let is_own = |name: &ApiName| demo != Some(name);
        let mut apis: Vec<_> = desired.apis.iter().collect();
        apis.sort_by_key(|(name, _)| is_own(name));
        for (name, api) in apis {
            let Some(port) = port_here(&api.spec.upstream.url) else { continue };
            if is_own(name) {
                if !answers(port).await {
                    parts.missing.push((name.clone(), api.spec.upstream.url.clone()));
                }
            } else if is_free(port).await {
                let backend = Backend::start(port).await;
                parts.backends.push(backend.map_err(|error| not_started(&error))?);
            } else {
                let part = format!("the demo backend of API `{name}`");
                return Err(taken(port, &part, "the upstream another port")
                    .help("if it is a backend of your own: remove .gatewright/demo"));
            }
        }
        Ok(parts)
    }

    /// What is played, in words; `None` when the workspace needs nothing of this machine.
    pub(super) fn words(&self) -> Option<&'static str> {
        match (self.issuers.is_empty(), self.backends.is_empty()) {
            (false, false) => Some("demo issuer and demo backend are running on this machine only"),
            (false, true) => Some("demo issuer is running on this machine only"),
            (true, false) => Some("demo backend is running on this machine only"),
            (true, true) => None,
        }
    }

    /// What the user has to start.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|(name, url)| {
            format!("the backend of {name} does not answer at {url}: until it does, calls get 502")
        })
    }
}

fn not_started(error: &gw_emulators::StartError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}

fn taken(port: u16, part: &str, other: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("port {port} is where {part} should be, and another program has it"),
    )
    .help(format!("stop that program; `ss -ltnp sport = :{port}` names it"))
    .help(format!("or give {other}"))
}

async fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.is_ok()
}

async fn answers(port: u16) -> bool {
    timeout(PATIENCE, TcpStream::connect(("localhost", port))).await.is_ok_and(|it| it.is_ok())
}

/// The issuers that belong on this machine, by port.
fn issuers(desired: &Desired) -> BTreeMap<u16, (&IdentityName, &str)> {
    let issuers = desired.identities.iter().filter_map(|(name, identity)| match identity {
        Identity::Oidc(oidc) => Some((port_here(&oidc.issuer)?, (name, oidc.issuer.as_str()))),
        Identity::BitbucketPipelines { .. }
        | Identity::SignedWebhook { .. }
        | Identity::ClientCertificate { .. }
        | Identity::AwsIam { .. } => None,
    });
    issuers.collect()
}

/// The port of a plain address of this machine.
fn port_here(url: &str) -> Option<u16> {
    let url = Url::parse(url).ok()?;
    (url.scheme() == "http" && is_loopback(&url)).then(|| url.port_or_known_default())?
}
