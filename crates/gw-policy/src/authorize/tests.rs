use time::macros::date;

use super::*;
use crate::{
    decision::Reason,
    denial::Candidate,
    principal::LEFT_OUT,
    sample::{
        IP, NOW, ORDERS, api, at, bob, caller, claims, compile, desired, identity, operation,
        orders, orders_access, principal, rule, staff, with_policy,
    },
};

fn denied(desired: &gw_model::desired::Desired, id: &str, caller: &Caller) -> Denial {
    let snapshot = compile(desired);
    *operation(&snapshot, id).authorize(caller, IP, NOW).unwrap_err()
}

fn allowed_by(desired: &gw_model::desired::Desired, id: &str, caller: &Caller) -> Option<u32> {
    let snapshot = compile(desired);
    let permit = operation(&snapshot, id).authorize(caller, IP, NOW).ok()?;
    Some(permit.rule().line)
}

fn near_misses(denial: &Denial) -> String {
    let line = |it: &Candidate| format!("{}   {it}\n", it.rule);
    denial.candidates.iter().map(line).collect()
}

/// Shows S2.19: holds
#[test]
fn a_denial_says_what_held_what_lacked_and_what_would_help() {
    let denial = denied(&orders(), "createOrder", &bob(&["everyone", "sales"]));
    assert_eq!(denial.reason, Reason::NotGranted);
    insta::assert_snapshot!(near_misses(&denial), @r"
    apis/orders/api.yaml:15   ✔ POST  ✔ staff  ✘ claim groups: needs orders-team; token has everyone, sales
    apis/orders/api.yaml:13   ✘ GET only
    ");
    insta::assert_snapshot!(denial.cure, @r#"put bob@acme.com in group orders-team (identity "staff", owner orders-team), or grant one of everyone, sales at apis/orders/api.yaml:15 (widens access)"#);
    insta::assert_snapshot!(denial.why, @"POST needs group orders-team; the token has everyone, sales");
}

#[test]
fn a_missing_claim_is_not_the_same_as_a_wrong_one() {
    let nobody = caller(&[principal("staff", "bob", &[])]);
    let denial = denied(&orders(), "createOrder", &nobody);
    insta::assert_snapshot!(near_misses(&denial), @r"
    apis/orders/api.yaml:15   ✔ POST  ✔ staff  ✘ claim groups: needs orders-team; the token has no claim groups
    apis/orders/api.yaml:13   ✘ GET only
    ");
    insta::assert_snapshot!(denial.why, @"POST needs group orders-team; the token has no claim groups");
}

#[test]
fn a_policy_on_groups_that_were_left_out_denies() {
    let interns = r#"@id("no-interns")
forbid (principal, action == Gatewright::Action::"call", resource)
when { principal.hasTag("groups") && principal.getTag("groups").contains("interns") };
"#;
    let desired = with_policy(orders(), interns);
    let reads = |held: &[(&str, &[&str])]| {
        let somebody = caller(&[principal("staff", "bob", held)]);
        let snapshot = compile(&desired);
        operation(&snapshot, "listOrders").authorize(&somebody, IP, NOW).map(drop)
    };
    assert!(reads(&[]).is_ok());
    let denial = reads(&[(LEFT_OUT, &["groups"])]).unwrap_err();
    assert_eq!(denial.reason, Reason::PolicyError);
    // What looks at nothing that is unknown says what it says to anybody.
    assert!(reads(&[(LEFT_OUT, &["department"])]).is_ok());
}

#[test]
fn whoever_is_not_signed_in_learns_what_to_bring_and_nothing_else() {
    let denial = denied(&orders(), "createOrder", &Caller::default());
    assert_eq!(denial.reason, Reason::NotSignedIn);
    insta::assert_snapshot!(denial.needs.unwrap(), @"a token from https://acme.okta.com/oauth2/default");
    insta::assert_snapshot!(denial.why, @"this needs a caller who is signed in");
}

#[test]
fn another_identity_does_not_count() {
    let partner = caller(&[principal("partners", "pat", &[("groups", &["orders-team"])])]);
    let denial = denied(&orders(), "createOrder", &partner);
    insta::assert_snapshot!(near_misses(&denial), @r"
    apis/orders/api.yaml:15   ✔ POST  ✘ identity: needs staff; the caller is partners  ✔ claim groups: orders-team
    apis/orders/api.yaml:13   ✘ GET only
    ");
}

#[test]
fn an_operation_without_a_rule_is_refused() {
    let shut = desired(&[("orders", api(vec![], ORDERS))]);
    let denial = denied(&shut, "createOrder", &bob(&["orders-team"]));
    assert_eq!(denial.reason, Reason::NotGranted);
    assert!(denial.candidates.is_empty());
    insta::assert_snapshot!(denial.cure, @"add a rule for POST under `access` in apis/orders/api.yaml (widens access)");
    assert_eq!(denied(&shut, "createOrder", &Caller::default()).reason, Reason::NotSignedIn);
}

#[test]
fn two_rules_in_one_line_are_two_rules() {
    let team = rule(9, &[Method::Post], staff(&[("groups", &["a"]), ("roles", &["b"])]));
    let dept = rule(9, &[Method::Post], staff(&[("dept", &["c"])]));
    let one_line = desired(&[("orders", api(vec![team, dept], ORDERS))]);
    let denial = denied(&one_line, "createOrder", &caller(&[principal("staff", "bob", &[])]));
    insta::assert_snapshot!(near_misses(&denial), @r"
    apis/orders/api.yaml:9   ✔ POST  ✔ staff  ✘ claim dept: needs c; the token has no claim dept
    apis/orders/api.yaml:9   ✔ POST  ✔ staff  ✘ claim groups: needs a; the token has no claim groups  ✘ claim roles: needs b; the token has no claim roles
    ");
    insta::assert_snapshot!(denial.why, @"POST needs an accepted claim dept; the token has no claim dept");
    insta::assert_snapshot!(denial.cure, @r#"have the issuer of identity "staff" put claim dept into its tokens, with c for bob, owner orders-team"#);
}

#[test]
fn the_cure_names_everything_that_lacks() {
    let mut last = rule(9, &[Method::Post], staff(&[("groups", &["a"]), ("roles", &["b"])]));
    last.until = Some(date!(2026 - 09 - 01));
    if let Who::Proven { when, .. } = &mut last.who {
        *when = Some("principal.subject == \"eve\"".to_owned());
    }
    let strict = desired(&[("orders", api(vec![last], ORDERS))]);
    let bob = caller(&[principal("staff", "bob", &[("groups", &["x"])])]);
    let denial = denied(&strict, "createOrder", &bob);
    insta::assert_snapshot!(denial.cure, @r#"put bob in group a (identity "staff", owner orders-team), and have the issuer of identity "staff" put claim roles into its tokens, with b for bob, owner orders-team, and change the condition at apis/orders/api.yaml:9 (widens access), and move the date of `until` at apis/orders/api.yaml:9 (widens access)"#);
    insta::assert_snapshot!(denial.why, @"what allowed POST has ended");
    let nobody = denied(&strict, "createOrder", &Caller::default());
    insta::assert_snapshot!(nobody.cure, @"send a token from https://acme.okta.com/oauth2/default with group a and role b, where the condition at apis/orders/api.yaml:9 holds, and move the date of `until` at apis/orders/api.yaml:9 (widens access)");
}

#[test]
fn a_caller_learns_all_the_claims_that_lack() {
    let both = rule(9, &[], staff(&[("groups", &["a"]), ("roles", &["b", "c"])]));
    let strict = desired(&[("orders", api(vec![both], ORDERS))]);
    let bob = caller(&[principal("staff", "bob", &[("groups", &["x"])])]);
    insta::assert_snapshot!(denied(&strict, "createOrder", &bob).why, @"POST needs group a and role b or c; the token has groups x and no claim roles");
}

#[test]
fn who_else_may_call_is_for_the_record_and_not_for_the_caller() {
    let accepted: &[&str] = &["ceo@corp.example", "root@corp.example"];
    let people = rule(9, &[Method::Post], staff(&[("email", accepted), ("groups", &["a"])]));
    let strict = desired(&[("orders", api(vec![people], ORDERS))]);
    let mallory = caller(&[principal("staff", "mallory", &[("email", &["mallory@x.example"])])]);
    let denial = denied(&strict, "createOrder", &mallory);
    insta::assert_snapshot!(denial.why, @"POST needs an accepted claim email and group a; the token has email mallory@x.example and no claim groups");
    insta::assert_snapshot!(near_misses(&denial), @"apis/orders/api.yaml:9   ✔ POST  ✔ staff  ✘ claim email: needs ceo@corp.example or root@corp.example; token has mallory@x.example  ✘ claim groups: needs a; the token has no claim groups");
    assert!(denial.cure.contains("ceo@corp.example"), "{}", denial.cure);
}

#[test]
fn the_permit_names_rule_and_principal() {
    let snapshot = compile(&orders());
    let bob = bob(&["orders-team"]);
    let permit = operation(&snapshot, "createOrder").authorize(&bob, IP, NOW).unwrap();
    assert_eq!(permit.rule(), &at(15));
    assert_eq!(permit.principal(), bob.principals.first());
    assert_eq!(permit.operation().id(), "createOrder");
}

#[test]
fn claims_are_and_values_are_or() {
    let held = [("department", &["eu", "us"] as &[&str]), ("groups", &["a"])];
    let both = desired(&[("orders", api(vec![rule(9, &[], staff(&held))], ORDERS))]);
    let with = |held: &[(&str, &[&str])]| caller(&[principal("staff", "bob", held)]);
    let call = |held: &[(&str, &[&str])]| allowed_by(&both, "listOrders", &with(held));
    assert_eq!(call(&[("department", &["us"]), ("groups", &["a", "b"])]), Some(9));
    assert_eq!(call(&[("department", &["us"])]), None);
    assert_eq!(call(&[("department", &["asia"]), ("groups", &["a"])]), None);
    let two = caller(&[
        principal("staff", "bob", &[("department", &["us"])]),
        principal("staff", "eve", &[("groups", &["a"])]),
    ]);
    assert_eq!(allowed_by(&both, "listOrders", &two), None, "two callers are not put together");
}

#[test]
fn a_rule_holds_to_the_end_of_its_last_day() {
    let mut last = rule(9, &[], staff(&[]));
    last.until = Some(date!(2026 - 09 - 10));
    let ends = desired(&[("orders", api(vec![last], ORDERS))]);
    let snapshot = compile(&ends);
    let list = operation(&snapshot, "listOrders");
    let late = time::macros::datetime!(2026-09-10 23:59:59 UTC);
    assert!(list.authorize(&bob(&[]), IP, late).is_ok());
    let next = time::macros::datetime!(2026-09-11 00:00:00 UTC);
    let denial = *list.authorize(&bob(&[]), IP, next).unwrap_err();
    insta::assert_snapshot!(near_misses(&denial), @"apis/orders/api.yaml:9   ✔ staff  ✘ rule ended 2026-09-10");
    insta::assert_snapshot!(denial.cure, @"move the date of `until` at apis/orders/api.yaml:9 (widens access)");
}

#[test]
fn a_public_operation_needs_no_proof() {
    let mut access = orders_access();
    access.push(rule(18, &[Method::Get], Who::Public));
    let open = desired(&[("orders", api(access, ORDERS))]);
    assert_eq!(allowed_by(&open, "listOrders", &Caller::default()), Some(18));
    assert_eq!(allowed_by(&open, "createOrder", &Caller::default()), None);
    let snapshot = compile(&open);
    assert!(operation(&snapshot, "listOrders").is_public());
    assert!(!operation(&snapshot, "createOrder").is_public());
}

fn with_condition(text: &str) -> gw_model::desired::Desired {
    let when = Some(text.to_owned());
    let who = Who::Proven { identities: vec![identity("staff")], claims: claims(&[]), when };
    desired(&[("orders", api(vec![rule(9, &[], who)], ORDERS))])
}

#[test]
fn a_condition_decides_and_is_quoted() {
    let inside = with_condition("context.ip.isInRange(ip(\"203.0.113.0/24\"))");
    assert_eq!(allowed_by(&inside, "listOrders", &bob(&[])), Some(9));
    let outside = with_condition("context.ip.isInRange(ip(\"10.0.0.0/8\"))");
    let denial = denied(&outside, "listOrders", &bob(&[]));
    assert_eq!(denial.reason, Reason::NotGranted);
    insta::assert_snapshot!(near_misses(&denial), @r#"apis/orders/api.yaml:9   ✔ staff  ✘ condition `context.ip.isInRange(ip("10.0.0.0/8"))` is false"#);
}

/// An overflow is the one error that strict validation cannot rule out.
const OVERFLOWS: &str = "9223372036854775807 + 1 == 0";

#[test]
fn a_condition_that_cannot_be_evaluated_denies() {
    let denial = denied(&with_condition(OVERFLOWS), "listOrders", &bob(&[]));
    assert_eq!(denial.reason, Reason::PolicyError);
    assert!(near_misses(&denial).contains("could not be evaluated"), "{}", near_misses(&denial));
}

const ONLY_OWN_COUNTRY: &str = "@id(\"no-partners-at-night\")\n@reason(\"not at night\")\nforbid (\n  \
    principal in Gatewright::Identity::\"staff\",\n  action == Gatewright::Action::\"call\",\n  \
    resource == Gatewright::Operation::\"orders/listOrders\"\n);";

#[test]
fn a_policy_takes_away_and_is_named() {
    let shut = with_policy(orders(), ONLY_OWN_COUNTRY);
    let denial = denied(&shut, "listOrders", &bob(&[]));
    assert_eq!(denial.reason, Reason::ForbiddenByPolicy);
    assert_eq!(denial.policies[0].id, "no-partners-at-night");
    assert_eq!(denial.policies[0].source.to_string(), "policies/rules.cedar:1");
    assert_eq!(denial.why, "not at night");
    assert_eq!(allowed_by(&shut, "getOrder", &bob(&[])), Some(13), "only what it names");
}

/// Shows S1.5: holds
#[test]
fn a_policy_that_cannot_be_evaluated_denies_and_is_named() {
    let text =
        format!("// first line\nforbid (principal, action, resource) when {{ {OVERFLOWS} }};");
    let denial = denied(&with_policy(orders(), &text), "listOrders", &bob(&[]));
    assert_eq!(denial.reason, Reason::PolicyError);
    assert_eq!(denial.policies[0].id, "policies/rules.cedar:2");
    assert!(denial.policies[0].error.is_some());
}

#[test]
fn a_forbid_on_who_is_granted_denies_whatever_else_is_proved() {
    let mut access = orders_access();
    access.push(rule(18, &[Method::Get], Who::Public));
    let who =
        Who::Proven { identities: vec![identity("partners")], claims: claims(&[]), when: None };
    access.push(rule(19, &[Method::Post], who));
    let open = desired(&[("orders", api(access, ORDERS))]);
    let shut = with_policy(
        open,
        "@id(\"no-bob\") forbid (principal, action, resource) when { \
        principal.subject == \"bob@acme.com\" };",
    );
    let both = caller(&[
        principal("staff", "bob@acme.com", &[("groups", &["orders-team"])]),
        principal("partners", "acme", &[]),
    ]);
    let snapshot = compile(&shut);
    let permit = operation(&snapshot, "createOrder").authorize(&both, IP, NOW).unwrap();
    assert_eq!(permit.principal().unwrap().subject, "acme", "granted by the other proof");
    let denial = denied(&shut, "createOrder", &bob(&["orders-team"]));
    assert_eq!(denial.policies[0].id, "no-bob");
    assert_eq!(denied(&shut, "listOrders", &bob(&[])).reason, Reason::ForbiddenByPolicy);
}

#[test]
fn no_identity_gets_past_a_forbid_on_another_of_the_same_caller() {
    let mut two = principal("partners", "bob@acme.com", &[]);
    two.issuer = crate::sample::ISSUER.to_owned();
    let both = caller(&[principal("staff", "bob@acme.com", &[("groups", &["x"])]), two]);
    let shut = with_policy(
        orders(),
        "forbid (principal in Gatewright::Identity::\"partners\", \
        action, resource);",
    );
    assert_eq!(denied(&shut, "listOrders", &both).reason, Reason::ForbiddenByPolicy);
    let unless = with_policy(
        orders(),
        "forbid (principal, action, resource) unless { principal in \
        Gatewright::Identity::\"staff\" };",
    );
    assert_eq!(allowed_by(&unless, "listOrders", &both), Some(13), "he is staff too");
}

#[test]
fn the_gateway_itself_may_call_the_declared_health_operation_and_nothing_else() {
    let permitted = |desired: &gw_model::desired::Desired| {
        let snapshot = compile(desired);
        let all: Vec<String> = snapshot
            .operations()
            .filter(|operation| operation.health().is_some())
            .map(|operation| operation.id().to_owned())
            .collect();
        all
    };
    for (declared, expected) in
        [("listOrders", vec!["listOrders"]), ("createOrder", vec![]), ("getOrder", vec![])]
    {
        let mut desired = orders();
        let health = gw_model::api::Health { operation: declared.to_owned() };
        for api in desired.apis.values_mut() {
            api.spec.upstream.health = Some(health.clone());
        }
        assert_eq!(permitted(&desired), expected, "{declared}");
    }
    assert!(permitted(&orders()).is_empty());
}
