use gw_control::host::bitbucket::webhook::{Class, Delivery, Event, Keys, Refused, read};
use gw_testkit::backend::{Backend, Received};

use super::*;

const EVENTS: &[&str] = &[
    "repo:push",
    "repo:commit_status_created",
    "repo:commit_status_updated",
    "pullrequest:created",
    "pullrequest:updated",
    "pullrequest:fulfilled",
    "pullrequest:rejected",
    "pullrequest:approved",
    "pullrequest:unapproved",
    "pullrequest:comment_created",
    "pullrequest:comment_updated",
    "pullrequest:comment_deleted",
];

fn keys(secret: &str) -> Keys {
    Keys::parse(&[Redacted::new(secret.as_bytes().to_vec())], &[]).unwrap()
}

fn read_by(received: &Received, keys: &Keys, repository: &str) -> Result<Event, Refused> {
    let headers = received.headers.iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    read(&Delivery { headers: &headers, body: &received.body }, keys, repository)
}

/// A week in the life of a repository, and what was sent of it.
async fn live(stage: &Stage) -> Vec<Received> {
    let receiver = Backend::start();
    stage
        .bitbucket
        .add_hook(&stage.repository, &receiver.url(), EVENTS, Some(HOOK_SECRET))
        .unwrap();
    let (_, head) = stage.propose().await;
    stage.advance();
    stage.approve(&stage.ann, 1).await;
    let remark = json!({ "content": { "raw": "gatewright plan" } });
    stage.post(&stage.carol, "/pullrequests/1/comments", remark).await;
    let status = json!({ "key": "k", "state": "INPROGRESS", "url": "https://example.com" });
    stage.post(&stage.bob, &format!("/commit/{head}/statuses/build"), status).await;
    stage.ask(&stage.ann, "DELETE", "/pullrequests/1/approve", Value::Null).await;
    stage.merge(1, "merge_commit").await;
    stage.bitbucket.settled().await;
    receiver.requests()
}

#[tokio::test]
async fn every_webhook_that_is_sent_is_understood() {
    let stage = Stage::new().await;
    let (keys, repository) = (keys(HOOK_SECRET), stage.repository.to_string());
    let received = live(&stage).await;
    let mut classes = BTreeMap::new();
    for it in &received {
        let event = read_by(it, &keys, &repository).unwrap();
        let name = it.header("x-event-key").unwrap().to_owned();
        let number = name.starts_with("pullrequest:").then_some(1);
        assert_eq!(event.pull_request, number, "{name}");
        classes.insert(name, (event.class, event.comment.is_some()));
        // To others it is nothing.
        let other = "{00000000-0000-0000-0000-000000000000}";
        assert_eq!(read_by(it, &keys, other), Err(Refused::Repository));
        assert_eq!(read_by(it, &self::keys("guess"), &repository), Err(Refused::Signature));
    }
    let expected = [
        ("pullrequest:approved", Class::Approval),
        ("pullrequest:comment_created", Class::Comment),
        ("pullrequest:created", Class::PullRequestOpen),
        ("pullrequest:fulfilled", Class::PullRequestMerged),
        ("pullrequest:unapproved", Class::Approval),
        ("repo:commit_status_created", Class::Status),
        ("repo:push", Class::Push),
    ];
    let expected =
        expected.map(|(name, class)| (name.to_owned(), (class, class == Class::Comment)));
    assert_eq!(classes, BTreeMap::from(expected));
}

#[tokio::test]
async fn each_webhook_has_a_key_by_which_it_is_known_again() {
    let stage = Stage::new().await;
    let (keys, repository) = (keys(HOOK_SECRET), stage.repository.to_string());
    let received = live(&stage).await;
    let key = |it: &Received| read_by(it, &keys, &repository).unwrap().replay_key;
    let mut known: Vec<_> = received.iter().map(key).collect();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), received.len());
    assert!(received.iter().all(|it| known.contains(&key(it))));
}

#[tokio::test]
async fn a_remark_that_a_webhook_hints_at_is_read_from_the_host() {
    let stage = Stage::new().await;
    let (keys, repository) = (keys(HOOK_SECRET), stage.repository.to_string());
    let received = live(&stage).await;
    let events = received.iter().map(|it| read_by(it, &keys, &repository).unwrap());
    let (number, id) = events.filter_map(|it| it.pull_request.zip(it.comment)).next().unwrap();
    let remark = stage.host().remark(number, id).await.unwrap();
    assert_eq!(
        (remark.by.id, remark.text.as_str()),
        (stage.carol.uuid.to_string(), "gatewright plan")
    );
    let gone = format!("/pullrequests/{number}/comments/{id}");
    stage.ask(&stage.carol, "DELETE", &gone, Value::Null).await;
    let refused = stage.host().remark(number, id).await.unwrap_err();
    assert!(matches!(refused, HostError::Missing { .. }), "{refused:?}");
}
