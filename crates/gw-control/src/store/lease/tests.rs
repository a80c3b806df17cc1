use gw_audit::note::Signer;
use gw_model::id::EnvironmentName;
use time::macros::datetime;

use super::*;
use crate::{event, store::Hold};

const SHORT: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_hours(1);

async fn store() -> Store {
    let signer = Signer::new("gatewright/test", &[7; 32]).unwrap();
    Store::blank(signer.verifier().clone()).await.unwrap()
}

/// Any write will do.
async fn write(store: &Store) -> Result<(), StoreError> {
    let hold = Hold {
        environment: EnvironmentName::parse("prod").unwrap(),
        number: 1,
        effect_digest: "sha256:0".to_owned(),
        reason: None,
    };
    store.hold(&hold, event::local_user(), datetime!(2026-03-01 12:00 UTC)).await
}

/// Takes a lease as soon as whoever has it lets it run out.
async fn take_over(store: &Store, name: &str) -> Store {
    let taken = async {
        loop {
            if let Some(taken) = store.lease(name, "two", LONG).await.unwrap() {
                break taken;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), taken).await.unwrap()
}

#[tokio::test]
async fn whoever_slept_past_the_end_of_a_lease_writes_nothing() {
    let store = store().await;
    let one = store.lease("environment/prod", "one", SHORT).await.unwrap().unwrap();
    write(&one).await.unwrap();
    let two = take_over(&store, "environment/prod").await;
    let before = store.entry_count().await.unwrap();
    assert!(matches!(write(&one).await, Err(StoreError::Fenced { .. })));
    assert!(matches!(one.renew().await, Err(StoreError::Fenced { .. })));
    one.let_go().await.unwrap();
    assert_eq!(store.entry_count().await.unwrap(), before);
    assert!(store.lease("environment/prod", "one", SHORT).await.unwrap().is_none());
    write(&two).await.unwrap();
}

#[tokio::test]
async fn a_lease_is_for_one_name_until_it_is_given_back() {
    let store = store().await;
    let one = store.lease("ledger", "one", LONG).await.unwrap().unwrap();
    assert!(store.lease("ledger", "two", LONG).await.unwrap().is_none());
    assert!(store.lease("environment/dev", "two", LONG).await.unwrap().is_some());
    one.renew().await.unwrap();
    one.let_go().await.unwrap();
    let two = store.lease("ledger", "two", LONG).await.unwrap().unwrap();
    assert!(two.lease.unwrap().token > one.lease.unwrap().token);
}

#[tokio::test]
async fn what_ran_out_and_nobody_took_is_still_held() {
    let store = store().await;
    let one = store.lease("ledger", "one", Duration::ZERO).await.unwrap().unwrap();
    write(&one).await.unwrap();
    one.renew().await.unwrap();
}
