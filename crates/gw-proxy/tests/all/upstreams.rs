//! How the gateway reaches backends, and what it says when it cannot.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use gw_model::{api::UpstreamAuth, id::SecretName};
use gw_policy::generation::Part;
use gw_testkit::wire::Connection;
use parking_lot::Mutex;
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
    let mut connection = Connection::open(gateway.gateway.address()).expect("it accepts");
    for _ in 0..20 {
        connection.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        assert_eq!(connection.reply().expect("an answer").expect("an answer").status, 200);
    }
    assert_eq!(bench.backend.requests().len(), 20);
    assert_eq!(bench.backend.connections(), 1);
}

/// An upstream that this test answers by hand: `answer` is told which connection and which request
/// on it has come, and whether to go on is its answer.
pub(crate) fn upstream(
    answer: impl Fn(&mut TcpStream, usize, usize) -> bool + Send + Sync + 'static,
) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for (connection, stream) in listener.incoming().enumerate() {
            let (Ok(mut stream), answer) = (stream, Arc::clone(&answer)) else { return };
            thread::spawn(move || {
                let Ok(reading) = stream.try_clone() else { return };
                let mut lines = BufReader::new(reading).lines();
                let mut request = 0;
                while lines.by_ref().map_while(Result::ok).any(|line| line.is_empty()) {
                    if !answer(&mut stream, connection, request) {
                        return;
                    }
                    request += 1;
                }
            });
        }
    });
    url
}

pub(crate) const EMPTY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

fn on_one_thread(bench: &Bench, url: String) -> Running<'_> {
    let mut open = bench.open();
    open.spec.upstream.url = url;
    open.spec.upstream.timeout = "10s".parse().expect("a period");
    bench.publish(1, &bench.parts([named("open", open)]));
    let mut settings = bench.settings();
    settings.threads = NonZeroUsize::MIN;
    bench.start_with(settings)
}

#[test]
fn a_connection_that_a_caller_still_sends_on_is_lent_to_nobody_else() {
    let bench = Bench::new();
    // It answers each head at once and does not wait for bodies.
    let url = upstream(|stream, _, _| stream.write_all(EMPTY).is_ok());
    let gateway = on_one_thread(&bench, url);
    let mut slow = Connection::open(gateway.gateway.address()).expect("it accepts");
    slow.send(b"POST /open HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nbegun")
        .expect("it reads");
    assert_eq!(slow.reply().expect("an answer").expect("an answer").status, 200);
    let begun = std::time::Instant::now();
    assert_eq!(gateway.call("GET", "/open", &[]).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "it waited for another caller's body");
}

#[test]
fn a_call_is_sent_again_once_at_most() {
    let bench = Bench::new();
    let (idle, seen) = (8, Arc::new(AtomicUsize::new(0)));
    let (arrived, arrivals) = channel();
    let (sent, waiting): (Sender<TcpStream>, _) = channel();
    let count = Arc::clone(&seen);
    // The first request on each connection waits until all are there; the second, and every request
    // on a connection made later, is taken and not answered.
    let url = upstream(move |stream, connection, request| {
        if connection < idle && request == 0 {
            let held = stream.try_clone().expect("a stream");
            return sent.send(held).is_ok() && arrived.send(()).is_ok();
        }
        count.fetch_add(1, SeqCst);
        let _closed = stream.shutdown(std::net::Shutdown::Both);
        false
    });
    let gateway = on_one_thread(&bench, url);
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..idle).map(|_| scope.spawn(|| gateway.call("GET", "/open", &[]).status)).collect();
        for _ in 0..idle {
            arrivals.recv_timeout(Duration::from_secs(20)).expect("a request");
        }
        for mut stream in waiting.try_iter() {
            stream.write_all(EMPTY).expect("it reads");
        }
        for call in calls {
            assert_eq!(call.join().expect("a call"), 200);
        }
    });
    assert_eq!(gateway.call("GET", "/open", &[]).status, 502);
    assert_eq!(seen.load(SeqCst), 2, "one on an idle connection and one on a new one");
    assert_eq!(gateway.call("POST", "/open", &[]).status, 502);
    assert_eq!(seen.load(SeqCst), 3, "what may have had an effect is not sent again");
}

#[test]
fn a_caller_is_answered_in_the_version_of_its_own_connection() {
    let bench = Bench::new();
    let url = upstream(|stream, _, _| {
        let _sent = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold");
        let _closed = stream.shutdown(std::net::Shutdown::Both);
        false
    });
    let gateway = on_one_thread(&bench, url);
    let mut caller = TcpStream::connect(gateway.gateway.address()).expect("it accepts");
    // Twice, because what was kept open is used again.
    for _ in 0..2 {
        caller.write_all(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        let lines = BufReader::new(&caller).lines().map(|line| line.expect("an answer"));
        let mut told: Vec<String> = vec![];
        for line in lines {
            let ended = line == "0";
            told.push(line);
            if ended {
                break;
            }
        }
        assert_eq!(told.first().map(String::as_str), Some("HTTP/1.1 200 OK"), "{told:?}");
        assert!(told.iter().all(|line| line != "connection: close"), "{told:?}");
        assert!(told.contains(&"old".to_owned()), "{told:?}");
    }
}

#[test]
fn whatever_a_backend_says_unasked_is_told_to_nobody() {
    const CALLERS: usize = 12;
    const ROUNDS: usize = 20;
    let bench = Bench::new();
    let answered = Arc::new(Mutex::new(vec![]));
    let streams = Arc::clone(&answered);
    let url = upstream(move |stream, _, _| {
        // Else what it says unasked waits for the next request, which acknowledges the answer before.
        let (Ok(()), Ok(held)) = (stream.set_nodelay(true), stream.try_clone()) else {
            return false;
        };
        streams.lock().push(held);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nown").is_ok()
    });
    let mut open = bench.open();
    open.spec.upstream.url = url;
    bench.publish(1, &bench.parts([named("open", open)]));
    let mut settings = bench.settings();
    settings.threads = NonZeroUsize::new(4).expect("four");
    let gateway = bench.start_with(settings);
    let open = || Connection::open(gateway.gateway.address()).expect("it accepts");
    let mut callers: Vec<_> = (0..CALLERS).map(|_| open()).collect();
    for round in 0..ROUNDS {
        let call = |caller: &mut Connection| {
            caller.send(b"GET /open HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
            caller.reply().expect("an answer").expect("an answer")
        };
        let replies: Vec<_> = thread::scope(|scope| {
            let calls: Vec<_> =
                callers.iter_mut().map(|caller| scope.spawn(move || call(caller))).collect();
            calls.into_iter().map(|call| call.join().expect("a call")).collect()
        });
        for reply in replies {
            assert_eq!((reply.status, reply.text().as_str()), (200, "own"), "round {round}");
        }
        // Every call of this round has its answer. What is said now stands in the way of the next.
        for mut stream in answered.lock().drain(..) {
            let stray = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nstray";
            stream.write_all(stray).expect("nobody has closed it yet");
        }
    }
}
