//! What somebody did by hand becomes a change like any other.

use gw_testkit::forge::Forge;
use tokio::task::block_in_place;

use super::stage::{File, Stage};

/// What differs is told, and whoever operates may keep it.
fn told_only(_: &Forge, mut files: Vec<File>) -> Vec<File> {
    for (path, text) in &mut files {
        if *path == "environments/prod.yaml" {
            *text = text.replace("then: revert", "then: report").replace(
                "    - { actions: [rollback], identities: [operators] }\n",
                "    - { actions: [rollback, acceptDrift], identities: [operators] }\n",
            );
        }
    }
    files
}

/// How the server calls what differs, once it has seen it.
fn difference(stage: &Stage) -> String {
    let told = block_in_place(|| stage.await_asked("bob", &["drift"], "does not hold"));
    assert_eq!(stage.asks("bob", &["drift", "--exit-code"]).1, 4);
    told.split_whitespace().find(|word| word.starts_with("dr-")).unwrap().to_owned()
}

/// Shows S3.19: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_by_hand_is_proposed_approved_and_kept() {
    let stage = Stage::declaring(told_only).await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    stage.tamper("100/1m", "900/1m").await;
    let id = difference(&stage);
    let (told, _) = stage.asks("bob", &["status"]);
    assert!(told.contains(&format!("it does not hold what was written ({id})")), "{told}");
    let (told, _) = stage.asks("bob", &["doctor"]);
    assert!(told.contains(&format!("what was written is not what is there: {id}")), "{told}");
    let (told, code) = stage.asks("bob", &["drift", "accept", "dr-000000", "--as-branch"]);
    assert_eq!(code, 3, "{told}");
    let (told, code) = stage.asks("bob", &["drift", "accept", &id, "--as-branch"]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(told.contains(&format!("pull request 1, branch gatewright/{id}")), "{told}");
    let (told, code) = stage.asks("bob", &["drift", "accept", &id, "--as-branch"]);
    assert_ne!(code, 0, "once is enough: {told}");

    // One value, and nothing beside it; git finds nothing to say against it.
    let (desk, branch) = (stage.desk(), format!("gatewright/{id}"));
    stage.git(&desk, &["fetch", "--quiet", "origin", &branch]).await;
    stage.git(&desk, &["fsck", "--strict", "--no-dangling"]).await;
    let changed = stage.git(&desk, &["diff", "--unified=0", "main", "FETCH_HEAD"]).await;
    let lines = changed.lines().filter(|line| {
        line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---")
    });
    let lines: Vec<&str> = lines.collect();
    assert_eq!(
        lines,
        ["-    - { rate: 100/1m, per: caller }", "+    - { rate: 900/1m, per: caller }"]
    );
    let head = stage.git(&desk, &["rev-parse", "FETCH_HEAD"]).await;
    stage.comment(1, "900/1m").await;
    stage.bring(head.trim()).await;
    let (told, code) = stage.asks("bob", &["drift", "--exit-code"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("prod holds what was written"), "{told}");
    assert!(!stage.asks("bob", &["status"]).0.contains("does not hold"));
    assert!(stage.serves("900/1m"));

    // What no declaration says in one word stays for people to write.
    stage.tamper("createOrder", "makeOrder").await;
    let id = difference(&stage);
    let (told, code) = stage.asks("bob", &["drift", "accept", &id, "--as-branch"]);
    assert!(code == 2 && told.contains("error[GW3115]"), "{code} {told}");
    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    let (told, code) = stage.says(&[&["audit", "report"], &ledger[..]].concat());
    assert!(code == 0 && told.contains("drift.adopted"), "{told}");
}
