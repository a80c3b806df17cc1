//! Going back to a state that lets more callers in.

use gw_control::{approve::Given, event, reconcile};
use gw_model::environment::ChangeAction;

use super::*;

/// Somebody goes back to the change that let more callers in.
fn back(who: &str) -> Order {
    let aim = Aim::State { to: 2, reason: None };
    Order { environment: prod(), asker: somebody(who), aim }
}

impl House {
    /// A house that was wide and is narrow, where going back needs an approval.
    async fn narrowed() -> Self {
        let free = "- { actions: [rollback], identities: [operators] }";
        let bound = "- { actions: [rollback], identities: [operators], commit: { branch: main, approvals: 1 } }";
        let house = Self::edited(&[("environments/prod.yaml", free, bound)]).await;
        for (number, groups) in [(1, "orders-team, sales"), (2, "orders-team")] {
            house.bring(number, &format!("b{number}"), &api(groups, "100/1m")).await;
            house.pull().await;
        }
        assert_eq!(house.change().await, 3);
        assert!(!house.live.has("sales"));
        house
    }

    /// Somebody approves the plan of going back.
    async fn approve_going_back(&self, who: &str) {
        self.stage.advance();
        let order = back(who);
        let ground = reconcile::ground(&self.server, &order).await.unwrap();
        let action = ChangeAction::Rollback;
        let planned = reconcile::plan(&self.server, &order, &ground, action).await.unwrap();
        assert_eq!(planned.plan.restores, Some(2));
        assert!(planned.plan.facts.widens_access);
        let commit = planned.plan.commit.clone().unwrap().sha;
        let (by, at) = (order.asker.caller, self.server.clock.now());
        let entries = planned.changed.clone();
        let given = Given { by, at, commit, restores: planned.plan.restores, entries };
        let told = event::approved(order.asker.actor, &planned);
        self.server.store.approve(&prod(), &given, told).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_back_to_what_lets_more_in_is_approved_by_its_own_plan() {
    let house = House::narrowed().await;
    // That the state was approved when it came first is no approval of its coming back.
    let refused = reconcile(&house.server, &back("ann")).await.unwrap();
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    let id = refused.plan.unwrap();
    let help = refused.help.unwrap();
    assert!(help.contains(&format!("--env prod approve {id}`")), "{help}");
    let plan = house.server.store.plan(&id).await.unwrap().unwrap();
    assert!(plan.contains("\"restores\":2"), "{plan}");
    // Nor what the one who goes back says of it.
    house.approve_going_back("ann").await;
    let refused = reconcile(&house.server, &back("ann")).await.unwrap();
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    assert!(refused.text.contains("ann made what is changed"), "{}", refused.text);
    assert!(!house.live.has("sales"));

    house.approve_going_back("carol").await;
    let done = reconcile(&house.server, &back("ann")).await.unwrap();
    assert_eq!(done.end, End::Done, "{done:?}");
    assert!(house.live.has("sales"));
    let mut report = gw_audit::report::Report::default();
    for bytes in house.server.store.entries(0, 10_000).await.unwrap() {
        report.meet(&gw_audit::entry::Entry::parse(&bytes).unwrap());
    }
    let rows = report.rows();
    let row = rows.iter().find(|row| row.change == Some(4)).unwrap();
    assert_eq!((row.what.as_str(), row.approved_by.len()), ("rollback", 1));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_of_going_back_is_of_no_other() {
    let house = House::narrowed().await;
    house.approve_going_back("carol").await;
    house.stage.advance();
    assert_eq!(reconcile(&house.server, &back("ann")).await.unwrap().end, End::Done);
    // Forward again by what only takes away, and back a second time.
    let narrow = Order { aim: Aim::State { to: 3, reason: None }, ..back("ann") };
    house.stage.advance();
    let ground = reconcile::ground(&house.server, &narrow).await.unwrap();
    let action = ChangeAction::Rollback;
    let planned = reconcile::plan(&house.server, &narrow, &ground, action).await.unwrap();
    assert!(planned.permit.is_err(), "another going back was not approved");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_approves_what_they_ask_for_by_another_identity() {
    let house = House::narrowed().await;
    house.approve_going_back("carol").await;
    let mut stranger = back("carol");
    stranger.asker.caller.principals[0].subject = "carol-of-another-issuer".to_owned();
    let refused = reconcile(&house.server, &stranger).await.unwrap();
    assert_eq!(refused.end, End::Denied, "{refused:?}");
    assert!(refused.text.contains("who is not one person under `people`"), "{}", refused.text);
    assert!(!house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_stays_left_when_drift_is_put_back() {
    let house = House::new().await;
    let stage = &house.stage;
    house.bring(1, "sales", &api("orders-team, sales", "100/1m")).await;
    assert!(house.live.has("sales"));
    let aim = Aim::State { to: 1, reason: None };
    let order = Order { environment: prod(), asker: somebody("ann"), aim };
    let back = reconcile(&house.server, &order).await.unwrap();
    assert_eq!(back.end, End::Done, "{back:?}");
    assert!(back.text.contains("the state of change 2 is held"), "{}", back.text);

    house.live.tamper("100/1m", "900/1m");
    let aim = Aim::InForce;
    let put_back = Order { environment: prod(), asker: Asker::server(), aim };
    assert!(said(reconcile(&house.server, &put_back).await).done);
    assert!(house.live.has("100/1m"));
    let merged = stage.head("main").await;
    let again = said(reconcile(&house.server, &super::order(somebody("ann"), &merged)).await);
    assert_eq!(again.code.as_deref(), Some("GW3103"), "{}", again.words);
    assert!(!house.live.has("sales"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_propose_is_planned_again_after_somebody_went_back() {
    let house = House::new().await;
    let stage = &house.stage;
    house.bring(1, "b1", &api("orders-team, finance", "100/1m")).await;
    assert_eq!(house.change().await, 2);
    house.pull().await;
    house.propose(&stage.bob, "b2", &api("orders-team, finance, sales", "100/1m")).await;
    house.look().await;
    let told = async || stage.comments(2).await.join("\n");
    assert!(told().await.contains("+ group sales (staff) may call"), "{}", told().await);
    // Nothing moves in the repository: what is in force does.
    stage.advance();
    let aim = Aim::State { to: 1, reason: None };
    let order = Order { environment: prod(), asker: somebody("ann"), aim };
    let answer = reconcile(&house.server, &order).await.unwrap();
    assert_eq!(answer.change, Some(3), "{answer:?}");
    house.settle().await;
    assert!(told().await.contains("+ group finance or sales (staff) may call"), "{}", told().await);
    house.end().await;
}
