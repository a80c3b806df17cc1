use gw_model::id::{EnvironmentName, TargetName};

use super::*;
use crate::{
    decision::DecisionId,
    sample::{self, IP, bob, claims, compile, operation, orders, staff, with_policy},
};

const AT_MS: u64 = 1_789_034_283_000;

/// The record of a call to an operation, as a gateway with this snapshot writes it.
fn record(snapshot: &Snapshot, id: &str, path: &str, caller: &Caller) -> Record {
    let operation = operation(snapshot, id);
    let looked_at = operation.looked_at();
    let decided = operation.authorize(caller, IP, sample::NOW);
    Record {
        id: DecisionId::new(AT_MS, [7; 5]),
        at_ms: AT_MS,
        environment: EnvironmentName::parse("prod").unwrap(),
        target: TargetName::parse("default").unwrap(),
        generation: Some(42),
        client: Some(IP),
        method: operation.method().to_string(),
        host: "localhost".to_owned(),
        path: path.to_owned(),
        reason: decided.as_ref().map_or_else(|denial| denial.reason, |_| Reason::Granted),
        status: 403,
        detail: None,
        who: caller.principals.iter().map(|one| looked_at.asker(one)).collect(),
        looked_at: looked_at.names(caller),
        operation: None,
        grant: decided.ok().map(|permit| permit.rule().clone()),
        candidates: vec![],
        policies: vec![],
        cure: None,
        upstream_status: None,
        took_us: 90,
        count: 1,
    }
}

fn caller(held: &[(&str, &[&str])]) -> Caller {
    sample::caller(&[sample::principal("staff", "bob@acme.com", held)])
}

/// Shows S1.2: holds
#[test]
fn a_recorded_call_is_judged_again_and_the_cure_is_seen_to_work() {
    let snapshot = compile(&orders());
    let record = record(&snapshot, "createOrder", "/orders", &bob(&["sales"]));
    let again = record.judge_again(&snapshot).unwrap();
    assert!(again.agrees);
    assert_eq!((again.answer.reason, again.unknown.len()), (Reason::NotGranted, 0));

    let mut wider = orders();
    let api = wider.apis.values_mut().next().unwrap();
    api.spec.access[1].who = staff(&[("groups", &["orders-team", "sales"])]);
    let again = record.judge_again(&compile(&wider)).unwrap();
    assert_eq!((again.agrees, again.answer.allowed), (false, true));
}

/// Shows S1.2: holds
#[test]
fn every_reason_that_a_rule_gives_is_given_again() {
    let by_claim = "forbid (principal, action, resource) when { \
        principal.hasTag(\"level\") && principal.getTag(\"level\").contains(\"low\") };";
    let by_address = "forbid (principal, action == Gatewright::Action::\"call\", resource) when { \
        context.ip == ip(\"203.0.113.7\") };";
    let team = || caller(&[("groups", &["orders-team"]), ("level", &["low"])]);
    for (desired, caller, expected) in [
        (orders(), team(), Reason::Granted),
        (orders(), Caller::default(), Reason::NotSignedIn),
        (orders(), bob(&["sales"]), Reason::NotGranted),
        (with_policy(orders(), by_claim), team(), Reason::ForbiddenByPolicy),
        (with_policy(orders(), by_address), team(), Reason::ForbiddenByPolicy),
    ] {
        let snapshot = compile(&desired);
        let record = record(&snapshot, "createOrder", "/orders", &caller);
        let again = record.judge_again(&snapshot).unwrap();
        assert_eq!((record.reason, again.answer.reason), (expected, expected));
        assert!(again.agrees && again.unknown.is_empty(), "{expected}");
    }
}

#[test]
fn what_decided_is_kept_and_nothing_else() {
    let policy = "forbid (principal, action, resource) when { principal.hasTag(\"level\") && \
        principal.getTag(\"level\").contains(\"low\") };";
    let snapshot = compile(&with_policy(orders(), policy));
    let caller =
        caller(&[("groups", &["sales"]), ("email", &["bob@acme.com"]), ("level", &["high"])]);
    let kept = record(&snapshot, "createOrder", "/orders", &caller);
    let names: Vec<_> = kept.looked_at.iter().map(String::as_str).collect();
    assert_eq!(names, ["groups", "level"]);
    let held: Vec<_> = kept.who[0].claims.keys().map(String::as_str).collect();
    assert_eq!(held, ["groups", "level"]);
    // No rule for GET names a group.
    let kept = record(&snapshot, "listOrders", "/orders", &caller);
    assert_eq!(kept.looked_at, ["level".to_owned()].into());
}

#[test]
fn a_claim_that_is_looked_at_only_now_is_named_as_unknown() {
    let snapshot = compile(&orders());
    let record = record(&snapshot, "createOrder", "/orders", &bob(&["sales"]));
    let mut other = orders();
    let api = other.apis.values_mut().next().unwrap();
    api.spec.access[1].who = staff(&[("department", &["sales"])]);
    let again = record.judge_again(&compile(&other)).unwrap();
    assert_eq!(again.unknown, ["department".to_owned()].into());
    assert_eq!(claims(&[("department", &["sales"])]).len(), again.unknown.len());
}

#[test]
fn values_that_rules_name_are_kept_among_many_others() {
    let snapshot = compile(&orders());
    let many: Vec<String> = (0..500).map(|number| format!("a-{number:03}")).collect();
    let long = "x".repeat(VALUE_MAX_BYTES + 1);
    let mut groups: Vec<&str> = many.iter().map(String::as_str).collect();
    groups.extend(["orders-team", &long]);
    let record = record(&snapshot, "createOrder", "/orders", &bob(&groups));
    let kept = &record.who[0].claims["groups"];
    assert_eq!(kept.len(), VALUES_MAX + 1);
    assert!(kept.contains("orders-team") && !kept.contains(&long));
    let again = record.judge_again(&snapshot).unwrap();
    assert!(again.agrees);
    assert_eq!(again.unknown, ["groups".to_owned()].into());
}

#[test]
fn what_no_rule_decided_is_not_judged() {
    let snapshot = compile(&orders());
    let mut record = record(&snapshot, "createOrder", "/orders", &Caller::default());
    record.reason = Reason::HeadTooLarge;
    assert_eq!(record.judge_again(&snapshot), Err(NoRuleAsked(Reason::HeadTooLarge)));
    // A refused token is nobody's: the rules refuse nobody in particular too.
    record.reason = Reason::TokenExpired;
    assert!(record.judge_again(&snapshot).unwrap().agrees);
    assert!(record.proof_was_refused());
    // What was granted and failed later was granted.
    record.grant = Some(sample::at(15));
    record.reason = Reason::Limit;
    assert!(!record.judge_again(&snapshot).unwrap().agrees);
}
