//! What goes round the ordinary rules, and differences that somebody leaves as they are.

use gw_control::{
    drift::{self, NotAccepted},
    glass::Glass,
    store::Action,
};
use gw_model::environment::Notice;
use time::{Date, Duration};

use super::*;

pub(super) const ROLLBACK: &str = "    - { actions: [rollback], identities: [operators] }\n";
const ONCALL: &str =
    "    - { actions: [breakGlass], identities: [operators], claims: { groups: [oncall] } }\n";

impl House {
    /// A house whose first state has another text in its environment.
    async fn with(from: &str, to: &str) -> Self {
        Self::edited(&[("environments/prod.yaml", from, to)]).await
    }

    /// A house whose first state has other texts in its files.
    pub(super) async fn edited(edits: &[(&str, &str, &str)]) -> Self {
        let house = Self::bare().await;
        let stage = &house.stage;
        for (path, from, to) in edits {
            let path = house.desk.join(path);
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains(from), "{text}");
            std::fs::write(&path, text.replace(from, to)).unwrap();
        }
        stage.git(&house.desk, &["commit", "--quiet", "--all", "--message", "Other rules"]).await;
        stage.push(&stage.ann, &house.desk, &["HEAD:refs/heads/main"]).await;
        house.look().await;
        let aim = Aim::Head { reference: "refs/heads/main".to_owned() };
        let first = Order { environment: prod(), asker: somebody("owner"), aim };
        let answer = reconcile(&house.server, &first).await.unwrap();
        assert_eq!(answer.end, End::Done, "{answer:?}");
        house.settle().await;
        house
    }

    async fn break_glass(&self, asker: Asker, sha: &str) -> Answer {
        let until = self.server.clock.now() + Duration::hours(4);
        let glass = Glass { reason: "orders are down".to_owned(), until };
        let aim = Aim::BreakGlass { sha: sha.to_owned(), only: BTreeSet::new(), glass };
        let order = Order { environment: prod(), asker, aim };
        let answer = reconcile(&self.server, &order).await.unwrap();
        self.settle().await;
        answer
    }

    async fn expire(&self) -> Answer {
        self.server.ask(Task::Expire { environment: prod() }).await.unwrap();
        self.settle().await;
        self.answer("expire/prod").await
    }

    /// What everybody was told of broken glass, the oldest first.
    async fn alarms(&self) -> Vec<String> {
        let mut told: Vec<(u64, String)> = vec![];
        for queued in self.server.store.tasks(1000).await.unwrap() {
            if let Task::Notify { notification } = queued.task
                && notification.on == Notice::BreakGlass
            {
                told.push((queued.id, notification.text.clone()));
            }
        }
        told.sort();
        told.into_iter().map(|(_, text)| text).collect()
    }
}

fn oncall() -> Asker {
    let mut asker = somebody("carol");
    for principal in &mut asker.caller.principals {
        principal.claims.insert("groups".to_owned(), ["oncall".to_owned()].into());
    }
    asker
}

