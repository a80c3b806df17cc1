//! The Git host of this program against the emulated Bitbucket: a person opens pull requests by git
//! and by the API, and the host is asked about them.

mod credentials;
mod deployments;
mod facts;
mod faults;
mod webhooks;
mod writing;

use std::{collections::BTreeMap, ops::Deref, path::PathBuf, sync::Arc, time::Duration};

use gw_control::host::{
    GitHost, HostError,
    bitbucket::{Bitbucket, Credential, Declared, Place, Settings},
};
use gw_emulators::bitbucket::{Reach, SERVER_SCOPES};
use gw_model::{
    id::SecretName,
    secret::{Redacted, SecretRefusal, SecretStore},
};
use gw_net::client::{Client, ClientSettings};
use gw_testkit::{
    clock::FixedClock,
    forge::{Forge, HOOK_SECRET, Somebody, Vault},
};
use serde_json::{Value, json};
use time::macros::datetime;
use url::Url;

/// The forge, and what a host of this program needs to ask it.
pub(super) struct Stage {
    forge: Forge,
    pub(super) clock: FixedClock,
    pub(super) vault: Vault,
}

impl Deref for Stage {
    type Target = Forge;

    fn deref(&self) -> &Forge {
        &self.forge
    }
}

impl Stage {
    /// The repository has one commit on `main`.
    pub(super) async fn new() -> Self {
        let clock = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let forge = Forge::start(Arc::new(clock.clone())).await;
        forge.declare(&[("api.yaml", "kind: Api\n".to_owned())]).await;
        Self { forge, clock, vault: Vault::default() }
    }

    pub(super) fn advance(&self) {
        self.clock.advance(time::Duration::minutes(1));
    }

    fn declared(&self) -> Declared {
        Declared {
            full_name: "acme/apis".to_owned(),
            workspace_uuid: self.workspace.to_string(),
            repository_uuid: self.repository.to_string(),
        }
    }

    fn api_token(&self, somebody: &Somebody) -> Credential {
        let token = self.vault.put("bitbucket", somebody.token.reveal());
        Credential::ApiToken { email: somebody.email.clone(), token }
    }

    pub(super) fn secrets(&self) -> Arc<dyn SecretStore> {
        Arc::new(self.vault.clone())
    }

    /// A host at that address.
    fn host_at(&self, url: &str, settings: (Declared, Credential), client: Client) -> Bitbucket {
        let (declared, credential) = settings;
        let place = Place::at(&Url::parse(url).unwrap());
        let settings = Settings { place, declared, credential };
        let clock = Arc::new(self.clock.clone());
        Bitbucket::new(settings, client, Arc::new(self.vault.clone()), clock)
    }

    /// The host, which proves itself like this.
    pub(super) fn host_by(&self, credential: Credential) -> Bitbucket {
        self.host_at(self.bitbucket.url(), (self.declared(), credential), client())
    }

    /// The host as it is meant to be used: by a token that may everything.
    pub(super) fn host(&self) -> Bitbucket {
        self.host_by(self.api_token(&self.ann))
    }

    /// The host as a token of the repository reads and writes it, which may not ask what accounts may
    /// do.
    pub(super) fn writer(&self) -> Bitbucket {
        let reach = Reach::Repository(self.repository.clone());
        let scopes = ["repository:write", "pullrequest:write"];
        let token = self.bitbucket.add_access_token(reach, "gatewright", &scopes).unwrap();
        let token = self.vault.put("writer", &token);
        self.host_by(Credential::AccessToken { token })
    }

    /// The host with everything that a server needs but the right to see pipelines.
    pub(super) fn without_pipelines(&self) -> Bitbucket {
        let scopes = SERVER_SCOPES.iter().copied().filter(|it| !it.contains("pipeline"));
        let scopes: Vec<&str> = scopes.collect();
        let token = self.bitbucket.add_api_token(&self.ann.uuid, &scopes).unwrap();
        let token = self.vault.put("without-pipelines", &token);
        self.host_by(Credential::ApiToken { email: self.ann.email.clone(), token })
    }

    /// Bob pushes a branch with one commit and opens pull request 1 for it. Where he works, and the
    /// commit.
    async fn propose(&self) -> (PathBuf, String) {
        let work = self.clone_as(&self.bob, "orders").await;
        self.git(&work, &["checkout", "--quiet", "-b", "orders"]).await;
        let head = self.add(&work, "orders.yaml").await;
        self.push(&self.bob, &work, &["HEAD"]).await;
        self.open(&self.bob, "orders", "Add orders").await;
        (work, head)
    }

    /// Commits a file of this name, and says which commit that is.
    async fn add(&self, work: &std::path::Path, name: &str) -> String {
        std::fs::write(work.join(name), "kind: Api\n").unwrap();
        self.commit(work, name).await
    }
}

/// A hash as Bitbucket often writes it.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap()
}

fn client() -> Client {
    let timeout = Duration::from_secs(10);
    Client::new(&ClientSettings { timeout, ..ClientSettings::here() })
}
