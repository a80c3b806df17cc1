//! Backends that do not work any more after a change.

use gw_control::store::Outcome;
use gw_model::environment::Notice;

use super::{glass::ROLLBACK, *};

const SERVER: &str = "    - { actions: [rollback], identities: [operators, server] }\n";
const UPSTREAM: &str = "upstream: { url: http://127.0.0.1:9 }";
const HEALTH: &str = "upstream: { url: http://127.0.0.1:9, health: { operation: listOrders } }";

/// With a health operation, and this rule about going back.
async fn house(rule: &str) -> House {
    let (environment, orders) = ("environments/prod.yaml", "apis/orders/api.yaml");
    House::edited(&[(environment, ROLLBACK, rule), (orders, UPSTREAM, HEALTH)]).await
}

/// Sales may create orders, and with them the backend does what it does.
async fn merge(house: &House) -> Answer {
    let api = api("orders-team, sales", "100/1m").replace(UPSTREAM, HEALTH);
    house.propose(&house.stage.bob, "sales", &api).await;
    house.look().await;
    house.merge_approved(1, "merge_commit").await;
    house.answer("release/prod/merge/refs/heads/main").await
}

/// What was told of changes that failed.
async fn failures(house: &House) -> Vec<String> {
    let tasks = house.server.store.tasks(1000).await.unwrap();
    let told = tasks.into_iter().filter_map(|queued| match queued.task {
        Task::Notify { notification } if notification.on == Notice::Failed => {
            Some(notification.text.clone())
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_after_which_a_backend_fails_is_gone_back_from() {
    let house = house(SERVER).await;
    house.live.0.lock().sick = Some("sales".to_owned());
    let answer = merge(&house).await;
    assert_eq!((answer.end, answer.change), (End::Failed, Some(3)), "{answer:?}");
    let why = "orders does not work: `GET /orders` answers 503";
    assert_eq!(
        answer.text,
        format!("change 2 is gone back from, because {why}; 3 is 1 again"),
        "{answer:?}"
    );
    assert!(!house.live.has("sales"));
    let store = &house.server.store;
    let change = store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((change.begun.restores, change.begun.actor.identity.as_str()), (Some(1), "server"));
    let left = store.change(&prod(), 2).await.unwrap().unwrap();
    assert_eq!((left.outcome, left.detail.as_deref()), (Outcome::Unhealthy, Some(why)));
    // What was left does not come again by itself, and what was verified elsewhere it is not.
    assert_eq!(store.held(&prod(), &left.begun.effect_digest).await.unwrap(), Some(2));
    assert!(store.verified_in(&left.begun.source_digest).await.unwrap().is_empty());
    assert_eq!(failures(&house).await, [format!("prod: {}", answer.text)]);
    let head = house.stage.head("main").await;
    let statuses = house.stage.get(&format!("/commit/{head}/statuses")).await.to_string();
    assert!(statuses.contains("change 2 is gone back from"), "{statuses}");
    let mut report = gw_audit::report::Report::default();
    for bytes in store.entries(0, 10_000).await.unwrap() {
        report.meet(&gw_audit::entry::Entry::parse(&bytes).unwrap());
    }
    let rows = report.rows();
    let row = rows.iter().find(|row| row.change == Some(2)).unwrap();
    assert_eq!((row.outcome.as_str(), row.reason.as_deref()), ("unhealthy", Some(why)));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_rule_lets_the_server_go_back_the_change_is_marked_and_people_are_told() {
    let house = house(ROLLBACK).await;
    house.live.0.lock().sick = Some("sales".to_owned());
    let answer = merge(&house).await;
    assert_eq!((answer.end, answer.change), (End::Failed, Some(2)), "{answer:?}");
    assert!(answer.text.contains("; the server may not go back: "), "{answer:?}");
    assert!(house.live.has("sales"));
    let change = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((change.number, change.outcome), (2, Outcome::Unhealthy));
    assert_eq!(failures(&house).await.len(), 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_work_before_is_not_held_against_a_change() {
    let house = house(SERVER).await;
    house.live.0.lock().sick = Some("orders".to_owned());
    let answer = merge(&house).await;
    assert_eq!((answer.end, answer.change), (End::Done, Some(2)), "{answer:?}");
    assert!(house.live.has("sales"));
    house.end().await;
}
