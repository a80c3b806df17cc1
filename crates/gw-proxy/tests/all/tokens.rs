//! Hostile tokens, one row of the threat model after another, over the wire.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64},
};
use gw_model::{
    scalar::Period,
    workspace::{Algorithm, Identity, Oidc},
};
use gw_policy::{generation::Part, keys::KeySet, token::TrustedIssuers};
use gw_proxy::settings::Settings;
use gw_testkit::{
    absent::not_run,
    attack::{self, Attack, Outcome, Request, attack},
    backend::Backend,
    issuer::{DISCOVERY, Document, Issuer, KEYS},
    oidc_provider::{APPLICATION, OidcProvider},
    signer::{Signer, signature_of, with_signature},
    watch::{Program, SystemCall, Watcher},
    wire::Connection,
};
use serde_json::{Value, json};

use crate::bench::{AUDIENCE, Bench, NOW, Running, granted, identity, named, rule, wait_until};

/// A running gateway that serves `/orders` to staff and `/open` to everybody.
pub(crate) struct Scene<'a> {
    bench: &'a Bench,
    pub(crate) running: Running<'a>,
}

impl<'a> Scene<'a> {
    pub(crate) fn start(bench: &'a Bench) -> Self {
        Self::start_with(bench, bench.parts([named("orders", bench.orders())]))
    }

    fn start_with(bench: &'a Bench, parts: Vec<Part>) -> Self {
        Self::start_under(bench, parts, bench.settings())
    }

    pub(crate) fn start_under(bench: &'a Bench, mut parts: Vec<Part>, settings: Settings) -> Self {
        parts.push(named("open", bench.open()));
        bench.publish(1, &parts);
        Self { bench, running: bench.start_with(settings) }
    }

    /// Attacks with the token of a caller who would otherwise be let in.
    pub(crate) fn refuse(&self, name: &str, token: &str, status: u16, reason: &str) -> Outcome {
        self.attack(name, Request::with_token("/orders", token), status, reason)
    }

    pub(crate) fn attack(
        &self,
        name: &str,
        request: Request,
        status: u16,
        reason: &str,
    ) -> Outcome {
        let good = Request::with_headers("/open", &[]);
        attack(&self.over(good), &Attack { name, request, status, reason })
    }

    fn over(&self, good: Request) -> attack::Bench<'_> {
        self.running.under_attack(good)
    }

    /// Asserts that this token is let in.
    pub(crate) fn admit(&self, token: &str) {
        self.admit_to("/orders", token);
    }

    pub(crate) fn admit_to(&self, target: &str, token: &str) {
        attack::good(&self.over(Request::with_token(target, token)));
    }

    /// Refused as a token that proves nothing.
    fn refuse_token(&self, name: &str, token: &str) {
        self.refuse(name, token, 401, "token_refused");
    }

    pub(crate) fn claims(&self) -> Value {
        self.bench.issuer.claims(AUDIENCE, "bob", NOW.unix_timestamp())
    }

    fn with(&self, member: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[member] = value;
        claims
    }

    /// The good claims under another header.
    fn headed(&self, header: &Value) -> String {
        self.bench.signer.write(&header.to_string(), &self.claims().to_string())
    }
}

/// `/orders` for staff and `/partners` for the people of another issuer.
pub(crate) fn with_partners(bench: &Bench, issuer: &str) -> Vec<Part> {
    let mut partners = bench.open();
    partners.operations.iter_mut().for_each(|operation| operation.path = "/partners".to_owned());
    partners.spec.access = vec![rule(5, &[], granted("partners", &[]))];
    let mut parts = bench.parts([named("orders", bench.orders()), named("partners", partners)]);
    let staff = parts.iter().find_map(|part| match part {
        Part::Identity { identity: Identity::Oidc(oidc), .. } => Some(oidc.clone()),
        _ => None,
    });
    let mut other = staff.expect("the bench declares one");
    other.issuer = issuer.to_owned();
    parts.push(Part::Identity { name: identity("partners"), identity: Identity::Oidc(other) });
    parts
}

/// The identity `staff` accepts these algorithms.
fn with_algorithms(mut parts: Vec<Part>, algorithms: &[Algorithm]) -> Vec<Part> {
    for part in &mut parts {
        if let Part::Identity { identity: Identity::Oidc(oidc), .. } = part {
            oidc.algorithms = algorithms.to_vec();
        }
    }
    parts
}

