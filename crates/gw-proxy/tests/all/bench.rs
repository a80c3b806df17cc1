//! A gateway in this process, with everything that stands round it.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_model::{
    api::{
        AccessRule, ApiSpec, Claims, FileRef, Headers, Limit, Listen, Native, Per, Upstream,
        Validate, Who,
    },
    desired::Api,
    environment::{Builtin, Secrets},
    id::{
        ApiName, EnvironmentName, IdentityName, SecretName, TargetName, WorkspaceId, WorkspaceName,
    },
    openapi::Operation,
    scalar::{Method, Period},
    secret::{Redacted, Secret, SecretFuture, SecretRefusal, SecretStore, SecretStores},
    source::Origin,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use gw_net::{address::LoopbackReach, client::ClientSettings};
use gw_policy::generation::{GatewayPart, Generation, Part, SigningKey};
use gw_proxy::{
    gateway::Gateway,
    settings::{Address, Bounds, Mode, Settings, Supply},
};
use gw_testkit::{
    attack::{self, Request},
    backend::Backend,
    clock::FixedClock,
    issuer::Issuer,
    signer::Signer,
    wire::{self, Reply},
};
use parking_lot::Mutex;
use serde_json::Value;
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);
pub(crate) const AUDIENCE: &str = "api://orders";

/// Secrets that a test may change while the gateway runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vault(Arc<Mutex<BTreeMap<String, String>>>);

impl Vault {
    pub(crate) fn set(&self, name: &str, value: &str) {
        self.0.lock().insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().remove(name);
    }
}

impl SecretStore for Vault {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let found = self.0.lock().get(name.as_str()).cloned();
        Box::pin(async move {
            let value = found.ok_or_else(|| SecretRefusal::Missing { name: name.clone() })?;
            Ok(Secret { value: Redacted::new(value.into_bytes()), version: None, since: None })
        })
    }
}

impl SecretStores for Vault {
    fn open(&self, _declared: Option<&Secrets>) -> Arc<dyn SecretStore> {
        Arc::new(self.clone())
    }
}

pub(crate) struct Bench {
    pub(crate) backend: Backend,
    pub(crate) issuer: Issuer,
    pub(crate) signer: Signer,
    pub(crate) clock: FixedClock,
    pub(crate) vault: Vault,
    pub(crate) folder: TempDir,
    pub(crate) key: SigningKey,
}

/// The generation that is published and the gateway that serves it.
pub(crate) struct Running<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) gateway: Gateway,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let signer = Signer::es256("k1");
        Self {
            backend: Backend::start(),
            issuer: Issuer::start(&[&signer]),
            signer,
            clock: FixedClock::at(NOW),
            vault: Vault::default(),
            folder: tempfile::tempdir().expect("a folder"),
            key: SigningKey::from_seed(&[7; 32]).expect("a key"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings {
            folder: self.path().to_owned(),
            workspace: workspace_id(),
            environment: EnvironmentName::parse("dev").expect("a name"),
            target: TargetName::parse("default").expect("a name"),
            verifying_key: self.key.public(),
            supply: Supply::Folder(self.path().to_owned()),
            listen: Address::At(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            admin: Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)),
            public_url: None,
            tls: None,
            threads: NonZeroUsize::new(2).expect("two"),
            mode: Mode::Development,
            trusted_proxies: vec![],
            upstream_authorities: vec![],
            providers: ClientSettings {
                loopback: LoopbackReach::Free,
                ..ClientSettings::default()
            },
            bounds: Bounds {
                look: Duration::from_millis(1),
                secrets_refresh: Duration::from_millis(5),
                ..Bounds::default()
            },
            access_log: None,
            clock: Arc::new(self.clock.clone()),
            secrets: Arc::new(self.vault.clone()),
        }
    }

    pub(crate) fn start(&self) -> Running<'_> {
        self.start_with(self.settings())
    }

    pub(crate) fn start_with(&self, settings: Settings) -> Running<'_> {
        let gateway = Gateway::start(settings).expect("the gateway starts");
        Running { bench: self, gateway }
    }

    /// Writes a generation and makes it the current one.
    pub(crate) fn publish(&self, number: u64, parts: &[Part]) {
        self.write(number, &self.generation(number, parts).sign(&self.key).expect("signed"));
        self.point(&number.to_string());
    }

    pub(crate) fn generation(&self, number: u64, parts: &[Part]) -> Generation {
        Generation {
            workspace_id: workspace_id(),
            environment: EnvironmentName::parse("dev").expect("a name"),
            target: TargetName::parse("default").expect("a name"),
            number,
            change: Some(number),
            effect: format!("sha256:{number}"),
            made_at: NOW,
            objects: parts.iter().map(|part| part.object().expect("an object")).collect(),
        }
    }

    pub(crate) fn write(&self, number: u64, file: &[u8]) {
        fs::create_dir_all(self.path().join("generations")).expect("made");
        fs::write(self.generation_path(number), file).expect("written");
    }

    pub(crate) fn generation_path(&self, number: u64) -> PathBuf {
        self.path().join(format!("generations/{number:012}.json"))
    }

    /// Swaps the pointer as the driver does: a reader sees the old text or the new one.
    pub(crate) fn point(&self, text: &str) {
        let beside = self.path().join("current.new");
        fs::write(&beside, text).expect("written");
        fs::rename(beside, self.path().join("current")).expect("renamed");
    }

    /// A gateway part, the identity `staff`, and these APIs.
    pub(crate) fn parts(&self, apis: impl IntoIterator<Item = Part>) -> Vec<Part> {
        let oidc = Oidc {
            issuer: self.issuer.url(),
            audiences: vec![AUDIENCE.to_owned()],
            subject: "sub".to_owned(),
            algorithms: vec![Algorithm::Es256],
            clock_skew: Period::from_secs(60).expect("a period"),
            rename: BTreeMap::new(),
        };
        let staff = Part::Identity { name: identity("staff"), identity: Identity::Oidc(oidc) };
        let gateway = Part::Gateway(GatewayPart {
            workspace: WorkspaceName::parse("acme").expect("a name"),
            source: Source::Local {},
            settings: Builtin { listen: None, replicas: None },
            egress: vec![],
            secrets: None,
        });
        [gateway, staff].into_iter().chain(apis).collect()
    }

    /// An API `orders` with the operations of the example: GET for staff, POST for orders-team.
    pub(crate) fn orders(&self) -> Api {
        let mut api = self.api(&[
            ("listOrders", Method::Get, "/orders"),
            ("createOrder", Method::Post, "/orders"),
            ("getOrder", Method::Get, "/orders/{id}"),
        ]);
        api.spec.access = vec![
            rule(10, &[Method::Get], granted("staff", &[])),
            rule(13, &[Method::Post], granted("staff", &[("groups", &["orders-team"])])),
        ];
        api
    }

    /// One operation that anybody may call.
    pub(crate) fn open(&self) -> Api {
        let mut api = self.api(&[("read", Method::Get, "/open"), ("write", Method::Post, "/open")]);
        api.spec.access = vec![rule(20, &[], Who::Public)];
        api
    }

    fn api(&self, operations: &[(&str, Method, &str)]) -> Api {
        let upstream = Upstream {
            url: self.backend.url(),
            timeout: Period::from_secs(10).expect("a period"),
            auth: None,
            assertion: None,
            health: None,
            pass_authorization: false,
        };
        let operation = |(id, method, path): &(&str, Method, &str)| Operation {
            id: (*id).to_owned(),
            method: *method,
            path: (*path).to_owned(),
        };
        Api {
            at: origin(1),
            spec: ApiSpec {
                owner: Some("orders-team".to_owned()),
                openapi: FileRef::File("openapi.yaml".to_owned()),
                version: None,
                targets: vec![TargetName::parse("default").expect("a name")],
                environments: vec![],
                listen: Listen::default(),
                upstream,
                access: vec![],
                limits: vec![],
                cors: None,
                headers: Headers::default(),
                validate: Validate::Off,
                max_body: None,
                native: Native::default(),
            },
            operations: operations.iter().map(operation).collect(),
        }
    }

    /// A good token for that subject with those claims beside.
    pub(crate) fn token(&self, subject: &str, more: &Value) -> String {
        let now = gw_model::clock::Clock::now(&self.clock).unix_timestamp();
        let mut claims = self.issuer.claims(AUDIENCE, subject, now);
        if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
            claims.extend(more.clone());
        }
        self.signer.token(&claims)
    }
}

