//! Identity providers that fail or turn their keys, and what callers notice of it.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use gw_model::workspace::{Algorithm, Identity};
use gw_net::issuer::Timing;
use gw_policy::generation::Part;
use gw_proxy::settings::Settings;
use gw_testkit::{
    absent::not_run,
    attack::Request,
    authority::{Authority, Flaw},
    issuer::{DISCOVERY, Document, Issuer, KEYS},
    oidc_provider::{Failure, OidcProvider, OldKeys, TokenRequest},
    signer::Signer,
    wire::Connection,
};
use parking_lot::RwLock;
use serde_json::json;
use time::OffsetDateTime;

use crate::{
    bench::{AUDIENCE, Bench, NOW, named, wait_until},
    tokens::{Scene, with_partners},
};

/// Read again at once; nobody waits long for a reading.
pub(crate) const QUICK: Timing = Timing {
    refresh: Duration::from_millis(20),
    stale: Duration::from_secs(3_600),
    nothing: Duration::from_secs(3_600),
    spacing: Duration::from_millis(5),
    retry: Duration::from_millis(5),
    wait: Duration::from_millis(100),
};

/// Read again only when a token asks for it.
const ON_DEMAND: Timing = Timing {
    refresh: Duration::from_secs(3_600),
    stale: Duration::from_secs(7_200),
    nothing: Duration::from_secs(7_200),
    spacing: Duration::from_millis(5),
    retry: Duration::from_millis(5),
    wait: Duration::from_secs(20),
};

/// For how long a gateway waits for the answer of an issuer. No call may wait for so long.
const ISSUER_TIMEOUT: Duration = Duration::from_secs(60);
const FAST: Duration = Duration::from_secs(10);

fn settings(bench: &Bench, timing: Timing) -> Settings {
    let mut settings = bench.settings();
    settings.bounds.keys = timing;
    settings.providers.timeout = ISSUER_TIMEOUT;
    settings
}

fn orders(bench: &Bench) -> Vec<Part> {
    bench.parts([named("orders", bench.orders())])
}

/// `/orders` takes the tokens of that issuer instead.
fn orders_of(bench: &Bench, issuer: &str) -> Vec<Part> {
    let mut parts = orders(bench);
    for part in &mut parts {
        if let Part::Identity { identity: Identity::Oidc(oidc), .. } = part {
            oidc.issuer = issuer.to_owned();
            oidc.algorithms = vec![Algorithm::Es256, Algorithm::Rs256];
        }
    }
    parts
}

/// Attacks with a token whose key nobody knows; the answer must not wait for the issuer.
fn refuse_unknown_key(scene: &Scene<'_>, name: &str) {
    refuse_at_once(scene, name, &Signer::es256("unknown").token(&scene.claims()));
}

fn refuse_at_once(scene: &Scene<'_>, name: &str, token: &str) {
    let start = Instant::now();
    scene.attack(name, Request::with_token("/orders", token), 401, "token_refused");
    assert!(start.elapsed() < FAST, "{name}: refused after {:?}", start.elapsed());
}

/// The issuers whose tokens cannot be verified now, as readiness tells them.
fn without_keys(scene: &Scene<'_>) -> Vec<String> {
    let (status, readiness) = scene.running.ask("/readyz");
    assert_eq!(status, 200, "{readiness}");
    serde_json::from_value(readiness["issuers_without_keys"].clone()).expect("a list of URLs")
}

