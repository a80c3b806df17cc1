//! Callers that take their time, and those whose bytes are no request.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use gw_testkit::{
    attack::{Attack, Request, attack},
    backend::Answer,
    wire::Connection,
};

use crate::bench::{Bench, Running, named, wait_until};

/// A gateway that waits a fifth of a second where others wait seconds.
fn impatient(bench: &Bench) -> Running<'_> {
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let mut settings = bench.settings();
    settings.bounds.head_timeout = Duration::from_millis(200);
    settings.bounds.idle_timeout = Duration::from_millis(200);
    settings.bounds.body_grace = Duration::from_millis(200);
    settings.bounds.reader_grace = Duration::from_millis(200);
    bench.start_with(settings)
}

/// Waits until the decision log says this of what came last. What is no call is written down when its
/// connection has ended, which whoever was on it may see a moment before.
fn await_last(gateway: &Running<'_>, reason: &str, status: u16) {
    wait_until(|| {
        let (_, record) = gateway.ask("/v1/decisions/last");
        record["reason"] == reason && record["status"] == status && record["client"] == "127.0.0.1"
    });
}

#[test]
fn a_head_that_does_not_come_ends_the_connection_and_leaves_one_record() {
    let bench = Bench::new();
    let gateway = impatient(&bench);
    let mut silent = Connection::open(gateway.gateway.address()).expect("it accepts");
    assert!(silent.is_closed());
    // Whoever said nothing at all is no slow caller.
    assert_eq!(gateway.ask("/v1/decisions/last").0, 404);
    let mut caller = Connection::open(gateway.gateway.address()).expect("it accepts");
    caller.send(b"GET /open HTTP/1.1\r\nhost: x\r\nx-slow: ").expect("it reads");
    assert!(caller.is_closed());
    await_last(&gateway, "request_timeout", 408);
    assert!(bench.backend.requests().is_empty());
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
}

#[test]
fn half_a_head_behind_a_call_is_a_slow_head_too() {
    let bench = Bench::new();
    let gateway = impatient(&bench);
    let mut caller = Connection::open(gateway.gateway.address()).expect("it accepts");
    let whole_and_half = b"GET /open HTTP/1.1\r\nhost: x\r\n\r\nGET /open HTTP/1.1\r\nhost:";
    caller.send(whole_and_half).expect("it reads");
    assert_eq!(caller.reply().expect("an answer").expect("an answer").status, 200);
    assert!(caller.is_closed());
    await_last(&gateway, "request_timeout", 408);
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed_and_that_is_no_fault() {
    let bench = Bench::new();
    let gateway = impatient(&bench);
    let mut caller = Connection::open(gateway.gateway.address()).expect("it accepts");
    caller.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
    assert_eq!(caller.reply().expect("an answer").expect("an answer").status, 200);
    assert!(caller.is_closed());
    await_last(&gateway, "granted", 200);
}

/// Shows H12: part (not with a thousand connections at once)
#[test]
fn a_body_that_does_not_come_is_refused_and_never_reaches_the_backend() {
    let bench = Bench::new();
    let gateway = impatient(&bench);
    let over = gateway.under_attack(Request::with_headers("/open", &[]));
    for framing in
        ["content-length: 100\r\n\r\nbegun", "transfer-encoding: chunked\r\n\r\n5\r\nbegun\r\n"]
    {
        let text = format!("POST /open HTTP/1.1\r\nhost: gateway.test\r\n{framing}");
        let request = Request::raw("/open", text.as_bytes());
        attack(&over, &Attack { name: framing, request, status: 408, reason: "request_timeout" });
    }
}

#[test]
fn an_answer_that_nobody_takes_ends_the_connection() {
    let bench = Bench::new();
    // More than the buffers of two sockets hold.
    bench.backend.set_answer(Answer { body: vec![b'x'; 64 << 20], ..Answer::default() });
    let gateway = impatient(&bench);
    let mut caller = TcpStream::connect(gateway.gateway.address()).expect("it accepts");
    caller.set_read_timeout(Some(Duration::from_secs(20))).expect("a bound");
    caller.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
    wait_until(|| gateway.ask("/v1/decisions/last").1["reason"] == "request_timeout");
    let mut taken = vec![];
    // What was on its way arrives; then the connection is at its end.
    let _reset = caller.read_to_end(&mut taken);
    assert!(taken.len() < 64 << 20, "{}", taken.len());
}

#[test]
fn bytes_that_are_no_request_leave_one_record() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    let long = format!("GET /open HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "l".repeat(64 << 10));
    for (bytes, status, reason) in [
        (&b"\x16\x03\x01 no HTTP at all\r\n\r\n"[..], 400, "request_refused"),
        (b"GET /open HTTP/1.1\r\nhost: x\r\nx y: 1\r\n\r\n", 400, "request_refused"),
        (b"POST /open HTTP/1.1\r\nhost: x\r\ncontent-length: 1, 2\r\n\r\n", 400, "request_refused"),
        (long.as_bytes(), 431, "head_too_large"),
    ] {
        let mut caller = Connection::open(gateway.gateway.address()).expect("it accepts");
        caller.send(bytes).expect("it reads");
        let reply = caller.reply().expect("an answer").expect("an answer");
        assert_eq!(reply.status, status, "{reason}");
        assert!(caller.is_closed());
        await_last(&gateway, reason, status);
    }
    assert!(bench.backend.requests().is_empty());
}

#[test]
fn a_request_that_its_caller_leaves_half_sent_goes_no_further() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let mut settings = bench.settings();
    settings.threads = std::num::NonZeroUsize::MIN;
    let gateway = bench.start_with(settings);
    for _ in 0..20 {
        let mut gone = Connection::open(gateway.gateway.address()).expect("it accepts");
        let half = [
            &b"POST /open HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n"[..],
            &[b'g'; 100_000],
        ];
        gone.send(&half.concat()).expect("it reads");
        drop(gone);
        assert_eq!(gateway.send("POST", "/open", &[], b"whole").status, 200);
    }
    // Nothing of the half ones was ever taken for a part of another.
    let requests = bench.backend.requests();
    assert_eq!(requests.len(), 20);
    assert!(requests.iter().all(|request| request.body == b"whole"));
}
