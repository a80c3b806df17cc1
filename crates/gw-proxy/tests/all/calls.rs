//! One call at a time: who gets in, who does not, and what each is told.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, TcpStream},
    sync::Arc,
};

use gw_model::{
    api::{Cors, HeaderEdits, Per, Who},
    scalar::Method,
    workspace::Identity,
};
use gw_policy::generation::Part;
use gw_proxy::settings::AccessLog;
use gw_testkit::{
    attack::{Attack, Request, attack},
    backend::Answer,
    wire::{self, Connection},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use time::Duration;

use crate::bench::{Bench, Running, identity, limit, named, rule, wait_until};

/// Shows S1.32: part (browser login is a later capability)
#[test]
fn a_call_passes_exactly_when_a_rule_grants_it() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders())]));
    let gateway = bench.start();

    let nobody = gateway.call("GET", "/orders", &[]);
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    assert_eq!(nobody.header("content-type"), Some("application/problem+json"));
    let problem = nobody.json();
    assert_eq!(problem["title"], "Not signed in");
    assert_eq!(problem["type"], "urn:gatewright:problem:not-signed-in");
    assert_eq!(problem["status"], 401);
    assert_eq!(problem["decision"].as_str(), nobody.header("gatewright-decision"));

    let bob = bench.token("bob", &json!({ "groups": ["sales"] }));
    assert_eq!(gateway.as_bearer("GET", "/orders", &bob).status, 200);
    let refused = gateway.as_bearer("POST", "/orders", &bob);
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["title"], "Not allowed");
    let why = refused.json()["why"].to_string();
    assert!(why.contains("orders-team") && why.contains("sales"), "{why}");

    let mira = bench.token("mira", &json!({ "groups": ["orders-team"] }));
    assert_eq!(gateway.as_bearer("POST", "/orders", &mira).status, 200);
    assert_eq!(bench.backend.requests().len(), 2);
}

#[test]
fn a_token_is_refused_in_words_that_help_its_bearer() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders())]));
    let gateway = bench.start();
    let token = bench.token("bob", &json!({}));
    assert_eq!(gateway.as_bearer("GET", "/orders", &token).status, 200);

    let other = bench.token("bob", &json!({ "aud": "api://other" }));
    let answer = gateway.as_bearer("GET", "/orders", &other);
    assert_eq!((answer.status, answer.json()["title"].as_str()), (401, Some("Token refused")));
    assert!(answer.header("www-authenticate").is_some_and(|it| it.contains("invalid_token")));

    // The verified token is remembered, and its end is seen all the same.
    bench.clock.advance(Duration::seconds(600 + 59));
    assert_eq!(gateway.as_bearer("GET", "/orders", &token).status, 200);
    bench.clock.advance(Duration::seconds(1));
    let answer = gateway.as_bearer("GET", "/orders", &token);
    assert_eq!((answer.status, answer.json()["title"].as_str()), (401, Some("Token expired")));
}

/// Shows S2.29: part (a viewer's rights come with the server)
#[test]
fn the_kinds_of_not_found_can_be_told_apart_by_who_may_know() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders()), named("open", bench.open())]));
    let gateway = bench.start();
    let not_found = Answer { status: 404, headers: vec![], body: b"none of ours".to_vec() };
    let reason = |reply: &gw_testkit::wire::Reply| {
        let id = reply.header("gatewright-decision").expect("an id");
        let (status, record) = gateway.ask(&format!("/v1/decisions/{id}"));
        assert_eq!(status, 200);
        (record["reason"].clone(), record["upstreamStatus"].clone())
    };
    let no_route = gateway.call("GET", "/nothing", &[]);
    let no_method = gateway.call("DELETE", "/orders", &[]);
    bench.backend.set_answer(not_found);
    let upstream = gateway.call("GET", "/open", &[]);
    let hidden = gateway.call("GET", "/orders", &[]);
    assert_eq!(
        [404, 404, 404, 401],
        [&no_route, &no_method, &upstream, &hidden].map(|it| it.status)
    );
    // A caller cannot tell an unlisted method from an unlisted path.
    assert_eq!(no_route.json()["title"], no_method.json()["title"]);
    assert_eq!(upstream.body, b"none of ours");
    assert_eq!(reason(&no_route), (json!("no_route"), Value::Null));
    assert_eq!(reason(&no_method), (json!("method_not_listed"), Value::Null));
    assert_eq!(reason(&upstream), (json!("granted"), json!(404)));
    assert_eq!(reason(&hidden), (json!("not_signed_in"), Value::Null));
}

