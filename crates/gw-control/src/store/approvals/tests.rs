use gw_audit::{
    entry::{Act, Entry, Outcome},
    note::Signer,
};
use gw_model::id::IdentityName;
use gw_plan::digest::Digest;
use gw_policy::principal::{Caller, Principal};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::{asker::Asker, event::digest_of};

const NOON: OffsetDateTime = datetime!(2026-09-10 12:00 UTC);

async fn blank() -> Store {
    let signer = Signer::new("gatewright/test", &[1; 32]).unwrap();
    Store::blank(signer.verifier().clone()).await.unwrap()
}

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn shown(head: &str, minute: i64, text: &str) -> Shown {
    let entry = ("api/orders".to_owned(), Some(Digest::of_bytes(text.as_bytes())));
    Shown {
        head: head.to_owned(),
        at: NOON + Duration::minutes(minute),
        entries: [entry].into_iter().collect(),
    }
}

fn told(act: Act, commit: &str, entries: &Changed) -> Event {
    let mut event = Event::new(act, Outcome::Done, Asker::server().actor);
    (event.environment, event.commit) = (Some("prod".to_owned()), Some(commit.to_owned()));
    event.fact("changed", digest_of(entries).as_str())
}

async fn show(store: &Store, pull_request: u64, shown: &Shown) {
    let told = told(Act::Shown, &shown.head, &shown.entries).fact("pullRequest", pull_request);
    store.show(&prod(), pull_request, shown, told).await.unwrap();
}

/// How often an act is on the record.
async fn recorded(store: &Store, act: Act) -> usize {
    let entries = store.entries(0, 1_000).await.unwrap();
    let acts = entries.iter().filter_map(|bytes| Entry::parse(bytes)).map(|it| it.event.act);
    acts.filter(|it| *it == act).count()
}

#[tokio::test]
async fn what_was_shown_is_kept_and_recorded_once() {
    let store = blank().await;
    let first = shown("h1", 0, "new");
    show(&store, 7, &first).await;
    show(&store, 7, &shown("h1", 5, "new")).await;
    let pushed = shown("h2", 9, "new");
    show(&store, 7, &pushed).await;
    let moved = shown("h2", 10, "newer");
    show(&store, 7, &moved).await;
    // What was shown before and came back is news.
    let back = shown("h2", 11, "new");
    show(&store, 7, &back).await;
    show(&store, 8, &first).await;
    let kept = store.shown(&prod(), 7).await.unwrap();
    assert_eq!(kept, [first.clone(), pushed, moved, back]);
    assert_eq!(store.shown(&prod(), 8).await.unwrap(), [first]);
    let staging = EnvironmentName::parse("staging").unwrap();
    assert_eq!(store.shown(&staging, 7).await.unwrap(), []);
    assert_eq!(recorded(&store, Act::Shown).await, 5);
}

#[tokio::test]
async fn of_one_pull_request_the_newest_plans_are_kept() {
    let store = blank().await;
    show(&store, 8, &shown("h8", 0, "other")).await;
    for minute in 0..KEPT_OF_ONE + 3 {
        show(&store, 7, &shown("h1", minute, &minute.to_string())).await;
    }
    let kept = store.shown(&prod(), 7).await.unwrap();
    assert_eq!(kept.len(), usize::try_from(KEPT_OF_ONE).unwrap());
    assert_eq!(kept[0], shown("h1", 3, "3"));
    assert_eq!(store.shown(&prod(), 8).await.unwrap().len(), 1);
}

/// Whoever could push others' plans out would be nobody's author, or leave them without approvals.
#[tokio::test]
async fn however_much_is_shown_elsewhere_what_was_shown_stays() {
    let store = blank().await;
    let first = shown("h1", 0, "new");
    show(&store, 7, &first).await;
    let flood = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
        INSERT INTO shown (environment, pull_request, head, shown_at, entries)
        SELECT 'prod', 100 + i % 500, 'h', '2026-09-10T12:00:00Z', '{}' FROM n";
    sqlx::query(flood).execute(&store.pool).await.unwrap();
    show(&store, 8, &shown("h2", 1, "other")).await;
    assert_eq!(store.shown(&prod(), 7).await.unwrap(), [first]);
}

#[tokio::test]
async fn a_given_approval_is_kept_as_it_was_proved() {
    let store = blank().await;
    let principal = Principal {
        identity: IdentityName::parse("staff").unwrap(),
        issuer: "https://id.example.com".to_owned(),
        subject: "erik".to_owned(),
        claims: [("groups".to_owned(), ["approvers".to_owned()].into())].into(),
        expires_at: Some(1_800_000_000),
    };
    let given = Given {
        by: Caller { principals: vec![principal] },
        at: NOON,
        commit: "9f2c1e7".to_owned(),
        restores: Some(4),
        entries: shown("", 0, "new").entries,
    };
    let told = told(Act::Approved, &given.commit, &given.entries);
    store.approve(&prod(), &given, told).await.unwrap();
    assert_eq!(store.given(&prod()).await.unwrap(), [given]);
    assert_eq!(recorded(&store, Act::Approved).await, 1);
}
