use gw_model::{
    diagnostic::Severity,
    scalar::Method,
    workspace::{Person, Team},
};
use time::macros::date;

use super::*;
use crate::sample::{
    ORDERS, api, at, change_rule, desired, orders, orders_access, rule, staff, with_policy,
};

const TODAY: Date = date!(2026 - 09 - 10);

/// What is told about access in an environment that can be changed.
fn told(desired: &Desired) -> Vec<String> {
    let mut desired = desired.clone();
    desired.spec.changes.push(change_rule(17, &[ChangeAction::Apply], &["pipeline"]));
    lines(&findings(&desired, TODAY))
}

fn lines(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|found| format!("{}: {}", found.code, found.message)).collect()
}

fn with_rule(rule: AccessRule) -> Desired {
    let mut access = orders_access();
    access.push(rule);
    desired(&[("orders", api(access, ORDERS))])
}

#[test]
fn good_rules_are_not_talked_about() {
    assert_eq!(told(&orders()), [""; 0]);
}

#[test]
fn a_rule_that_can_never_match_is_told() {
    let never = "GW1410: this rule of API `orders` can never match: ";
    let no_method = with_rule(rule(20, &[Method::Delete], staff(&[])));
    assert_eq!(told(&no_method), [format!("{never}no operation has such a method and name")]);
    let mut crossed = rule(20, &[Method::Get], staff(&[]));
    crossed.operations = vec!["createOrder".to_owned()];
    assert_eq!(
        told(&with_rule(crossed)),
        [format!("{never}no operation has such a method and name")]
    );
    let empty = with_rule(rule(20, &[], staff(&[("groups", &[])])));
    assert_eq!(told(&empty), [format!("{never}claim `groups` has no accepted value")]);
}

/// Shows S2.19: holds
#[test]
fn a_rule_that_ends_is_told_before_and_after() {
    let until = |date| {
        let mut rule = rule(20, &[], staff(&[]));
        rule.until = Some(date);
        told(&with_rule(rule))
    };
    assert_eq!(until(date!(2026 - 09 - 25)), [""; 0]);
    assert_eq!(
        until(date!(2026 - 09 - 24)),
        ["GW1414: this rule of API `orders` ends on 2026-09-24"]
    );
    assert_eq!(
        until(date!(2026 - 09 - 09)),
        ["GW1413: this rule of API `orders` ended on 2026-09-09"]
    );
}

/// Shows S2.19: holds
#[test]
fn an_acceptance_that_ends_is_told_before_and_after() {
    let until = |until| {
        let mut desired = orders();
        desired.spec.accept = vec![Accept {
            at: at(9),
            code: "GW2111".to_owned(),
            target: None,
            because: "two regions count apart".to_owned(),
            until,
        }];
        told(&desired)
    };
    assert_eq!(until(Some(date!(2026 - 09 - 25))), [""; 0]);
    assert_eq!(
        until(Some(date!(2026 - 09 - 24))),
        ["GW1418: the acceptance of GW2111 ends on 2026-09-24"]
    );
    assert_eq!(
        until(Some(date!(2026 - 09 - 10))),
        ["GW1418: the acceptance of GW2111 ends on 2026-09-10"]
    );
    assert_eq!(
        until(Some(date!(2026 - 09 - 09))),
        ["GW1417: the acceptance of GW2111 ended on 2026-09-09"]
    );
}

#[test]
fn an_operation_that_nobody_may_call_is_told() {
    let get_only = vec![rule(13, &[Method::Get], staff(&[]))];
    assert_eq!(
        told(&desired(&[("orders", api(get_only, ORDERS))])),
        ["GW1411: nobody may call operation `createOrder` of API `orders`"]
    );
}

#[test]
fn an_environment_that_nobody_may_change_is_told() {
    let mut desired = orders();
    desired.spec.changes = vec![change_rule(17, &[ChangeAction::View], &["pipeline"])];
    assert_eq!(
        lines(&findings(&desired, TODAY)),
        ["GW1416: no rule under `changes` of environment `prod` names `apply`"]
    );
}

#[test]
fn a_policy_that_names_nothing_is_told() {
    let text =
        "@id(\"typo\") forbid (principal in Gatewright::Identity::\"staf\", action, resource);";
    assert_eq!(
        unknown(&with_policy(orders(), text)),
        [
            "GW1415: policy `typo` names identity `staf`, which does not exist, did you mean `staff`?"
        ]
    );
    let other = "forbid (principal, action, resource in Gatewright::Environment::\"staging\");";
    let here = with_policy(orders(), other);
    assert_eq!(
        unknown(&here),
        [
            "GW1415: policy `policies/rules.cedar:1` names environment `staging`, which does not exist"
        ]
    );
    let mut there = here.clone();
    there.environment = "staging".parse().unwrap();
    assert_eq!(policies(&[&here, &there]), [], "files serve every environment");
}

/// Nobody could ever mend it: the mending is a change as well.
#[test]
fn a_policy_that_asks_for_nobody_is_told() {
    let mut orders = orders();
    orders.people.insert("mira".parse().unwrap(), Person::default());
    orders.teams.insert("security".parse().unwrap(), Team::People(vec!["mira".parse().unwrap()]));
    let asking = |condition: &str| {
        let text = format!(
            "@id(\"gate\") forbid (principal, action == Gatewright::Action::\"apply\", resource) \
             unless {{ {condition} }};"
        );
        unknown(&with_policy(orders.clone(), &text))
    };
    for good in [
        "context.approverTeams.contains(\"security\")",
        "context.approvers.containsAny([\"mira\"]) && [\"security\"].containsAll(context.approverTeams)",
        "context.verifiedIn.contains(\"prod\")",
        "context.commit.branches.contains(\"securty\")",
    ] {
        assert!(asking(good).is_empty(), "{good}");
    }
    for (wrong, told) in [
        ("context.approverTeams.contains(\"securty\")", "team `securty`"),
        ("[\"securty\"].containsAll(context.approverTeams)", "team `securty`"),
        ("context.approvers.containsAny([\"mira\", \"miro\"])", "person `miro`"),
        ("context.verifiedIn.contains(\"prods\")", "environment `prods`"),
    ] {
        let [line] = &asking(wrong)[..] else { panic!("{wrong}") };
        let told =
            format!("GW1415: policy `gate` names {told}, which does not exist, did you mean");
        assert!(line.starts_with(&told), "{line}");
    }
}

/// What is told about the policies of a workspace with this one environment.
fn unknown(desired: &Desired) -> Vec<String> {
    let found = policies(&[desired]);
    let line = |one: Diagnostic| {
        let help = one.help.iter().map(|help| format!(", {help}")).collect::<String>();
        format!("{}: {}{help}", one.code, one.message)
    };
    found.into_iter().map(line).collect()
}

#[test]
fn errors_are_among_the_findings_once() {
    let text = "permit (principal, action, resource);";
    let found = findings(&with_policy(orders(), text), TODAY);
    let errors = found.iter().filter(|found| found.severity() == Severity::Error);
    assert_eq!(errors.count(), 1);
}
