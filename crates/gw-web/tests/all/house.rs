//! A server that is asked over HTTP, and the world around it.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use gw_audit::note::Signer as LedgerSigner;
use gw_control::{
    host::bitbucket::{Bitbucket, Credential, Declared, Place, Settings, webhook::Keys},
    ledger::Ledger,
    login::{self, Exchange},
    notify::webhook::Webhooks,
    server::{Server, Shared, Targets},
    source::git::{Repository, RepositorySettings, address::Address, caps::Caps},
    store::{Queued, Store},
    work::work,
};
use gw_drivers::registry::{Overseer, Registry};
use gw_model::{
    clock::Clock,
    diagnostic::Diagnostic,
    environment::Target,
    id::{EnvironmentName, IdentityName, TargetName},
    scalar::Period,
    secret::Redacted,
    source::Origin,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use gw_net::{
    client::{Client, ClientSettings},
    issuer::Timing,
};
use gw_plan::driver::Driver;
use gw_policy::{
    change::{Owner, OwnerIs},
    generation::SigningKey,
};
use gw_testkit::{
    clock::FixedClock,
    forge::{Forge, HOOK_SECRET, ISSUER, Vault, signature, workspace_id},
    issuer::Issuer,
    signer::Signer,
    wire::{self, Reply},
};
use gw_web::{Hook, Limits, Web, routes, serve_routes};
use serde_json::Value;
use time::macros::datetime;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::watch,
    task::{JoinHandle, block_in_place},
};
use url::Url;

use super::document;

const AUDIENCE: &str = "https://gatewright.example";

pub(super) struct House {
    pub(super) forge: Forge,
    pub(super) clock: FixedClock,
    pub(super) server: Arc<Server>,
    pub(super) address: SocketAddr,
    issuer: Issuer,
    signer: Signer,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    working: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Builtin(Registry);

impl Targets for Builtin {
    fn open(
        &self,
        environment: &EnvironmentName,
        name: &TargetName,
        target: &Target,
    ) -> Result<Box<dyn Driver>, Box<Diagnostic>> {
        self.0.open(environment, name, target)
    }
}

pub(super) fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn operators() -> IdentityName {
    IdentityName::parse("operators").unwrap()
}

/// A request as it goes over the wire.
pub(super) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("POST {path} HTTP/1.1\r\nhost: gatewright.test\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [head.as_bytes(), body].concat()
}

impl House {
    /// A repository with one API; nothing is in force. Nobody works off the queue.
    pub(super) async fn new() -> Self {
        Self::with(|routes| routes).await
    }

    pub(super) async fn with(more: impl FnOnce(axum::Router) -> axum::Router) -> Self {
        let clock = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let world: Arc<dyn Clock> = Arc::new(clock.clone());
        let forge = Forge::start(Arc::clone(&world)).await;
        forge.declare(&files(&forge)).await;

        let signer = Signer::es256("k1");
        let issuer = Issuer::start(&[&signer]);
        let server = Arc::new(server(&forge, &world).await);
        let exchange = Arc::new(Exchange::new(server.store.clone(), Arc::clone(&world)));
        let keys = Keys::parse(&[Redacted::new(HOOK_SECRET.as_bytes().to_vec())], &[]).unwrap();
        let hook = Hook { keys, repository_uuid: forge.repository.to_string(), secrets: vec![] };
        let (login, client) = (settings(&issuer.url()), client());
        let web = Web::new(Arc::clone(&server), exchange, login, client, Some(hook));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let limits = Limits { head: std::time::Duration::from_secs(1), ..Limits::default() };
        let routes = more(routes(Arc::new(web)));
        let serving = tokio::spawn(serve_routes(listener, None, routes, limits, stopped));
        let working = None;
        Self { forge, clock, server, address, issuer, signer, stop, serving, working }
    }

    /// Somebody works off the queue from now on.
    pub(super) fn works(&mut self) {
        let stopped = self.stop.subscribe();
        self.working = Some(tokio::spawn(work(Arc::clone(&self.server), stopped)));
    }

    pub(super) async fn end(self) {
        self.stop.send(true).unwrap();
        self.serving.await.unwrap();
        if let Some(working) = self.working {
            working.await.unwrap();
        }
    }

