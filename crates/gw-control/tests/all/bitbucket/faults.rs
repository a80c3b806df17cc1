use gw_emulators::bitbucket::{Exempt, Fault, Rule};
use gw_plan::driver::Class;
use gw_testkit::backend::{Answer, Backend};

use super::*;

#[tokio::test]
async fn a_fault_of_the_host_has_a_class_and_goes_by() {
    let stage = Stage::new().await;
    let host = stage.host();
    let rows = [
        (Fault::TooMany { retry_after_s: 7 }, Class::Retry { after_ms: 7000 }),
        (Fault::Status(500), Class::Wait),
        (Fault::Status(503), Class::Wait),
        (Fault::Garbage, Class::Wait),
        (Fault::Status(403), Class::Human),
        (Fault::Status(400), Class::Human),
        (Fault::Status(302), Class::Human),
    ];
    for (fault, class) in rows {
        stage.bitbucket.fail_next("GET", fault.clone());
        let refused = host.repository().await.unwrap_err();
        assert_eq!(refused.class(), class, "{fault:?}: {refused}");
        assert!(host.repository().await.is_ok(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_host_that_says_nothing_is_not_waited_for() {
    let stage = Stage::new().await;
    let timeout = Duration::from_millis(500);
    let client = Client::new(&ClientSettings { timeout, ..ClientSettings::here() });
    let settings = (stage.declared(), stage.api_token(&stage.ann));
    let host = stage.host_at(stage.bitbucket.url(), settings, client);
    stage.bitbucket.fail_next("GET", Fault::Slow(Duration::from_secs(30)));
    let refused = host.repository().await.unwrap_err();
    assert!(matches!(refused, HostError::Unreachable { .. }), "{refused:?}");
    assert_eq!(refused.class(), Class::Wait);
}

/// A server that answers everything like this, and the host that asks it.
fn strange(stage: &Stage, body: &Value) -> (Backend, Bitbucket) {
    let server = Backend::start();
    server.set_answer(Answer { body: body.to_string().into_bytes(), ..Answer::default() });
    let settings = (stage.declared(), stage.api_token(&stage.ann));
    let host = stage.host_at(&server.url(), settings, client());
    (server, host)
}

#[tokio::test]
async fn another_repository_under_the_same_address_is_refused() {
    let stage = Stage::new().await;
    let other = "{00000000-0000-0000-0000-000000000000}";
    let (workspace, repository) = (stage.workspace.to_string(), stage.repository.to_string());
    for (workspace, repository, declared) in
        [(workspace.as_str(), other, &repository), (other, repository.as_str(), &workspace)]
    {
        let body = json!({
            "uuid": repository, "full_name": "acme/apis", "workspace": { "uuid": workspace },
            "mainbranch": null,
        });
        let (_server, host) = strange(&stage, &body);
        let refused = host.repository().await.unwrap_err();
        let HostError::Foreign { declared: expected, found, .. } = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!((expected, found.as_str()), (declared, other));
        assert_eq!(refused.class(), Class::Human);
    }
}

#[tokio::test]
async fn pages_are_followed_to_their_end() {
    let stage = Stage::new().await;
    let host = stage.host();
    for number in 0..150 {
        let pattern = format!("b{number}");
        let kind = "require_approvals_to_merge";
        let exempt = Exempt::default();
        let rule = Rule { kind, pattern: &pattern, value: Some(number + 1), exempt };
        stage.bitbucket.restrict(&stage.repository, &rule).unwrap();
    }
    assert_eq!(host.protection("b149").await.unwrap().approvals, 150);
    // The second page fails: half a list is none.
    stage.bitbucket.fail_next("/branch-restrictions", Fault::Slow(Duration::from_millis(1)));
    stage.bitbucket.fail_next("/branch-restrictions", Fault::TooMany { retry_after_s: 3 });
    let refused = host.protection("b0").await.unwrap_err();
    assert_eq!(refused.class(), Class::Retry { after_ms: 3000 });
}

#[tokio::test]
async fn a_next_page_elsewhere_is_never_asked_for() {
    let stage = Stage::new().await;
    let elsewhere = Backend::start();
    let port = elsewhere.address().port();
    for next in [
        format!("http://127.0.0.1:{port}/2.0/repositories"),
        format!("http://localhost:{port}/2.0/repositories"),
        "file:///etc/passwd".to_owned(),
        "/2.0/repositories".to_owned(),
        String::new(),
    ] {
        let (server, host) = strange(&stage, &json!({ "values": [], "next": next }));
        let refused = host.protection("main").await.unwrap_err();
        assert!(matches!(refused, HostError::Garbled { .. }), "{next}: {refused:?}");
        assert_eq!(server.requests().len(), 1, "{next}");
    }
    assert_eq!(elsewhere.connections(), 0);
    // Neither beside the API of the same server, nor round in a circle.
    let (server, host) = strange(&stage, &json!({}));
    let answer = |next: &str| {
        let body = json!({ "values": [], "next": format!("{}{next}", server.url()) });
        server.set_answer(Answer { body: body.to_string().into_bytes(), ..Answer::default() });
    };
    answer("/site/oauth2/access_token");
    let refused = host.protection("main").await.unwrap_err();
    assert!(matches!(refused, HostError::Garbled { .. }), "{refused:?}");
    answer("/2.0/repositories?page=again");
    server.clear();
    let refused = host.protection("main").await.unwrap_err();
    assert!(matches!(refused, HostError::TooMuch { .. }), "{refused:?}");
    assert_eq!(server.requests().len(), 40);
}

#[tokio::test]
async fn an_answer_without_what_is_needed_or_without_end_is_refused() {
    let stage = Stage::new().await;
    for body in
        [json!({}), json!([]), json!({ "values": {} }), json!({ "values": [{ "kind": 1 }] })]
    {
        let (_server, host) = strange(&stage, &body);
        let refused = host.protection("main").await.unwrap_err();
        assert!(matches!(refused, HostError::Garbled { .. }), "{body}: {refused:?}");
    }
    let (_server, host) = strange(&stage, &json!({ "values": [], "more": "x".repeat(9 << 20) }));
    let refused = host.protection("main").await.unwrap_err();
    assert!(matches!(refused, HostError::TooMuch { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_rest_is_as_long_as_the_host_says_and_no_longer() {
    let stage = Stage::new().await;
    let (server, host) = strange(&stage, &json!({}));
    let rows = [
        (429, Some("7"), 7_000),
        (429, None, 60_000),
        (429, Some("soon"), 60_000),
        (429, Some("999999999999999999"), 3_600_000),
        (429, Some("Thu, 01 Jan 2026 00:02:00 GMT"), 120_000),
        (429, Some("Wed, 31 Dec 2025 00:00:00 GMT"), 0),
        (503, Some("9"), 9_000),
    ];
    for (status, header, after_ms) in rows {
        let headers = header.map(|value| ("retry-after".to_owned(), value.to_owned()));
        let headers = headers.into_iter().collect();
        server.set_answer(Answer { status, headers, body: vec![] });
        let refused = host.repository().await.unwrap_err();
        assert_eq!(refused.class(), Class::Retry { after_ms }, "{status} {header:?}");
    }
}

#[tokio::test]
async fn what_the_host_still_works_on_is_asked_for_again() {
    let stage = Stage::new().await;
    let (server, host) = strange(&stage, &json!({}));
    let body = json!({ "values": [] }).to_string().into_bytes();
    server.set_answer(Answer { status: 202, headers: vec![], body });
    let refused = host.pull_requests_of(&"9f2c1e7d".repeat(5)).await.unwrap_err();
    assert!(matches!(refused, HostError::Unfinished { .. }), "{refused:?}");
    assert_eq!(refused.class(), Class::Retry { after_ms: 2000 });
}

#[tokio::test]
async fn a_part_of_a_hash_is_only_taken_for_what_begins_with_it() {
    let stage = Stage::new().await;
    for hash in ["b".repeat(40), "a".repeat(39), "A".repeat(40), format!("{}main", "a".repeat(36))]
    {
        let (server, host) = strange(&stage, &json!({ "hash": hash }));
        let refused = host.pull_requests_of("aaaaaaaaaaaa").await.unwrap_err();
        assert!(matches!(refused, HostError::Garbled { .. }), "{hash}: {refused:?}");
        assert_eq!(server.requests().len(), 1);
    }
}
