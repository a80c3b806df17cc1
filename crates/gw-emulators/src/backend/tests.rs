use gw_testkit::wire::{Reply, request};

use super::*;

/// Sends from a thread of its own, so that the service under test can answer.
async fn send(
    address: SocketAddr,
    method: &'static str,
    target: &'static str,
    body: &'static str,
) -> Reply {
    let headers = [("content-type", "application/json")];
    let sent = move || request(address, method, target, &headers, body.as_bytes());
    tokio::task::spawn_blocking(sent).await.expect("the thread ends").expect("the backend answers")
}

#[tokio::test]
async fn orders_are_listed_made_and_found() {
    let backend = Backend::start(0).await.expect("a port is free");
    let at = backend.address();
    assert_eq!(send(at, "GET", "/orders", "").await.text(), r#"[{"id":"1","sku":"tea"}]"#);
    let made = send(at, "POST", "/orders", r#"{"sku":"milk","quantity":2}"#).await;
    assert_eq!(
        (made.status, made.text().as_str()),
        (201, r#"{"id":"2","sku":"milk","quantity":2}"#)
    );
    assert_eq!(send(at, "GET", "/orders/2", "").await.status, 200);
    assert_eq!(send(at, "GET", "/orders/3", "").await.status, 404);
}

#[tokio::test]
async fn a_web_page_of_somebody_else_is_refused() {
    let backend = Backend::start(0).await.expect("a port is free");
    let at = backend.address();
    let page = move || request(at, "GET", "/orders", &[("origin", "http://evil.example")], b"");
    let reply = tokio::task::spawn_blocking(page).await.expect("the thread ends");
    assert_eq!(reply.expect("the backend answers").status, 403);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let first = Backend::start(0).await.expect("a port is free");
    let port = first.address().port();
    let error = Backend::start(port).await.expect_err("the port is taken");
    assert!(error.to_string().starts_with(&format!("port {port} of this machine cannot be")));
}
