//! The law of this crate: the running gateway does with a call what `can` says of it, for the same
//! reason and by the same rule. Workspaces are generated; a last assertion counts that they, the
//! callers and what becomes of them reach everything that decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use gw_model::{
    api::{AccessRule, Who},
    desired::PolicyFile,
    id::SecretName,
    scalar::Method,
    source::Origin,
    workspace::Identity,
};
use gw_policy::{
    can::{Answer, Known, Question},
    generation::{Part, desired},
    principal::{Caller, Principal},
    snapshot::Snapshot,
    token::{TrustedIssuers, Unverified, claimed},
};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use rustls::RootCertStore;
use serde_json::{Value, json};
use time::{Date, macros::date};

use crate::{
    bench::{Bench, NOW, Running, identity, named, origin},
    certificates::{Leaf, Secured, authority, leaf},
};

const WORLDS: usize = 24;

/// One token proves both, another audience a third one, and a certificate the last.
const IDENTITIES: [&str; 4] = ["staff", "auditors", "strangers", "machines"];

const OVERFLOWS: &str = "9223372036854775807 + 1 == 0";

const CONDITIONS: [&str; 6] = [
    "true",
    "principal.subject == \"ann\"",
    "principal.hasTag(\"groups\") && principal.getTag(\"groups\").contains(\"b\")",
    "resource.method == \"GET\"",
    "context.ip.isInRange(ip(\"203.0.113.0/24\"))",
    OVERFLOWS,
];

const FORBIDS: [&str; 7] = [
    "forbid (principal, action == Gatewright::Action::\"call\", resource) when { false };",
    "forbid (principal in Gatewright::Identity::\"auditors\", action, resource);",
    "forbid (principal, action, resource in Gatewright::Api::\"shop\");",
    "forbid (principal, action, resource == Gatewright::Operation::\"orders/create\");",
    "forbid (principal, action == Gatewright::Action::\"call\", resource) when { resource.method == \"POST\" };",
    "forbid (principal, action == Gatewright::Action::\"call\", resource) when { context.at < datetime(\"2026-01-01T00:00:00Z\") };",
    "forbid (principal, action == Gatewright::Action::\"call\", resource in Gatewright::Api::\"orders\") unless { 9223372036854775807 + 1 == 0 };",
];

/// Host, method and path.
const CALLS: [(&str, &str, &str); 10] = [
    ("gateway.test", "GET", "/orders"),
    ("gateway.test", "POST", "/orders"),
    ("gateway.test", "DELETE", "/orders"),
    ("gateway.test", "GET", "/orders/7"),
    ("gateway.test", "GET", "/orders/7/lines"),
    ("gateway.test", "GET", "/orders/..%2f7"),
    ("shop.test", "GET", "/v1/orders"),
    ("SHOP.test", "POST", "/v1/orders"),
    ("gateway.test", "GET", "/v1/orders"),
    ("shop.test", "GET", "/v1/orders//7"),
];

#[derive(Clone, Debug)]
struct World {
    orders: Vec<AccessRule>,
    shop: Vec<AccessRule>,
    forbids: Vec<&'static str>,
}

/// Who calls: with a token of these claims, with a certificate, with both or with nothing.
#[derive(Clone, Debug)]
struct Asker {
    name: &'static str,
    token: Option<Value>,
    certificate: bool,
}

fn who() -> impl Strategy<Value = Who> {
    let identities = proptest::sample::subsequence(IDENTITIES.to_vec(), 1..=2)
        .prop_map(|names| names.into_iter().map(identity).collect());
    let values = proptest::sample::subsequence(vec!["a", "b"], 1..=2)
        .prop_map(|values| values.into_iter().map(str::to_owned).collect::<Vec<_>>());
    let name = select(vec!["groups", "level"]).prop_map(str::to_owned);
    let claims = proptest::collection::btree_map(name, values, 0..2);
    let when = proptest::option::of(select(CONDITIONS.to_vec()).prop_map(str::to_owned));
    let proven = (identities, claims, when).prop_map(|(identities, claims, when)| Who::Proven {
        identities,
        claims,
        when,
    });
    prop_oneof![1 => Just(Who::Public), 6 => proven]
}

fn until() -> impl Strategy<Value = Option<Date>> {
    // The day before, the day itself, and one far ahead.
    let days = vec![date!(2026 - 11 - 20), date!(2026 - 11 - 21), date!(2027 - 01 - 01)];
    prop_oneof![2 => Just(None), 1 => select(days).prop_map(Some)]
}

