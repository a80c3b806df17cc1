use std::collections::BTreeSet;

use gw_model::{
    environment::{Apim, CommitRule, Day, Hours, Portal},
    id::{PersonName, TargetName, TeamName},
    workspace::{Person, Team},
};
use time::macros::datetime;

use super::*;
use crate::{
    principal::{Caller, LEFT_OUT},
    sample::{self, change_rule, identity, orders, principal, with_policy},
};

const WIDENING: &str = r#"@id("widening-needs-security")
@reason("in prod, new access needs a review by security")
forbid (
  principal,
  action in [Gatewright::Action::"apply", Gatewright::Action::"rollback"],
  resource == Gatewright::Environment::"prod"
)
when { context.plan.widensAccess }
unless { context.approverTeams.contains("security") };
"#;

fn prod() -> Desired {
    let mut desired = orders();
    let mut apply = change_rule(17, &[ChangeAction::Apply], &["pipeline"]);
    apply.commit = Some(CommitRule {
        branch: Some("main".to_owned()),
        approvals: Some(1),
        ..CommitRule::default()
    });
    let mut rollback = change_rule(20, &[ChangeAction::Rollback, ChangeAction::Rotate], &["staff"]);
    rollback.claims = sample::claims(&[("groups", &["platform-oncall"])]);
    desired.spec.changes = vec![
        change_rule(14, &[ChangeAction::View, ChangeAction::Plan], &["staff"]),
        apply,
        rollback,
    ];
    desired.people =
        ["erik", "mira"].map(|name| (PersonName::parse(name).unwrap(), Person::default())).into();
    let security = TeamName::parse("security").unwrap();
    desired.teams = [(security, Team::People(vec![PersonName::parse("mira").unwrap()]))].into();
    desired
}

fn by(name: &str, groups: &[&str]) -> Caller {
    sample::caller(&[principal(name, "someone", &[("groups", groups)])])
}

fn asked(action: ChangeAction, actor: Caller) -> Asked {
    let text = |text: &str| BTreeSet::from([text.to_owned()]);
    Asked {
        action,
        actor,
        commit: Some(CommitFacts {
            sha: "9f2c1e7".to_owned(),
            branches: text("main"),
            tags: text("v1.2"),
            signed: false,
            unproven: None,
        }),
        approvers: [PersonName::parse("erik").unwrap()].into(),
        approver_teams: BTreeSet::new(),
        authors: BTreeSet::new(),
        approvals: 1,
        verified_in: BTreeSet::new(),
        at: sample::NOW,
    }
}

fn apply() -> Asked {
    asked(ChangeAction::Apply, by("pipeline", &[]))
}

fn denied(rules: &Desired, asked: &Asked, plan: &PlanFacts) -> ChangeDenial {
    *judge(rules, asked, plan).unwrap_err()
}

fn is_allowed(rules: &Desired, asked: &Asked) -> bool {
    judge(rules, asked, &PlanFacts::default()).is_ok()
}

#[test]
fn a_granted_change_names_rule_and_facts() {
    let permit = judge(&prod(), &apply(), &PlanFacts::default()).unwrap();
    assert_eq!(permit.rule().line, 17);
    assert_eq!(permit.principal().identity, identity("pipeline"));
    assert_eq!(permit.rules()[0].id, "env/prod/changes[1]");
    insta::assert_snapshot!(permit.rules()[0], @"✔ environments/prod.yaml:17   pipeline · on main · 1 approval (erik)");
}

/// Shows S1.5: holds
#[test]
fn equal_questions_have_equal_answers() {
    let plan = PlanFacts { widens_access: true, ..PlanFacts::default() };
    let rules = with_policy(prod(), WIDENING);
    assert_eq!(judge(&rules, &apply(), &plan), judge(&rules.clone(), &apply(), &plan.clone()));
}