/// Shows F6: holds
#[test]
fn while_an_issuer_fails_its_last_keys_are_used() {
    let bench = Bench::new();
    let scene = Scene::start_under(&bench, orders(&bench), settings(&bench, QUICK));
    scene.admit(&bench.token("bob", &json!({})));
    let keys = json!({"keys": [bench.signer.jwk(), Signer::es256("k2").jwk()]}).to_string();
    let half = &keys.as_bytes()[..keys.len() / 2];
    let redirect = Document::Redirect("http://127.0.0.1:1/".to_owned());
    for (name, path, document) in [
        ("keys: 500", KEYS, Document::Answer(500, vec![])),
        ("keys: garbage", KEYS, Document::Answer(200, b"<html>".to_vec())),
        ("keys: half of them", KEYS, Document::Answer(200, half.to_vec())),
        ("keys: cut off", KEYS, Document::Truncated(half.to_vec())),
        ("keys: none", KEYS, Document::json(&json!({"keys": []}))),
        ("keys: elsewhere", KEYS, redirect.clone()),
        ("discovery: 503", DISCOVERY, Document::Answer(503, vec![])),
        ("discovery: garbage", DISCOVERY, Document::Answer(200, vec![0xff; 100])),
        ("discovery: cut off", DISCOVERY, Document::Truncated(b"{\"issuer\":".to_vec())),
        ("discovery: elsewhere", DISCOVERY, redirect),
    ] {
        bench.issuer.set(path, document);
        // The second reading from here on began after the change, and a first one has failed.
        bench.issuer.wait_for_fetches(path, bench.issuer.fetches(path) + 2);
        refuse_unknown_key(&scene, name);
        scene.admit(&bench.token("bob", &json!({"jti": name})));
        assert!(without_keys(&scene).is_empty(), "{name}");
        bench.issuer.set(DISCOVERY, Document::json(&bench.issuer.discovery()));
        bench.issuer.publish(&[&bench.signer]);
        bench.issuer.wait_for_fetches(KEYS, bench.issuer.fetches(KEYS) + 2);
        scene.admit(&bench.token("bob", &json!({"jti": format!("after {name}")})));
    }
    bench.issuer.set(KEYS, Document::Silent);
    bench.issuer.wait_for_fetches(KEYS, bench.issuer.fetches(KEYS) + 1);
    for _ in 0..5 {
        refuse_unknown_key(&scene, "keys: silence");
    }
    scene.admit(&bench.token("bob", &json!({"jti": "silence"})));
}

/// Shows F6: holds
#[test]
fn an_issuer_that_is_gone_takes_its_keys_along_only_after_a_long_time() {
    let bench = Bench::new();
    let signer = Signer::es256("k1");
    let issuer = Issuer::start(&[&signer]);
    let token = |id: &str| {
        let mut claims = issuer.claims(AUDIENCE, "bob", NOW.unix_timestamp());
        claims["jti"] = json!(id);
        signer.token(&claims)
    };
    let (url, first, second, third) = (issuer.url(), token("1"), token("2"), token("3"));
    let parts = with_partners(&bench, &url);
    let scene = Scene::start_under(&bench, parts, settings(&bench, QUICK));
    scene.admit_to("/partners", &first);
    drop(issuer);
    refuse_unknown_key(&scene, "gone");
    scene.admit_to("/partners", &second);
    assert!(without_keys(&scene).is_empty());
    drop(scene);

    let short = Timing { stale: Duration::from_secs(1), ..QUICK };
    let scene = Scene::start_under(&bench, orders(&bench), settings(&bench, short));
    scene.admit(&bench.token("bob", &json!({})));
    bench.issuer.set(KEYS, Document::Answer(500, vec![]));
    wait_until(|| without_keys(&scene) == [bench.issuer.url()]);
    let remembered = bench.token("bob", &json!({}));
    scene.attack("stale", Request::with_token("/orders", &remembered), 503, "keys_unavailable");
    scene.attack("another", Request::with_token("/orders", &third), 401, "token_issuer");
}

/// Shows F6: holds
#[test]
fn an_issuer_without_keys_closes_its_own_routes_and_no_other() {
    let bench = Bench::new();
    let signer = Signer::es256("k1");
    let other = Issuer::start(&[&signer]);
    let partner = signer.token(&other.claims(AUDIENCE, "bob", NOW.unix_timestamp()));
    let staff = bench.token("bob", &json!({}));
    for (name, document) in [
        ("500", Document::Answer(500, vec![])),
        ("garbage", Document::Answer(200, b"{".to_vec())),
        ("silence", Document::Silent),
    ] {
        bench.issuer.set(DISCOVERY, document);
        let parts = with_partners(&bench, &other.url());
        let mut settings = settings(&bench, QUICK);
        settings.providers.timeout = Duration::from_millis(200);
        let scene = Scene::start_under(&bench, parts, settings);
        wait_until(|| without_keys(&scene) == [bench.issuer.url()]);
        let request = Request::with_token("/orders", &staff);
        scene.attack(name, request, 503, "keys_unavailable");
        scene.admit_to("/partners", &partner);
        bench.issuer.set(DISCOVERY, Document::json(&bench.issuer.discovery()));
        wait_until(|| without_keys(&scene).is_empty());
        scene.admit(&staff);
    }
}