/// Shows J1: holds
#[test]
fn an_unsigned_token_is_refused_in_every_spelling() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let good = bench.token("bob", &json!({}));
    scene.admit(&good);
    for name in ["none", "None", "nOnE", "NONE", "none ", "", "es256", "HS256"] {
        let token = scene.headed(&json!({"alg": name, "kid": "k1"}));
        scene.refuse_token(name, &token);
        scene.refuse_token(name, &with_signature(&token, b""));
    }
    // The headers that Wycheproof has for it.
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "NONE"}),
        json!({"alg": "none", "kid": "none"}),
        json!({"alg": "none", "kid": "PS512_2048"}),
        json!({"alg": "none", "kid": "kid-aes-sign"}),
    ] {
        scene.refuse_token("Wycheproof", &with_signature(&scene.headed(&header), b""));
    }
    scene.refuse_token("no algorithm", &scene.headed(&json!({"kid": "k1"})));
    scene.refuse_token("an empty signature", &with_signature(&good, b""));
    scene.admit(&good);
}

/// Shows J2: holds
#[test]
fn a_public_key_is_never_a_shared_secret() {
    let bench = Bench::new();
    let rsa = Signer::rs256("rsa");
    bench.issuer.publish(&[&rsa]);
    let parts = bench.parts([named("orders", bench.orders())]);
    let scene = Scene::start_with(&bench, with_algorithms(parts, &[Algorithm::Rs256]));
    scene.admit(&rsa.token(&scene.claims()));
    // DER of a SubjectPublicKeyInfo round the 270 bytes of the key.
    let mut spki = vec![0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86];
    spki.extend([0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00]);
    spki.extend(rsa.public_der());
    let lines = BASE64_STANDARD.encode(&spki);
    let lines = lines.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line).into_owned());
    let lines = lines.collect::<Vec<_>>().join("\n");
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n");
    let modulus = BASE64.decode(rsa.jwk()["n"].as_str().unwrap()).unwrap();
    let jwk = rsa.jwk().to_string();
    let secrets: [(&str, &[u8]); 6] = [
        ("PEM", pem.as_bytes()),
        ("PEM without its last line end", pem.trim_end().as_bytes()),
        ("DER of SPKI", &spki),
        ("DER of PKCS#1", rsa.public_der()),
        ("the JWK", jwk.as_bytes()),
        ("the modulus", &modulus),
    ];
    for (name, secret) in secrets {
        for (algorithm, hash) in [
            ("HS256", hmac::HMAC_SHA256),
            ("HS384", hmac::HMAC_SHA384),
            ("HS512", hmac::HMAC_SHA512),
            ("RS256", hmac::HMAC_SHA256),
        ] {
            let token = rsa.write(
                &json!({"alg": algorithm, "kid": "rsa"}).to_string(),
                &scene.claims().to_string(),
            );
            let (signed, _) = token.rsplit_once('.').unwrap();
            let mac = hmac::sign(&hmac::Key::new(hash, secret), signed.as_bytes());
            scene.refuse_token(name, &with_signature(&token, mac.as_ref()));
        }
    }
}

/// What a key may not be called. The gateway has the keys `k1` of its issuer, and no others.
fn hostile_key_ids() -> Vec<Value> {
    let texts = [
        "../../dev/null",
        "/dev/null",
        "file:///etc/passwd",
        "http://127.0.0.1/keys",
        "' OR '1'='1",
        "k1'; DROP TABLE keys; --",
        "k1\u{0}",
        "k1\n",
        "K1",
        " k1",
        "\u{212a}1",
        "\u{202e}1k",
        "$(id)",
        "{{7*7}}",
        "",
    ];
    let long = [257, 8_000].map(|length| json!("k".repeat(length)));
    let others = [json!(1), json!(null), json!(["k1"]), json!({"k1": 1})];
    texts.into_iter().map(Value::from).chain(long).chain(others).collect()
}

/// Attacks with each of them, between two looks at files that are not there: whoever watches the
/// system calls sees by them when it begins, for which folder and backend, and when it is over.
#[test]
fn hostile_key_ids_are_refused() {
    let bench = Bench::new();
    let mut settings = bench.settings();
    // Only a token that asks for newer keys may make the gateway read them, and only once.
    settings.bounds.keys.refresh = Duration::from_secs(3_600);
    settings.bounds.keys.spacing = Duration::from_secs(3_600);
    let parts = bench.parts([named("orders", bench.orders())]);
    let scene = Scene::start_under(&bench, parts, settings);
    scene.admit(&bench.token("bob", &json!({})));
    scene.refuse_token("unknown", &scene.headed(&json!({"alg": "ES256", "kid": "unknown"})));
    let port = bench.backend.address().port();
    assert!(std::fs::metadata(bench.path().join(format!("begin/{port}"))).is_err());
    for id in hostile_key_ids() {
        let name = id.to_string();
        scene.refuse_token(&name, &scene.headed(&json!({"alg": "ES256", "kid": id})));
    }
    assert!(std::fs::metadata(bench.path().join(format!("end/{port}"))).is_err());
}

