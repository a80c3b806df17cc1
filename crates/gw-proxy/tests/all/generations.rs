//! New generations: taken whole or not at all.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use gw_model::api::{HeaderEdits, Per, Who};
use gw_policy::generation::{Part, SigningKey};
use gw_proxy::{
    gateway::{Gateway, StartError},
    settings::{Address, Mode, Settings, Supply},
};
use gw_testkit::{
    attack::{self, Attack, Request, attack},
    backend::Answer,
    wire::{Connection, request},
};
use serde_json::json;

use crate::bench::{Bench, Running, limit, named, rule, wait_until};

/// A generation that marks what it sends to the backend and what it answers with its own number,
/// beside an API that nobody may call without a token.
fn marked(bench: &Bench, number: u64) -> Vec<Part> {
    let mut open = bench.open();
    let mark = |name: &str| HeaderEdits {
        set: [(name.to_owned(), number.to_string())].into(),
        remove: vec![],
    };
    open.spec.headers.request = mark("X-Asked");
    open.spec.headers.response = mark("X-Answered");
    bench.parts([named("open", open), named("orders", bench.orders())])
}

/// What every call without a token must meet, whatever happens to generations.
fn attack_as_nobody(gateway: &Running<'_>, name: &str) -> attack::Outcome {
    let over = gateway.under_attack(Request::with_headers("/open", &[]));
    let request = Request::with_headers("/orders", &[]);
    attack(&over, &Attack { name, request, status: 401, reason: "not_signed_in" })
}

/// Shows F12: holds
#[test]
fn a_thousand_reloads_under_load_lose_nothing_and_mix_nothing() {
    let bench = Bench::new();
    bench.backend.echo("x-asked");
    bench.publish(1, &marked(&bench, 1));
    let mut settings = bench.settings();
    // The load would fill the decision log; refusals are always in it.
    settings.mode = Mode::Production { record_one_in: u32::MAX };
    let gateway = bench.start_with(settings);
    let calls = AtomicUsize::new(0);
    for round in 0..10 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| load(&gateway, &stop, &calls));
            }
            for number in round * 100 + 2..=round * 100 + 101 {
                bench.publish(number, &marked(&bench, number));
                gateway.await_generation(number);
            }
            stop.store(true, SeqCst);
        });
        let outcome = attack_as_nobody(&gateway, "after a hundred reloads");
        assert_eq!(outcome.record["generation"], round * 100 + 101);
        bench.backend.clear();
    }
    assert!(calls.into_inner() > 1_000);
}

/// Calls until told to stop; every answer must be of one generation.
fn load(gateway: &Running<'_>, stop: &AtomicBool, calls: &AtomicUsize) {
    let address = gateway.gateway.address();
    let mut connection = Connection::open(address).expect("it accepts");
    let mut newest = 0;
    while !stop.load(SeqCst) {
        connection.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        let reply = connection.reply().expect("an answer").expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answered: u64 =
            reply.header("x-answered").and_then(|it| it.parse().ok()).expect("a mark");
        let asked = reply.header("x-echo").map(str::to_owned);
        assert_eq!(asked, Some(answered.to_string()), "two versions in one answer");
        assert!(answered >= newest, "an older version after a newer one");
        newest = answered;
        calls.fetch_add(1, SeqCst);
    }
}

