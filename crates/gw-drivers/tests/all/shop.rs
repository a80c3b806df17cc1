//! A small shop on a builtin target, and the parts around a driver.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use gw_drivers::registry::{Overseer, Registry};
use gw_model::{
    api::{
        AccessRule, ApiSpec, Claims, FileRef, Headers, Limit, Listen, Native, Per, Upstream,
        Validate, Who,
    },
    clock::Clock,
    desired::{Api, Desired},
    environment::{Builtin, Deletions, Drift, EnvironmentSpec, Target},
    id::{ApiName, EnvironmentName, IdentityName, TargetName, WorkspaceId, WorkspaceName},
    openapi::Operation,
    scalar::Method,
    source::Origin,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use gw_plan::driver::Driver;
use gw_policy::generation::SigningKey;
use time::{OffsetDateTime, macros::datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-09-10 09:14:05 UTC);

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        NOW
    }
}

pub(crate) fn workspace(seed: u8) -> WorkspaceId {
    WorkspaceId::from_random([seed; 16])
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed(&[1; 32]).unwrap()
}

pub(crate) fn registry(state: &Path, seed: u8) -> Registry {
    Registry {
        workspace_id: workspace(seed),
        state: state.to_owned(),
        key: Arc::new(key()),
        clock: Arc::new(Stopped),
        overseer: Overseer::User,
    }
}

pub(crate) fn target() -> TargetName {
    TargetName::parse("default").unwrap()
}

/// The driver of the shop's target, for the workspace of that seed.
pub(crate) fn driver(state: &Path, seed: u8) -> Box<dyn Driver> {
    let desired = shop("100/1m");
    let target = target();
    registry(state, seed)
        .open(&desired.environment, &target, &desired.spec.targets[&target])
        .unwrap()
}

pub(crate) fn shop(rate: &str) -> Desired {
    let staff = Identity::Oidc(Oidc {
        issuer: "https://issuer.test".to_owned(),
        audiences: vec!["api://orders".to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Rs256],
        clock_skew: "60s".parse().unwrap(),
        rename: BTreeMap::new(),
    });
    let builtin =
        Target::Builtin(Builtin { listen: Some("127.0.0.1:0".to_owned()), replicas: None });
    Desired {
        workspace: WorkspaceName::parse("shop").unwrap(),
        source: Source::Local {},
        intake: Default::default(),
        environment: EnvironmentName::parse("dev").unwrap(),
        spec: EnvironmentSpec {
            values: BTreeMap::new(),
            targets: BTreeMap::from([(target(), builtin)]),
            secrets: None,
            egress: vec![],
            changes: vec![],
            identities: BTreeMap::new(),
            drift: Drift::default(),
            on: None,
            deletions: Deletions::default(),
            accept: vec![],
            notify: vec![],
        },
        identities: BTreeMap::from([(IdentityName::parse("staff").unwrap(), staff)]),
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        apis: BTreeMap::from([(ApiName::parse("orders").unwrap(), orders(rate))]),
        policies: vec![],
    }
}

fn at(line: u32) -> Origin {
    Origin { file: "apis/orders/api.yaml".to_owned(), line }
}

fn rule(line: u32, methods: &[Method], operation: &str, who: Who) -> AccessRule {
    let operations = vec![operation.to_owned()];
    AccessRule { at: at(line), methods: methods.to_vec(), operations, who, until: None }
}

fn operation(id: &str, method: Method, path: &str) -> Operation {
    Operation { id: id.to_owned(), method, path: path.to_owned() }
}

fn orders(rate: &str) -> Api {
    let identities = vec![IdentityName::parse("staff").unwrap()];
    let any_staff = Who::Proven { identities, claims: Claims::new(), when: None };
    let rate = rate.parse().unwrap();
    let (methods, operations, per) = (vec![], vec![], Per::Caller);
    Api {
        at: at(1),
        operations: vec![
            operation("health", Method::Get, "/health"),
            operation("getOrder", Method::Get, "/orders/{id}"),
            operation("createOrder", Method::Post, "/orders"),
        ],
        spec: ApiSpec {
            owner: None,
            openapi: FileRef::File("apis/orders/openapi.yaml".to_owned()),
            version: None,
            targets: vec![target()],
            environments: vec![],
            listen: Listen::default(),
            upstream: Upstream {
                url: "https://orders.internal/v1".to_owned(),
                timeout: "30s".parse().unwrap(),
                auth: None,
                assertion: None,
                health: None,
                pass_authorization: false,
            },
            access: vec![
                rule(12, &[], "health", Who::Public),
                rule(13, &[Method::Get], "getOrder", any_staff),
            ],
            limits: vec![Limit { at: at(19), methods, operations, rate, per }],
            cors: None,
            headers: Headers::default(),
            validate: Validate::Off,
            max_body: None,
            native: Native::default(),
        },
    }
}

/// The names in a folder of the target.
pub(crate) fn files(state: &Path, folder: &str) -> BTreeSet<String> {
    let folder = state.join("targets/dev/default").join(folder);
    let Ok(entries) = std::fs::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
