//! One change from a branch to what callers meet, and what happens to whoever goes round it.

use gw_testkit::forge::api;
use tokio::task::block_in_place;

use super::stage::Stage;

/// Shows S3.23: holds
/// Shows S1.24: holds
/// Shows S2.5: part (webhooks of the emulated Bitbucket)
/// Shows S1.7: holds
/// Shows S2.2: holds
/// Shows S3.22: holds
#[tokio::test(flavor = "multi_thread")]
async fn from_a_branch_to_what_callers_meet() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.limit("Max core file size"), "0 0 bytes");
    stage.step("the server runs");
    let head = stage.head("main").await;
    let (told, code) = stage.asks("bob", &["apply", "--commit", &head]);
    assert_eq!(code, 3, "only an owner brings the first state: {told}");
    let (told, code) = stage.asks("ann", &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(told.contains("change 1 applied and verified"), "{told}");
    assert_eq!(stage.call("POST", &["sales"]).unwrap().status, 403);
    stage.step("the owner brought the first state: verified");

    let proposed = stage.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    let comment = stage.comment(1, "waits for").await;
    assert!(comment.contains("sales") && comment.contains("security"), "{comment}");
    stage.status(&proposed, "gatewright-plan", "waits for").await;
    let report = stage.get(&format!("/commit/{proposed}/reports/gatewright-plan")).await;
    assert_eq!(report["report_type"], "SECURITY", "{report}");
    stage.step("the pull request says who gains what, and why it waits");

    let (told, code) = stage.asks("bob", &["apply", "--commit", &proposed]);
    assert_eq!(code, 3, "{told}");
    let (told, code) = stage.asks("bob", &["status"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("pull request 1 waits for security since "), "{told}");
    stage.step("it is refused because it widens");

    stage.approve(&stage.carol, 1).await;
    stage.comment(1, "✔ yes").await;
    stage.step("security approved: it may be applied");

    stage.merge(1, "merge_commit").await;
    let merged = stage.head("main").await;
    stage.status(&merged, "gatewright-apply-prod", "applied and verified").await;
    assert_ne!(stage.call("POST", &["sales"]).unwrap().status, 403);
    stage.step("merged, live, verified");

    stage.tamper("100/1m", "900/1m").await;
    assert!(stage.serves("900/1m"));
    stage.step("somebody changes the gateway by hand");
    block_in_place(|| stage.await_served("100/1m"));
    stage.step("it is put back");

    nobody_goes_round_the_rules(&stage, &merged);
    stage.step("nobody goes round the rules");

    let (told, code) = stage.asks("bob", &["history"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("  server\n") && told.contains("operators (ann)\n"), "{told}");
    let (told, code) = stage.asks("bob", &["rollback", "--to", "1", "--reason", "sales is wrong"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(stage.call("POST", &["sales"]).unwrap().status, 403);
    stage.step("gone back");

    stage.kill();
    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    let (told, code) = stage.says(&[&["audit", "verify"], &ledger[..]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("VERIFIED"), "{told}");
    let (told, code) = stage.says(&[&["audit", "list"], &ledger[..]].concat());
    assert_eq!(code, 0, "{told}");
    for act in ["drift.found", "change.decided", "token.issued"] {
        assert!(told.contains(act), "{act}: {told}");
    }
    let (told, code) = stage.says(&[&["audit", "report"], &ledger[..]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("carol"), "on whose approval: {told}");
    assert!(told.contains(" for security · "), "how long it waited: {told}");
    let median = told.lines().find(|line| line.starts_with("median wait for security: "));
    assert!(median.is_some_and(|line| line.ends_with(", 1 approval")), "{told}");
    stage.step("whoever has a copy of the ledger can prove it");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_heard_before_a_kill_is_done_after_it() {
    let mut stage = Stage::new().await;
    let head = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &head]).1, 0);
    let proposed = stage.propose(&stage.bob, "narrow", &api("orders-team", "60/1m")).await;
    stage.comment(1, "60/1m").await;
    stage.status(&proposed, "gatewright-plan", "waits for").await;
    stage.approve(&stage.carol, 1).await;
    stage.comment(1, "✔ yes").await;
    // The webhook of the merge finds nobody.
    stage.kill();
    stage.merge(1, "squash").await;
    stage.start().await;
    let merged = stage.head("main").await;
    stage.status(&merged, "gatewright-apply-prod", "applied and verified").await;
    assert!(stage.serves("60/1m"));
}

/// Neither by accepting what differs nor by breaking glass.
fn nobody_goes_round_the_rules(stage: &Stage, merged: &str) {
    let (told, code) = stage.asks("bob", &["drift"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("prod "), "{told}");
    let (told, code) =
        stage.asks("bob", &["drift", "accept", "dr-000000", "--until", "2030-01-01"]);
    assert_eq!(code, 3, "no rule lets anybody accept: {told}");
    let glass = ["apply", "--commit", merged, "--break-glass", "--reason", "x", "--until"];
    let (told, code) = stage.asks("bob", &[&glass[..], &["2090-01-01T00:00:00Z"]].concat());
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("at most 7 days"), "{told}");
}