/// Shows J3: holds
#[test]
fn a_key_name_is_compared_and_never_used() {
    hostile_key_ids_are_refused();
    let Some(watcher) = watcher(Program::Strace) else { return };
    let calls = watcher.system_calls("tokens::hostile_key_ids_are_refused", "%file,%net");
    let look = |what: &str| {
        let at = |call: &SystemCall| call.path().is_some_and(|path| path.contains(what));
        calls.iter().position(at).expect("the test looks at the file")
    };
    let (begin, end) = (look("/begin/"), look("/end/"));
    let (folder, port) = calls[begin].path().unwrap().split_once("/begin/").unwrap();
    let backend = format!("sin_port=htons({port})");
    let of_gateway = |call: &&SystemCall| call.thread.starts_with("gw-");
    let all: Vec<_> = calls[begin..end].iter().filter(of_gateway).collect();
    // That the gateway is watched at all: it takes connections, and looks for generations.
    assert!(all.iter().any(|call| call.name() == "accept4"), "{all:#?}");
    assert!(all.iter().any(|call| call.path().is_some_and(|path| path.ends_with("/current"))));
    for call in all {
        let at_home = call.path().is_some_and(|path| path.starts_with(folder));
        let worker = call.thread.starts_with("gw-worker");
        let harmless = match call.name() {
            "connect" => call.text.contains(&backend),
            "socket" => call.text.contains("SOCK_STREAM"),
            "bind" | "listen" | "sendmmsg" => false,
            // Of a connection that is open already.
            "accept4" | "recvfrom" | "recvmsg" | "sendto" | "sendmsg" | "shutdown" => {
                !call.text.contains("sa_family=AF_INET, sin_port=htons(53)")
            }
            "getsockname" | "getpeername" | "setsockopt" | "getsockopt" => true,
            // A thread of the runtime that begins takes its name; until then it has its maker's.
            "prctl" => call.text.contains("PR_SET_NAME"),
            // The only calls of the others are those with a path.
            _ => at_home && !worker,
        };
        assert!(harmless, "{call:?}");
    }
}

/// A program that watches a test, unless this machine has none. CI must have one.
fn watcher(program: Program) -> Option<Watcher> {
    Watcher::find(program).map_err(|said| not_run(&said)).ok()
}

/// Shows J4: holds
#[test]
fn no_key_and_no_address_is_taken_from_a_token() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let (sinkhole, attacker) = (Backend::start(), Signer::es256("k1"));
    let url = sinkhole.url();
    for header in [
        json!({"alg": "ES256", "kid": "k1", "jwk": attacker.jwk()}),
        json!({"alg": "ES256", "jwk": attacker.jwk()}),
        json!({"alg": "ES256", "kid": "k1", "jku": format!("{url}/jwks.json")}),
        json!({"alg": "ES256", "kid": format!("{url}/jwks.json"), "jku": format!("{url}/jwks.json")}),
        json!({"alg": "ES256", "kid": "k1", "x5u": format!("{url}/cert.pem")}),
        json!({"alg": "ES256", "kid": "k1", "x5c": ["MIIBszCCAVmgAwIBAgIUQ"]}),
        json!({"alg": "ES256", "kid": "k1", "x5t": "AAAA", "x5t#S256": "AAAA"}),
    ] {
        let token = attacker.write(&header.to_string(), &scene.claims().to_string());
        scene.refuse_token(&header.to_string(), &token);
    }
    assert_eq!(sinkhole.connections(), 0);
}

