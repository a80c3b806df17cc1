//! A step of a pipeline, followed from Bitbucket to the ledger and back.

use gw_emulators::bitbucket::Ending;
use gw_testkit::forge::api;
use tokio::task::block_in_place;

use super::stage::Stage;

const AUDIENCE: &str = "https://gatewright.test";

/// Shows S0.17: holds
/// Shows S1.26: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_traced_by_status_deployment_comment_and_ledger() {
    // Only the step applies: nobody else is told of the merge.
    let merges = "    - { event: merge, branch: main, do: apply }\n";
    let by_step = |file: (&'static str, String)| (file.0, file.1.replace(merges, ""));
    let stage = Stage::declaring(|_, files| files.into_iter().map(by_step).collect()).await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0, "{}", stage.said());

    // A comment leads to the plan that it tells of.
    let proposed = stage.propose(&stage.bob, "narrow", &api("orders-team", "60/1m")).await;
    let comment = stage.comment(1, "60/1m").await;
    let plan = comment.split_once(&format!("{}/p/", stage.server)).expect("a link to the plan").1;
    assert!(plan.starts_with("p-"), "{comment}");
    stage.status(&proposed, "gatewright-plan", "waits for").await;
    stage.approve(&stage.carol, 1).await;
    stage.comment(1, "✔ yes").await;
    stage.merge(1, "squash").await;
    let merged = stage.head("main").await;

    let production = stage.bitbucket.add_environment(&stage.repository, "Production").unwrap();
    let run = stage.run(AUDIENCE, Some(&production));
    let (told, code) = stage.shows(&run.token, &["apply", "--commit", &merged]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(told.contains("change 2 applied and verified"), "{told}");
    // Bitbucket calls it failed all the same: a later line of its script went wrong.
    stage.bitbucket.end_step(&run.step, Ending::Failed).unwrap();

    // The build status beside the commit leads to the decision, and that to its entry.
    stage.status(&merged, "gatewright-apply-prod", "applied and verified").await;
    let statuses = stage.get(&format!("/commit/{merged}/statuses")).await;
    let link = statuses["values"][0]["url"].as_str().unwrap().to_owned();
    let decision = link.strip_prefix(&format!("{}/d/", stage.server)).unwrap().to_owned();

    let deployment = format!(
        "deployment Production #1 failed ({}/acme/apis/pipelines/results/1): the step did not \
         succeed, and the change is verified; the host calls the environment `Production`, here \
         it is `prod`",
        stage.bitbucket.url()
    );
    let explain = ["explain", decision.as_str()];
    let told = block_in_place(|| stage.await_asked("bob", &explain, &deployment));
    assert!(told.contains(" · ledger entry "), "{told}");
    let (told, code) = stage.asks("bob", &["explain", "2"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&deployment.replacen(' ', "  ", 1)), "{told}");
    let (told, code) = stage.asks("bob", &["history"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("      {deployment}")), "{told}");

    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    let (told, code) = stage.says(&[&["audit", "list", "--change", "2"], &ledger[..]].concat());
    assert_eq!(code, 0, "{told}");
    let line = told.lines().find(|line| line.contains("change.deployed")).unwrap();
    for part in ["failed", "bitbucket", run.step.as_str(), run.pipeline.as_str(), "Production"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let (told, code) = stage.says(&[&["audit", "report"], &ledger[..]].concat());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&deployment), "{told}");
    assert!(told.contains(&decision), "{told}");
    // Code and infrastructure on one trail: who merged, who approved, which run, what became of it.
    assert!(told.contains("approved by carol"), "{told}");
    assert!(told.contains("pull request 1 merged by ann"), "{told}");
    assert!(told.contains(" via people (bob) via bitbucket "), "{told}");
    assert!(told.contains(" via run (#1) via pipeline "), "{told}");
}

/// Shows S0.4: holds
#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_a_failed_run_tells_all_of_it() {
    let stage = Stage::declaring(|_, files| {
        let slow = |text: String| text.replace("every: 1s", "every: 1h");
        files.into_iter().map(|(path, text)| (path, slow(text))).collect()
    })
    .await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0, "{}", stage.said());
    // Nobody approved it: a rule stops the run.
    let proposed = stage.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    stage.comment(1, "waits for").await;
    let refused = stage.run(AUDIENCE, None);
    let (said, code) = stage.shows(&refused.token, &["apply", "--commit", &proposed]);
    assert_eq!(code, 3, "{said}");
    let (told, code) = stage.asks("bob", &["explain", "#1"]);
    assert_eq!(code, 0, "{told}");
    for part in [
        "DENIED  apply to prod · pipeline (",
        "asked by run #1, pipeline ",
        "environments/prod.yaml",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // The same by what else the log of the run shows: its ids, and the decision that it names.
    let id = said.split_once(" explain ").unwrap().1.split_once('`').unwrap().0;
    for name in [id, refused.step.as_str(), refused.pipeline.as_str()] {
        assert_eq!(stage.asks("bob", &["explain", name]), (told.clone(), 0), "{name}");
    }
    // The target cannot be used: what it says stops the run.
    let current = stage.folder.path().join("state/targets/prod/default/current");
    let kept = std::fs::read(&current).unwrap();
    std::fs::write(&current, "nothing that is known\n").unwrap();
    let failed = stage.run(AUDIENCE, None);
    let (said, code) = stage.shows(&failed.token, &["apply", "--commit", &first]);
    assert!(code == 1 || code == 4, "{code}: {said}");
    std::fs::write(&current, kept).unwrap();
    let (told, code) = stage.asks("bob", &["explain", "#2"]);
    assert_eq!(code, 0, "{told}");
    for part in
        ["DENIED  apply to prod · pipeline (", "asked by run #2, pipeline ", "✘ target", "[GW32"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    let (told, code) = stage.asks("bob", &["explain", "#3"]);
    assert_eq!(code, 3, "{told}");

    // And by a copy of the ledger alone.
    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    for run in ["2", "#2", failed.step.as_str(), failed.pipeline.as_str()] {
        let list = [&["audit", "list", "--run", run], &ledger[..]].concat();
        let (told, code) = stage.says(&list);
        assert_eq!(code, 0, "{told}");
        let acts: Vec<&str> =
            told.lines().filter_map(|line| line.split_whitespace().nth(3)).collect();
        assert!(acts.contains(&"token.issued") && acts.contains(&"change.decided"), "{told}");
        assert!(!told.contains(refused.step.as_str()), "{told}");
    }
}
