//! More callers than there is room for, and whoever looks after the gateway meanwhile.

use std::{
    io::Write as _,
    num::NonZeroUsize,
    sync::{Arc, mpsc::channel},
    thread,
    time::Duration,
};

use gw_testkit::{
    attack::{Attack, Request, attack},
    backend::Backend,
    wire::{Connection, request},
};
use parking_lot::Mutex;

use crate::{
    bench::{Bench, Running, named, wait_until},
    upstreams::{EMPTY, upstream},
};

/// A gateway of one thread with room for so many callers.
fn with_room(bench: &Bench, callers: usize) -> Running<'_> {
    let mut settings = bench.settings();
    settings.threads = NonZeroUsize::MIN;
    settings.bounds.max_connections = callers;
    bench.start_with(settings)
}

/// A connection on which a call was answered.
fn used(gateway: &Running<'_>) -> Connection {
    let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
    connection.send(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
    let reply = connection.reply().expect("an answer").expect("an answer");
    assert_eq!(reply.status, 404, "{}", reply.text());
    connection
}

fn is_healthy(gateway: &Running<'_>) -> bool {
    let admin = gateway.gateway.admin_address().expect("an address");
    request(admin, "GET", "/healthz", &[], b"").is_ok_and(|reply| reply.status == 200)
}

/// Shows F21: part (memory, processor and threads are not taken away)
#[test]
fn connections_on_which_nothing_happens_keep_nobody_out() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let mut settings = bench.settings();
    settings.bounds.max_open_files = 256;
    let gateway = bench.start_with(settings);
    let over = gateway.under_attack(Request::with_headers("/open", &[]));
    let held: Vec<_> = (0..300).map(|_| used(&gateway)).collect();
    let request = Request::with_headers("/nowhere", &[]);
    attack(&over, &Attack { name: "one more", request, status: 404, reason: "no_route" });
    assert!(is_healthy(&gateway));
    let shed = |line: &str| line.strip_prefix("gatewright_connections_shed_total ")?.parse().ok();
    let shed: u64 = gateway.metrics().lines().find_map(shed).expect("it is counted");
    assert!((200..300).contains(&shed), "{shed}");
    drop(held);
}

#[test]
fn the_longest_idle_give_way_first() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = with_room(&bench, 3);
    let mut held: Vec<_> = (0..3).map(|_| used(&gateway)).collect();
    let mut newest = used(&gateway);
    assert!(held.remove(0).is_closed());
    for connection in held.iter_mut().chain([&mut newest]) {
        connection.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 200);
    }
}

#[test]
fn a_caller_for_whom_there_is_no_room_is_told_to_come_back() {
    let bench = Bench::new();
    let ((arrived, arrivals), (go, gone)) = (channel(), channel());
    let gone = Arc::new(Mutex::new(gone));
    let url = upstream(move |stream, _, _| {
        let told = arrived.send(()).is_ok() && gone.lock().recv().is_ok();
        told && stream.write_all(EMPTY).is_ok()
    });
    let mut open = bench.open();
    open.spec.upstream.url = url;
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = with_room(&bench, 2);
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..2).map(|_| scope.spawn(|| gateway.call("GET", "/open", &[]).status)).collect();
        for _ in 0..2 {
            arrivals.recv_timeout(Duration::from_secs(20)).expect("a request");
        }
        let refused = gateway.call("GET", "/open", &[]);
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
        assert_eq!(refused.header("connection"), Some("close"));
        assert_eq!(refused.json()["title"], "Too busy");
        let (_, record) = gateway.ask("/v1/decisions/last");
        assert_eq!(
            (&record["reason"], &record["client"]),
            (&"overloaded".into(), &"127.0.0.1".into())
        );
        assert!(is_healthy(&gateway));
        for _ in 0..2 {
            go.send(()).expect("the upstream waits");
        }
        for call in calls {
            assert_eq!(call.join().expect("a call"), 200);
        }
    });
    go.send(()).expect("the upstream waits");
    wait_until(|| gateway.call("GET", "/open", &[]).status == 200);
}

#[test]
fn whoever_asks_for_its_health_is_answered_whatever_others_hold() {
    let bench = Bench::new();
    bench.publish(1, &bench.parts([named("open", bench.open())]));
    let gateway = bench.start();
    let admin = gateway.gateway.admin_address().expect("an address");
    let mut held: Vec<_> = (0..100).map(|_| Connection::open(admin).expect("it accepts")).collect();
    assert!(is_healthy(&gateway));
    // More are not kept than there is room for.
    for connection in held.iter_mut().take(80) {
        assert!(connection.is_closed());
    }
}

#[test]
fn no_more_connections_to_backends_are_kept_than_there_is_room_for() {
    let bench = Bench::new();
    let other = Backend::start();
    let mut elsewhere = bench.orders();
    elsewhere.spec.upstream.url = other.url();
    elsewhere.spec.access = bench.open().spec.access;
    bench.publish(1, &bench.parts([named("open", bench.open()), named("orders", elsewhere)]));
    let gateway = with_room(&bench, 1);
    for _ in 0..3 {
        assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
        assert_eq!(gateway.call("GET", "/orders", &[]).status, 200);
    }
    assert_eq!((bench.backend.connections(), other.connections()), (3, 3));
}
