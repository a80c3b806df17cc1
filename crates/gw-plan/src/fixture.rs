//! A small shop, for the tests of this crate.

use std::collections::BTreeMap;

use gw_model::{
    api::{
        AccessRule, ApiSpec, Claims, FileRef, Headers, Limit, Listen, Native, Per, Upstream,
        UpstreamAuth, Validate, Who,
    },
    desired::{Api, Desired},
    environment::{Builtin, ChangeAction, ChangeRule, Deletions, Drift, EnvironmentSpec, Target},
    id::{ApiName, EnvironmentName, IdentityName, SecretName, TargetName, WorkspaceName},
    openapi::Operation,
    scalar::Method,
    source::Origin,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use time::{OffsetDateTime, macros::datetime};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-09-10 09:14:05 UTC);

pub(crate) fn at(file: &str, line: u32) -> Origin {
    Origin { file: file.to_owned(), line }
}

pub(crate) fn staff(groups: &[&str]) -> Who {
    let groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
    let claims = if groups.is_empty() {
        Claims::new()
    } else {
        Claims::from([("groups".to_owned(), groups)])
    };
    Who::Proven { identities: vec![IdentityName::parse("staff").unwrap()], claims, when: None }
}

pub(crate) fn rule(line: u32, methods: &[Method], who: Who) -> AccessRule {
    let methods = methods.to_vec();
    let at = at("apis/orders/api.yaml", line);
    AccessRule { at, methods, operations: vec![], who, until: None }
}

pub(crate) fn limit(rate: &str, per: Per) -> Limit {
    let at = at("apis/orders/api.yaml", 19);
    Limit { at, methods: vec![], operations: vec![], rate: rate.parse().unwrap(), per }
}

pub(crate) fn orders() -> Api {
    let operation = |id: &str, method, path: &str| Operation {
        id: id.to_owned(),
        method,
        path: path.to_owned(),
    };
    Api {
        at: at("apis/orders/api.yaml", 1),
        operations: vec![
            operation("listOrders", Method::Get, "/orders"),
            operation("createOrder", Method::Post, "/orders"),
            operation("getOrder", Method::Get, "/orders/{id}"),
        ],
        spec: ApiSpec {
            owner: Some("orders-team".to_owned()),
            openapi: FileRef::File("apis/orders/openapi.yaml".to_owned()),
            version: None,
            targets: vec![TargetName::parse("default").unwrap()],
            environments: vec![],
            listen: Listen::default(),
            upstream: Upstream {
                url: "https://orders.internal/v1".to_owned(),
                timeout: "30s".parse().unwrap(),
                auth: Some(UpstreamAuth::Header {
                    name: "X-Api-Key".to_owned(),
                    prefix: String::new(),
                    secret: SecretName::parse("orders-backend-key").unwrap(),
                }),
                assertion: None,
                health: None,
                pass_authorization: false,
            },
            access: vec![
                rule(13, &[Method::Get], staff(&[])),
                rule(15, &[Method::Post], staff(&["orders-team"])),
            ],
            limits: vec![limit("100/1m", Per::Caller)],
            cors: None,
            headers: Headers::default(),
            validate: Validate::Off,
            max_body: None,
            native: Native::default(),
        },
    }
}

pub(crate) fn shop() -> Desired {
    let staff = Identity::Oidc(Oidc {
        issuer: "https://issuer.test".to_owned(),
        audiences: vec!["api://orders".to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Rs256],
        clock_skew: "60s".parse().unwrap(),
        rename: BTreeMap::new(),
    });
    let change = ChangeRule {
        at: at("environments/prod.yaml", 17),
        actions: vec![ChangeAction::Plan, ChangeAction::Apply],
        identities: vec![IdentityName::parse("local").unwrap()],
        claims: Claims::new(),
        commit: None,
        hours: None,
        deletes: false,
        owner: None,
        because: None,
        when: None,
    };
    let target = Target::Builtin(Builtin { listen: None, replicas: None });
    Desired {
        workspace: WorkspaceName::parse("acme").unwrap(),
        source: Source::Local {},
        intake: Default::default(),
        environment: EnvironmentName::parse("prod").unwrap(),
        spec: EnvironmentSpec {
            values: BTreeMap::new(),
            targets: BTreeMap::from([(TargetName::parse("default").unwrap(), target)]),
            secrets: None,
            egress: vec![],
            changes: vec![change],
            identities: BTreeMap::new(),
            drift: Drift { every: "5m".parse().unwrap(), then: Default::default() },
            on: None,
            deletions: Deletions { mode: Default::default(), ceiling: 5 },
            accept: vec![],
            notify: vec![],
        },
        identities: BTreeMap::from([(IdentityName::parse("staff").unwrap(), staff)]),
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        apis: BTreeMap::from([(ApiName::parse("orders").unwrap(), orders())]),
        policies: vec![],
    }
}

/// The API `orders`, changed.
pub(crate) fn edited(edit: impl FnOnce(&mut Api)) -> Desired {
    let mut desired = shop();
    edit(desired.apis.get_mut("orders").unwrap());
    desired
}