/// Shows J5: holds
#[test]
fn a_signature_of_another_form_is_refused() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let good = bench.token("bob", &json!({}));
    scene.admit(&good);
    let signature = signature_of(&good);
    let (r, s) = signature.split_at(32);
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let integer = |number: &[u8]| [&[0x02, 0x21, 0x00], number].concat();
    let der = [&[0x30, 0x46][..], &integer(r), &integer(s)].concat();
    for (name, signature) in [
        ("both are zero", vec![0; 64]),
        ("r is zero", [&[0; 32], s].concat()),
        ("s is zero", [r, &[0; 32]].concat()),
        ("both are the order", [order, order].concat()),
        ("r is the order", [&order, s].concat()),
        ("s is the order", [r, &order].concat()),
        ("both are too large", vec![0xff; 64]),
        ("both are one", [[&[0; 31][..], &[1]].concat(), [&[0; 31][..], &[1]].concat()].concat()),
        ("swapped", [s, r].concat()),
        ("DER", der),
        ("a byte less", signature[..63].to_vec()),
        ("a byte more", [&signature[..], &[0]].concat()),
        ("zeros in front", [&[0], &signature[..]].concat()),
        ("doubled", signature.repeat(2)),
    ] {
        scene.refuse_token(name, &with_signature(&good, &signature));
    }
    // Another spelling of the same bytes: unused bits that are not zero.
    let signs = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut other = good.clone().into_bytes();
    let last = other.last_mut().unwrap();
    *last = signs[signs.iter().position(|sign| sign == last).unwrap() ^ 1];
    scene.refuse_token("unused bits", std::str::from_utf8(&other).unwrap());
    scene.refuse_token("padding", &format!("{good}=="));
}

/// Shows J6: holds
#[test]
fn a_member_named_twice_is_refused() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let (header, claims) = (bench.signer.header().to_string(), scene.claims().to_string());
    let twice = |text: &str, first: &str| text.replacen('{', &format!("{{{first},"), 1);
    for first in [
        r#""sub":"admin""#,
        r#""s\u0075b":"admin""#,
        r#""exp":9999999999"#,
        r#""aud":"api://other""#,
        r#""x":{"a":1,"a":2}"#,
        r#""x":[{"a":[{"b":1,"b":1}]}]"#,
    ] {
        scene.refuse_token(first, &bench.signer.write(&header, &twice(&claims, first)));
    }
    for first in [r#""alg":"none""#, r#""alg":"ES256""#, r#""kid":"k2""#, r#""\u006bid":"k2""#] {
        scene.refuse_token(first, &bench.signer.write(&twice(&header, first), &claims));
    }
    for wrong in
        ["", "{", "[]", "null", "{}{}", "{\"a\":01}", "\u{feff}{}", "{\"a\":NaN}", "{'a':1}"]
    {
        scene.refuse_token(wrong, &bench.signer.write(&header, wrong));
        scene.refuse_token(wrong, &bench.signer.write(wrong, &claims));
    }
}

/// Tokens that cost their sender little and would like to cost the gateway much. Those that are short
/// enough to be read are signed, so that nothing but their limits is in their way.
struct Greedy {
    huge: String,
    inflating: String,
    many_rounds: String,
    many_claims: String,
    long_list: String,
    deep: String,
    long_text: String,
}

