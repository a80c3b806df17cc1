//! The parts of the world that a workspace names on this machine, and that nobody plays yet: an
//! issuer for its identities, a backend for its APIs.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use gw_emulators::{StartError, backend::Backend, issuer::Issuer};
use gw_model::{clock::Clock, desired::Desired, workspace::Identity};
use gw_net::client::is_loopback;
use tokio::net::TcpListener;
use url::Url;

/// Both run until this is dropped.
#[derive(Debug, Default)]
pub(super) struct Parts {
    issuers: Vec<Issuer>,
    backends: Vec<Backend>,
}

impl Parts {
    /// Plays every issuer and backend of this machine whose port is free: whoever listens there
    /// already is the user's own, and better than ours.
    pub(super) async fn start(
        desired: &Desired,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        let mut parts = Self::default();
        for port in issuer_ports(desired) {
            if is_free(port).await {
                parts.issuers.push(Issuer::start(port, Arc::clone(clock)).await?);
            }
        }
        for port in backend_ports(desired) {
            if is_free(port).await {
                parts.backends.push(Backend::start(port).await?);
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
}

async fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.is_ok()
}

fn issuer_ports(desired: &Desired) -> BTreeSet<u16> {
    let issuers = desired.identities.values().filter_map(|identity| match identity {
        Identity::Oidc(oidc) => port_here(&oidc.issuer),
        Identity::BitbucketPipelines { .. }
        | Identity::SignedWebhook { .. }
        | Identity::ClientCertificate { .. }
        | Identity::AwsIam { .. } => None,
    });
    issuers.collect()
}

fn backend_ports(desired: &Desired) -> BTreeSet<u16> {
    desired.apis.values().filter_map(|api| port_here(&api.spec.upstream.url)).collect()
}

/// The port of a plain address of this machine.
fn port_here(url: &str) -> Option<u16> {
    let url = Url::parse(url).ok()?;
    (url.scheme() == "http" && is_loopback(&url)).then(|| url.port_or_known_default())?
}
