//! What a server tells whoever asks, before anything is done.

use std::fs;

use gw_testkit::forge::api;

use super::stage::Stage;

/// A branch that is behind takes nothing away that others merged since.
#[tokio::test(flavor = "multi_thread")]
async fn a_pull_request_is_planned_by_hand_as_it_is_told_below_it() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    let (told, code) = stage.asks("ann", &["apply", "--commit", &first]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("WIDENS ACCESS"), "an apply tells first what it does: {told}");

    let wider = stage.propose(&stage.bob, "wider", &api("orders-team, audit", "100/1m")).await;
    let behind = propose_file(&stage, "behind", "NOTES.md").await;
    let merged = stage.bring(&wider).await;
    let below = stage.comment(2, "nothing changes").await;
    assert!(below.contains("plan --env prod --pull-request 2`"), "{below}");
    let ask = |arguments: &[&str]| stage.asks("bob", arguments);
    let (told, code) = ask(&["plan", "--pull-request", "2"]);
    assert!(code == 0 && !told.contains("group audit"), "{told}");
    let (alone, _) = ask(&["plan", "--commit", &behind]);
    assert!(alone.contains("group audit"), "the branch alone is behind: {alone}");

    for (number, exit, words) in
        [("1", 2, "pull request 1 is merged"), ("7", 1, "nothing of pull request 7")]
    {
        let (told, code) = ask(&["plan", "--pull-request", number]);
        assert!(code == exit && told.contains(words), "{code} {told}");
    }
    // What is planned on this machine is what lies in the folder, whatever commit is named.
    for command in ["plan", "apply"] {
        let (told, code) = stage.says(&[command, "--commit", &merged]);
        assert!(code == 2 && told.contains("only a server does that"), "{code} {told}");
    }
}

/// Bob adds a file that declares nothing. The head of his pull request.
async fn propose_file(stage: &Stage, branch: &str, name: &str) -> String {
    let desk = stage.desk();
    stage.git(&desk, &["checkout", "--quiet", "-b", branch, "main"]).await;
    fs::write(desk.join(name), "Notes\n").unwrap();
    let head = stage.commit(&desk, branch).await;
    stage.push(&stage.bob, &desk, &[&format!("HEAD:refs/heads/{branch}")]).await;
    stage.open(&stage.bob, branch, branch).await;
    stage.git(&desk, &["checkout", "--quiet", "main"]).await;
    head
}
