use gw_audit::note::Signer;
use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const SECURITY: &str = "approval by team security";

async fn store() -> Store {
    let signer = Signer::new("gatewright/test", &[7; 32]).unwrap();
    Store::blank(signer.verifier().clone()).await.unwrap()
}

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn gates(names: &[&str]) -> Vec<String> {
    names.iter().map(|it| (*it).to_owned()).collect()
}

fn hours(hours: i64) -> OffsetDateTime {
    NOON + Duration::hours(hours)
}

/// One look at a pull request.
async fn look(store: &Store, number: u64, head: &str, names: &[&str], at: OffsetDateTime) {
    let look = Look { head, gates: &gates(names), approved_at: Some(at), at };
    store.wait(&prod(), number, look).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_known_until_it_came_and_how_long_that_took_afterwards() {
    let store = store().await;
    look(&store, 7, "aaa", &[SECURITY, "2 approvals"], NOON).await;
    look(&store, 7, "bbb", &[SECURITY, "2 approvals"], hours(1)).await;
    look(&store, 7, "bbb", &["2 approvals"], hours(3)).await;
    let open = store.waits(&prod()).await.unwrap();
    let [wait] = open.as_slice() else { panic!("{open:?}") };
    assert_eq!((wait.gate.as_str(), wait.head.as_str(), wait.since), ("2 approvals", "bbb", NOON));
    let told: Vec<String> =
        store.gates(&prod()).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(told, ["median wait for security: 3 h, 1 approval"]);
    // The next one waits anew.
    look(&store, 8, "ccc", &[SECURITY], hours(3)).await;
    let passed = store.pass(&prod(), &[7].into(), Some(hours(5)), hours(6)).await.unwrap();
    let expected = [(SECURITY, 3), ("2 approvals", 5)];
    assert_eq!(passed, expected.map(|(gate, it)| (gate.to_owned(), Duration::hours(it))));
    assert_eq!(store.waits(&prod()).await.unwrap().len(), 1);
    let elsewhere = EnvironmentName::parse("staging").unwrap();
    assert!(store.waits(&elsewhere).await.unwrap().is_empty());
    store.forget_waits(8).await.unwrap();
    assert!(store.waits(&prod()).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_head_is_told_once_for_whom_it_waits() {
    let store = store().await;
    let told = async |head: &str, names: &[&str]| {
        let look = Look { head, gates: &gates(names), approved_at: None, at: NOON };
        let told = store.is_wait_told(&prod(), 7, look).await.unwrap();
        store.wait(&prod(), 7, look).await.unwrap();
        told
    };
    assert!(!told("aaa", &[SECURITY]).await);
    assert!(told("aaa", &[SECURITY]).await);
    assert!(!told("aaa", &[SECURITY, "2 approvals"]).await);
    assert!(told("aaa", &[SECURITY]).await);
    assert!(!told("bbb", &[SECURITY]).await);
    assert!(!told("aaa", &[SECURITY]).await);
}