/// Shows F6: holds
#[test]
fn an_issuer_with_a_wrong_certificate_is_not_asked() {
    let bench = Bench::new();
    let (authority, signer) = (Authority::new(), Signer::es256("k1"));
    let issuer = Issuer::start_tls(&[&signer], &authority);
    let token = |id: &str| {
        let mut claims = issuer.claims(AUDIENCE, "bob", NOW.unix_timestamp());
        claims["jti"] = json!(id);
        signer.token(&claims)
    };
    let start = || {
        let mut settings = settings(&bench, QUICK);
        settings.providers.authorities = vec![authority.der()];
        Scene::start_under(&bench, orders_of(&bench, &issuer.url()), settings)
    };
    let flaws = [Flaw::Expired, Flaw::NotYetValid, Flaw::OtherName, Flaw::OtherAuthority];
    let scene = start();
    scene.admit(&token("first"));
    for flaw in flaws {
        issuer.certify(&authority, flaw);
        // The second that is given up began after the change, and a first one has failed.
        issuer.wait_for_hung_up(issuer.hung_up() + 2);
        let before = issuer.fetches(KEYS);
        let claims = issuer.claims(AUDIENCE, "bob", NOW.unix_timestamp());
        let unknown = Signer::es256("unknown").token(&claims);
        refuse_at_once(&scene, &format!("{flaw:?}"), &unknown);
        scene.admit(&token(&format!("{flaw:?}")));
        assert!(without_keys(&scene).is_empty(), "{flaw:?}");
        assert_eq!(issuer.fetches(KEYS), before, "{flaw:?}: it was asked");
        issuer.certify(&authority, Flaw::None);
        issuer.wait_for_fetches(KEYS, before + 2);
        scene.admit(&token(&format!("after {flaw:?}")));
    }
    drop(scene);
    // Whoever begins with such an issuer has no keys at all.
    for flaw in flaws {
        issuer.certify(&authority, flaw);
        let scene = start();
        issuer.wait_for_hung_up(issuer.hung_up() + 1);
        assert_eq!(without_keys(&scene), [issuer.url()], "{flaw:?}");
        let request = Request::with_token("/orders", &token("begin"));
        scene.attack(&format!("{flaw:?}"), request, 503, "keys_unavailable");
    }
}

/// Callers that never stop, with the newest token there is.
struct Load {
    gateway: SocketAddr,
    newest: RwLock<(usize, String)>,
    /// The newest token that each caller was let in with.
    passed: [AtomicUsize; 2],
    calls: AtomicUsize,
    stop: AtomicBool,
}

/// Ends the callers however the test ends.
struct Stop<'a>(&'a Load);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, SeqCst);
    }
}

