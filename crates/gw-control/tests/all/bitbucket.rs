//! The Git host of this program against the emulated Bitbucket: a person opens pull requests by git
//! and by the API, and the host is asked about them.

mod credentials;
mod facts;
mod faults;
mod webhooks;
mod writing;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, time::Duration};

use gw_control::host::{
    GitHost, HostError,
    bitbucket::{Bitbucket, Credential, Declared, Place, Settings},
};
use gw_emulators::bitbucket::{Bitbucket as Emulated, Permission as Right, Person, Reach, Uuid};
use gw_model::{
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretRefusal, SecretStore},
};
use gw_net::client::{Ask, Authorization, Client, ClientSettings, Method};
use gw_testkit::clock::FixedClock;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::datetime;
use tokio::process::Command;
use url::Url;

/// Scopes of an API token that the host needs, and those that people here need.
const ALL: &[&str] = &[
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
    "read:pullrequest:bitbucket",
    "write:pullrequest:bitbucket",
    "read:workspace:bitbucket",
    "read:user:bitbucket",
];

pub(super) struct Somebody {
    pub(super) uuid: Uuid,
    pub(super) email: String,
    pub(super) token: Redacted<String>,
}

/// What a secret store holds, by name.
#[derive(Clone, Default)]
pub(super) struct Vault(Arc<Mutex<BTreeMap<String, String>>>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl Vault {
    pub(super) fn put(&self, name: &str, value: &str) -> SecretName {
        self.0.lock().insert(name.to_owned(), value.to_owned());
        SecretName::parse(name).unwrap()
    }
}

impl SecretStore for Vault {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let value = self.0.lock().get(name.as_str()).cloned();
        let secret = value.map(|value| Secret {
            value: Redacted::new(value.into_bytes()),
            version: None,
            since: None,
        });
        let secret = secret.ok_or_else(|| SecretRefusal::Missing { name: name.clone() });
        Box::pin(std::future::ready(secret))
    }
}

pub(super) struct Stage {
    pub(super) bitbucket: Emulated,
    pub(super) folder: TempDir,
    pub(super) clock: FixedClock,
    pub(super) vault: Vault,
    pub(super) workspace: Uuid,
    pub(super) repository: Uuid,
    /// Rules the repository.
    pub(super) ann: Somebody,
    /// These write to it.
    pub(super) bob: Somebody,
    pub(super) carol: Somebody,
    /// Reads it.
    pub(super) eve: Somebody,
}

impl Stage {
    /// The repository has one commit on `main`.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let repositories = folder.path().join("repositories");
        let bitbucket = Emulated::start(0, &repositories, Arc::new(clock.clone())).await.unwrap();
        let workspace = bitbucket.add_workspace("acme").unwrap();
        let repository = bitbucket.add_repository(&workspace, "apis").unwrap();
        let somebody = |name: &str, right| {
            let Person { uuid, email, .. } = bitbucket.add_person(name).unwrap();
            bitbucket.permit(&repository, &uuid, Some(right)).unwrap();
            let token = Redacted::new(bitbucket.add_api_token(&uuid, ALL).unwrap());
            Somebody { uuid, email, token }
        };
        let (ann, bob) = (somebody("ann", Right::Admin), somebody("bob", Right::Write));
        let (carol, eve) = (somebody("carol", Right::Write), somebody("eve", Right::Read));
        let vault = Vault::default();
        let stage =
            Self { bitbucket, folder, clock, vault, workspace, repository, ann, bob, carol, eve };
        let work = stage.clone_as(&stage.ann, "first").await;
        stage.commit(&work, "api.yaml").await;
        stage.push(&stage.ann, &work, &["HEAD:refs/heads/main"]).await;
        stage
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

    /// What the API answers somebody.
    async fn ask(&self, who: &Somebody, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/2.0/repositories/acme/apis{path}", self.bitbucket.url());
        let ask = Ask {
            method,
            authorization: Some(Authorization::Basic { user: &who.email, password: &who.token }),
            headers: &[("content-type", "application/json")],
            body: (!body.is_null()).then(|| body.to_string().into_bytes()),
        };
        let answer = client().ask(&Url::parse(&url).unwrap(), ask).await.unwrap();
        let status = answer.status();
        let body = answer.body(1 << 20).await.unwrap();
        assert!((200..300).contains(&status), "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.ask(&self.ann, Method::Get, path, Value::Null).await
    }

    pub(super) async fn post(&self, who: &Somebody, path: &str, body: Value) -> Value {
        self.ask(who, Method::Post, path, body).await
    }

    pub(super) async fn approve(&self, who: &Somebody) {
        self.post(who, "/pullrequests/1/approve", Value::Null).await;
    }

    pub(super) async fn merge(&self, strategy: &str) {
        let body = json!({ "type": "pullrequest_merge_parameters", "merge_strategy": strategy });
        self.post(&self.ann, "/pullrequests/1/merge", body).await;
    }

    pub(super) async fn git(&self, folder: &std::path::Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(folder)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Somebody")
            .env("GIT_AUTHOR_EMAIL", "somebody@example.com")
            .env("GIT_COMMITTER_NAME", "Somebody")
            .env("GIT_COMMITTER_EMAIL", "somebody@example.com")
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn remote(&self, who: &Somebody) -> String {
        let host = self.bitbucket.url().trim_start_matches("http://");
        format!("http://x-bitbucket-api-token-auth:{}@{host}/acme/apis.git", who.token.reveal())
    }

    pub(super) async fn clone_as(&self, who: &Somebody, name: &str) -> PathBuf {
        self.git(self.folder.path(), &["clone", "--quiet", &self.remote(who), name]).await;
        self.folder.path().join(name)
    }

    /// Commits a file of this name, and says which commit that is.
    pub(super) async fn commit(&self, work: &std::path::Path, name: &str) -> String {
        std::fs::write(work.join(name), "kind: Api\n").unwrap();
        self.git(work, &["add", "--all"]).await;
        self.git(work, &["commit", "--quiet", "--message", name]).await;
        self.git(work, &["rev-parse", "HEAD"]).await
    }

    pub(super) async fn push(&self, who: &Somebody, work: &std::path::Path, what: &[&str]) {
        let remote = self.remote(who);
        self.git(work, &[&["push", "--quiet", remote.as_str()], what].concat()).await;
    }

    /// Bob pushes a branch with one commit and opens pull request 1 for it. Where he works, and the
    /// commit.
    async fn open(&self) -> (PathBuf, String) {
        let work = self.clone_as(&self.bob, "orders").await;
        self.git(&work, &["checkout", "--quiet", "-b", "orders"]).await;
        let head = self.commit(&work, "orders.yaml").await;
        self.push(&self.bob, &work, &["HEAD"]).await;
        let source = json!({ "branch": { "name": "orders" } });
        self.post(&self.bob, "/pullrequests", json!({ "title": "Add orders", "source": source }))
            .await;
        (work, head)
    }
}

/// A hash as Bitbucket often writes it.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap()
}

fn client() -> Client {
    let timeout = Duration::from_secs(10);
    Client::new(&ClientSettings { timeout, ..ClientSettings::default() })
}
