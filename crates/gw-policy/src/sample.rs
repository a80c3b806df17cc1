//! A small shop to test with: one API, one issuer, two environments' worth of rules.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use gw_model::{
    api::{AccessRule, ApiSpec, FileRef, Headers, Listen, Native, Upstream, Validate, Who},
    desired::{Api, Desired, PolicyFile},
    environment::{
        Builtin, ChangeAction, ChangeRule, Deletions, Drift, DriftThen, EnvironmentSpec, Target,
    },
    id::{ApiName, EnvironmentName, IdentityName, TargetName, WorkspaceName},
    openapi::Operation,
    scalar::Method,
    source::Origin,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use time::{OffsetDateTime, macros::datetime};

use crate::{
    principal::{Caller, Principal},
    snapshot::{self, Found, Routed, Snapshot},
};

pub(crate) const NOW: OffsetDateTime = datetime!(2026-09-10 09:58:03 UTC);
pub(crate) const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
pub(crate) const ISSUER: &str = "https://acme.okta.com/oauth2/default";

pub(crate) fn identity(name: &str) -> IdentityName {
    IdentityName::parse(name).unwrap()
}

pub(crate) fn target() -> TargetName {
    TargetName::parse("default").unwrap()
}

pub(crate) fn at(line: u32) -> Origin {
    Origin { file: "apis/orders/api.yaml".to_owned(), line }
}

pub(crate) fn oidc(issuer: &str) -> Identity {
    Identity::Oidc(Oidc {
        issuer: issuer.to_owned(),
        audiences: vec!["api://orders".to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Rs256],
        clock_skew: "60s".parse().unwrap(),
        rename: BTreeMap::new(),
    })
}

pub(crate) fn claims(claims: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let texts = |values: &[&str]| values.iter().map(|text| (*text).to_owned()).collect();
    claims.iter().map(|(name, values)| ((*name).to_owned(), texts(values))).collect()
}

pub(crate) fn staff(held: &[(&str, &[&str])]) -> Who {
    Who::Proven { identities: vec![identity("staff")], claims: claims(held), when: None }
}

pub(crate) fn rule(line: u32, methods: &[Method], who: Who) -> AccessRule {
    AccessRule { at: at(line), methods: methods.to_vec(), operations: vec![], who, until: None }
}

pub(crate) fn api(access: Vec<AccessRule>, operations: &[(&str, Method, &str)]) -> Api {
    let operation = |(id, method, path): &(&str, Method, &str)| Operation {
        id: (*id).to_owned(),
        method: *method,
        path: (*path).to_owned(),
    };
    Api {
        at: at(1),
        operations: operations.iter().map(operation).collect(),
        spec: ApiSpec {
            owner: Some("orders-team".to_owned()),
            openapi: FileRef::File("apis/orders/openapi.yaml".to_owned()),
            version: None,
            targets: vec![target()],
            environments: vec![],
            listen: Listen::default(),
            upstream: Upstream {
                url: "https://orders.internal".to_owned(),
                timeout: "30s".parse().unwrap(),
                auth: None,
                assertion: None,
                health: None,
                pass_authorization: false,
            },
            access,
            limits: vec![],
            cors: None,
            headers: Headers::default(),
            validate: Validate::Off,
            max_body: None,
            native: Native::default(),
        },
    }
}

pub(crate) const ORDERS: &[(&str, Method, &str)] = &[
    ("listOrders", Method::Get, "/orders"),
    ("createOrder", Method::Post, "/orders"),
    ("getOrder", Method::Get, "/orders/{id}"),
];

/// `GET` for staff, `POST` for group orders-team.
pub(crate) fn orders_access() -> Vec<AccessRule> {
    let team: &[(&str, &[&str])] = &[("groups", &["orders-team"])];
    vec![rule(13, &[Method::Get], staff(&[])), rule(15, &[Method::Post], staff(team))]
}

pub(crate) fn desired(apis: &[(&str, Api)]) -> Desired {
    let name = |(name, api): &(&str, Api)| (ApiName::parse(name).unwrap(), api.clone());
    Desired {
        workspace: WorkspaceName::parse("acme").unwrap(),
        source: Source::Local {},
        intake: Default::default(),
        environment: EnvironmentName::parse("prod").unwrap(),
        spec: EnvironmentSpec {
            values: BTreeMap::new(),
            targets: [(target(), Target::Builtin(Builtin { listen: None, replicas: None }))].into(),
            secrets: None,
            egress: vec![],
            changes: vec![],
            identities: BTreeMap::new(),
            drift: Drift { every: "5m".parse().unwrap(), then: DriftThen::Report },
            on: None,
            deletions: Deletions { mode: Default::default(), ceiling: 5 },
            accept: vec![],
            notify: vec![],
        },
        identities: [
            (identity("staff"), oidc(ISSUER)),
            (identity("partners"), oidc("https://partners.test")),
        ]
        .into(),
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        apis: apis.iter().map(name).collect(),
        policies: vec![],
    }
}

/// The shop of the examples.
pub(crate) fn orders() -> Desired {
    desired(&[("orders", api(orders_access(), ORDERS))])
}

pub(crate) fn policy(text: &str) -> PolicyFile {
    PolicyFile { path: "policies/rules.cedar".to_owned(), text: text.to_owned() }
}

pub(crate) fn with_policy(mut desired: Desired, text: &str) -> Desired {
    desired.policies.push(policy(text));
    desired
}

pub(crate) fn compile(desired: &Desired) -> Snapshot {
    Snapshot::compile(desired, &target()).unwrap()
}

pub(crate) fn principal(name: &str, subject: &str, held: &[(&str, &[&str])]) -> Principal {
    let issuer = if name == "staff" { ISSUER } else { "https://partners.test" };
    let texts = |values: &[&str]| values.iter().map(|text| (*text).to_owned()).collect();
    Principal {
        identity: identity(name),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        claims: held
            .iter()
            .map(|(name, values)| ((*name).to_owned(), texts(values)))
            .collect::<BTreeMap<String, BTreeSet<String>>>(),
        expires_at: None,
    }
}

pub(crate) fn caller(principals: &[Principal]) -> Caller {
    Caller { principals: principals.to_vec() }
}

/// bob of staff, in these groups.
pub(crate) fn bob(groups: &[&str]) -> Caller {
    caller(&[principal("staff", "bob@acme.com", &[("groups", groups)])])
}

pub(crate) fn found<'s, 'r>(snapshot: &'s Snapshot, method: &str, path: &'r str) -> Found<'s, 'r> {
    match snapshot.route("localhost", method, path) {
        Routed::Found(found) => found,
        other => panic!("{method} {path} is {other:?}"),
    }
}

pub(crate) fn operation<'s>(snapshot: &'s Snapshot, id: &str) -> snapshot::Operation<'s> {
    snapshot.operations().find(|operation| operation.id() == id).unwrap()
}

pub(crate) fn change_rule(line: u32, actions: &[ChangeAction], identities: &[&str]) -> ChangeRule {
    ChangeRule {
        at: Origin { file: "environments/prod.yaml".to_owned(), line },
        actions: actions.to_vec(),
        identities: identities.iter().map(|name| identity(name)).collect(),
        claims: BTreeMap::new(),
        commit: None,
        hours: None,
        deletes: false,
        owner: None,
        because: None,
        when: None,
    }
}