impl Greedy {
    fn new(signer: &Signer) -> Self {
        let header = signer.header().to_string();
        let encrypted =
            |header: &Value| format!("{}.AAAA.AAAA.AAAA.AAAA", BASE64.encode(header.to_string()));
        // Twelve bytes each, so that their base64 can be put together.
        let claim = BASE64.encode(r#""claims":0, "#);
        let claims = BASE64.encode(r#"{"claims":0,"#) + &claim.repeat(1_000_000);
        Self {
            huge: "a".repeat(1 << 20),
            inflating: encrypted(&json!({"alg": "dir", "enc": "A256GCM", "zip": "DEF"})),
            many_rounds: encrypted(&json!({
                "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_648_u32, "p2s": "AA",
            })),
            many_claims: format!("{}.{claims}.AAAA", BASE64.encode(&header)),
            long_list: signer.write(&header, &format!("{{\"a\":[{}0]}}", "0,".repeat(5_000))),
            // Closing every list would make it longer than a token may be.
            deep: signer.write(&header, &format!("{{\"a\":{}", "[".repeat(10_000))),
            long_text: signer.write(&header, &format!("{{\"a\":\"{}\"}}", "a".repeat(11_000))),
        }
    }
}

/// One function for each token, so that whoever watches can tell them apart.
mod judge {
    use std::hint::black_box;

    use gw_policy::{
        keys::KeySet,
        token::{TrustedIssuers, Unverified, verify},
    };

    pub(super) const FUNCTIONS: [&str; 8] = [
        "all::tokens::judge::good",
        "all::tokens::judge::huge",
        "all::tokens::judge::inflating",
        "all::tokens::judge::many_rounds",
        "all::tokens::judge::many_claims",
        "all::tokens::judge::long_list",
        "all::tokens::judge::deep",
        "all::tokens::judge::long_text",
    ];

    pub(super) const FUNCTION: &str = "all::tokens::judge::Court::lets_in";

    pub(super) struct Court {
        pub(super) issuers: TrustedIssuers,
        pub(super) keys: KeySet,
        pub(super) now: i64,
    }

    impl Court {
        /// What the gateway does with a token that it has not seen before.
        #[inline(never)]
        fn lets_in(&self, token: &str) -> bool {
            let parsed = Unverified::parse(black_box(token));
            let verified = parsed.and_then(|token| {
                verify(&token, self.issuers.get(token.issuer())?, &self.keys, self.now)
            });
            black_box(verified).is_ok()
        }
    }

    macro_rules! functions {
        ($($name:ident)*) => {
            $(#[inline(never)]
            pub(super) fn $name(court: &Court, token: &str) -> bool {
                // Functions that are equal could become one.
                black_box(stringify!($name));
                court.lets_in(token)
            })*
        };
    }

    functions!(good huge inflating many_rounds many_claims long_list deep long_text);
}

#[test]
fn greedy_tokens_are_refused_alone() {
    let signer = Signer::es256("k1");
    let greedy = Greedy::new(&signer);
    let issuer = "https://id.example";
    let bench_parts = BTreeMap::from([(identity("staff"), staff_of(issuer))]);
    let keys = json!({"keys": [signer.jwk()]}).to_string();
    let court = judge::Court {
        issuers: TrustedIssuers::of(&bench_parts),
        keys: KeySet::parse(keys.as_bytes()).unwrap(),
        now: NOW.unix_timestamp(),
    };
    let good = json!({
        "iss": issuer, "aud": AUDIENCE, "sub": "bob", "exp": NOW.unix_timestamp() + 600,
    });
    assert!(judge::good(&court, &signer.token(&good)));
    assert!(!judge::huge(&court, &greedy.huge));
    assert!(!judge::inflating(&court, &greedy.inflating));
    assert!(!judge::many_rounds(&court, &greedy.many_rounds));
    assert!(!judge::many_claims(&court, &greedy.many_claims));
    assert!(!judge::long_list(&court, &greedy.long_list));
    assert!(!judge::deep(&court, &greedy.deep));
    assert!(!judge::long_text(&court, &greedy.long_text));
}

fn staff_of(issuer: &str) -> Identity {
    Identity::Oidc(Oidc {
        issuer: issuer.to_owned(),
        audiences: vec![AUDIENCE.to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Es256],
        clock_skew: Period::from_secs(60).expect("a period"),
        rename: BTreeMap::new(),
    })
}

/// What one refused token may ask for on the heap.
const MOST_BYTES: u64 = 64 * 1024;
/// How much more work a refused token may be than one that is let in.
const MOST_TIMES: u64 = 10;

/// Shows J7: holds
#[test]
fn huge_deep_and_encrypted_tokens_are_refused() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let greedy = Greedy::new(&bench.signer);
    for (name, token) in [
        ("inflating", &greedy.inflating),
        ("many rounds", &greedy.many_rounds),
        ("long list", &greedy.long_list),
        ("deep", &greedy.deep),
        ("long text", &greedy.long_text),
    ] {
        scene.refuse_token(name, token);
    }
    // Longer than a head may be: refused before it is a request at all, and counted.
    let address = scene.running.gateway.address();
    for (times, token) in (1..).zip([&greedy.huge, &greedy.many_claims]) {
        let before = bench.backend.requests().len();
        let mut connection = Connection::open(address).unwrap();
        let head =
            format!("GET /orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
        // The gateway answers and hangs up while the rest is still on its way.
        let _hung_up = connection.send(head.as_bytes());
        if let Ok(Some(reply)) = connection.reply() {
            assert_eq!(reply.status, 431);
        }
        let counted = format!("gatewright_requests_unreadable_total {times}\n");
        wait_until(|| scene.running.metrics().contains(&counted));
        assert_eq!(bench.backend.requests().len(), before);
    }
    scene.admit(&bench.token("bob", &json!({})));

    let Some(watcher) = watcher(Program::Valgrind) else { return };
    let test = "tokens::greedy_tokens_are_refused_alone";
    let bytes = watcher.heap(test, &judge::FUNCTIONS);
    let work = watcher.instructions(test, judge::FUNCTION);
    assert_eq!((bytes.len(), work.len()), (judge::FUNCTIONS.len(), judge::FUNCTIONS.len()));
    assert!(bytes[0] > 0, "the watcher sees no memory");
    for ((name, bytes), instructions) in judge::FUNCTIONS.iter().zip(&bytes).zip(&work) {
        assert!(*bytes < MOST_BYTES, "{name}: {bytes} bytes");
        assert!(*instructions < work[0] * MOST_TIMES, "{name}: {instructions} of {}", work[0]);
    }
}

/// Shows J8: holds
#[test]
fn a_token_holds_only_in_its_time() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    let now = NOW.unix_timestamp();
    let token = |claims: &Value| bench.signer.token(claims);
    for (member, date) in [("exp", now - 59), ("nbf", now + 60), ("iat", now + 60)] {
        scene.admit(&token(&scene.with(member, json!(date))));
    }
    for (member, date, reason) in [
        ("exp", now - 60, "token_expired"),
        ("exp", 0, "token_expired"),
        ("nbf", now + 61, "token_not_yet_valid"),
        ("iat", now + 61, "token_not_yet_valid"),
    ] {
        scene.refuse(member, &token(&scene.with(member, json!(date))), 401, reason);
    }
    let mut endless = scene.claims();
    endless.as_object_mut().unwrap().remove("exp");
    scene.refuse_token("no end", &token(&endless));
    for member in ["exp", "nbf", "iat"] {
        for date in [
            json!(1.5e9),
            json!(-1),
            json!(9_223_372_036_854_775_808_u64),
            json!(253_402_300_800_i64),
            json!("2026-11-21"),
            json!(null),
            json!(true),
            json!([now]),
        ] {
            scene.refuse_token(member, &token(&scene.with(member, date)));
        }
    }
    // A remembered token ends when its time does.
    let remembered = token(&scene.claims());
    scene.admit(&remembered);
    bench.clock.advance(time::Duration::seconds(660));
    scene.refuse("remembered", &remembered, 401, "token_expired");
}

/// Shows J9: holds
#[test]
fn a_token_for_one_api_opens_no_other() {
    let bench = Bench::new();
    let mut payments = bench.open();
    payments.operations.iter_mut().for_each(|operation| operation.path = "/payments".to_owned());
    payments.spec.access = vec![rule(5, &[], granted("payers", &[]))];
    let mut parts = bench.parts([named("orders", bench.orders()), named("payments", payments)]);
    let payers = parts.iter().find_map(|part| match part {
        Part::Identity { identity: Identity::Oidc(oidc), .. } => Some(oidc.clone()),
        _ => None,
    });
    let mut payers = payers.unwrap();
    payers.audiences = vec!["api://payments".to_owned()];
    parts.push(Part::Identity { name: identity("payers"), identity: Identity::Oidc(payers) });
    let scene = Scene::start_with(&bench, parts);
    let token = |audience: Value| bench.signer.token(&scene.with("aud", audience));
    let orders = token(json!(AUDIENCE));
    scene.admit(&orders);
    let across = Request::with_token("/payments", &orders);
    scene.attack("orders to payments", across, 403, "not_granted");
    scene.refuse("payments to orders", &token(json!("api://payments")), 403, "not_granted");
    scene.admit(&token(json!(["api://x", AUDIENCE])));
    for audience in [
        json!("api://orders/"),
        json!("api://order"),
        json!("API://ORDERS"),
        json!("xapi://orders"),
        json!("api://orders api://x"),
        json!(["api://orders/"]),
        json!([]),
        json!(null),
        json!({}),
    ] {
        scene.refuse("another audience", &token(audience), 401, "token_audience");
    }
    let mut without = scene.claims();
    without.as_object_mut().unwrap().remove("aud");
    scene.refuse("no audience", &bench.signer.token(&without), 401, "token_audience");
}

/// Shows J10: holds
#[test]
fn the_keys_of_one_issuer_open_nothing_of_another() {
    let bench = Bench::new();
    // Two issuers that name their different keys alike.
    let other_signer = Signer::es256("k1");
    let other = Issuer::start(&[&other_signer]);
    let parts = with_partners(&bench, &other.url());
    let scene = Scene::start_with(&bench, parts);
    scene.admit(&bench.signer.token(&scene.claims()));
    let others = other.claims(AUDIENCE, "bob", NOW.unix_timestamp());
    scene.refuse("its own name", &other_signer.token(&others), 403, "not_granted");
    scene.refuse_token("the other's name", &other_signer.token(&scene.claims()));
    scene.refuse_token("the other's key", &bench.signer.token(&others));
    let url = bench.issuer.url();
    for look_alike in [
        format!("{url}/"),
        url.to_uppercase(),
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "127.1"),
        url.replace("http:", "https:"),
        url.replacen('1', "\u{ff11}", 1),
        format!("{url}\u{0}"),
        format!(" {url}"),
        String::new(),
    ] {
        let token = bench.signer.token(&scene.with("iss", json!(look_alike)));
        scene.refuse(&look_alike, &token, 401, "token_issuer");
    }
    for issuer in [json!(null), json!([url]), json!(1)] {
        scene.refuse_token("not a text", &bench.signer.token(&scene.with("iss", issuer)));
    }
}

