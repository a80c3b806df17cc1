//! From a pull request to what is served, and back.

use gw_control::{doctor, drift};
use gw_emulators::bitbucket::Fault;
use gw_model::environment::Notice;
use time::format_description::well_known::Rfc3339;

use super::*;

/// Shows S0.18: holds
/// Shows S2.25: part (build status and comment; `notify` where it is declared)
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_security_approved_is_live_and_one_that_nobody_approved_is_not() {
    let house = House::new().await;
    let stage = &house.stage;
    assert!(house.live.has("orders-team") && !house.live.has("sales"));

    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    let [comment] = &stage.comments(1).await[..] else { panic!("one comment") };
    assert!(comment.contains("sales") && comment.contains("security"), "{comment}");

    // Ann is no member of security, so that one more is needed.
    stage.advance();
    stage.approve(&stage.ann, 1).await;
    stage.advance();
    stage.merge(1, "merge_commit").await;
    house.look().await;
    let refused = house.answer("release/prod/merge/refs/heads/main").await;
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    assert!(!house.live.has("sales"));
    assert_eq!(stage.comments(1).await.len(), 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_approved_is_live_whatever_was_merged_in_between() {
    let house = House::new().await;
    let stage = &house.stage;
    house.bring(1, "sales", &api("orders-team, sales", "100/1m")).await;
    let applied = house.answer("release/prod/merge/refs/heads/main").await;
    assert_eq!(applied.end, End::Done, "{applied:?}");
    assert_eq!(applied.change, Some(2), "{applied:?}");
    assert!(house.live.has("sales"));
    let head = stage.head("main").await;
    let statuses = stage.get(&format!("/commit/{head}/statuses")).await;
    let told = statuses["values"][0]["description"].as_str().unwrap();
    assert_eq!(told, "change 2 is applied and verified");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_on_the_branches_that_hold_it_when_somebody_asks() {
    let house = House::new().await;
    let stage = &house.stage;
    let head = house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    stage.advance();
    stage.approve(&stage.carol, 1).await;
    let answer = reconcile(&house.server, &order(somebody("dana"), &head)).await.unwrap();
    assert_eq!(answer.end, End::Denied, "{answer:?}");
    // The commit is here since long; of its merge nobody told.
    stage.advance();
    stage.merge(1, "fast_forward").await;
    assert_eq!(stage.head("main").await, head);
    let answer = reconcile(&house.server, &order(somebody("dana"), &head)).await.unwrap();
    assert_eq!(answer.end, End::Done, "{answer:?}");
    assert!(house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_did_not_bring_the_change_is_not_asked_for() {
    let house = House::new().await;
    let stage = &house.stage;
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    for name in ["finance", "support", "audit"] {
        house.propose(&stage.bob, name, &api(&format!("orders-team, {name}"), "100/1m")).await;
    }
    house.look().await;
    stage.advance();
    stage.approve(&stage.carol, 1).await;
    stage.advance();
    stage.merge(1, "squash").await;
    for number in 2..=4 {
        stage.bitbucket.fail_next(&format!("/pullrequests/{number}"), Fault::Status(404));
    }
    let head = stage.head("main").await;
    let answer = reconcile(&house.server, &order(somebody("dana"), &head)).await.unwrap();
    assert_eq!(answer.end, End::Done, "{answer:?}");
    assert!(house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_does_not_count_is_told_and_stops_nothing() {
    // A token of the repository may not ask what accounts may do, so that no approval is worth anything.
    let house = House::by(Stage::writer).await;
    let stage = &house.stage;
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    stage.advance();
    stage.approve(&stage.bob, 1).await;
    stage.approve(&stage.carol, 1).await;
    house.server.ask(Task::PullRequest { number: 1 }).await.unwrap();
    house.settle().await;
    let [comment] = &stage.comments(1).await[..] else { panic!("one comment") };
    assert!(comment.contains("waits for"), "{comment}");
    let told = comment.lines().find(|line| line.starts_with("Approvals that do not count in prod"));
    let told = told.unwrap_or_else(|| panic!("{comment}"));
    assert!(told.contains("bob made part of this change"), "{told}");
    assert!(told.contains("carol may or may not write to the repository"), "{told}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changes_behind_our_back_is_put_back_and_a_fight_ends() {
    let house = House::new().await;
    let drift = Task::Drift { environment: prod() };
    for times in 1..=3 {
        house.live.tamper("100/1m", "900/1m");
        house.stage.advance();
        house.server.ask(drift.clone()).await.unwrap();
        house.settle().await;
        let answer = house.answer("drift/prod").await;
        assert_eq!(answer.end, End::Done, "{answer:?}");
        assert!(house.live.has("100/1m"), "{times}");
    }
    house.live.tamper("100/1m", "900/1m");
    house.server.ask(drift).await.unwrap();
    house.settle().await;
    let answer = house.answer("drift/prod").await;
    assert_eq!(answer.code.as_deref(), Some("GW3112"), "{answer:?}");
    assert!(house.live.has("900/1m"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_away_is_no_drift_and_is_told_again_when_it_comes_back() {
    let house = House::edited(&[("environments/prod.yaml", "then: revert", "then: report")]).await;
    let (server, store) = (&house.server, &house.server.store);
    let look = async |stands: bool, times: usize| {
        house.stage.advance();
        drift::compare(server, &prod()).await.unwrap();
        assert_eq!(drift::standing(server, &prod()).await.unwrap().is_some(), stands);
        assert_eq!(house.found(Act::DriftFound).await, times);
        let compared = store.compared(&prod()).await.unwrap().unwrap();
        assert_eq!((compared.at, compared.why), (server.clock.now(), None));
    };
    look(false, 0).await;
    house.live.tamper("100/1m", "900/1m");
    look(true, 1).await;
    look(true, 1).await;
    house.live.tamper("900/1m", "100/1m");
    look(false, 1).await;
    house.live.tamper("100/1m", "900/1m");
    look(true, 2).await;
    // Whatever is there while it does not answer, nobody knows.
    house.live.0.lock().is_down = true;
    drift::compare(server, &prod()).await.unwrap_err();
    assert!(store.compared(&prod()).await.unwrap().unwrap().why.is_some());
    house.live.0.lock().is_down = false;
    // A change decides anew what is to be so; nobody looked since.
    let back = Order {
        environment: prod(),
        asker: somebody("ann"),
        aim: Aim::State { to: 1, reason: None },
    };
    reconcile(server, &back).await.unwrap();
    assert_eq!(drift::standing(server, &prod()).await.unwrap(), None);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_nobody_has_is_told_where_it_is_named() {
    let house = House::new().await;
    let slip =
        ("environments/prod.yaml", "event: merge, branch: main", "event: merge, branch: mian");
    house.branch("slip", &[slip]).await;
    house.look().await;
    let [comment] = &house.stage.comments(1).await[..] else { panic!("one comment") };
    let told = "⚠ prod names a branch that the repository does not have: mian (did you mean main?)";
    assert!(comment.lines().any(|line| line == told), "{comment}");

    let house = House::edited(&[slip]).await;
    let rules = house.server.in_force(&prod()).await.unwrap().unwrap();
    let links = doctor::of_environment(&house.server, Some(&rules)).await;
    let told: Vec<_> = links.iter().filter(|link| link.name == "branch mian").collect();
    let [link] = &told[..] else { panic!("{links:?}") };
    assert!(!link.good && link.found.ends_with("`mian` (did you mean `main`?)"), "{link:?}");
    house.propose(&house.stage.bob, "more", &api("orders-team", "200/1m")).await;
    house.look().await;
    let [comment] = &house.stage.comments(1).await[..] else { panic!("one comment") };
    assert!(!comment.contains("mian"), "each pull request would tell it: {comment}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_brings_the_first_state() {
    let house = House::bare().await;
    let aim = || Aim::Head { reference: "refs/heads/main".to_owned() };
    for (asker, end) in [
        (Asker::server(), End::Denied),
        (somebody("ann"), End::Denied),
        (somebody("owner"), End::Done),
    ] {
        let order = Order { environment: prod(), asker, aim: aim() };
        let answer = reconcile(&house.server, &order).await.unwrap();
        assert_eq!(answer.end, end, "{answer:?}");
    }
    assert_eq!(house.change().await, 1);
    house.end().await;
}

/// Shows S1.28: holds
/// Shows S1.25: part (counts and times of one gate, end to end)
#[tokio::test(flavor = "multi_thread")]
async fn how_long_one_waits_for_security_is_told_to_the_next_one_and_recorded() {
    let house = House::new().await;
    let stage = &house.stage;
    let waiting = async || {
        let tasks = house.server.store.tasks(1000).await.unwrap();
        let told = tasks.into_iter().filter_map(|it| match it.task {
            Task::Notify { notification } if notification.on == Notice::Waiting => {
                Some((notification.pull_request.unwrap(), notification.waits_for.join(", ")))
            }
            _ => None,
        });
        let mut told: Vec<(u64, String)> = told.collect();
        told.sort();
        told
    };
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    house.server.ask(Task::PullRequest { number: 1 }).await.unwrap();
    house.settle().await;
    assert_eq!(waiting().await, [(1, "1 approval, security".to_owned())], "it is told once");
    let comment = stage.comments(1).await.join("\n");
    assert!(!comment.contains("median"), "nobody came through yet: {comment}");
    let open = house.server.store.waits(&prod()).await.unwrap();
    assert_eq!(open.iter().map(|it| it.pull_request).collect::<Vec<_>>(), [1, 1]);

    (0..130).for_each(|_| stage.advance());
    stage.approve(&stage.carol, 1).await;
    stage.advance();
    stage.merge(1, "squash").await;
    house.look().await;
    assert_eq!(house.change().await, 2);
    assert!(house.server.store.waits(&prod()).await.unwrap().is_empty());
    let gates = house.server.store.gates(&prod()).await.unwrap();
    let told: Vec<String> = gates.iter().map(ToString::to_string).collect();
    let expected = ["1 approval", "security"];
    let expected = expected.map(|it| format!("median wait for {it}: 2 h 10 min, 1 approval"));
    assert_eq!(told, expected);
    let mut report = gw_audit::report::Report::default();
    for bytes in house.server.store.entries(0, 10_000).await.unwrap() {
        report.meet(&gw_audit::entry::Entry::parse(&bytes).unwrap());
    }
    let rows = report.rows();
    let row = rows.iter().find(|row| row.change == Some(2)).unwrap();
    let waits: Vec<_> = row.waits.iter().map(|(gate, it)| (gate.as_str(), *it)).collect();
    let waited = time::Duration::minutes(130);
    assert_eq!(waits, [("1 approval", waited), ("approval by team security", waited)]);

    stage.git(&house.desk, &["pull", "--quiet", &stage.remote(&stage.ann), "main"]).await;
    house.propose(&stage.bob, "guests", &api("orders-team, sales, guests", "100/1m")).await;
    house.look().await;
    let comment = stage.comments(2).await.join("\n");
    assert!(comment.contains("(median wait 2 h 10 min)"), "{comment}");
    assert_eq!(waiting().await.len(), 2);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_does_not_outlive_what_it_approved() {
    let house = House::new().await;
    let stage = &house.stage;
    let (wide, narrow) = (api("orders-team, sales", "100/1m"), api("orders-team", "100/1m"));
    stage.propose(&stage.bob, "sales", &wide).await;
    // It takes the first one back, and changes nothing of what is in force.
    stage.git(&house.desk, &["checkout", "--quiet", "-b", "back", "sales"]).await;
    std::fs::write(house.desk.join("apis/orders/api.yaml"), &narrow).unwrap();
    stage.commit(&house.desk, "back").await;
    stage.push(&stage.bob, &house.desk, &["HEAD:refs/heads/back"]).await;
    stage.open(&stage.bob, "back", "back").await;
    house.look().await;
    stage.advance();
    stage.approve(&stage.carol, 1).await;
    stage.approve(&stage.carol, 2).await;
    stage.advance();
    // The server sees both at once.
    stage.merge(1, "merge_commit").await;
    stage.merge(2, "merge_commit").await;
    house.look().await;
    assert!(!house.live.has("sales"));

    stage.git(&house.desk, &["checkout", "--quiet", "main"]).await;
    stage.git(&house.desk, &["pull", "--quiet", &stage.remote(&stage.bob), "main"]).await;
    stage.propose(&stage.bob, "again", &wide).await;
    house.look().await;
    let [comment] = &stage.comments(3).await[..] else { panic!("one comment") };
    assert!(comment.contains("waits for"), "{comment}");
    stage.advance();
    stage.merge(3, "squash").await;
    house.look().await;
    let refused = house.answer("release/prod/merge/refs/heads/main").await;
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    assert!(!house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_that_does_not_compile_is_told_beside_its_commit() {
    let house = House::new().await;
    let stage = &house.stage;
    house.propose(&stage.bob, "wrong", "kind: Nothing\n").await;
    stage.merge(1, "squash").await;
    house.look().await;
    let failed = house.answer("release/prod/merge/refs/heads/main").await;
    assert_eq!(failed.end, End::Wrong, "{failed:?}");
    let head = stage.head("main").await;
    let statuses = stage.get(&format!("/commit/{head}/statuses")).await;
    let statuses = statuses["values"].as_array().unwrap();
    let [status] = &statuses[..] else { panic!("{statuses:?}") };
    assert_eq!(status["key"], "gatewright-apply-prod");
    assert_eq!(status["state"], "FAILED");
    assert_eq!(status["url"], "https://gatewright.example.com");
    let told = status["description"].as_str().unwrap();
    assert!(told.starts_with("the declarations of commit"), "{told}");
    assert_eq!(house.change().await, 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_counts_from_the_moment_on_at_which_the_comment_can_be_read() {
    let house = House::new().await;
    let stage = &house.stage;
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    stage.clock.step(time::Duration::SECOND);
    house.look().await;
    stage.clock.step(time::Duration::ZERO);
    let comments = stage.get("/pullrequests/1/comments").await;
    let written = comments["values"][0]["created_on"].as_str().unwrap();
    let written = time::OffsetDateTime::parse(written, &Rfc3339).unwrap();
    let shown = house.server.store.shown(&prod(), 1).await.unwrap();
    let [shown] = &shown[..] else { panic!("{shown:?}") };
    assert!(shown.at <= written, "{} {written}", shown.at);
    house.end().await;
}