impl Load {
    fn new(gateway: SocketAddr, token: String) -> Self {
        Self {
            gateway,
            newest: RwLock::new((1, token)),
            passed: Default::default(),
            calls: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Calls under load for as long as `turns` gives new tokens; each must pass before the next one.
    /// `turns` makes the issuer forget the key before, and asks for a token with the new one.
    fn run(&self, turns: impl Iterator<Item = String>) {
        thread::scope(|scope| {
            let _stop = Stop(self);
            for passed in &self.passed {
                scope.spawn(move || self.call(passed));
            }
            self.wait_for(1);
            for (turn, token) in (2..).zip(turns) {
                *self.newest.write() = (turn, token);
                self.wait_for(turn);
            }
        });
    }

    /// Until every caller was let in with this token, and the issuer may be asked again.
    fn wait_for(&self, turn: usize) {
        wait_until(|| self.passed.iter().all(|passed| passed.load(SeqCst) >= turn));
        let passed = Instant::now();
        wait_until(|| passed.elapsed() >= ON_DEMAND.spacing);
    }

    /// No call may fail whose key was the issuer's until its answer came.
    fn call(&self, passed: &AtomicUsize) {
        let mut connection = Connection::open(self.gateway).expect("it accepts");
        while !self.stop.load(SeqCst) {
            let (turn, token) = self.newest.read().clone();
            let head = "GET /orders HTTP/1.1\r\nhost: gateway.test\r\nauthorization: Bearer ";
            connection.send(format!("{head}{token}\r\n\r\n").as_bytes()).expect("it reads");
            let reply = connection.reply().expect("an answer").expect("an answer");
            if reply.status == 200 {
                passed.store(turn, SeqCst);
            } else {
                assert!(self.newest.read().0 > turn, "key {turn} failed: {}", reply.text());
            }
            self.calls.fetch_add(1, SeqCst);
        }
    }
}

/// Shows F7: holds
#[test]
fn keys_that_turn_at_once_fail_no_call() {
    let bench = Bench::new();
    let scene = Scene::start_under(&bench, orders(&bench), settings(&bench, ON_DEMAND));
    let claims = scene.claims();
    let first = bench.signer.token(&claims);
    let load = Load::new(scene.running.gateway.address(), first.clone());
    let turns = (0..100).map(|number| {
        let signer = Signer::es256(&format!("turn-{number}"));
        bench.issuer.publish(&[&signer]);
        signer.token(&claims)
    });
    load.run(turns);
    let (turn, newest) = load.newest.read().clone();
    assert_eq!(turn, 101);
    assert!(load.calls.load(SeqCst) > 200);
    scene.admit(&newest);
    scene.attack("the first key", Request::with_token("/orders", &first), 401, "token_refused");
}

/// Shows F6: holds
/// Shows F7: holds
#[test]
fn a_certified_provider_turns_its_keys_and_fails_no_call() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let bench = Bench::new();
    bench.clock.set(OffsetDateTime::now_utc());
    let provider = OidcProvider::start();
    let parts = orders_of(&bench, provider.issuer());
    let scene = Scene::start_under(&bench, parts, settings(&bench, ON_DEMAND));
    let wanted = |algorithm| TokenRequest::new(AUDIENCE).signed_with(algorithm);
    let first = provider.token(&wanted("ES256"));
    let load = Load::new(scene.running.gateway.address(), first.clone());
    let turns = (0..9).map(|number| {
        provider.rotate(if number % 3 == 1 { OldKeys::Published } else { OldKeys::Removed });
        provider.token(&wanted(if number % 2 == 0 { "RS256" } else { "ES256" }))
    });
    load.run(turns);
    let (turn, newest) = load.newest.read().clone();
    assert_eq!(turn, 10);
    scene.admit(&newest);
    scene.attack("the first key", Request::with_token("/orders", &first), 401, "token_refused");
    for failure in [Failure::Status500, Failure::Garbage, Failure::Truncated] {
        provider.fail(failure);
        let request = Request::with_token("/orders", &first);
        scene.attack(&format!("{failure:?}"), request, 401, "token_refused");
        scene.admit(&provider.token(&wanted("ES256")));
    }
}

#[test]
fn keys_that_an_issuer_has_taken_back_open_nothing() {
    let bench = Bench::new();
    let timing = Timing { nothing: Duration::from_millis(50), ..QUICK };
    let scene = Scene::start_under(&bench, orders(&bench), settings(&bench, timing));
    // Remembered, too: what was verified once is asked for again.
    let token = bench.token("bob", &json!({}));
    scene.admit(&token);
    let symmetric = json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1"}]});
    for taken_back in [json!({"keys": []}), symmetric] {
        bench.issuer.set(KEYS, Document::json(&taken_back));
        wait_until(|| scene.running.as_bearer("GET", "/orders", &token).status == 503);
        assert_eq!(without_keys(&scene), [bench.issuer.url()]);
        bench.issuer.publish(&[&bench.signer]);
        wait_until(|| scene.running.as_bearer("GET", "/orders", &token).status == 200);
    }
}