/// Shows J11: holds
#[test]
fn a_token_for_another_purpose_is_refused() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    for kind in ["JWT", "at+jwt", "application/at+jwt"] {
        scene.admit(&scene.headed(&json!({"alg": "ES256", "kid": "k1", "typ": kind})));
    }
    for kind in ["dpop+jwt", "logout+jwt", "id+jwt", "secevent+jwt", "JWE", "at+jwt;x", ""] {
        scene.refuse_token(kind, &scene.headed(&json!({"alg": "ES256", "kid": "k1", "typ": kind})));
    }
    for (member, value) in [
        ("nonce", json!("n-0S6_WzA2Mj")),
        ("at_hash", json!("MTIzNDU2Nzg5MDEyMzQ1Ng")),
        ("c_hash", json!("MTIzNDU2Nzg5MDEyMzQ1Ng")),
        ("typ", json!("ID")),
        ("typ", json!("Refresh")),
        ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
        ("cnf", json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})),
    ] {
        scene.refuse_token(member, &bench.signer.token(&scene.with(member, value)));
    }
}

/// Shows J11: holds
#[test]
fn what_a_certified_provider_signs_for_applications_opens_no_api() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let provider = OidcProvider::start();
    let signed_in = provider.sign_in(AUDIENCE);
    let for_application = [
        ("an ID token with a nonce", &signed_in.identity_with_nonce),
        ("an ID token of the front channel", &signed_in.identity_of_front_channel),
        ("a logout token", &signed_in.logout),
    ];
    // Even where somebody declared the application's own id as an audience.
    for audiences in [&[AUDIENCE] as &[&str], &[AUDIENCE, APPLICATION]] {
        let bench = Bench::new();
        bench.clock.set(time::OffsetDateTime::now_utc());
        let mut parts = bench.parts([named("orders", bench.orders())]);
        for part in &mut parts {
            if let Part::Identity { identity: Identity::Oidc(oidc), .. } = part {
                oidc.issuer = provider.issuer().to_owned();
                oidc.audiences = audiences.iter().map(|&audience| audience.to_owned()).collect();
            }
        }
        let scene = Scene::start_with(&bench, parts);
        scene.admit(&signed_in.access);
        for (name, token) in for_application {
            scene.refuse_token(name, token);
        }
        // Nothing but its audience tells a bare ID token from an access token without a type.
        if !audiences.contains(&APPLICATION) {
            scene.refuse("a bare ID token", &signed_in.identity, 401, "token_audience");
        }
        let mut proof = scene.claims();
        proof["iss"] = json!(provider.issuer());
        let jwk = bench.signer.jwk();
        let header = json!({"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}).to_string();
        scene.refuse_token("a DPoP proof", &bench.signer.write(&header, &proof.to_string()));
    }
}

/// Shows J12: holds
#[test]
fn a_hostile_key_in_a_set_verifies_nothing() {
    let (good, bad, rsa) = (Signer::es256("k1"), Signer::es256("bad"), Signer::rs256("k1"));
    let with = |mut jwk: Value, member: &str, value: Value| {
        jwk[member] = value;
        jwk
    };
    let double = json!({"keys": [good.jwk(), bad.jwk(), bad.jwk()]});
    let private = json!({"keys": [good.jwk(), with(bad.jwk(), "d", json!("AAAA"))]});
    let encrypting = json!({"keys": [good.jwk(), with(bad.jwk(), "use", json!("enc"))]});
    let long = with(bad.jwk(), "kid", json!("b".repeat(300)));
    for (name, set) in [
        ("named twice", double),
        ("private", private),
        ("for encrypting", encrypting),
        ("a long name", json!({"keys": [good.jwk(), long]})),
    ] {
        let bench = Bench::new();
        bench.issuer.set(KEYS, Document::json(&set));
        let scene = Scene::start(&bench);
        scene.admit(&good.token(&scene.claims()));
        scene.refuse_token(name, &bad.token(&scene.claims()));
    }
    let secret = BASE64.encode([7; 32]);
    let bench = Bench::new();
    let shared = json!({"kty": "oct", "kid": "bad", "alg": "HS256", "k": secret});
    bench.issuer.set(KEYS, Document::json(&json!({"keys": [good.jwk(), shared]})));
    let scene = Scene::start(&bench);
    let token = scene.headed(&json!({"alg": "HS256", "kid": "bad"}));
    let (signed, _) = token.rsplit_once('.').unwrap();
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]), signed.as_bytes());
    scene.refuse_token("a shared secret", &with_signature(&token, mac.as_ref()));
    // A set that is refused whole leaves its issuer without keys, and nothing else.
    let weak = with(rsa.jwk(), "n", json!(BASE64.encode([0xff; 128])));
    let huge = vec![b' '; 300 * 1024];
    for (name, document) in [
        ("weak", Document::json(&json!({"keys": [weak]}))),
        ("too many", Document::json(&json!({"keys": vec![good.jwk(); 101]}))),
        ("too long", Document::Answer(200, huge)),
    ] {
        let bench = Bench::new();
        bench.issuer.set(KEYS, document);
        let scene = Scene::start(&bench);
        scene.refuse(name, &good.token(&scene.claims()), 503, "keys_unavailable");
    }
}

