use std::collections::BTreeMap;

use insta::assert_snapshot;

use super::*;
use crate::{
    api::{FileRef, Headers, Listen, Native, Upstream, Validate},
    openapi::tests::open_with_sources,
    scalar::{Method, Period},
};

fn rule(line: u32, methods: &[Method], who: Who) -> AccessRule {
    let at = Origin { file: "apis/orders/api.yaml".to_owned(), line };
    AccessRule { at, methods: methods.to_vec(), operations: vec![], who, until: None }
}

fn proven() -> Who {
    let identities = vec!["staff".parse().unwrap()];
    Who::Proven { identities, claims: BTreeMap::new(), when: None }
}

fn api(access: Vec<AccessRule>, path: Option<&str>) -> ApiSpec {
    ApiSpec {
        owner: None,
        openapi: FileRef::File("openapi.yaml".to_owned()),
        version: None,
        targets: vec![],
        environments: vec![],
        listen: Listen { path: path.map(str::to_owned), ..Listen::default() },
        upstream: Upstream {
            url: "https://orders.internal".to_owned(),
            timeout: Period::from_secs(30).unwrap(),
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
    }
}

fn compared(document: &str, api: &ApiSpec) -> String {
    let (document, said, sources) = open_with_sources(&format!("-- openapi.yaml --\n{document}"));
    assert_eq!(said, "");
    let found = compare(&document.unwrap(), api);
    let found = found.iter().map(|found| crate::openapi::tests::say(&sources, found));
    found.collect::<Vec<_>>().join("\n")
}

const SECURED: &str = "openapi: 3.0.3
security: [{ oauth: [] }]
servers: [{ url: https://orders.example.com/v2/ }]
paths:
  /orders:
    get: { operationId: listOrders, security: [] }
    head: { operationId: countOrders, security: [{}] }
    post: { operationId: createOrder }
";

#[test]
fn access_and_document_may_disagree_both_ways() {
    let strict = api(vec![rule(7, &[], proven())], Some("/v2"));
    assert_snapshot!(compared(SECURED, &strict), @r"
    GW1402 OpenAPI says `listOrders` needs no login, access says it does
      openapi.yaml:6:5 by its `security`
      apis/orders/api.yaml:7 asks for a login
      = the access rule decides
      = the same holds for `countOrders`
    ");
    let open =
        api(vec![rule(7, &[], proven()), rule(9, &[Method::Post], Who::Public)], Some("/v2"));
    assert_snapshot!(compared(SECURED, &open), @r"
    GW1402 OpenAPI says `listOrders` needs no login, access says it does
      openapi.yaml:6:5 by its `security`
      apis/orders/api.yaml:7 asks for a login
      = the access rule decides
      = the same holds for `countOrders`
    GW1402 OpenAPI says `createOrder` needs a login, access lets anyone call it
      openapi.yaml:8:5 by its `security`
      apis/orders/api.yaml:9 public
      = the access rule decides
    ");
}

#[test]
fn where_they_agree_nothing_is_said() {
    let rules = vec![
        rule(7, &[Method::Get, Method::Head], Who::Public),
        rule(9, &[Method::Post], proven()),
    ];
    assert_eq!(compared(SECURED, &api(rules, Some("/v2"))), "");
    assert_eq!(compared(SECURED, &api(vec![], Some("/v2"))), "");
    let silent = "openapi: 3.0.3\npaths: { /orders: { get: {} } }\n";
    assert_eq!(compared(silent, &api(vec![rule(7, &[], proven())], None)), "");
}

#[test]
fn a_base_path_that_nobody_declares_is_told() {
    assert_snapshot!(compared(SECURED, &api(vec![], None)), @r"
    GW1404 `/v2` of `servers` is not part of the paths that callers use
      openapi.yaml:3:18 not put in front of anything
      help: if callers use it today: `listen: { path: /v2 }`
    ");
    assert_snapshot!(compared(SECURED, &api(vec![], Some("/other"))), @r"
    GW1404 `/v2` of `servers` is not part of the paths that callers use
      openapi.yaml:3:18 not put in front of anything
      help: if callers use it today: `listen: { path: /v2 }`
    ");
}