/// Shows F17: holds
#[test]
fn a_corrupted_or_older_generation_is_refused_and_the_last_good_one_stays() {
    let bench = Bench::new();
    bench.publish(5, &marked(&bench, 5));
    let gateway = bench.start();
    let good = fs::read(bench.generation_path(5)).expect("a file");
    let signed = bench.generation(6, &marked(&bench, 6)).sign(&bench.key).expect("signed");
    let served = || gateway.call("GET", "/open", &[]).header("x-answered").map(str::to_owned);
    let refused_as = |expected: &str| {
        wait_until(|| {
            let (_, status) = gateway.ask("/v1/status");
            status["refused"]["because"].as_str().is_some_and(|why| why.contains(expected))
        });
        assert_eq!(served().as_deref(), Some("5"));
        let outcome = attack_as_nobody(&gateway, expected);
        assert_eq!(outcome.record["generation"], 5);
        bench.point("5");
        wait_until(|| gateway.ask("/v1/status").1["refused"].is_null());
    };
    // Every hundredth bit of the file, and both ends of it.
    let bits = (0..signed.len() * 8).step_by(701).chain([0, signed.len() * 8 - 1]);
    for bit in bits {
        let mut flipped = signed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        bench.write(6, &flipped);
        bench.point("6");
        refused_as("");
    }
    for end in [0, 1, signed.len() / 2, signed.len() - 1] {
        bench.write(6, &signed[..end]);
        bench.point("6");
        refused_as("");
    }
    let other = SigningKey::from_seed(&[8; 32]).expect("a key");
    let foreign = bench.generation(6, &marked(&bench, 6)).sign(&other).expect("signed");
    bench.write(6, &foreign);
    bench.point("6");
    refused_as("signature");
    // An older one, well signed, and one under another number.
    bench.publish(4, &marked(&bench, 4));
    refused_as("older");
    bench.write(7, &good);
    bench.point("7");
    refused_as("another");
    bench.point("not a number");
    refused_as("no number");
    // And the good one is still taken.
    bench.write(6, &signed);
    bench.point("6");
    gateway.await_generation(6);
    assert_eq!(served().as_deref(), Some("6"));
    drop(gateway);
    // What was served once is remembered over a restart, and nothing older is served after it.
    bench.publish(5, &marked(&bench, 5));
    let gateway = bench.start();
    assert_eq!(gateway.gateway.generation(), Some(6));
    assert!(gateway.gateway.refused().is_some_and(|it| it.because.contains("older")));
    drop(gateway);
    fs::remove_file(bench.generation_path(6)).expect("removed");
    let gateway = bench.start();
    assert_eq!(gateway.gateway.generation(), None);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 503);
}

/// Shows F17: holds
#[test]
fn who_delivers_a_folder_delivers_no_memory_of_what_was_served() {
    let bench = Bench::new();
    let own = bench.path().join("own");
    let start = || bench.start_with(Settings { folder: own.clone(), ..bench.settings() });
    // What it writes lies in its own folder, and the attacker looks there too.
    let attack_as_nobody = |gateway: &Running<'_>, name| {
        let good = Request::with_headers("/open", &[]);
        let over = attack::Bench { folder: &own, ..gateway.under_attack(good) };
        let request = Request::with_headers("/orders", &[]);
        attack(&over, &Attack { name, request, status: 401, reason: "not_signed_in" })
    };
    let mut lax = bench.orders();
    lax.spec.access = vec![rule(10, &[], Who::Public)];
    bench.publish(1, &bench.parts([named("open", bench.open()), named("orders", lax)]));
    bench.publish(2, &marked(&bench, 2));
    let gateway = start();
    assert_eq!(gateway.gateway.generation(), Some(2));
    let roll_back = || {
        fs::write(bench.path().join("last-served"), "1").expect("written");
        bench.point("1");
    };
    roll_back();
    wait_until(|| gateway.gateway.refused().is_some_and(|it| it.because.contains("older")));
    assert_eq!(attack_as_nobody(&gateway, "while it serves").record["generation"], 2);
    drop(gateway);
    // After a restart the newest that was delivered is served, never one below it.
    let gateway = start();
    assert!(gateway.gateway.refused().is_some_and(|it| it.because.contains("older")));
    assert_eq!(attack_as_nobody(&gateway, "over a restart").record["generation"], 2);
    drop(gateway);
    fs::remove_file(bench.generation_path(2)).expect("removed");
    let gateway = start();
    assert_eq!(gateway.gateway.generation(), None);
    assert_eq!(gateway.call("GET", "/orders", &[]).status, 503);
}

/// The marked generation, to be served at a port that is free.
fn listening(bench: &Bench, number: u64) -> (Vec<Part>, u16) {
    let free = gw_testkit::wire::free_port();
    let mut parts = marked(bench, number);
    for part in &mut parts {
        if let Part::Gateway(gateway) = part {
            gateway.settings.listen = Some(format!("127.0.0.1:{free}"));
        }
    }
    (parts, free)
}

fn start_as_served(bench: &Bench) -> Running<'_> {
    let listen = Address::AsServed { otherwise: ([127, 0, 0, 1], 0).into() };
    bench.start_with(Settings { listen, ..bench.settings() })
}

