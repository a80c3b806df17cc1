//! Why a change was refused, as whoever meets the refusal asks it.

use gw_testkit::forge::api;
use serde_json::Value;

use super::stage::Stage;

/// Shows S0.28: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_change_is_told_link_by_link() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    let (told, code) = stage.asks("bob", &["apply", "--commit", &first]);
    assert_eq!(code, 3, "{told}");
    let (told, code) = stage.asks("ann", &["explain", "--last"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("DENIED  apply to prod · operators (bob)"), "{told}");
    assert!(told.contains("needs   ann of operators"), "{told}");
    let (told, code) = stage.asks("ann", &["apply", "--commit", &first]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    let (told, code) = stage.asks("bob", &["explain", "--last"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.starts_with("ALLOWED  apply to prod · operators (ann)"), "{told}");
    assert!(told.contains("✔ target      change 1 is what it serves"), "{told}");

    let head = stage.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    stage.comment(1, "waits for").await;
    stage.approve(&stage.bob, 1).await;
    stage.merge(1, "merge_commit").await;
    let merged = stage.head("main").await;
    assert_ne!(head, merged);
    let (told, code) = stage.asks("bob", &["apply", "--commit", &merged]);
    assert_eq!(code, 3, "{told}");
    let said = told.split_once(" explain ").unwrap().1;
    let id = said.split_once('`').unwrap().0;
    let (told, code) = stage.asks("bob", &["explain", id]);
    assert_eq!(code, 0, "{told}");
    let lines: Vec<&str> = told.lines().map(str::trim_end).collect();
    let has = |text: &str| assert!(lines.iter().any(|line| line.contains(text)), "{text}\n{told}");
    has("DENIED  apply to prod · operators (bob) · commit");
    has("✔ Git host    the credential is taken, repository acme/apis");
    has("is on main");
    has("pull request #1: bob does not count: made part of this change");
    has("✘ rules       action  apply");
    has("needs   ");
    has("approval by team security");
    has("– target      not reached");
    has("– vault       not reached");
    has("nothing was written");
    has("--env prod approve p-");

    // The same behind the link, for whoever may see it.
    let (json, code) = stage.asks("bob", &["explain", id, "--json"]);
    assert_eq!(code, 0, "{json}");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["isAllowed"], false);
    assert_eq!(json["links"][1]["part"], "rules");
    assert_eq!(json["links"][1]["blocked"]["scope"], "prod");
    let (told, code) = stage.asks("bob", &["explain", "d-00000000000000000Z"]);
    assert_eq!(code, 3, "{told}");
    let (told, code) = stage.asks("bob", &["explain", "GW3104"]);
    assert_eq!(code, 0, "codes need no server: {told}");
}
