use gw_audit::{entry, note::Signer};
use time::macros::datetime;

use super::*;
use crate::event::local_user;

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn dev() -> EnvironmentName {
    EnvironmentName::parse("dev").unwrap()
}

/// What a version wrote that named no documents.
fn former(act: Act, number: u64, outcome: Option<&str>) -> Event {
    let mut event = Event::new(act, entry::Outcome::Done, local_user());
    event.environment = Some("dev".to_owned());
    event.change = Some(number);
    match outcome {
        Some(outcome) => event.fact("outcome", outcome),
        None => event,
    }
}

fn learned(events: Vec<Event>) -> Told {
    let mut told = Told::default();
    for (index, event) in (0..).zip(events) {
        told.learn(Entry::place(event, index, NOON, None));
    }
    told
}

#[test]
fn what_was_begun_before_documents_were_named_binds_none() {
    let told = learned(vec![former(Act::Began, 1, None), former(Act::Ended, 1, Some("verified"))]);
    told.meet_in_force(&dev(), Some(1)).unwrap();
    told.meet_document(&dev(), 1, Document::Desired, "anything").unwrap();
    for other in [None, Some(2)] {
        told.meet_in_force(&dev(), other).unwrap_err();
    }
}

#[test]
fn what_took_effect_before_there_was_a_ledger_is_told_by_nobody() {
    let nothing = Told::default();
    nothing.meet_in_force(&dev(), Some(2)).unwrap();
    nothing.meet_in_force(&dev(), None).unwrap();
    // One that began then and was given up since: what was before it is in force.
    let told = learned(vec![former(Act::Ended, 3, Some("abandoned"))]);
    told.meet_in_force(&dev(), Some(2)).unwrap();
    told.meet_in_force(&dev(), Some(3)).unwrap_err();
}

#[test]
fn the_newest_change_that_took_effect_is_in_force() {
    let mut events = vec![];
    for (number, outcome) in [(1, "verified"), (2, "applied"), (3, "failed"), (2, "verified")] {
        events.push(former(Act::Ended, number, Some(outcome)));
    }
    events.push(former(Act::Unhealthy, 2, None));
    let told = learned(events);
    told.meet_in_force(&dev(), Some(2)).unwrap();
    told.meet_in_force(&dev(), Some(1)).unwrap_err();
    told.meet_under_way(&dev(), 4).unwrap();
    told.meet_under_way(&dev(), 3).unwrap_err();
}

#[tokio::test]
async fn an_index_that_leaves_entries_out_is_no_way_round() {
    let signer = Signer::new("gatewright/test", &[1; 32]).unwrap();
    let store = Store::blank(signer.verifier().clone()).await.unwrap();
    store.record(former(Act::Ended, 1, Some("verified")), NOON).await.unwrap();
    assert!(matches!(store.in_force(&dev()).await, Err(StoreError::Unbound { .. })));
    for altered in
        ["DROP INDEX entry_of_change", "CREATE INDEX entry_of_change ON entry (at) WHERE 0"]
    {
        sqlx::query(altered).execute(store.pool()).await.unwrap();
    }
    assert!(matches!(store.in_force(&dev()).await, Err(StoreError::Broken { .. })));
}

#[tokio::test]
async fn a_beginning_that_is_hidden_is_missed() {
    let of = |number| {
        former(Act::Began, number, None).fact(Document::Desired.fact(), digest_of("{}").as_str())
    };
    let ended = former(Act::Ended, 2, Some("verified"));
    let told = learned(vec![of(1), ended.clone()]);
    told.meet_document(&dev(), 2, Document::Desired, "anything").unwrap_err();
    learned(vec![of(1), of(2), ended]).meet_document(&dev(), 2, Document::Desired, "{}").unwrap();

    // An entry that is kept as a text is heard as well.
    let signer = Signer::new("gatewright/test", &[1; 32]).unwrap();
    let store = Store::blank(signer.verifier().clone()).await.unwrap();
    store.record(former(Act::Ended, 1, Some("verified")), NOON).await.unwrap();
    for altered in [
        "CREATE TABLE another (position INTEGER PRIMARY KEY, at TEXT, bytes)",
        "INSERT INTO another SELECT position, at, CAST(bytes AS TEXT) FROM entry",
        "ALTER TABLE entry RENAME TO hidden",
        "ALTER TABLE another RENAME TO entry",
    ] {
        sqlx::query(altered).execute(store.pool()).await.unwrap();
    }
    assert!(matches!(store.in_force(&dev()).await, Err(StoreError::Unbound { .. })));
}