/// Made-up names of keys, and how many of them are sent before an answer is waited for.
const MADE_UP: usize = 100_000;
const AT_ONCE: usize = 100;

/// Shows J13: holds
#[test]
fn made_up_key_names_cost_the_issuer_nothing() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    scene.admit(&bench.token("bob", &json!({})));
    let gateway = scene.running.gateway.address();
    let claims = BASE64.encode(scene.claims().to_string());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in 0..2 {
            let claims = &claims;
            scope.spawn(move || {
                let mut connection = Connection::open(gateway).unwrap();
                for round in 0..MADE_UP / 2 / AT_ONCE {
                    let request = |number: usize| {
                        let id = format!("made-up-{part}-{round}-{number}");
                        let header = BASE64.encode(json!({"alg": "ES256", "kid": id}).to_string());
                        let token = format!("{header}.{claims}.AAAA");
                        format!("GET /orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n")
                    };
                    let requests: String = (0..AT_ONCE).map(request).collect();
                    connection.send(requests.as_bytes()).unwrap();
                    for _ in 0..AT_ONCE {
                        assert_eq!(connection.reply().unwrap().unwrap().status, 401);
                    }
                }
            });
        }
    });
    scene.refuse_token("one more", &scene.headed(&json!({"alg": "ES256", "kid": "made-up"})));
    // The first reading, and one for each half minute that was begun: 3 in a minute.
    let half_minutes = usize::try_from(start.elapsed().as_secs() / 30).unwrap();
    let fetches = bench.issuer.fetches(KEYS);
    assert!(fetches <= 2 + half_minutes, "{fetches} fetches in {:?}", start.elapsed());
}