#[test]
fn where_nothing_may_be_served_callers_hear_it_where_they_call() {
    let bench = Bench::new();
    let (parts, free) = listening(&bench, 2);
    bench.publish(2, &parts);
    let start = || start_as_served(&bench);
    assert_eq!(start().gateway.address().port(), free);
    bench.publish(1, &marked(&bench, 1));
    fs::remove_file(bench.generation_path(2)).expect("removed");
    let gateway = start();
    assert_eq!(gateway.gateway.generation(), None);
    assert_eq!(gateway.gateway.address().port(), free);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 503);
}

/// A generation that sets a header that only the gateway itself sets.
fn unfit(bench: &Bench) -> Vec<Part> {
    let mut open = bench.open();
    open.spec.headers.request.set = [("X-Real-Ip".to_owned(), "1".to_owned())].into();
    bench.parts([named("open", open)])
}

#[test]
fn after_a_restart_the_newest_good_generation_is_served_and_the_refused_one_told() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    bench.publish(2, &marked(&bench, 2));
    // Nobody served anything yet, and what is in force cannot be served.
    bench.publish(3, &unfit(&bench));
    for _restart in 0..2 {
        let gateway = bench.start();
        assert_eq!(gateway.gateway.generation(), Some(2));
        let answered = gateway.call("GET", "/open", &[]);
        assert_eq!((answered.status, answered.header("x-answered")), (200, Some("2")));
        let refused = gateway.gateway.refused().expect("it is told");
        assert_eq!(refused.number, Some(3));
        assert_eq!(refused.because, "api `open`: only the gateway itself sets `X-Real-Ip`");
        let admin = gateway.gateway.admin_address().expect("an address");
        let readiness = request(admin, "GET", "/readyz", &[], b"").expect("an answer");
        assert_eq!(readiness.status, 200);
        let because = readiness.json()["because"].as_str().map(str::to_owned);
        assert!(because.is_some_and(|it| it.starts_with("the last good generation is served")));
    }
    // The mended one is taken at once.
    let gateway = bench.start();
    bench.publish(4, &marked(&bench, 4));
    gateway.await_generation(4);
    assert_eq!(gateway.gateway.refused(), None);
}

/// Who delivers a folder has no say over what is served, nor over whether it is.
#[test]
fn what_is_no_file_of_sane_size_is_neither_waited_for_nor_read() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    let gateway = bench.start();
    let beside = bench.path().join("current.new");
    let deliver = |expected: &str| {
        fs::rename(&beside, bench.path().join("current")).expect("renamed");
        wait_until(|| {
            let (_, status) = gateway.ask("/v1/status");
            status["refused"]["because"].as_str().is_some_and(|why| why.contains(expected))
        });
        assert_eq!(gateway.call("GET", "/open", &[]).header("x-answered"), Some("1"));
        bench.point("1");
        wait_until(|| gateway.ask("/v1/status").1["refused"].is_null());
    };
    let made = Command::new("mkfifo").arg(&beside).status().expect("it runs");
    assert!(made.success());
    deliver("it is a pipe or a device");
    symlink("/dev/zero", &beside).expect("made");
    deliver("it is a pipe or a device");
    let huge = fs::File::create(&beside).expect("made");
    huge.set_len(1 << 30).expect("it takes no room");
    deliver("it is larger than 256 MiB");
    bench.publish(2, &marked(&bench, 2));
    gateway.await_generation(2);
}

#[test]
fn where_no_good_generation_lies_it_is_said_why_nobody_is_served() {
    let bench = Bench::new();
    bench.publish(1, &unfit(&bench));
    let gateway = bench.start();
    assert_eq!(gateway.gateway.generation(), None);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 503);
    assert!(gateway.gateway.refused().is_some_and(|it| it.because.contains("X-Real-Ip")));
}

#[test]
fn the_address_is_that_of_the_generation_that_is_served() {
    let bench = Bench::new();
    let (parts, free) = listening(&bench, 1);
    let start = || start_as_served(&bench);
    assert_ne!(start().gateway.address().port(), free, "nothing is served yet");
    bench.publish(1, &parts);
    assert_eq!(start().gateway.address().port(), free);
}