fn rule() -> impl Strategy<Value = AccessRule> {
    let methods = proptest::sample::subsequence(vec![Method::Get, Method::Post], 0..=1);
    let operations = proptest::sample::subsequence(vec!["list", "create", "get"], 0..=2)
        .prop_map(|ids| ids.into_iter().map(str::to_owned).collect());
    (methods, operations, who(), until(), 1..1000_u32).prop_map(
        |(methods, operations, who, until, line)| AccessRule {
            at: origin(line),
            methods,
            operations,
            who,
            until,
        },
    )
}

/// Every second world has forbids, each of them in its turn, or hardly anything would be let in.
fn world(number: usize) -> impl Strategy<Value = World> {
    let rules = || proptest::collection::vec(rule(), 0..4);
    let turn = FORBIDS[number / 2 % FORBIDS.len()];
    let more = proptest::sample::subsequence(FORBIDS.to_vec(), 0..=1);
    (rules(), rules(), more).prop_map(move |(orders, shop, mut forbids)| {
        if number.is_multiple_of(2) {
            forbids.clear();
        } else if !forbids.contains(&turn) {
            forbids.push(turn);
        }
        World { orders, shop, forbids }
    })
}

fn askers() -> Vec<Asker> {
    let asker = |name, token, certificate| Asker { name, token, certificate };
    vec![
        asker("nobody", None, false),
        asker("bob", Some(json!({ "groups": ["a"] })), false),
        asker("ann", Some(json!({ "sub": "ann", "groups": ["a", "b"], "level": "b" })), false),
        asker("a stranger", Some(json!({ "aud": "api://other", "groups": "b" })), false),
        asker("a machine", None, true),
        asker("a machine with a token", Some(json!({})), true),
    ]
}

/// The APIs, identities and policies of a world as a gateway is given them.
fn parts(bench: &Bench, world: &World) -> Vec<Part> {
    let mut orders = bench.orders();
    let ids = ["list", "create", "get"];
    for (operation, id) in orders.operations.iter_mut().zip(ids) {
        operation.id = id.to_owned();
    }
    let mut shop = orders.clone();
    orders.spec.access.clone_from(&world.orders);
    shop.spec.access.clone_from(&world.shop);
    shop.spec.listen.host = Some("shop.test".to_owned());
    shop.spec.listen.path = Some("/v1".to_owned());
    shop.spec.listen.strip_path = true;
    let mut parts = bench.parts([named("orders", orders), named("shop", shop)]);
    let staff = parts.iter().find_map(|part| match part {
        Part::Identity { identity, .. } => Some(identity.clone()),
        _ => None,
    });
    let staff = staff.expect("the bench declares one");
    let mut strangers = staff.clone();
    if let Identity::Oidc(oidc) = &mut strangers {
        oidc.audiences = vec!["api://other".to_owned()];
    }
    let authorities = vec![SecretName::parse("machines-ca").expect("a name")];
    let machines = Identity::ClientCertificate { authorities };
    for (name, proof) in [("auditors", staff), ("strangers", strangers), ("machines", machines)] {
        parts.push(Part::Identity { name: identity(name), identity: proof });
    }
    parts.extend(world.forbids.iter().enumerate().map(|(number, text)| {
        let path = format!("policies/{number}.cedar");
        Part::Policy(PolicyFile { path, text: (*text).to_owned() })
    }));
    parts
}

/// The caller as `can` is told of him: the token itself, or `machines:NAME` with claims.
fn caller(asker: &Asker, token: Option<&str>, issuers: &TrustedIssuers) -> Caller {
    let mut principals = vec![];
    if let Some(token) = token {
        let token = Unverified::parse(token).expect("a token");
        let issuer = issuers.get(token.issuer()).expect("a trusted issuer");
        principals.extend(claimed(&token, issuer, NOW.unix_timestamp()).expect("a good token"));
    }
    if asker.certificate {
        principals.push(Principal {
            identity: identity("machines"),
            issuer: "offline".to_owned(),
            subject: "machine.example".to_owned(),
            claims: BTreeMap::from([("dns".to_owned(), ["machine.example".to_owned()].into())]),
            expires_at: None,
        });
    }
    Caller { principals }
}

/// The generator's own words for what it made.
fn count_rules(world: &World, seen: &mut BTreeSet<String>) {
    for rule in world.orders.iter().chain(&world.shop) {
        let mut see = |what: &str| {
            seen.insert(format!("rule: {what}"));
        };
        see(if rule.methods.is_empty() { "all methods" } else { "some methods" });
        see(if rule.operations.is_empty() { "all operations" } else { "some operations" });
        match rule.until {
            None => see("no end"),
            Some(day) if day < NOW.date() => see("ended"),
            Some(_) => see("an end ahead"),
        }
        match &rule.who {
            Who::Public => see("public"),
            Who::Proven { identities, claims, when } => {
                identities.iter().for_each(|name| see(name.as_str()));
                see(if identities.len() > 1 { "several identities" } else { "one identity" });
                see(if claims.is_empty() { "no claims" } else { "claims" });
                see(if when.is_some() { "when" } else { "no when" });
            }
        }
    }
    seen.extend(world.forbids.iter().map(|text| format!("policy: {text}")));
}