/// Shows J14: holds
#[test]
fn an_extension_that_is_not_understood_is_refused() {
    let bench = Bench::new();
    let scene = Scene::start(&bench);
    for (member, value) in [
        ("crit", json!(["b64"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!("b64")),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
    ] {
        let mut header = bench.signer.header();
        header[member] = value;
        scene.refuse_token(member, &scene.headed(&header));
    }
    let header = json!({"alg": "ES256", "kid": "k1", "b64": false, "crit": ["b64"]}).to_string();
    let plain = format!("{}.{{}}.AAAA", BASE64.encode(header));
    scene.refuse_token("a payload that is not encoded", &plain);
}

/// Shows J20: holds
#[test]
fn the_issuer_cannot_lower_the_algorithm() {
    let bench = Bench::new();
    let (es, rsa) = (Signer::es256("k1"), Signer::rs256("k2"));
    bench.issuer.publish(&[&es, &rsa]);
    let mut settings = bench.settings();
    settings.bounds.keys.refresh = Duration::from_millis(20);
    let parts = bench.parts([named("orders", bench.orders())]);
    let scene = Scene::start_under(&bench, parts, settings);
    for announced in [json!(["ES256"]), json!(["RS256"]), json!(["HS256", "none"]), json!([])] {
        let mut document = bench.issuer.discovery();
        document["id_token_signing_alg_values_supported"] = announced.clone();
        document["token_endpoint_auth_signing_alg_values_supported"] = announced;
        bench.issuer.set(DISCOVERY, Document::json(&document));
        // The second reading from here on began after the change, so the first after it is over.
        bench.issuer.wait_for_fetches(DISCOVERY, bench.issuer.fetches(DISCOVERY) + 2);
        scene.admit(&es.token(&scene.claims()));
        scene.refuse_token("an algorithm that is not declared", &rsa.token(&scene.claims()));
        let unsigned = with_signature(&scene.headed(&json!({"alg": "none"})), b"");
        scene.refuse_token("none", &unsigned);
    }
}
