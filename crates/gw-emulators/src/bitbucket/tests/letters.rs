use gw_testkit::backend::{Answer, Backend, Received};

use super::*;

const EVENTS: &[&str] = &[
    "repo:push",
    "repo:commit_status_created",
    "repo:commit_status_updated",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
    "pullrequest:comment_created",
    "pullrequest:comment_updated",
    "pullrequest:comment_deleted",
];

fn listen(stage: &Stage) -> Backend {
    let backend = Backend::start();
    let hook = stage.bitbucket.add_hook(&stage.repository, &backend.url(), EVENTS, Some("geheim"));
    hook.expect("a hook");
    backend
}

fn answer(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

fn event(received: &Received) -> &str {
    received.header("x-event-key").expect("an event")
}

/// Everything that a pull request goes through, twice: once to be merged, once declined.
pub(super) async fn live(stage: &Stage) {
    let (work, _) = stage.open(&stage.bob, "orders").await;
    let head = stage.commit(&work, "more.yaml", "").await;
    stage.push(&work, &["HEAD"]).await;
    let build = json!({ "key": "gatewright", "state": "INPROGRESS", "refname": "orders" });
    for _ in 0..2 {
        stage.post(&stage.bob, &format!("/commit/{head}/statuses/build"), build.clone()).await;
    }
    let comment = json!({ "content": { "raw": "**Gatewright** waits" } });
    let made = stage.post(&stage.ann, "/pullrequests/1/comments", comment.clone()).await.json();
    let own = format!("{REPOSITORY}/pullrequests/1/comments/{}", made["id"]);
    stage.call(&stage.ann.header, "PUT", &own, comment).await;
    stage.call(&stage.ann.header, "DELETE", &own, json!(null)).await;
    let approve = format!("{REPOSITORY}/pullrequests/1/approve");
    for method in ["POST", "DELETE", "POST"] {
        stage.call(&stage.ann.header, method, &approve, json!(null)).await;
    }
    let merge = json!({ "type": "pullrequest_merge_parameters" });
    stage.post(&stage.ann, "/pullrequests/1/merge", merge).await;
    let (work, _) = stage.open(&stage.bob, "other").await;
    stage.post(&stage.bob, "/pullrequests/2/decline", json!(null)).await;
    stage.git_ok(&work, &["tag", "v1"]).await;
    stage.push(&work, &["v1"]).await;
    stage.push(&work, &["--delete", "v1", "other"]).await;
    stage.bitbucket.settled().await;
}

#[tokio::test]
async fn everything_that_happens_is_told_and_signed() {
    let stage = Stage::new().await;
    let backend = listen(&stage);
    live(&stage).await;
    let received = backend.requests();
    let mut told: Vec<&str> = received.iter().map(event).collect();
    told.sort_unstable();
    told.dedup();
    let mut expected = EVENTS.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"geheim");
    for letter in &received {
        let signature = letter.header("x-hub-signature").expect("a signature");
        let digits = signature.strip_prefix("sha256=").expect("SHA-256");
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(digits.get(2 * at..2 * at + 2).expect("two"), 16))
            .collect::<Result<_, _>>()
            .expect("digits");
        assert!(aws_lc_rs::hmac::verify(&key, &letter.body, &bytes).is_ok());
        assert_eq!(letter.header("x-attempt-number"), Some("1"));
        assert_eq!(letter.header("x-hook-uuid").map(str::len), Some(36));
        let body: Value = serde_json::from_slice(&letter.body).expect("JSON");
        assert_eq!(body["repository"]["uuid"], stage.repository.as_str());
        assert_eq!(body.get("eventKey"), None, "the body does not say which event it is");
    }
}

#[tokio::test]
async fn a_hook_hears_only_what_it_asked_for() {
    let stage = Stage::new().await;
    let backend = Backend::start();
    let hook = json!({
        "description": "", "url": backend.url(), "events": ["pullrequest:created"], "secret": "s",
    });
    let made = stage.post(&stage.ann, "/hooks", hook).await;
    assert_eq!(made.status, 201);
    let made = made.json();
    assert_eq!((&made["secret_set"], made.get("secret")), (&json!(true), None));
    let own = format!("/hooks/{}", made["uuid"].as_str().expect("a UUID"));
    let own = own.replace('{', "%7B").replace('}', "%7D");
    let path = format!("{REPOSITORY}{own}");
    let without = json!({ "secret": null });
    let changed = stage.call(&stage.ann.header, "PUT", &path, without).await;
    assert_eq!(changed.json()["secret_set"], false, "{}", changed.text());
    stage.open(&stage.bob, "orders").await;
    stage.bitbucket.settled().await;
    let received = backend.requests();
    assert_eq!(received.iter().map(event).collect::<Vec<_>>(), ["pullrequest:created"]);
    assert_eq!(received[0].header("x-hub-signature"), None);
    stage.call(&stage.ann.header, "PUT", &path, json!({ "active": false })).await;
    stage.open(&stage.bob, "silent").await;
    assert_eq!(stage.call(&stage.ann.header, "DELETE", &path, json!(null)).await.status, 204);
    stage.open(&stage.bob, "gone").await;
    stage.bitbucket.settled().await;
    assert_eq!(backend.requests().len(), 1);
}

