//! In need: glass is broken, and a state is gone back to, whatever stops in between.

use std::process::Stdio;

use gw_testkit::forge::{Forge, api};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::task::block_in_place;

use super::stage::{File, Stage, said};

/// Going back needs an approval; whoever is on call may break glass, and the server ends that.
fn in_need(_: &Forge, mut files: Vec<File>) -> Vec<File> {
    for (path, text) in &mut files {
        if *path == "environments/prod.yaml" {
            *text = text.replace(
                "    - { actions: [rollback], identities: [operators] }\n",
                "    - { actions: [rollback], identities: [operators], commit: { branch: main, approvals: 1 } }
    - { actions: [rollback], identities: [server] }
    - { actions: [breakGlass], identities: [operators], claims: { groups: [oncall] } }\n",
            );
            assert!(text.contains("breakGlass"), "{text}");
        }
    }
    files
}

/// Change 1, and change 2 by a pull request: fewer calls.
async fn two_changes(stage: &Stage) {
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let proposed = stage.propose(&stage.bob, "fewer", &api("orders-team", "60/1m")).await;
    stage.bring(&proposed).await;
    assert!(stage.serves("60/1m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn glass_is_broken_by_its_rule_and_whole_again_when_its_time_is_over() {
    let stage = Stage::declaring(in_need).await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let proposed = stage.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    stage.comment(1, "waits for").await;
    let reason = "orders are down";
    let glass = ["apply", "--commit", &proposed, "--break-glass", "--reason", reason, "--until"];
    let until = |seconds| {
        let until = OffsetDateTime::now_utc() + Duration::seconds(seconds);
        until.format(&Rfc3339).unwrap()
    };
    let (told, code) = stage.asks("bob", &[&glass[..], &[&until(3600)]].concat());
    assert!(code == 3 && told.contains("error[GW3107]"), "{told}");
    let on_call = stage.token("bob", "https://gatewright.test", &["oncall"]);
    // Long enough for an apply and a look on a slow machine.
    let (told, code) = stage.shows(&on_call, &[&glass[..], &[&until(20)]].concat());
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(stage.serves("sales"));
    let (told, code) = stage.asks("ann", &["status"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("operators (bob) broke glass: change 2, until "), "{told}");
    assert!(told.contains(reason), "{told}");
    assert!(told.contains("then the server goes back, where a rule lets it"), "{told}");

    block_in_place(|| stage.await_gone("sales"));
    let (told, _) = stage.asks("ann", &["history"]);
    let newest = told.lines().next().unwrap();
    assert!(newest.contains("rollback (= 1)") && newest.contains("  server"), "{told}");
    assert!(told.contains("breakGlass"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_tells_what_it_does_and_is_approved_by_its_plan() {
    let stage = Stage::declaring(in_need).await;
    two_changes(&stage).await;
    let back = ["rollback", "--to", "1", "--reason", "too few calls"];
    let (told, code) = stage.asks("bob", &back);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("60/1m → 100/1m"), "what it does to callers: {told}");
    let plan = told.split_once(" approve p-").expect("what helps").1;
    let plan =
        format!("p-{}", plan.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
    // It is not only in the terminal of whoever asked.
    let (told, _) = stage.asks("carol", &["status"]);
    let approve = format!("approve {plan}");
    assert!(told.contains("rollback to 1 waits for 1 approval since "), "{told}");
    assert!(told.contains(&approve), "{told}");
    let (told, _) = stage.asks("carol", &["status", "--json"]);
    let waits = &serde_json::from_str::<Value>(&told).unwrap()["environments"][0]["waits"];
    assert_eq!((&waits[0]["rollbackTo"], &waits[0]["plan"]), (&json!(1), &json!(plan)), "{told}");

    // Nobody is told "approved" whose approval counts for nothing.
    for (who, why) in [
        ("bob", "your approval would not count: you made what is changed, or asked for it"),
        ("zoe", "your approval would not count: you are not one person under `people`"),
    ] {
        let (told, code) = stage.asks(who, &["approve", &plan]);
        assert_eq!(code, 3, "{told}");
        assert!(told.contains(why) && !told.contains("approved what"), "{told}");
    }
    let (told, code) = stage.asks("bob", &back);
    assert_eq!(code, 3, "nobody approves what they ask for: {told}");
    let (told, code) = stage.asks("carol", &["approve", &plan]);
    assert_eq!(code, 0, "{told}");
    let again = "--env prod rollback --to 1";
    assert!(told.contains("next: whoever asked asks again:") && told.contains(again), "{told}");
    let (told, _) = stage.asks("carol", &["status"]);
    assert!(told.contains("rollback to 1 is approved: ") && told.contains(again), "{told}");

    let (told, code) = stage.asks("bob", &[&back[..], &["--json"]].concat());
    assert_eq!(code, 0, "{told}");
    let plan: Value = serde_json::from_str(told.lines().next().unwrap()).unwrap();
    assert_eq!(plan["schema"], json!("gatewright.io/plan/v1"), "{told}");
    assert_eq!(plan["callers"][0]["text"], json!("60/1m → 100/1m per caller"), "{told}");
    assert!(stage.serves("100/1m"));
    let (told, _) = stage.asks("carol", &["status"]);
    assert!(!told.contains("rollback to 1 waits"), "{told}");
    assert!(told.contains("the state of change 2 is held") && told.contains("rollback --to 2"));
    // Both count the same: what was waited for to go back is in neither.
    let (told, _) = stage.asks("carol", &["status"]);
    let figure = told.lines().find_map(|line| line.trim().strip_prefix("median wait for "));
    let figure = figure.expect("a pull request waited").to_owned();
    let (report, code) = stage.says(&["audit", "report", "--state", "state", "-w", "desk"]);
    assert!(code == 0 && report.contains(&figure), "{figure}\n{report}");
    let (told, _) = stage.asks("carol", &["history"]);
    let held: Vec<&str> = told.lines().filter(|line| line.ends_with("   held")).collect();
    assert!(held.len() == 1 && held[0].trim_start().starts_with("2  apply"), "{told}");
}

/// Bob goes back, and as soon as something is written for the gateway nothing is left of the server. Whether
/// it was under way.
fn cut_off(stage: &mut Stage, to: u64) -> bool {
    let token = stage.folder.path().join("bob.jwt");
    std::fs::write(&token, stage.token("bob", "https://gatewright.test", &[])).unwrap();
    let (to, known) = (to.to_string(), stage.generations());
    let asked = stage
        .program(&["rollback", "--to", &to, "--json", "--server", &stage.server, "--env", "prod"])
        .env("GATEWRIGHT_TOKEN_FILE", token)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    stage.await_generation(known);
    stage.kill();
    let (told, code) = said(asked.wait_with_output().unwrap());
    assert!(code == 0 || (code == 6 && told.contains("it has taken what was asked")), "{told}");
    let (told, _) = stage.says(&["history", "--state", "state", "-w", "desk"]);
    told.lines().next().unwrap().contains("stopped half way")
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_goes_on_where_it_was_cut_off() {
    let mut stage = Stage::new().await;
    two_changes(&stage).await;
    // Which is faster, the kill or the last step, nobody knows: one of them is cut off.
    let states = [(1, "100/1m"), (2, "60/1m")].into_iter().cycle().take(20);
    let mut was_cut_off = false;
    for (back, (to, rate)) in states.enumerate() {
        was_cut_off = block_in_place(|| cut_off(&mut stage, to));
        stage.start().await;
        block_in_place(|| stage.await_served(rate));
        let (told, code) = stage.asks("bob", &["history"]);
        assert_eq!(code, 0, "{told}");
        assert_eq!(told.matches("rollback (= ").count(), back + 1, "{told}");
        if was_cut_off {
            break;
        }
    }
    assert!(was_cut_off, "each was too fast");
    stage.kill();
    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    let (told, code) = stage.says(&[&["audit", "verify"], &ledger[..]].concat());
    assert!(code == 0 && told.contains("VERIFIED"), "{told}");
}