/// Shows S1.13: holds
#[tokio::test(flavor = "multi_thread")]
async fn glass_is_broken_by_whom_a_rule_names_until_its_time_is_over() {
    let with_server = "    - { actions: [rollback], identities: [operators, server] }\n";
    let house = House::with(ROLLBACK, &format!("{with_server}{ONCALL}")).await;
    let sha = house.propose(&house.stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    for asker in [somebody("carol"), Asker::server()] {
        let answer = house.break_glass(asker, &sha).await;
        assert_eq!(answer.end, End::Denied, "{answer:?}");
    }
    assert!(house.alarms().await.is_empty() && !house.live.has("sales"));
    let answer = house.break_glass(oncall(), &sha).await;
    assert_eq!((answer.end, answer.change), (End::Done, Some(2)), "{answer:?}");
    assert!(house.live.has("sales"));
    let broken = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!(broken.begun.action, Action::BreakGlass);
    let alarms = house.alarms().await;
    let [told] = alarms.as_slice() else { panic!("{alarms:?}") };
    assert!(told.contains("operators broke glass: change 2") && told.ends_with("orders are down"));
    let statuses = house.stage.get(&format!("/commit/{sha}/statuses")).await.to_string();
    assert!(statuses.contains("change 2 is applied"), "{statuses}");
    let began = house.server.store.entries(0, 10_000).await.unwrap();
    let began: Vec<_> = began.iter().filter_map(|it| gw_audit::entry::Entry::parse(it)).collect();
    let began = began.iter().find(|it| it.event.facts.contains_key("until")).unwrap();
    assert_eq!(began.event.facts["action"], "breakGlass");
    assert_eq!(began.event.facts["reason"], "orders are down");

    assert_eq!(house.expire().await.text, "no glass is broken in prod");
    house.stage.clock.advance(Duration::hours(5));
    let answer = house.expire().await;
    assert_eq!((answer.end, answer.change), (End::Done, Some(3)), "{answer:?}");
    assert!(!house.live.has("sales"));
    assert_eq!(house.alarms().await.len(), 2);
    // What was done in need comes again in the ordinary way: it is not held.
    house.merge_approved(1, "merge_commit").await;
    assert_eq!(house.change().await, 4);
    assert!(house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_lets_the_server_go_back_it_stays_open_until_an_ordinary_change() {
    let house = House::with(ROLLBACK, &format!("{ROLLBACK}{ONCALL}")).await;
    let sha = house.propose(&house.stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    house.break_glass(oncall(), &sha).await;
    house.stage.clock.advance(Duration::hours(5));
    assert_eq!(house.expire().await.end, End::Denied);
    assert!(house.live.has("sales"));
    let alarms = house.alarms().await;
    assert!(alarms[1].contains("does not go back"), "{alarms:?}");
    // The same by the ordinary way writes nothing, and takes its place.
    house.merge_approved(1, "merge_commit").await;
    let in_force = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((in_force.number, in_force.begun.action), (3, Action::Apply));
    assert_eq!(house.expire().await.text, "no glass is broken in prod");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_glass_changes_nothing_of_who_may_do_what() {
    let house = House::with(ROLLBACK, &format!("{ROLLBACK}{ONCALL}")).await;
    let stage = &house.stage;
    stage.git(&house.desk, &["checkout", "--quiet", "-b", "rules"]).await;
    let path = house.desk.join("environments/prod.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(", approvals: 1", "")).unwrap();
    stage.git(&house.desk, &["commit", "--quiet", "--all", "--message", "No approvals"]).await;
    stage.push(&stage.bob, &house.desk, &["HEAD"]).await;
    let sha = stage.git(&house.desk, &["rev-parse", "HEAD"]).await;
    let answer = house.break_glass(oncall(), &sha).await;
    assert_eq!(answer.end, End::Denied, "{answer:?}");
    assert!(answer.text.contains("who may do what"), "{answer:?}");
    assert_eq!(house.change().await, 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_glass_does_not_choose_who_hears_of_it() {
    const NOTIFY: &str = "  notify: [{ webhook: platform, on: [denied] }]\n";
    let (path, drift) = ("environments/prod.yaml", "  drift: ");
    let rules = [
        (path, ROLLBACK, format!("{ROLLBACK}{ONCALL}")),
        (path, drift, format!("{NOTIFY}{drift}")),
    ];
    let rules: Vec<_> = rules.iter().map(|(path, from, to)| (*path, *from, to.as_str())).collect();
    let house = House::edited(&rules).await;
    let stage = &house.stage;
    stage.git(&house.desk, &["checkout", "--quiet", "-b", "quiet"]).await;
    let text = std::fs::read_to_string(house.desk.join(path)).unwrap();
    std::fs::write(house.desk.join(path), text.replace(NOTIFY, "")).unwrap();
    let sha = stage.commit(&house.desk, "Tell nobody").await;
    stage.push(&stage.bob, &house.desk, &["HEAD"]).await;
    let answer = house.break_glass(oncall(), &sha).await;
    assert_eq!(answer.change, Some(2), "{answer:?}");
    // The channel is asked for, although what is in force names it no more.
    let tasks = house.server.store.tasks(1000).await.unwrap();
    let mut told = tasks.iter().filter(|it| matches!(&it.task, Task::Notify { notification } if notification.on == Notice::BreakGlass));
    let outcome = told.next().unwrap().outcome.clone().unwrap();
    assert!(outcome.contains("platform"), "{outcome}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_is_left_as_it_is_until_a_day() {
    let house = House::with("then: revert", "then: report").await;
    let compare = async || {
        house.server.ask(Task::Drift { environment: prod() }).await.unwrap();
        house.settle().await;
        house.answer("drift/prod").await.text
    };
    house.live.tamper("100/1m", "900/1m");
    assert_eq!(compare().await, "prod does not hold what was written");
    let known = house.server.store.drift(&prod()).await.unwrap().unwrap();
    assert!(known.lines[0].ends_with("limits[0].rate: written 100/1m, live 900/1m"), "{known:?}");
    let name = drift::id(&known.digest);
    let accept = async |name: &str, day: Date| {
        drift::accept(&house.server, &somebody("carol"), &prod(), name, day).await
    };
    let today = house.server.clock.now().date();
    let day = |days| today + Duration::days(days);
    assert!(matches!(accept("dr-000000", day(3)).await, Err(NotAccepted::Unknown)));
    assert!(matches!(accept(&name, day(-1)).await, Err(NotAccepted::Day)));
    assert!(matches!(accept(&name, day(100)).await, Err(NotAccepted::Day)));
    let unaccepted = async || drift::unaccepted(&house.server, &prod()).await.unwrap();
    assert!(unaccepted().await.is_some());
    let until = accept(&name, day(3)).await.unwrap();
    assert!(
        unaccepted().await.is_none()
            && drift::standing(&house.server, &prod()).await.unwrap().is_some()
    );
    assert_eq!(until.date(), day(4));
    assert_eq!(compare().await, format!("what differs in prod is accepted until {}", day(4)));
    // Something else differs: that was not accepted.
    house.live.tamper("900/1m", "950/1m");
    assert_eq!(compare().await, "prod does not hold what was written");
    house.live.tamper("950/1m", "900/1m");
    assert!(compare().await.contains("is accepted"));
    let told = async || house.found(Act::DriftFound).await;
    let before = told().await;
    house.stage.clock.advance(Duration::days(4));
    assert_eq!(compare().await, "prod does not hold what was written");
    assert_eq!(told().await, before + 1, "it is accepted no more");
    compare().await;
    assert_eq!(told().await, before + 1);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_in_need_stays_only_by_what_the_rules_ask_for() {
    let with_server = "    - { actions: [rollback], identities: [operators, server] }\n";
    let house = House::with(ROLLBACK, &format!("{with_server}{ONCALL}")).await;
    let stage = &house.stage;
    let sha = house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    let answer = house.break_glass(oncall(), &sha).await;
    assert_eq!(answer.change, Some(2), "{answer:?}");
    stage.advance();
    house.server.ask(Task::PullRequest { number: 1 }).await.unwrap();
    house.settle().await;
    let [comment] = &stage.comments(1).await[..] else { panic!("one comment") };
    assert!(comment.contains("sales") && comment.contains("waits for"), "{comment}");

    stage.advance();
    stage.merge(1, "merge_commit").await;
    house.look().await;
    let refused = house.answer("release/prod/merge/refs/heads/main").await;
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    let in_force = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((in_force.number, in_force.begun.action), (2, Action::BreakGlass));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_what_came_in_need_is_no_way_round_the_rules() {
    let apply = "action == Gatewright::Action::\"apply\"";
    let both = "action in [Gatewright::Action::\"apply\", Gatewright::Action::\"rollback\"]";
    let with_glass = format!("{ROLLBACK}{ONCALL}");
    let house = House::edited(&[
        ("environments/prod.yaml", ROLLBACK, &with_glass),
        ("policies/changes.cedar", apply, both),
    ])
    .await;
    let stage = &house.stage;
    let first = house.propose(&stage.bob, "one", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    assert_eq!(house.break_glass(oncall(), &first).await.change, Some(2));
    stage.advance();
    stage.git(&house.desk, &["checkout", "--quiet", "one"]).await;
    let other = api("orders-team, support", "100/1m");
    std::fs::write(house.desk.join("apis/orders/api.yaml"), other).unwrap();
    let second = stage.commit(&house.desk, "Another").await;
    stage.push(&stage.bob, &house.desk, &["HEAD:refs/heads/one"]).await;
    house.look().await;
    assert_eq!(house.break_glass(oncall(), &second).await.change, Some(3));
    let back = |to: u64| {
        let aim = Aim::State { to, reason: None };
        Order { environment: prod(), asker: somebody("dana"), aim }
    };
    let refused = said(reconcile(&house.server, &back(2)).await);
    assert!(!refused.done && refused.words.contains("review by security"), "{refused:?}");
    let in_force = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((in_force.number, in_force.begun.action), (3, Action::BreakGlass));

    // What differs meanwhile is told and not put back: that would be an ordinary change.
    house.live.tamper("100/1m", "900/1m");
    let compare = || gw_control::drift::compare(&house.server, &in_force.begun.environment);
    assert!(compare().await.unwrap().text.ends_with("until its glass is whole again"));
    let still = house.server.store.in_force(&prod()).await.unwrap().unwrap();
    assert_eq!((still.number, still.begun.action), (3, Action::BreakGlass));

    // The last ordinary state asks for nothing more than going back does.
    assert!(house.live.has("support"));
    let answer = reconcile(&house.server, &back(1)).await.unwrap();
    assert_eq!((answer.end, answer.change), (End::Done, Some(4)), "{answer:?}");
    assert!(!house.live.has("support"));
    house.end().await;
}