#[test]
fn a_limit_lets_exactly_so_many_through_whatever_the_thread() {
    let bench = Bench::new();
    let mut orders = bench.orders();
    orders.spec.limits = vec![limit("50/1m", Per::Caller)];
    bench.publish(1, &bench.parts([named("orders", orders)]));
    let gateway = bench.start();
    let token = bench.token("bob", &json!({}));
    let passed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..10 {
                    if gateway.as_bearer("GET", "/orders", &token).status == 200 {
                        passed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 50);
    let refused = gateway.as_bearer("GET", "/orders", &token);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.header("ratelimit-policy"), Some("\"limit\";q=50;w=60"));
    // Another caller has a quota of its own; a reload gives nobody a fresh one.
    let other = bench.token("mira", &json!({}));
    assert_eq!(gateway.as_bearer("GET", "/orders", &other).status, 200);
    let mut again = bench.orders();
    again.spec.limits = vec![limit("50/1m", Per::Caller)];
    bench.publish(2, &bench.parts([named("orders", again)]));
    gateway.await_generation(2);
    assert_eq!(gateway.as_bearer("GET", "/orders", &token).status, 429);
    bench.clock.advance(Duration::minutes(1));
    assert_eq!(gateway.as_bearer("GET", "/orders", &token).status, 200);
}

#[test]
fn a_limit_of_the_api_is_one_for_all_callers_and_operations() {
    let bench = Bench::new();
    let mut orders = bench.orders();
    orders.spec.limits = vec![limit("3/1m", Per::Api)];
    bench.publish(1, &bench.parts([named("orders", orders), named("open", bench.open())]));
    let gateway = bench.start();
    let call = |subject: &str, path: &str| {
        gateway.as_bearer("GET", path, &bench.token(subject, &json!({}))).status
    };
    assert_eq!([call("bob", "/orders"), call("mira", "/orders/7")], [200, 200]);
    // Who is refused has taken nothing from the others.
    assert_eq!(gateway.call("GET", "/orders", &[]).status, 401);
    assert_eq!([call("ann", "/orders"), call("eve", "/orders/8")], [200, 429]);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
    bench.clock.advance(Duration::minutes(1));
    assert_eq!(call("eve", "/orders/8"), 200);
}

#[test]
fn a_body_over_the_bound_never_arrives_whole() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.max_body = Some("1KiB".parse().expect("a size"));
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = bench.start();
    assert_eq!(gateway.send("POST", "/open", &[], &[b'a'; 1024]).status, 200);
    assert_eq!(bench.backend.requests()[0].body.len(), 1024);
    let known = gateway.send("POST", "/open", &[], &[b'a'; 1025]);
    assert_eq!((known.status, known.json()["title"].as_str()), (413, Some("Body too large")));
    let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
    let head = "POST /open HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("400\r\n{}\r\n", "a".repeat(1024));
    connection.send(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes()).expect("it reads");
    assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 413);
    assert_eq!(bench.backend.requests().len(), 1);
}

