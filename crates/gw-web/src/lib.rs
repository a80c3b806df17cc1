//! The HTTP surface of a server: it lets in whoever shows a token of ours or a signed webhook, asks
//! `gw-control`, and answers. It decides nothing.

pub mod contract;
pub mod openapi;

mod api;
mod door;
mod escape;
mod identities;
mod intake;
mod problem;
mod reads;
mod serving;

use std::sync::Arc;

use gw_control::{
    doctor::{Link, of_settings},
    host::bitbucket::webhook::Keys,
    login::{Exchange, Settings},
    server::Server,
};
use gw_model::{desired::Desired, id::SecretName};
use gw_net::client::Client;
use tokio::sync::Semaphore;

pub use crate::{
    api::routes,
    serving::{Limits, serve, serve_routes},
};
use crate::{identities::Identities, intake::Intake, reads::Reads};

/// So many plans are made for callers at once.
const PLANNING: usize = 4;
/// So many other answers that take work are made for readers at once: they do not keep others from
/// planning.
const LOOKING: usize = 4;

/// Everything that an answer needs.
#[derive(Debug)]
pub struct Web {
    server: Arc<Server>,
    exchange: Arc<Exchange>,
    identities: Identities,
    /// None: nobody sends webhooks, and the repository is looked at on a timer only.
    hook: Option<Hook>,
    intake: Intake,
    reads: Reads,
    planning: Semaphore,
    looking: Semaphore,
}

/// By what webhooks are known, and about which repository they are.
#[derive(Debug)]
pub struct Hook {
    pub keys: Keys,
    pub repository_uuid: String,
    /// The secrets in force, by their order in the settings.
    pub secrets: Vec<SecretName>,
}

impl Web {
    /// What the server can reach by its settings, and whom it would believe there or in an environment.
    pub async fn examine(&self, rules: Option<&Desired>) -> Vec<Link> {
        let (identities, client) = self.identities.all(rules);
        of_settings(&self.server, &identities, client).await
    }

    /// `client` reaches the issuers of those who sign in.
    pub fn new(
        server: Arc<Server>,
        exchange: Arc<Exchange>,
        login: Settings,
        client: Client,
        hook: Option<Hook>,
    ) -> Self {
        Self {
            identities: Identities::new(login, client, Arc::clone(&server.clock)),
            server,
            exchange,
            hook,
            intake: Intake::default(),
            reads: Reads::default(),
            planning: Semaphore::new(PLANNING),
            looking: Semaphore::new(LOOKING),
        }
    }
}