    /// Commits everything and pushes it to `main`. Which commit that is.
    pub(super) fn push(&self, message: &str) -> String {
        self.push_to("main", message)
    }

    /// The same, to another branch.
    pub(super) fn push_to(&self, branch: &str, message: &str) -> String {
        let (forge, desk) = (&self.forge, self.forge.desk());
        self.wait(async {
            let commit = forge.commit(&desk, message).await;
            forge.push(&forge.ann, &desk, &[&format!("HEAD:refs/heads/{branch}")]).await;
            commit
        })
    }

    /// Asks, and holds the answer against the document.
    pub(super) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let asked = || wire::request(self.address, method, path, headers, body).unwrap();
        let reply = block_in_place(asked);
        let kind = reply.header("content-type").unwrap_or_default();
        document::check(method, path, reply.status, kind, &reply.body);
        assert!(reply.header("server").is_none());
        assert!(reply.header("content-security-policy").unwrap().contains("default-src 'none'"));
        reply
    }

    pub(super) fn get(&self, path: &str, token: &str) -> Reply {
        self.call("GET", path, &[("authorization", &format!("Bearer {token}"))], b"")
    }

    pub(super) fn order(&self, path: &str, token: &str, body: &Value) -> Reply {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.call("POST", path, &headers, body.to_string().as_bytes())
    }

    /// A proof that somebody is `operators`.
    pub(super) fn proof(&self, subject: &str) -> String {
        let now = self.clock.now().unix_timestamp();
        self.signer.token(&self.issuer.claims(AUDIENCE, subject, now))
    }

    pub(super) fn exchange(&self, proof: &str, scope: &str, resource: &str) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("subject_token", proof)
            .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("scope", scope)
            .append_pair("resource", resource)
            .finish();
        let kind = ("content-type", "application/x-www-form-urlencoded");
        self.call("POST", "/v1/token", &[kind], form.as_bytes())
    }

    /// A token of ours.
    pub(super) fn login(&self, subject: &str, scope: &str) -> String {
        let reply = self.exchange(&self.proof(subject), scope, "urn:gatewright:prod");
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A genuine delivery of a push.
    pub(super) fn delivery(&self, number: u64) -> Vec<u8> {
        let body = self.body(number, "push", &serde_json::json!({ "changes": [] }));
        signed("repo:push", &body)
    }

    pub(super) fn body(&self, number: u64, name: &str, value: &Value) -> Vec<u8> {
        let mut body = serde_json::json!({
            "repository": { "uuid": self.forge.repository.to_string() }, "number": number,
        });
        body[name] = value.clone();
        body.to_string().into_bytes()
    }

    /// Every entry of the ledger.
    pub(super) fn entries(&self) -> Vec<Vec<u8>> {
        self.wait(self.server.store.entries(0, 100_000)).unwrap()
    }

    /// The reasons of refusals that the ledger has.
    pub(super) fn reasons(&self) -> Vec<String> {
        let entries = self.entries();
        let entries = entries.iter().map(|it| serde_json::from_slice::<Value>(it).unwrap());
        let reasons = entries.map(|it| it["facts"]["reason"].as_str().map(str::to_owned));
        reasons.flatten().collect()
    }

    pub(super) fn tasks(&self) -> Vec<Queued> {
        self.wait(self.server.store.tasks(100_000)).unwrap()
    }

    /// What is queued, by key, and how often it was asked for.
    pub(super) fn queued(&self) -> BTreeMap<String, u64> {
        self.tasks().iter().map(|it| (it.task.key(), it.hints)).collect()
    }

    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        block_in_place(|| Handle::current().block_on(future))
    }

    pub(super) fn advance(&self) {
        self.clock.advance(time::Duration::minutes(2));
    }
}

