//! What callers cannot do to the process.

use std::time::{Duration, Instant};

use axum::{Router, routing::get};
use gw_model::secret::Redacted;
use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
    tls::{Own, Pem},
};
use gw_testkit::{
    authority::Authority,
    wire::{self, Connection},
};
use gw_web::{Limits, serve_routes};
use tokio::{net::TcpListener, sync::watch};

use super::house::House;

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_is_not_waited_for() {
    let house = House::new().await;
    let closed = tokio::task::block_in_place(|| {
        let mut connection = Connection::open(house.address).unwrap();
        connection.send(b"GET /healthz HTTP/1.1\r\nhost:").unwrap();
        drop(connection.reply());
        connection.is_closed()
    });
    assert!(closed);
    assert_eq!(house.call("GET", "/healthz", &[], b"").status, 200);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_a_problem_like_any_other() {
    let house = House::new().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/v2/tasks"),
        ("DELETE", "/v1/tasks"),
        ("GET", "/v1/webhooks/bitbucket"),
    ] {
        let reply = house.call(method, path, &[], b"");
        assert_eq!(
            (reply.status, reply.json()["reason"].as_str()),
            (404, Some("unseen")),
            "{path}"
        );
    }
    let reply = house.call("GET", "/v1/plans/%ff", &[("authorization", "Bearer gwt_x")], b"");
    assert!((400..500).contains(&reply.status), "{}", reply.text());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let authority = Authority::new();
    let (pem, _) = authority.holder("localhost");
    let pem = Pem { chain: pem.clone().into_bytes(), key: Redacted::new(pem.into_bytes()) };
    let tls = Own::new(&pem).unwrap().server().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/healthz", get(async || "well"));
    let (stop, stopped) = watch::channel(false);
    let limits = Limits::default();
    let serving = tokio::spawn(serve_routes(listener, Some(tls), routes, limits, stopped));

    let client = Client::new(&ClientSettings {
        loopback: LoopbackReach::Free,
        authorities: vec![authority.der()],
        ..ClientSettings::default()
    });
    let url = format!("https://localhost:{}/healthz", address.port()).parse().unwrap();
    let text = client.get(&url, 100).await;
    assert_eq!(text.unwrap(), b"well");
    let plain = || wire::request(address, "GET", "/healthz", &[], b"");
    assert!(!tokio::task::block_in_place(plain).is_ok_and(|reply| reply.status == 200));
    stop.send(true).unwrap();
    serving.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_finds_no_place_is_told_at_once_to_come_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().route("/healthz", get(async || "well"));
    let (stop, stopped) = watch::channel(false);
    let limits = Limits { connections: 2, head: Duration::from_secs(60), ..Limits::default() };
    let serving = tokio::spawn(serve_routes(listener, None, routes, limits, stopped));
    tokio::task::block_in_place(|| {
        let ask = |connection: &mut Connection| {
            connection.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            connection.reply().unwrap().unwrap()
        };
        let mut inside = [(); 2].map(|()| Connection::open(address).unwrap());
        for connection in &mut inside {
            assert_eq!(ask(connection).status, 200);
        }
        // Whoever is inside is answered as before, and more than once.
        for _ in 0..3 {
            let mut outside = Connection::open(address).unwrap();
            let reply = ask(&mut outside);
            assert_eq!((reply.status, reply.json()["reason"].as_str()), (503, Some("busy")));
            assert_eq!(reply.header("retry-after"), Some("5"));
            assert!(outside.is_closed());
            for connection in &mut inside {
                assert_eq!(ask(connection).status, 200);
            }
        }
        drop(inside);
        let until = Instant::now() + Duration::from_secs(20);
        while ask(&mut Connection::open(address).unwrap()).status != 200 {
            assert!(Instant::now() < until, "no place becomes free");
        }
    });
    stop.send(true).unwrap();
    serving.await.unwrap();
}