#[test]
fn each_fact_of_a_commit_is_asked_for() {
    let mut other = apply();
    other.commit.as_mut().unwrap().branches = ["topic".to_owned()].into();
    other.approvals = 0;
    other.approvers.clear();
    let denial = denied(&prod(), &other, &PlanFacts::default());
    assert_eq!(denial.reason, ChangeReason::NotGranted);
    insta::assert_snapshot!(denial, @r"
    DENIED  apply prod
      blocked   no rule for apply under `changes` of prod holds: the nearest lacks a commit on branch main, 1 approval (it has 0)
      ✘ environments/prod.yaml:17   pipeline
          missing: a commit on branch main, 1 approval (it has 0)
      cure      bring what the rule at environments/prod.yaml:17 asks for: a commit on branch main and 1 approval (it has 0)
    ");
    other.commit = None;
    let denial = denied(&prod(), &other, &PlanFacts::default());
    assert!(denial.rules[0].missing.iter().any(|missing| missing.fact == "commit"));
}

#[test]
fn tags_signatures_and_earlier_stages_count() {
    let mut rules = prod();
    let wanted = CommitRule {
        tag: Some("v*".to_owned()),
        signed: Some(true),
        verified_in: vec![EnvironmentName::parse("staging").unwrap()],
        ..CommitRule::default()
    };
    rules.spec.changes[1].commit = Some(wanted);
    let mut asked = apply();
    let denial = denied(&rules, &asked, &PlanFacts::default());
    let facts: Vec<_> = denial.rules[0].missing.iter().map(|it| it.fact.as_str()).collect();
    assert_eq!(facts, ["verifiedIn", "commit.signed"]);
    assert!(denial.to_string().contains("a key of `people` (it is not signed)"), "{denial}");
    asked.commit.as_mut().unwrap().unproven = Some("declared by nobody".to_owned());
    let denial = denied(&rules, &asked, &PlanFacts::default());
    assert!(denial.to_string().contains("a key of `people` (declared by nobody)"), "{denial}");
    asked.verified_in.insert(EnvironmentName::parse("staging").unwrap());
    asked.commit.as_mut().unwrap().signed = true;
    assert!(is_allowed(&rules, &asked));
    asked.commit.as_mut().unwrap().tags = ["release/v1".to_owned()].into();
    assert!(!is_allowed(&rules, &asked), "`*` does not reach over `/`");
}

#[test]
fn claims_identities_and_actions_count() {
    let oncall = asked(ChangeAction::Rollback, by("staff", &["platform-oncall"]));
    assert!(is_allowed(&prod(), &oncall));
    let other = asked(ChangeAction::Rollback, by("staff", &["sales"]));
    insta::assert_snapshot!(denied(&prod(), &other, &PlanFacts::default()), @r"
    DENIED  rollback prod
      blocked   no rule for rollback under `changes` of prod holds: the nearest lacks claim groups: platform-oncall (it holds sales)
      ✘ environments/prod.yaml:20   staff
          missing: claim groups: platform-oncall (it holds sales)
      cure      bring what the rule at environments/prod.yaml:20 asks for: claim groups: platform-oncall (it holds sales)
    ");
    let stranger = asked(ChangeAction::Rollback, by("partners", &["platform-oncall"]));
    insta::assert_snapshot!(denied(&prod(), &stranger, &PlanFacts::default()).cure, @"bring what the rule at environments/prod.yaml:20 asks for: identity staff (this is partners)");
    let nobody =
        denied(&prod(), &asked(ChangeAction::BreakGlass, by("staff", &[])), &PlanFacts::default());
    assert_eq!(nobody.reason, ChangeReason::NoRule);
    insta::assert_snapshot!(nobody.why, @"no rule under `changes` of prod names breakGlass");
}

/// Somebody of whom nobody can tell the groups, because the issuer left them out.
fn with_overage(name: &str) -> Caller {
    sample::caller(&[principal(name, "someone", &[(LEFT_OUT, &["groups"])])])
}

#[test]
fn groups_that_were_left_out_are_unknown_and_not_none() {
    let oncall = asked(ChangeAction::Rollback, with_overage("staff"));
    insta::assert_snapshot!(denied(&prod(), &oncall, &PlanFacts::default()).why, @"no rule for rollback under `changes` of prod holds: the nearest lacks claim groups: platform-oncall (unknown: the issuer left it out of the token, overage)");

    // Whoever holds no group passes; of whoever's groups are unknown nobody can say that.
    let interns = r#"@id("no-interns")
forbid (principal, action, resource)
when { principal.hasTag("groups") && principal.getTag("groups").contains("interns") };
"#;
    let mut rules = with_policy(prod(), interns);
    let nobody = sample::caller(&[principal("pipeline", "someone", &[])]);
    let apply = |actor: &Caller| Asked { actor: actor.clone(), ..apply() };
    assert!(is_allowed(&rules, &apply(&nobody)));
    let denial = denied(&rules, &apply(&with_overage("pipeline")), &PlanFacts::default());
    assert_eq!(denial.reason, ChangeReason::PolicyError);
    insta::assert_snapshot!(denial.why, @"a policy could not be evaluated: the issuer left `groups` out of the token (overage)");

    rules.policies.clear();
    let text = r#"!principal.hasTag("groups")"#;
    rules.spec.changes[1].when = Some(text.to_owned());
    assert!(is_allowed(&rules, &apply(&nobody)));
    let denial = denied(&rules, &apply(&with_overage("pipeline")), &PlanFacts::default());
    assert!(denial.why.contains("overage"), "{}", denial.why);
}

#[test]
fn a_rule_that_lacks_nothing_but_deletions_says_how_to_allow_them() {
    let deletes = PlanFacts { deletes: 1, objects: 100, ..PlanFacts::default() };
    let mut rules = prod();
    for rule in &mut rules.spec.changes {
        rule.deletes = false;
    }
    let denial = denied(&rules, &apply(), &deletes);
    insta::assert_snapshot!(denial.why, @"no rule for apply under `changes` of prod holds: the nearest lacks `deletes: true` in the rule: this deletes 1 object");
    insta::assert_snapshot!(denial.cure, @"add `deletes: true` to the rule at environments/prod.yaml:17, or leave in place what it deletes");
}

/// Shows S2.19: holds
#[test]
fn a_forbid_says_which_single_fact_would_help() {
    let rules = with_policy(prod(), WIDENING);
    let widens = PlanFacts { widens_access: true, ..PlanFacts::default() };
    let denial = denied(&rules, &apply(), &widens);
    assert_eq!(denial.reason, ChangeReason::ForbiddenByPolicy);
    insta::assert_snapshot!(denial, @r#"
    DENIED  apply prod
      blocked   in prod, new access needs a review by security
      ✔ environments/prod.yaml:17   pipeline · on main · 1 approval (erik)
      ✘ policies/rules.cedar:1   widening-needs-security
          "in prod, new access needs a review by security"
          missing: approval by team security
      cure      approval by team security (policies/rules.cedar:1)
    "#);
    let mut reviewed = apply();
    reviewed.approver_teams.insert(TeamName::parse("security").unwrap());
    assert!(judge(&rules, &reviewed, &widens).is_ok());
    assert!(judge(&rules, &apply(), &PlanFacts::default()).is_ok());
}

#[test]
fn a_policy_that_cannot_be_evaluated_denies() {
    let rules = with_policy(
        prod(),
        "forbid (principal, action == Gatewright::Action::\"apply\", resource) when { \
            context.plan.creates + 1 > 5 };",
    );
    let plan = PlanFacts { creates: u64::MAX, ..PlanFacts::default() };
    assert_eq!(denied(&rules, &apply(), &plan).reason, ChangeReason::PolicyError);
    assert!(is_allowed(&rules, &apply()));
    let unreadable = with_policy(prod(), "forbid (");
    assert_eq!(denied(&unreadable, &apply(), &plan).reason, ChangeReason::PolicyError);
}

#[test]
fn deletions_need_a_rule_that_allows_them() {
    let deletes = |deletes| PlanFacts { deletes, objects: 100, ..PlanFacts::default() };
    let mut rules = prod();
    assert!(
        denied(&rules, &apply(), &deletes(1)).rules[0].missing[0].needs.contains("deletes: true")
    );
    assert!(
        judge(&rules, &asked(ChangeAction::Plan, by("staff", &[])), &deletes(1)).is_ok(),
        "a plan deletes nothing"
    );
    rules.spec.changes[1].deletes = true;
    assert!(
        judge(&rules, &apply(), &deletes(10)).is_ok(),
        "one in ten is not more than one in ten"
    );
    assert!(judge(&rules, &apply(), &deletes(11)).is_err(), "one approval more");
    let mut twice = apply();
    twice.approvals = 2;
    assert!(judge(&rules, &twice, &deletes(11)).is_ok());
    rules.spec.deletions.mode = DeletionMode::Refuse;
    assert_eq!(denied(&rules, &twice, &deletes(1)).reason, ChangeReason::DeletionsRefused);
}

fn with_reserved(name: &str, commit: Option<CommitRule>) -> Desired {
    let mut rules = orders();
    rules.spec.changes = vec![change_rule(9, &ChangeAction::ALL, &[name])];
    rules.spec.changes[0].commit = commit;
    rules
}

#[test]
fn local_changes_only_what_is_local() {
    let mut rules = with_reserved("local", None);
    let local = |action| asked(action, by("local", &[]));
    assert!(is_allowed(&rules, &local(ChangeAction::Apply)));
    let apim = Apim {
        service: "/subscriptions/x".to_owned(),
        gateways: vec![],
        host: None,
        portal: Portal::Keep,
    };
    rules.spec.targets.insert(TargetName::parse("edge").unwrap(), Target::Apim(apim));
    assert!(!is_allowed(&rules, &local(ChangeAction::Apply)));
}

#[test]
fn the_server_has_limits_of_its_own() {
    let server = |action| asked(action, by("server", &[]));
    let on_main = CommitRule { branch: Some("main".to_owned()), ..CommitRule::default() };
    let allowed = |commit: Option<CommitRule>| -> Vec<&str> {
        let rules = with_reserved("server", commit);
        let actions = ChangeAction::ALL.into_iter();
        actions.filter(|it| is_allowed(&rules, &server(*it))).map(ChangeAction::as_str).collect()
    };
    assert_eq!(allowed(None), ["plan", "rollback", "rotate"]);
    assert_eq!(allowed(Some(on_main)), ["plan", "apply", "rollback", "rotate"]);
}

#[test]
fn hours_and_conditions_count() {
    let mut rules = prod();
    rules.spec.changes[1].hours = Some(Hours {
        days: vec![Day::Mon, Day::Tue, Day::Wed, Day::Thu, Day::Fri],
        from: "09:00".to_owned(),
        to: "17:00".to_owned(),
        zone: "Europe/Berlin".to_owned(),
    });
    rules.spec.changes[1].when = Some("context.plan.creates < 3".to_owned());
    let mut asked = apply();
    asked.at = datetime!(2026-09-10 09:00 UTC);
    assert!(is_allowed(&rules, &asked));
    let many = PlanFacts { creates: 3, ..PlanFacts::default() };
    assert_eq!(denied(&rules, &asked, &many).rules[0].missing[0].fact, "when");
    asked.at = datetime!(2026-09-10 15:00 UTC);
    assert!(!is_allowed(&rules, &asked), "17:00 in Berlin");
    asked.at = datetime!(2026-09-12 09:00 UTC);
    assert!(!is_allowed(&rules, &asked), "a Saturday");
    rules.spec.changes[1].hours.as_mut().unwrap().zone = "Mars/Olympus".to_owned();
    let denial = denied(&rules, &asked, &PlanFacts::default());
    assert!(denial.cure.contains("`Mars/Olympus` is not a time zone"), "{}", denial.cure);
}

#[test]
fn every_fact_reaches_cedar() {
    let condition = "context.plan == {apis: [\"orders\"], bindsSecrets: [\"orders-key\"], creates: 1, \
        deletes: 3, loosensLimits: true, loosensValidation: false, movesHosts: [\"orders\"], \
        narrowsAccess: true, touchesChangeRules: false, updates: 2, usesNative: true, \
        widensAccess: false} && context.approvals == 1 && context.approvers.contains(\"erik\") && \
        context.approverTeams.isEmpty() && context.authors.isEmpty() && context.verifiedIn.isEmpty() \
        && context has commit && context.commit == {branches: [\"main\"], sha: \"9f2c1e7\", signed: \
        false} && context.at == datetime(\"2026-09-10T09:58:03Z\") && principal.kind == \"person\" && \
        principal.subject == \"someone\" && principal.hasTag(\"groups\")";
    let mut rules = prod();
    rules.people.get_mut("mira").unwrap().subjects =
        [(identity("staff"), "someone".to_owned())].into();
    rules.spec.changes = vec![change_rule(9, &[ChangeAction::View], &["staff"])];
    rules.spec.changes[0].when = Some(condition.to_owned());
    let name = |text: &str| gw_model::id::ApiName::parse(text).unwrap();
    let plan = PlanFacts {
        creates: 1,
        updates: 2,
        deletes: 3,
        objects: 9,
        widens_access: false,
        narrows_access: true,
        loosens_limits: true,
        loosens_validation: false,
        moves_hosts: [name("orders")].into(),
        binds_secrets: [gw_model::id::SecretName::parse("orders-key").unwrap()].into(),
        uses_native: true,
        touches_change_rules: false,
        apis: [name("orders")].into(),
    };
    let asked = asked(ChangeAction::View, by("staff", &["a"]));
    if let Err(denial) = judge(&rules, &asked, &plan) {
        panic!("{denial}");
    }
}

#[test]
fn whoever_breaks_glass_changes_nothing_of_who_may_do_what() {
    let mut rules = prod();
    let mut rule = change_rule(22, &[ChangeAction::BreakGlass], &["staff"]);
    rule.claims = sample::claims(&[("groups", &["platform-oncall"])]);
    rules.spec.changes.push(rule);
    let oncall = asked(ChangeAction::BreakGlass, by("staff", &["platform-oncall"]));
    assert!(is_allowed(&rules, &oncall));
    let touching = PlanFacts { touches_change_rules: true, ..PlanFacts::default() };
    let denial = denied(&rules, &oncall, &touching);
    assert_eq!(denial.reason, ChangeReason::RulesTouched);
    assert_eq!(denial.why, "breaking glass may not change who may do what");
    // Whoever may not break it at all is told that, and an apply may touch them.
    let other = asked(ChangeAction::BreakGlass, by("staff", &["sales"]));
    assert_eq!(denied(&rules, &other, &touching).reason, ChangeReason::NotGranted);
    assert!(judge(&rules, &apply(), &touching).is_ok());
}
