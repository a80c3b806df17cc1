use gw_model::{
    api::{Per, Who},
    desired::Api,
    scalar::Method,
};
use proptest::prelude::*;

use super::*;
use crate::{
    difference::Drift,
    fixture::{edited, limit, rule, shop, staff},
    memory::{Memory, holding, planned, planned_only},
};

fn wider() -> Desired {
    edited(|api| {
        api.spec.access.push(rule(17, &[Method::Post], staff(&["sales"])));
        api.spec.limits = vec![limit("60/1m", Per::Caller)];
    })
}

#[test]
fn a_plan_after_an_apply_is_empty() {
    let memory = Memory::default();
    let first = planned(None, &shop(), &memory);
    assert_eq!((first.plan.facts.creates, first.plan.is_empty()), (2, false));
    memory.apply(&first);
    let second = planned(Some(&shop()), &shop(), &memory).plan;
    assert!(second.is_empty() && second.targets[0].differences.is_empty());
}

#[test]
fn the_rule_that_grants_is_named_and_only_then_there_is_a_permit() {
    let allowed = planned(Some(&shop()), &wider(), &holding(&shop()));
    assert!(allowed.permit.is_ok() && allowed.plan.allowed());
    let mut closed = shop();
    closed.spec.changes.clear();
    let denied = planned(Some(&closed), &wider(), &holding(&shop()));
    assert!(denied.permit.is_err() && !denied.plan.allowed());
}

#[test]
fn a_change_is_judged_by_the_rules_in_force() {
    let mut closed = wider();
    closed.spec.changes.clear();
    assert!(planned(Some(&shop()), &closed, &holding(&shop())).permit.is_ok());
}

#[test]
fn a_deletion_needs_a_rule_with_deletes() {
    let mut without = shop();
    without.apis.clear();
    let denied = planned(Some(&shop()), &without, &holding(&shop()));
    assert_eq!(denied.plan.facts.deletes, 1);
    assert!(denied.permit.is_err());
    let mut deletes = shop();
    deletes.spec.changes[0].deletes = true;
    assert!(planned(Some(&deletes), &without, &holding(&shop())).permit.is_ok());
}

#[test]
fn a_target_of_another_workspace_is_an_error() {
    let memory = holding(&shop());
    let target = TargetName::parse("default").unwrap();
    let mut observed = memory.observed();
    observed.owner = Some(WorkspaceId::from_random([9; 16]));
    let asked = crate::memory::asked();
    let desired = Arc::new(shop());
    let plan = plan(Inputs {
        workspace_id: &WorkspaceId::from_random([7; 16]),
        source: Digest::of_bytes(b""),
        declared: &desired,
        in_force: None,
        targets: vec![TargetInput { target: &target, driver: &memory, written: vec![], observed }],
        only: &BTreeSet::new(),
        asked: &asked,
        owners: None,
        subject: None,
    })
    .plan;
    assert_eq!(plan.notes[0].code, "GW3301");
    assert!(plan.has_errors() && !plan.allowed());
}

#[test]
fn only_some_apis_leave_the_others_as_they_were() {
    let mut after = wider();
    let mut other = crate::fixture::orders();
    other.operations.iter_mut().for_each(|it| it.path = format!("/other{}", it.path));
    after.apis.insert(ApiName::parse("other").unwrap(), other);
    let narrowed = planned_only(Some(&shop()), &after, &holding(&shop()), &["other"]);
    assert_eq!(narrowed.plan.facts.apis.len(), 1);
    assert_eq!(narrowed.desired.apis["orders"], shop().apis["orders"]);
}

#[test]
fn ground_may_move_and_the_effect_may_not() {
    let shown = planned(Some(&shop()), &wider(), &holding(&shop())).plan;
    assert_eq!(replan(&shown, &shown), Ok(Ground::Same));
    let mut commit = shown.clone();
    commit.commit.as_mut().unwrap().sha = "77aa0d1".to_owned();
    commit.digests.plan = Digest::of_bytes(b"other");
    assert_eq!(replan(&shown, &commit), Ok(Ground::Moved { what: vec!["the commit"] }));
    let other = edited(|api| api.spec.access.push(rule(17, &[Method::Post], Who::Public)));
    let moved = planned(Some(&shop()), &other, &holding(&shop())).plan;
    let refused = replan(&shown, &moved).unwrap_err();
    insta::assert_snapshot!(refused, @"the plan would no longer do what it showed: `api/orders` moved");
}

#[test]
fn drift_moves_the_plan_and_not_the_effect() {
    let memory = holding(&shop());
    let before = planned(Some(&shop()), &wider(), &memory).plan;
    let looser = edited(|api| api.spec.limits = vec![limit("1000/1m", Per::Caller)]);
    memory.objects.lock().clone_from(&holding(&looser).objects.lock());
    let after = planned(Some(&shop()), &wider(), &memory).plan;
    let drifts = |plan: &Plan| {
        let mut all = plan.targets.iter().flat_map(|target| &target.differences);
        all.any(|difference| difference.drift != Drift::None)
    };
    assert!(drifts(&after) && !drifts(&before));
    assert_ne!(before.id, after.id);
    assert_eq!(replan(&before, &after), Ok(Ground::Moved { what: vec!["the target"] }));
}