struct Scene<'a> {
    bench: &'a Bench,
    gateway: &'a Running<'a>,
    roots: RootCertStore,
    machine: Leaf,
}

impl Scene<'_> {
    /// Makes the call, and gives what the gateway says of it: the status and the record.
    fn call(
        &self,
        connection: &mut Secured,
        token: Option<&str>,
        (host, method, path): (&str, &str, &str),
    ) -> (u16, Value) {
        let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let bearer = bearer.unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{bearer}content-length: 0\r\n\r\n"
        );
        let status = connection.call(&head);
        (status, self.gateway.ask("/v1/decisions/last").1)
    }

    /// Compares the gateway with `can` over every caller and call in one world.
    fn compare(&self, number: u64, world: &World, seen: &mut BTreeSet<String>) {
        let parts = parts(self.bench, world);
        let generation = self.bench.generation(number, &parts);
        let all = desired(&generation).expect("parts");
        let snapshot = Snapshot::compile(&all, &generation.target).expect("it compiles");
        self.bench.publish(number, &parts);
        self.gateway.await_generation(number);
        let issuers = TrustedIssuers::of(&all.identities);
        for asker in askers() {
            let token = asker.token.as_ref().map(|claims| self.bench.token("bob", claims));
            let caller = caller(&asker, token.as_deref(), &issuers);
            let own = asker.certificate.then_some(&self.machine);
            let address = self.gateway.gateway.address();
            let mut connection = Secured::open(address, &self.roots, own);
            for (host, method, path) in CALLS {
                let ip = Known::Given(IpAddr::V4(Ipv4Addr::LOCALHOST));
                let now = Known::Given(NOW);
                let question = Question { caller: &caller, method, host, path, ip, now };
                let answer = snapshot.can(&question);
                let (status, record) =
                    self.call(&mut connection, token.as_deref(), (host, method, path));
                let expected = if answer.allowed { 200 } else { answer.reason.status() };
                let told = format!("{world:#?} {} {host} {method} {path}: {record}", asker.name);
                assert_eq!(record["reason"], answer.reason.code(), "{told}");
                assert_eq!(status, expected, "{told}");
                let grant: Option<Origin> =
                    serde_json::from_value(record["grant"].clone()).expect("a place");
                assert_eq!(grant, answer.grant, "{told}");
                count_answer(&asker, &answer, seen);
            }
        }
    }
}

fn count_answer(asker: &Asker, answer: &Answer, seen: &mut BTreeSet<String>) {
    seen.insert(format!("answer: {}", answer.reason.code()));
    if answer.allowed {
        seen.insert(format!("let in: {}", asker.name));
    }
}

/// Shows S1.5: holds
#[test]
fn the_gateway_and_can_agree_on_every_call() {
    let bench = Bench::new();
    let ours = authority("ours");
    bench.vault.set("machines-ca", &ours.pem());
    let mut settings = bench.settings();
    settings.tls = Some(leaf(&ours, "gateway.test").tls());
    let empty = World { orders: vec![], shop: vec![], forbids: vec![] };
    bench.publish(1, &parts(&bench, &empty));
    let gateway = bench.start_with(settings);
    let mut roots = RootCertStore::empty();
    roots.add(ours.der().clone()).expect("a root");
    let machine = leaf(&ours, "machine.example");
    let scene = Scene { bench: &bench, gateway: &gateway, roots, machine };
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for (turn, number) in (0..WORLDS).zip(2..) {
        let world = world(turn).new_tree(&mut runner).expect("a world").current();
        count_rules(&world, &mut seen);
        scene.compare(number, &world, &mut seen);
    }
    let rules = [
        "all methods",
        "some methods",
        "all operations",
        "some operations",
        "no end",
        "ended",
        "an end ahead",
        "public",
        "one identity",
        "several identities",
        "no claims",
        "claims",
        "when",
        "no when",
    ];
    let answers = [
        "forbidden_by_policy",
        "granted",
        "method_not_listed",
        "no_route",
        "not_granted",
        "not_signed_in",
        "path_refused",
        "policy_error",
    ];
    let expected: BTreeSet<String> = rules
        .iter()
        .chain(&IDENTITIES)
        .map(|what| format!("rule: {what}"))
        .chain(FORBIDS.map(|text| format!("policy: {text}")))
        .chain(answers.map(|reason| format!("answer: {reason}")))
        .chain(askers().iter().map(|asker| format!("let in: {}", asker.name)))
        .collect();
    assert_eq!(seen, expected);
}