#[tokio::test]
async fn a_hook_needs_an_address_here_and_known_events() {
    let stage = Stage::new().await;
    let here = "http://localhost:9/";
    let rows = [
        json!({ "url": "http://example.com/", "events": ["repo:push"] }),
        json!({ "url": "http://10.0.0.1/", "events": ["repo:push"] }),
        json!({ "url": "file:///etc/passwd", "events": ["repo:push"] }),
        json!({ "url": here, "events": ["repo:exploded"] }),
        json!({ "url": here, "events": [] }),
        json!({ "url": here }),
        json!({ "url": here, "events": ["repo:push"], "secret": "s".repeat(129) }),
    ];
    for body in rows {
        let reply = stage.post(&stage.ann, "/hooks", body.clone()).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let hook = json!({ "url": here, "events": ["repo:push"] });
    assert_eq!(stage.post(&stage.bob, "/hooks", hook).await.status, 403);
}

#[tokio::test]
async fn a_server_error_is_tried_again_twice_and_nothing_else_is() {
    let stage = Stage::new().await;
    stage.bitbucket.set_retry_pause(Duration::from_millis(1));
    let backend = listen(&stage);
    for (status, attempts) in [(503, 3), (404, 1), (200, 1)] {
        backend.clear();
        backend.set_answer(answer(status));
        stage.open(&stage.bob, &format!("b{status}")).await;
        stage.bitbucket.settled().await;
        let received = backend.requests();
        let made: Vec<_> =
            received.iter().filter(|it| event(it) == "pullrequest:created").collect();
        let numbers: Vec<_> = made.iter().filter_map(|it| it.header("x-attempt-number")).collect();
        assert_eq!(numbers, ["1", "2", "3"][..attempts], "{status}");
        let request = made[0].header("x-request-uuid");
        assert!(made.iter().all(|it| it.header("x-request-uuid") == request));
    }
    let outcomes: Vec<_> = stage
        .bitbucket
        .deliveries()
        .into_iter()
        .filter(|it| it.event == "pullrequest:created")
        .map(|it| it.outcome)
        .collect();
    let failed = Outcome::Answered(503);
    let expected = [failed, failed, failed, Outcome::Answered(404), Outcome::Answered(200)];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn what_nobody_answers_is_lost_and_holds_up_nothing() {
    let stage = Stage::new().await;
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = silent.local_addr().expect("it has an address");
    let url = format!("http://{address}/");
    stage
        .bitbucket
        .add_hook(&stage.repository, &url, &["pullrequest:created"], None)
        .expect("a hook");
    stage.open(&stage.bob, "orders").await;
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1").await["state"], "OPEN");
    assert_eq!(stage.bitbucket.deliveries(), []);
    drop(silent);
    stage.bitbucket.settled().await;
    let outcomes: Vec<_> = stage.bitbucket.deliveries().into_iter().map(|it| it.outcome).collect();
    assert_eq!(outcomes, [Outcome::Lost]);
}

#[tokio::test]
async fn what_is_too_large_is_silently_not_sent() {
    let stage = Stage::new().await;
    let backend = listen(&stage);
    stage.open(&stage.bob, "orders").await;
    stage.bitbucket.settled().await;
    backend.clear();
    let comment = json!({ "content": { "raw": "x".repeat(256 * 1024) } });
    assert_eq!(stage.post(&stage.ann, "/pullrequests/1/comments", comment).await.status, 201);
    stage.bitbucket.settled().await;
    assert_eq!(backend.requests(), []);
    let last = stage.bitbucket.deliveries().pop().map(|it| (it.event, it.outcome));
    assert_eq!(last, Some(("pullrequest:comment_created".to_owned(), Outcome::TooLarge)));
}

#[test]
fn a_signature_is_the_published_one() {
    let Some(folder) = gw_testkit::shared::folder("contracts/github-gitlab") else { return };
    let vectors = std::fs::read(folder.join("webhook-signature-test-vectors.json"));
    let vectors: Value = serde_json::from_slice(&vectors.expect("the vectors")).expect("JSON");
    let vectors = vectors["vectors"].as_array().expect("a list").iter();
    let own: Vec<_> = vectors.filter(|it| it["vendor"] == "bitbucket-cloud").collect();
    assert!(!own.is_empty());
    for vector in own {
        let text = |name: &str| vector[name].as_str().expect("a text");
        let signed = hooks::signature(text("secret_utf8"), text("body_utf8").as_bytes());
        assert_eq!(signed, text("value"));
    }
}