#[test]
fn a_file_alone_is_served_and_another_one_in_its_place_is_taken_over() {
    let bench = Bench::new();
    let file = bench.path().join("signed.json");
    let sign = |number| {
        let generation = bench.generation(number, &marked(&bench, number));
        let beside = bench.path().join("signed.new");
        fs::write(&beside, generation.sign(&bench.key).expect("signed")).expect("written");
        fs::rename(beside, &file).expect("renamed");
    };
    sign(3);
    let mut settings = bench.settings();
    settings.supply = Supply::File(file.clone());
    let gateway = bench.start_with(settings);
    assert_eq!(gateway.gateway.generation(), Some(3));
    sign(4);
    gateway.await_generation(4);
    sign(2);
    wait_until(|| gateway.gateway.refused().is_some_and(|it| it.because.contains("older")));
    assert_eq!(gateway.gateway.generation(), Some(4));
}

#[test]
fn without_a_valid_generation_everything_is_denied_and_readiness_says_why() {
    let bench = Bench::new();
    let gateway = bench.start();
    let denied = gateway.call("GET", "/open", &[]);
    assert_eq!((denied.status, denied.json()["title"].as_str()), (503, Some("Not ready")));
    let admin = gateway.gateway.admin_address().expect("an address");
    let ask = |path: &str| request(admin, "GET", path, &[], b"").expect("an answer");
    assert_eq!(ask("/healthz").status, 200);
    let readiness = ask("/readyz");
    assert_eq!(readiness.status, 503);
    assert_eq!(readiness.json()["because"], "no generation was applied yet");
    assert_eq!(ask("/v1/status").status, 404);

    bench.publish(1, &marked(&bench, 1));
    gateway.await_generation(1);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
    wait_until(|| ask("/readyz").status == 200);
    // What is no request at all is answered by the codec, without a decision, and counted.
    let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
    connection.send(b"GET /open HTTP/1.1\r\nno header\r\n\r\n").expect("it reads");
    assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 400);
    let unreadable = "gatewright_requests_unreadable_total 1\n";
    wait_until(|| ask("/metrics").text().contains(unreadable));
    let metrics = ask("/metrics").text();
    assert!(metrics.contains("gatewright_generation 1\n"), "{metrics}");
    assert!(metrics.contains(r#"_count{api="open",outcome="granted"} 1"#), "{metrics}");
    let (_, served) = gateway.ask("/v1/generation");
    let objects = serde_json::to_value(bench.generation(1, &marked(&bench, 1)).objects);
    assert_eq!(served["objects"], objects.expect("JSON"));
}

/// Shows S1.19: part (only the built-in gateway; managed gateways come with their drivers)
#[test]
fn a_call_is_judged_by_the_rules_in_force_at_that_moment() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders())]));
    let gateway = bench.start();
    let token = bench.token("bob", &json!({ "groups": ["sales"] }));
    let authorization = format!("Bearer {token}");
    // One connection and one remembered token over all changes.
    let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
    let mut call = || {
        let head = "GET /orders HTTP/1.1\r\nhost: x\r\nauthorization: ";
        connection.send(format!("{head}{authorization}\r\n\r\n").as_bytes()).expect("it reads");
        connection.reply().expect("an answer").expect("an answer").status
    };
    assert_eq!(call(), 200);
    let mut closed = bench.orders();
    closed.spec.access.clear();
    bench.publish(2, &bench.parts([named("orders", closed)]));
    gateway.await_generation(2);
    assert_eq!(call(), 403);
    bench.publish(3, &bench.parts([named("orders", bench.orders())]));
    gateway.await_generation(3);
    assert_eq!(call(), 200);
}

#[test]
fn a_stopping_gateway_answers_what_is_under_way() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    let gateway = bench.start();
    let address = gateway.gateway.address();
    let mut connection = Connection::open(address).expect("it accepts");
    // Half a request: the call is under way when the gateway is told to stop.
    connection
        .send(b"POST /open HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\na")
        .expect("it reads");
    wait_until(|| bench.backend.connections() == 1);
    let Running { gateway, .. } = gateway;
    std::thread::scope(|scope| {
        let stopping = scope.spawn(move || gateway.stop(Duration::from_secs(20)));
        wait_until(|| Connection::open(address).is_err());
        connection.send(b"b").expect("it reads");
        assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 200);
        stopping.join().expect("it stops");
    });
    assert!(Connection::open(address).is_err());
    assert!(!bench.path().join("gateway.sock").exists());
}