#[test]
fn pages_of_listed_origins_may_read_answers() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.cors = Some(Cors {
        origins: vec!["https://shop.example".to_owned()],
        methods: vec![Method::Get],
        headers: vec!["Content-Type".to_owned()],
        credentials: true,
        max_age: Some("10m".parse().expect("a period")),
    });
    bench.publish(1, &bench.parts([named("open", open), named("orders", bench.orders())]));
    let gateway = bench.start();
    let asked = |origin: &str| {
        let headers = [("origin", origin), ("access-control-request-method", "GET")];
        gateway.call("OPTIONS", "/open", &headers)
    };
    let listed = asked("https://shop.example");
    assert_eq!(listed.status, 204);
    assert_eq!(listed.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(listed.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(listed.header("access-control-max-age"), Some("600"));
    let foreign = asked("https://evil.example");
    assert_eq!(foreign.status, 204);
    assert_eq!(foreign.header("access-control-allow-origin"), None);
    assert_eq!(foreign.header("access-control-allow-methods"), None);
    assert!(bench.backend.requests().is_empty());
    let call = gateway.call("GET", "/open", &[("origin", "https://shop.example")]);
    assert_eq!(call.header("access-control-allow-origin"), Some("https://shop.example"));
    assert_eq!(call.header("vary"), Some("Origin"));
    // An API without `cors` answers a preflight like any method that is not listed.
    let headers = [("origin", "https://shop.example"), ("access-control-request-method", "GET")];
    assert_eq!(gateway.call("OPTIONS", "/orders", &headers).status, 404);
}

#[test]
fn headers_are_set_and_removed_in_both_directions() {
    let bench = Bench::new();
    let mut open = bench.open();
    let edits = |set: (&str, &str), remove: &str| HeaderEdits {
        set: [(set.0.to_owned(), set.1.to_owned())].into(),
        remove: vec![remove.to_owned()],
    };
    open.spec.headers.request = edits(("X-Region", "north"), "X-Debug");
    open.spec.headers.response = edits(("X-Served-By", "gatewright"), "Server");
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = bench.start();
    bench.backend.set_answer(Answer {
        status: 200,
        headers: vec![("server".to_owned(), "secret/1.0".to_owned())],
        body: b"x".to_vec(),
    });
    let reply = gateway.call("GET", "/open?a=1&a=%20;", &[("x-debug", "1"), ("x-region", "south")]);
    assert_eq!(reply.header("server"), None);
    assert_eq!(reply.header("x-served-by"), Some("gatewright"));
    let received = &bench.backend.requests()[0];
    assert_eq!(received.target, "/open?a=1&a=%20;");
    assert_eq!(received.header("x-region"), Some("north"));
    assert_eq!(received.header("x-debug"), None);
    assert_eq!(received.header("host"), Some(bench.backend.address().to_string().as_str()));
}

#[test]
fn an_ambiguous_head_is_refused_and_the_connection_closed() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    let bench_of_attack = gateway.under_attack(Request::with_headers("/open", &[]));
    let attacks = [
        ("no host", "GET /open HTTP/1.1\r\n\r\n"),
        ("two hosts", "GET /open HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n"),
        ("a list of hosts", "GET /open HTTP/1.1\r\nhost: a, b\r\n\r\n"),
        ("a user in the host", "GET /open HTTP/1.1\r\nhost: u@a\r\n\r\n"),
        ("another host in the target", "GET http://b/open HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("an underscore", "GET /open HTTP/1.1\r\nhost: a\r\nx_user: root\r\n\r\n"),
        (
            "a strange coding",
            "POST /open HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x, chunked\r\n\r\n0\r\n\r\n",
        ),
        ("no path", "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
    ];
    for (name, bytes) in attacks {
        let request = Request::raw("/open", bytes.as_bytes());
        attack(&bench_of_attack, &Attack { name, request, status: 400, reason: "request_refused" });
    }
    for path in ["//open", "/./open", "/a/../open", "/%2e%2e/open", "/open%2f", "/open;x=1", "/%00"]
    {
        let request = Request::with_headers(path, &[]);
        attack(
            &bench_of_attack,
            &Attack { name: path, request, status: 400, reason: "path_refused" },
        );
    }
}

#[test]
fn traces_go_on_and_malformed_ones_begin_anew() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    gateway.call("GET", "/open", &[("traceparent", given), ("tracestate", "a=b")]);
    gateway.call("GET", "/open", &[("traceparent", "00-zz-1-01"), ("tracestate", "a=b")]);
    let requests = bench.backend.requests();
    let sent = requests[0].header("traceparent").expect("one");
    assert!(sent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && sent.ends_with("-01"));
    assert_ne!(sent, given);
    assert_eq!(requests[0].header("tracestate"), Some("a=b"));
    assert_eq!(requests[1].header("tracestate"), None);
    assert_eq!(requests[1].header("traceparent").map(str::len), Some(55));
}

#[test]
fn a_call_that_nobody_grants_is_denied_even_where_others_are_public() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.access = vec![rule(20, &[Method::Get], Who::Public)];
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = bench.start();
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
    assert_eq!(gateway.send("POST", "/open", &[], b"{}").status, 401);
    let bob = bench.token("bob", &json!({}));
    assert_eq!(gateway.as_bearer("POST", "/open", &bob).status, 403);
    assert_eq!(bench.backend.requests().len(), 1);
}

