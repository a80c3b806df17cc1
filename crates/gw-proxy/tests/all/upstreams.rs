//! How the gateway reaches backends, and what it says when it cannot.

use std::net::TcpListener;

use gw_model::{api::UpstreamAuth, id::SecretName};
use gw_policy::generation::Part;
use serde_json::json;

use crate::bench::{Bench, Running, named, wait_until};

fn with_key(bench: &Bench) -> Vec<Part> {
    let mut open = bench.open();
    open.spec.upstream.auth = Some(UpstreamAuth::Header {
        name: "X-Api-Key".to_owned(),
        prefix: "Key ".to_owned(),
        secret: SecretName::parse("open-key").expect("a name"),
    });
    bench.parts([named("open", open)])
}

fn reason(gateway: &Running<'_>) -> (String, String) {
    let (_, record) = gateway.ask("/v1/decisions/last");
    let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
    (text("reason"), text("detail"))
}

#[test]
fn a_missing_secret_stops_the_call_and_never_becomes_an_empty_value() {
    let bench = Bench::new();
    bench.publish(1, &with_key(&bench));
    let gateway = bench.start();
    let refused = gateway.call("GET", "/open", &[]);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.json()["title"], "Backend credential missing");
    assert!(!refused.text().contains("open-key"), "{}", refused.text());
    let detail = "the secret store holds no `open-key`".to_owned();
    assert_eq!(reason(&gateway), ("secret_unavailable".to_owned(), detail));
    assert!(bench.backend.requests().is_empty());

    bench.vault.set("open-key", "canary-one");
    wait_until(|| gateway.call("GET", "/open", &[]).status == 200);
    assert_eq!(bench.backend.requests()[0].header("x-api-key"), Some("Key canary-one"));
    bench.vault.set("open-key", "canary-two");
    wait_until(|| {
        gateway.call("GET", "/open", &[]);
        let last = bench.backend.requests().pop();
        last.is_some_and(|last| last.header("x-api-key") == Some("Key canary-two"))
    });
    bench.vault.remove("open-key");
    wait_until(|| gateway.call("GET", "/open", &[]).status == 503);
    bench.vault.set("open-key", "line\nbreak");
    wait_until(|| {
        gateway.call("GET", "/open", &[]).status == 503 && reason(&gateway).1.contains("line break")
    });
    // No value stands in anything that the gateway wrote.
    for segment in std::fs::read_dir(bench.path().join("decisions")).expect("a folder") {
        let text = std::fs::read_to_string(segment.expect("a file").path()).expect("text");
        assert!(!text.contains("canary") && !text.contains("line\nbreak"));
    }
}

#[test]
fn an_upstream_that_is_away_slow_or_out_of_reach_has_its_own_answer() {
    let bench = Bench::new();
    let free = gw_testkit::wire::free_port();
    // It takes connections and never answers.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = |port| format!("http://127.0.0.1:{port}");
    let mut away = bench.open();
    away.spec.upstream.url = url(free);
    let mut slow = bench.orders();
    slow.spec.upstream.url = url(silent.local_addr().expect("an address").port());
    slow.spec.upstream.timeout = "50ms".parse().expect("a period");
    bench.publish(1, &bench.parts([named("away", away.clone()), named("slow", slow)]));
    let gateway = bench.start();
    assert_eq!(gateway.call("GET", "/open", &[]).status, 502);
    assert_eq!(reason(&gateway).0, "upstream_unreachable");
    let bob = bench.token("bob", &json!({}));
    assert_eq!(gateway.as_bearer("GET", "/orders", &bob).status, 504);
    assert_eq!(reason(&gateway).0, "upstream_timeout");

    // Link-local is never an upstream, whatever is listed.
    away.spec.upstream.url = "http://169.254.169.254/latest".to_owned();
    let mut parts = bench.parts([named("away", away)]);
    if let Some(Part::Gateway(gateway)) = parts.first_mut() {
        gateway.egress = vec![gw_model::environment::HostPattern("169.254.169.*".to_owned())];
    }
    bench.publish(2, &parts);
    gateway.await_generation(2);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 502);
    let (reason, detail) = reason(&gateway);
    assert_eq!(reason, "upstream_unreachable");
    assert!(detail.contains("169.254.169.254"), "{detail}");
}

#[test]
fn connections_to_an_upstream_are_used_again() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    let mut connection =
        gw_testkit::wire::Connection::open(gateway.gateway.address()).expect("it accepts");
    for _ in 0..20 {
        connection.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 200);
    }
    assert_eq!(bench.backend.requests().len(), 20);
    assert_eq!(bench.backend.connections(), 1);
}