pub(super) fn signed(event: &str, body: &[u8]) -> Vec<u8> {
    let headers = [("x-hub-signature", signature(body)), ("x-event-key", event.to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    post("/v1/webhooks/bitbucket", &headers, body)
}

async fn server(forge: &Forge, clock: &Arc<dyn Clock>) -> Server {
    let (folder, vault) = (forge.folder.path(), Vault::default());
    let (workspace, repository) = (forge.workspace.to_string(), forge.repository.to_string());
    let workspace_id = workspace_id();
    let signer = LedgerSigner::new("gatewright/test", &[7; 32]).unwrap();
    let store = Store::open(&folder.join("state"), signer.verifier().clone()).await.unwrap();
    let declared = Declared {
        full_name: "acme/apis".to_owned(),
        workspace_uuid: workspace.clone(),
        repository_uuid: repository.clone(),
    };
    let token = vault.put("bitbucket", forge.ann.token.reveal());
    let credential = Credential::ApiToken { email: forge.ann.email.clone(), token };
    let place = Place::at(&Url::parse(forge.bitbucket.url()).unwrap());
    let settings = Settings { place, declared, credential };
    let host = Bitbucket::new(settings, client(), Arc::new(vault.clone()), Arc::clone(clock));
    let address = format!("{}/acme/apis.git", forge.bitbucket.url());
    let reach = ClientSettings::here();
    let source = Repository::open(RepositorySettings {
        address: Address::parse(&address).unwrap(),
        folder: folder.join("source"),
        caps: Caps::default(),
        client: reach,
        ssh: PathBuf::from("ssh"),
    });
    let registry = Registry {
        workspace_id: workspace_id.clone(),
        state: folder.join("state"),
        key: Arc::new(SigningKey::from_seed(&[3; 32]).unwrap()),
        clock: Arc::clone(clock),
        overseer: Overseer::Server,
    };
    let owner = OwnerIs::Subject { identity: operators(), subject: "owner".to_owned() };
    Server {
        store,
        clock: Arc::clone(clock),
        repository: source.unwrap(),
        host: Arc::new(host),
        targets: Arc::new(Builtin(registry)),
        ledger: Ledger::new(&folder.join("ledger"), signer),
        workspace_id,
        source: Source::Bitbucket {
            repository: "acme/apis".to_owned(),
            repository_uuid: repository,
            workspace_uuid: workspace,
        },
        owners: Arc::new([Owner {
            who: owner,
            at: Origin { file: "gatewright.toml".to_owned(), line: 3 },
        }]),
        address: Url::parse("https://gatewright.example.com").unwrap(),
        holder: "test".to_owned(),
        notifier: Arc::new(Webhooks::new(
            client(),
            Arc::clone(clock),
            Arc::new(vault),
            BTreeMap::new(),
        )),
        shared: Shared::default(),
    }
}

fn settings(issuer: &str) -> login::Settings {
    let identity = Identity::Oidc(Oidc {
        issuer: issuer.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Es256],
        clock_skew: Period::MINUTE,
        rename: BTreeMap::new(),
    });
    login::Settings {
        identities: BTreeMap::from([(operators(), identity)]),
        login: Some(operators()),
        application: Some(login::device::Application {
            client_id: "gatewright".to_owned(),
            scope: "openid".to_owned(),
            resource: None,
        }),
        bitbucket: Place::at(&Url::parse("https://bitbucket.org").unwrap()),
        sts: vec![],
        timing: Timing::default(),
    }
}

fn client() -> Client {
    Client::new(&ClientSettings::here())
}

fn files(forge: &Forge) -> Vec<(&'static str, String)> {
    let identities = format!(
        "    staff: {{ oidc: {{ issuer: {ISSUER}, audiences: [api://orders] }} }}
    operators: {{ oidc: {{ issuer: {ISSUER}, audiences: [{AUDIENCE}] }} }}
"
    );
    let environment = "apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: { name: prod }
spec:
  targets:
    default: { builtin: { listen: \"127.0.0.1:8080\" } }
  changes:
    - { actions: [view], identities: [operators], claims: { sub: [owner, ann, carol] } }
    - { actions: [plan, approve], identities: [operators], claims: { sub: [ann, carol] } }
    - { actions: [apply], identities: [operators], claims: { sub: [ann] }, commit: { branch: main } }
    - { actions: [rollback], identities: [operators], claims: { sub: [ann] } }
  egress: [\"127.0.0.1\"]
";
    let mut files = forge.files(&identities, environment.to_owned());
    files.retain(|(path, _)| *path != "policies/changes.cedar");
    files
}