#[test]
fn only_a_trusted_proxy_says_on_whose_behalf_it_calls() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.limits = vec![limit("1/1m", Per::Ip)];
    bench.publish(1, &bench.parts([named("open", open)]));
    let forwarded = |gateway: &Running<'_>, said: &str| {
        gateway.call("GET", "/open", &[("x-forwarded-for", said)]).status
    };
    let gateway = bench.start();
    assert_eq!(forwarded(&gateway, "192.0.2.1"), 200);
    assert_eq!(forwarded(&gateway, "192.0.2.2"), 429, "a stranger made up an address");
    drop(gateway);

    let mut settings = bench.settings();
    settings.trusted_proxies = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let gateway = bench.start_with(settings);
    assert_eq!(forwarded(&gateway, "192.0.2.1"), 200);
    assert_eq!(forwarded(&gateway, "192.0.2.1"), 429);
    // Only the last address was added by the proxy; what stands before it is the caller's own word.
    assert_eq!(forwarded(&gateway, "192.0.2.9, 192.0.2.1"), 429);
    assert_eq!(forwarded(&gateway, "192.0.2.1, 192.0.2.2"), 200);
    let received = bench.backend.requests();
    let told: Vec<_> = received.iter().map(|it| it.header("x-forwarded-for")).collect();
    assert_eq!(told, [Some("127.0.0.1"), Some("192.0.2.1"), Some("192.0.2.2")]);
}

/// What a gateway wrote, readable once it has stopped.
#[derive(Clone, Debug, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_access_log_has_one_line_per_call_and_no_secret() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders()), named("open", bench.open())]));
    let written = Written::default();
    let mut settings = bench.settings();
    settings.access_log = Some(AccessLog { writer: Box::new(written.clone()), one_in: 1 });
    let gateway = bench.start_with(settings);
    let token = bench.token("bob", &json!({}));
    let passed = gateway.as_bearer("GET", "/orders?key=hidden", &token);
    let refused = gateway.call("GET", "/orders?key=hidden", &[]);
    assert_eq!((passed.status, refused.status), (200, 401));
    drop(gateway);

    let text = String::from_utf8(written.0.lock().clone()).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (reply, reason, subject) in
        [(&passed, "granted", json!("bob")), (&refused, "not_signed_in", Value::Null)]
    {
        // Calls on two connections may end in either order.
        let of_reply =
            |line: &&Value| line["decision"].as_str() == reply.header("gatewright-decision");
        let line = lines.iter().find(of_reply).expect("a line");
        assert_eq!((&line["reason"], &line["subject"]), (&json!(reason), &subject));
        assert_eq!((&line["path"], &line["api"]), (&json!("/orders"), &json!("orders")));
        assert_eq!((&line["bytes"], &line["complete"]), (&json!(reply.body.len()), &json!(true)));
    }
    let mut secrets = token.split('.').skip(1).chain(["hidden"]);
    assert!(secrets.all(|secret| !text.contains(secret)), "{text}");
}

#[test]
fn what_nobody_could_decide_about_leaves_the_address_it_came_from() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let written = Written::default();
    let mut settings = bench.settings();
    settings.access_log = Some(AccessLog { writer: Box::new(written.clone()), one_in: 1 });
    let gateway = bench.start_with(settings);
    let probe = gateway.ask("/v1/status").1["probe"].as_str().expect("a word").to_owned();
    assert_eq!(gateway.call("GET", "/open", &[("gatewright-probe", &probe)]).status, 200);
    let malformed = gateway.call("GET", "/open", &[("x_a", "1")]);
    assert_eq!(malformed.status, 400);
    let (_, record) = gateway.ask("/v1/decisions/last");
    assert_eq!(
        (&record["client"], &record["reason"]),
        (&json!("127.0.0.1"), &json!("request_refused"))
    );
    let unread = wire::exchange(gateway.gateway.address(), b"\x16 is no request\r\n\r\n");
    assert_eq!(unread.expect("it answers").expect("an answer").status, 400);
    let has_last = || gateway.ask("/v1/decisions/last").1["id"] != record["id"];
    wait_until(has_last);
    drop(gateway);

    // The call that proves a change is no caller's.
    let text = String::from_utf8(written.0.lock().clone()).expect("text");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["decision"].as_str(), malformed.header("gatewright-decision"));
    for line in lines {
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!((&line["reason"], &line["status"]), (&json!("request_refused"), &json!(400)));
    }
}

#[test]
fn a_body_that_is_not_well_formed_is_its_callers_fault() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    for body in ["2;\nxx", "-2\r\nxx\r\n", "fffffffffffffffff\r\n", "2\r\nxxyy"] {
        let head = "POST /open HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
        let request = format!("{head}{body}");
        let reply = wire::exchange(gateway.gateway.address(), request.as_bytes());
        assert_eq!(reply.expect("it answers").expect("an answer").status, 400, "{body}");
        assert_eq!(gateway.ask("/v1/decisions/last").1["reason"], "request_refused", "{body}");
    }
    assert!(bench.backend.requests().is_empty());
}