#[test]
fn a_plan_survives_its_file_and_an_altered_file_is_refused() {
    let plan = planned(Some(&shop()), &wider(), &holding(&shop())).plan;
    let file = to_file(&plan).unwrap();
    assert_eq!(from_file(&file), Ok(plan));
    let altered = String::from_utf8(file).unwrap().replacen("60/1m", "61/1m", 1);
    assert_eq!(from_file(altered.as_bytes()), Err(FileRefusal::Altered));
    assert!(matches!(from_file(b"{}"), Err(FileRefusal::NotAPlan { .. })));
}

/// What takes away and gives nothing is told apart from everything else: it is never held back.
#[test]
fn only_what_takes_away_and_gives_nothing_narrows_alone() {
    let before = || {
        edited(|api| {
            api.spec.access.push(rule(17, &[Method::Post], staff(&["sales"])));
            api.spec.limits = vec![limit("100/1m", Per::Caller)];
        })
    };
    let narrows = |edit: fn(&mut Api)| {
        let (before, mut after) = (before(), before());
        edit(after.apis.get_mut("orders").unwrap());
        planned(Some(&before), &after, &holding(&before)).plan.only_narrows()
    };
    for (narrowing, edit) in [
        (true, (|api| drop(api.spec.access.pop())) as fn(&mut Api)),
        (true, |api| api.spec.access.clear()),
        (true, |api| drop(api.operations.pop())),
        (true, |api| {
            api.spec.access.pop();
            api.spec.limits = vec![limit("60/1m", Per::Caller)];
        }),
        // Nobody loses access: what was too tight once is too tight again.
        (false, |api| api.spec.limits = vec![limit("60/1m", Per::Caller)]),
        (false, |_| {}),
        (false, |api| {
            api.spec.access.pop();
            api.spec.limits = vec![limit("1000/1m", Per::Caller)];
        }),
        (false, |api| {
            api.spec.access.pop();
            api.spec.upstream.url = "https://elsewhere.test".to_owned();
        }),
        (false, |api| {
            api.spec.access.pop();
            api.spec.upstream.timeout = "1s".parse().unwrap();
        }),
        (false, |api| api.spec.access.push(rule(18, &[Method::Post], Who::Public))),
    ] {
        assert_eq!(narrows(edit), narrowing);
    }
    let none = Desired { apis: Default::default(), ..shop() };
    assert!(planned(Some(&shop()), &none, &holding(&shop())).plan.only_narrows());
}

fn any_state() -> impl Strategy<Value = Desired> {
    let who = prop_oneof![
        Just(Who::Public),
        Just(staff(&[])),
        Just(staff(&["sales"])),
        Just(staff(&["sales", "orders-team"])),
    ];
    let access = proptest::collection::vec(
        (prop::sample::select(vec![Method::Get, Method::Post]), who),
        0..4,
    );
    let limits =
        proptest::collection::vec(prop::sample::select(vec!["10/1s", "60/1m", "100/1m"]), 0..3);
    let url = prop::sample::select(vec!["https://a.internal", "https://b.internal"]);
    (access, limits, url, any::<bool>()).prop_map(|(access, limits, url, kept)| {
        let mut desired = edited(|api| {
            let rules = access.into_iter().map(|(method, who)| rule(13, &[method], who));
            api.spec.access = rules.collect();
            api.spec.limits = limits.into_iter().map(|it| limit(it, Per::Caller)).collect();
            api.spec.upstream.url = url.to_owned();
        });
        if !kept {
            desired.apis.clear();
        }
        desired
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_plan_of_equal_states_is_empty(state in any_state()) {
        prop_assert!(planned(Some(&state), &state, &holding(&state)).plan.is_empty());
    }

    #[test]
    fn applying_a_plan_reaches_what_is_declared(
        before in any_state(), live in any_state(), after in any_state(),
    ) {
        // Live may be anything: somebody may have changed it behind our back.
        let memory = holding(&live);
        memory.apply(&planned(Some(&before), &after, &memory));
        let again = planned(Some(&after), &after, &memory).plan;
        prop_assert!(again.is_empty());
        prop_assert_eq!(again.facts.creates + again.facts.updates + again.facts.deletes, 0);
    }

    #[test]
    fn undoing_a_change_swaps_gain_and_loss(before in any_state(), after in any_state()) {
        let there = planned(Some(&before), &after, &holding(&before)).plan.facts;
        let back = planned(Some(&after), &before, &holding(&after)).plan.facts;
        prop_assert_eq!(there.widens_access, back.narrows_access);
        prop_assert_eq!(there.narrows_access, back.widens_access);
    }

    #[test]
    fn what_only_narrows_gives_nothing(before in any_state(), after in any_state()) {
        let plan = planned(Some(&before), &after, &holding(&before)).plan;
        if plan.only_narrows() {
            prop_assert!(plan.facts.narrows_access && !plan.facts.widens_access);
            prop_assert!(!plan.facts.loosens_limits && plan.facts.moves_hosts.is_empty());
            prop_assert!(!planned(Some(&after), &before, &holding(&after)).plan.only_narrows());
        }
    }
}