impl Running<'_> {
    /// Where attacks on it are made, and the call that must still pass after each.
    pub(crate) fn under_attack(&self, good: Request) -> attack::Bench<'_> {
        attack::Bench {
            gateway: self.gateway.address(),
            backend: &self.bench.backend,
            folder: self.bench.path(),
            written: vec![],
            good,
        }
    }

    pub(crate) fn call(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        self.send(method, target, headers, b"")
    }

    pub(crate) fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        wire::request(self.gateway.address(), method, target, headers, body).expect("an answer")
    }

    pub(crate) fn as_bearer(&self, method: &str, target: &str, token: &str) -> Reply {
        self.call(method, target, &[("authorization", &format!("Bearer {token}"))])
    }

    /// Waits until that generation is served.
    pub(crate) fn await_generation(&self, number: u64) {
        wait_until(|| self.gateway.generation() == Some(number));
    }

    pub(crate) fn metrics(&self) -> String {
        let admin = self.gateway.admin_address().expect("an address");
        wire::request(admin, "GET", "/metrics", &[], b"").expect("an answer").text()
    }

    /// What the socket answers.
    pub(crate) fn ask(&self, path: &str) -> (u16, Value) {
        use std::io::{Read as _, Write as _};
        let socket = self.bench.path().join("gateway.sock");
        let mut socket = std::os::unix::net::UnixStream::connect(socket).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("it answers");
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).expect("a body");
        (status, serde_json::from_str(body).unwrap_or_else(|_| Value::from(body)))
    }
}

/// Looks again and again, for a bounded time.
pub(crate) fn wait_until(holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it did not happen in 20 s");
        std::thread::yield_now();
    }
}

pub(crate) fn workspace_id() -> WorkspaceId {
    WorkspaceId::from_random([9; 16])
}

pub(crate) fn named(name: &str, api: Api) -> Part {
    Part::Api { name: ApiName::parse(name).expect("a name"), api: Box::new(api) }
}

pub(crate) fn origin(line: u32) -> Origin {
    Origin { file: "apis/orders/api.yaml".to_owned(), line }
}

pub(crate) fn identity(name: &str) -> IdentityName {
    IdentityName::parse(name).expect("a name")
}

pub(crate) fn rule(line: u32, methods: &[Method], who: Who) -> AccessRule {
    let at = origin(line);
    AccessRule { at, methods: methods.to_vec(), operations: vec![], who, until: None }
}

pub(crate) fn granted(name: &str, claims: &[(&str, &[&str])]) -> Who {
    let values = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let claims: Claims =
        claims.iter().map(|(name, list)| ((*name).to_owned(), values(list))).collect();
    Who::Proven { identities: vec![identity(name)], claims, when: None }
}

pub(crate) fn limit(rate: &str, per: Per) -> Limit {
    let rate = rate.parse().expect("a rate");
    Limit { at: origin(30), methods: vec![], operations: vec![], rate, per }
}