#[test]
fn a_quota_counts_whom_the_call_was_permitted_to() {
    let bench = Bench::new();
    let mut orders = bench.orders();
    orders.spec.limits = vec![limit("1/1m", Per::Caller)];
    let mut parts = bench.parts([named("orders", orders)]);
    // The same token is also somebody else to another identity, whose name comes first.
    let identities = parts.iter().find_map(|part| match part {
        Part::Identity { identity: Identity::Oidc(oidc), .. } => Some(oidc.clone()),
        _ => None,
    });
    let mut devices = identities.expect("one");
    devices.subject = "device".to_owned();
    parts.push(Part::Identity { name: identity("devices"), identity: Identity::Oidc(devices) });
    bench.publish(1, &parts);
    let gateway = bench.start();
    let call = |subject: &str, device: &str| {
        let token = bench.token(subject, &json!({ "device": device }));
        gateway.as_bearer("GET", "/orders", &token).status
    };
    assert_eq!(call("bob", "one"), 200);
    assert_eq!(call("bob", "two"), 429, "another device gave a fresh quota");
    assert_eq!(call("mira", "one"), 200);
}

#[test]
fn a_proxy_in_front_that_names_no_address_is_refused() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let mut settings = bench.settings();
    settings.trusted_proxies = vec![std::net::Ipv4Addr::LOCALHOST.into()];
    let gateway = bench.start_with(settings);
    let call = |said: &str| gateway.call("GET", "/open", &[("x-forwarded-for", said)]).status;
    for (said, told) in [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("made up, 192.0.2.1:1, 127.0.0.1:2", "192.0.2.1"),
    ] {
        bench.backend.clear();
        assert_eq!(call(said), 200, "{said}");
        assert_eq!(bench.backend.requests()[0].header("x-forwarded-for"), Some(told), "{said}");
    }
    bench.backend.clear();
    assert_eq!(gateway.call("GET", "/open", &[]).status, 400, "it names nobody");
    for said in [
        "127.0.0.1",
        "unknown",
        "192.0.2.1, _hidden",
        "192.0.2.1,",
        "192.0.2.1:99999",
        "[192.0.2.1]",
    ] {
        assert_eq!(call(said), 400, "{said}");
    }
    assert!(bench.backend.requests().is_empty());
}

#[test]
fn a_body_goes_on_whatever_the_method_and_its_framing() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    for method in ["GET", "POST"] {
        for framed in [
            "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            "content-length: 2\r\n\r\nab",
        ] {
            bench.backend.clear();
            let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
            let request = format!("{method} /open HTTP/1.1\r\nhost: x\r\n{framed}");
            connection.send(request.as_bytes()).expect("it reads");
            assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 200);
            assert_eq!(bench.backend.requests()[0].body, b"ab", "{request}");
        }
    }
}

#[test]
fn what_callers_make_up_fills_no_record() {
    let bench = Bench::new();
    let gateway = bench.start();
    let (method, path) = ("M".repeat(10_000), format!("/{}", "p".repeat(6_000)));
    gateway.call(&method, &path, &[]);
    let (status, record) = gateway.ask("/v1/decisions/last");
    assert_eq!(status, 200);
    assert_eq!(record["method"].as_str().map(str::len), Some(16));
    assert_eq!(record["path"].as_str().map(str::len), Some(256));
}

#[test]
fn a_refusal_of_head_has_the_head_of_one_and_no_body() {
    let bench = Bench::new();
    let mut orders = bench.orders();
    let head = gw_model::openapi::Operation {
        id: "headOrders".to_owned(),
        method: Method::Head,
        path: "/orders".to_owned(),
    };
    orders.operations.push(head);
    bench.publish(1, &bench.parts([named("orders", orders)]));
    let gateway = bench.start();
    let mut caller = TcpStream::connect(gateway.gateway.address()).expect("it accepts");
    caller.set_read_timeout(Some(std::time::Duration::from_secs(20))).expect("a bound");
    // A body would stand in front of the next answer.
    let head = "HEAD /orders HTTP/1.1\r\nhost: x\r\n\r\n";
    let next = "GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    caller.write_all(format!("{head}{next}").as_bytes()).expect("it reads");
    let mut text = String::new();
    caller.read_to_string(&mut text).expect("it answers and closes");
    let (head, rest) = text.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 401 "), "{text}");
    assert!(head.contains("content-type: application/problem+json"), "{text}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert!(length.is_some_and(|length| length != "0"), "{text}");
    assert!(rest.starts_with("HTTP/1.1 404 "), "{text}");
}
