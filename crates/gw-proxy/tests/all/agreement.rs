//! The law of this crate: the running gateway answers what the snapshot alone says.

use std::net::{IpAddr, Ipv4Addr};

use gw_model::{
    api::{AccessRule, Who},
    scalar::Method,
};
use gw_policy::{
    generation::desired,
    principal::{Caller, Principal},
    snapshot::{Routed, Snapshot},
};
use serde_json::{Value, json};

use crate::bench::{Bench, NOW, granted, identity, named, rule};

const CALLS: [(&str, &str); 6] = [
    ("GET", "/orders"),
    ("POST", "/orders"),
    ("DELETE", "/orders"),
    ("GET", "/orders/7"),
    ("GET", "/orders/7/lines"),
    ("GET", "/orders//7"),
];

/// Shows S1.5: holds
#[test]
fn the_gateway_and_the_snapshot_agree_on_every_call() {
    let bench = Bench::new();
    let callers = [
        None,
        Some(json!({})),
        Some(json!({ "groups": ["sales"] })),
        Some(json!({ "groups": ["orders-team", "sales"], "level": 3 })),
    ];
    let gateway = bench.start();
    let mut seen = std::collections::BTreeSet::new();
    for (number, rules) in (1..).zip(rule_sets()) {
        let mut orders = bench.orders();
        orders.spec.access = rules;
        let parts = bench.parts([named("orders", orders)]);
        bench.publish(number, &parts);
        gateway.await_generation(number);
        let generation = bench.generation(number, &parts);
        let all = desired(&generation).expect("parts");
        let snapshot = Snapshot::compile(&all, &generation.target).expect("it compiles");
        for claims in &callers {
            let token = claims.as_ref().map(|claims| bench.token("bob", claims));
            let caller = caller(&bench, claims.as_ref());
            for (method, path) in CALLS {
                let answer = match &token {
                    Some(token) => gateway.as_bearer(method, path, token),
                    None => gateway.call(method, path, &[]),
                };
                let alone = decide(&snapshot, &caller, method, path);
                assert_eq!(answer.status, alone, "{number} {claims:?} {method} {path}");
                seen.insert(alone);
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [200, 400, 401, 403, 404]);
}

/// Every set of these four rules.
fn rule_sets() -> impl Iterator<Item = Vec<AccessRule>> {
    let rules = [
        rule(10, &[Method::Get], granted("staff", &[])),
        rule(11, &[Method::Post], granted("staff", &[("groups", &["orders-team"])])),
        rule(12, &[Method::Get], Who::Public),
        rule(13, &[], granted("staff", &[("level", &["3"]), ("groups", &["sales"])])),
    ];
    (0..16_usize).map(move |set| {
        let chosen = rules.iter().enumerate().filter(|(place, _)| set >> place & 1 == 1);
        chosen.map(|(_, rule)| rule.clone()).collect()
    })
}

fn caller(bench: &Bench, claims: Option<&Value>) -> Caller {
    let Some(claims) = claims.and_then(Value::as_object) else { return Caller::default() };
    let texts = |value: &Value| match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        other => [other.to_string()].into(),
    };
    let principal = Principal {
        identity: identity("staff"),
        issuer: bench.issuer.url(),
        subject: "bob".to_owned(),
        claims: claims.iter().map(|(name, value)| (name.clone(), texts(value))).collect(),
        expires_at: None,
    };
    Caller { principals: vec![principal] }
}

fn decide(snapshot: &Snapshot, caller: &Caller, method: &str, path: &str) -> u16 {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match snapshot.route("gateway.test", method, path) {
        Routed::Found(found) => match found.operation.authorize(caller, ip, NOW) {
            Ok(_) => 200,
            Err(denial) => denial.reason.status(),
        },
        Routed::MethodNotListed(_) | Routed::NoRoute => 404,
        Routed::Refused(_) => 400,
    }
}