#[test]
fn only_one_gateway_serves_a_target() {
    let bench = Bench::new();
    let first = bench.start();
    let second = Gateway::start(bench.settings());
    assert!(matches!(second, Err(StartError::AlreadyRunning { .. })));
    let mut settings = bench.settings();
    settings.folder = bench.path().join("another");
    settings.listen = Address::At(first.gateway.address());
    let third = Gateway::start(settings);
    assert!(matches!(third, Err(StartError::Listen { .. })));
}

#[test]
fn attacks_leave_one_record_each() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("orders", bench.orders()), named("open", bench.open())]));
    let gateway = bench.start();
    let over = gateway.under_attack(Request::with_headers("/open", &[]));
    let token = bench.token("bob", &json!({ "aud": "api://other" }));
    let request = Request::with_token("/orders", &token);
    attack(&over, &Attack { name: "audience", request, status: 401, reason: "token_audience" });
}

#[test]
fn a_generation_that_could_not_be_read_is_tried_again() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    let gateway = bench.start();
    let refused = |number: u64| gateway.ask("/v1/status").1["refused"]["number"] == number;
    // `current` names it before the machine gives it out.
    bench.point("2");
    wait_until(|| refused(2));
    bench.write(2, &bench.generation(2, &marked(&bench, 2)).sign(&bench.key).expect("signed"));
    gateway.await_generation(2);
}

#[test]
fn only_whoever_may_open_the_socket_can_call_without_being_counted() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    let gateway = bench.start();
    let (_, status) = gateway.ask("/v1/status");
    let word = status["probe"].as_str().expect("a word").to_owned();
    assert_eq!(gateway.call("GET", "/nowhere", &[("gatewright-probe", &word)]).status, 404);
    assert_eq!(gateway.ask("/v1/decisions/last").0, 404);
    let longer = format!("{word}0");
    for guess in ["", "guessed", longer.as_str()] {
        let answered = gateway.call("GET", "/nowhere", &[("gatewright-probe", guess)]);
        let id = answered.header("gatewright-decision").expect("a decision").to_owned();
        assert_eq!(gateway.ask(&format!("/v1/decisions/{id}")).1["reason"], "no_route");
    }
}

/// A backend's answer can look like the gateway's own, and one of the gateway like a backend's.
#[test]
fn a_probe_is_told_what_became_of_it_and_nobody_else_is() {
    let bench = Bench::new();
    bench.publish(1, &marked(&bench, 1));
    let gateway = bench.start();
    let (_, status) = gateway.ask("/v1/status");
    let word = status["probe"].as_str().expect("a word").to_owned();
    let probe = [("gatewright-probe", word.as_str())];
    let said = ["gatewright-probe", "gatewright-probe-detail"];
    let forged = said.map(|name| (name.to_owned(), "no_route".to_owned())).to_vec();
    for status in [200, 401, 403, 404, 500] {
        let headers = forged.clone();
        bench.backend.set_answer(Answer { status, headers, ..Answer::default() });
        let answered = gateway.call("GET", "/open", &probe);
        assert_eq!(answered.status, status);
        assert_eq!(said.map(|name| answered.header(name)), [Some("granted"), None]);
    }
    bench.backend.set_answer(Answer::default());
    let told = |path| gateway.call("GET", path, &probe).header(said[0]).map(str::to_owned);
    assert_eq!(told("/orders").as_deref(), Some("not_signed_in"));
    assert_eq!(told("/nowhere").as_deref(), Some("no_route"));
    for headers in [&[] as &[(&str, &str)], &[(said[0], "guessed")]] {
        for path in ["/open", "/orders", "/nowhere"] {
            let answered = gateway.call("GET", path, headers);
            assert_eq!(said.map(|name| answered.header(name)), [None, None], "{path}");
        }
    }
    assert!(bench.backend.requests().iter().all(|it| it.header(said[0]).is_none()));
}

#[test]
fn proving_a_change_uses_up_no_limit() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.limits = vec![limit("1/1m", Per::Ip)];
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = bench.start();
    let (_, status) = gateway.ask("/v1/status");
    let probe = [("gatewright-probe", status["probe"].as_str().expect("a word"))];
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/open", &probe).status, 200);
    }
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
    assert_eq!(gateway.call("GET", "/open", &[]).status, 429);
    assert_eq!(gateway.call("GET", "/open", &probe).status, 200);
}
