use gw_audit::entry::Event;
use gw_model::{id::SecretName, secret::SecretRefusal};
use insta::assert_snapshot;

use super::*;
use crate::{
    event,
    store::{ActName, Action, Begun},
    tell::sample::{self, AT, COMMIT},
};

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn repository() -> Repository {
    Repository {
        workspace_id: "{1b4e}".to_owned(),
        id: "{7c9e}".to_owned(),
        full_name: "acme/apis".to_owned(),
        renamed_from: None,
        main_branch: Some("main".to_owned()),
    }
}

fn reviewed(approvals: &[(&str, Option<Discounted>)]) -> HostView {
    let approvals = approvals.iter().map(|(who, why)| ((*who).to_owned(), *why)).collect();
    let reviews = vec![Review { number: 3, approvals }];
    HostView { repository: Ok(repository()), reviews, deployment: None }
}

fn entry(event: Event) -> Entry {
    Entry::place(event.fact("action", "apply"), 14, AT, None)
}

fn told(event: Event, plan: Option<&Plan>, host: &HostView) -> String {
    changed(event, plan, host, None)
}

fn changed(
    event: Event,
    plan: Option<&Plan>,
    host: &HostView,
    change: Option<&(Change, Vec<StepRecord>)>,
) -> String {
    let (entry, environment, links) = (entry(event), prod(), sample::links());
    Explained::of(&Known {
        entry: &entry,
        environment: &environment,
        who: "operators bob".to_owned(),
        plan,
        change,
        host,
        links: &links,
    })
    .to_string()
}

fn plan(decision: Decision) -> Plan {
    let mut plan = sample::widens("prod", decision);
    if let Some(commit) = &mut plan.commit {
        commit.branches.insert("main".to_owned());
    }
    plan
}

/// Shows S0.28: holds
#[test]
fn a_policy_took_it_away_and_an_approval_cures_it() {
    let plan = plan(sample::waits_for_security());
    let host = reviewed(&[("erik", None), ("bob", Some(Discounted::Author))]);
    let text = told(event::decided(event::local_user(), &plan), Some(&plan), &host);
    assert_snapshot!(text);
    // Without the plan the ledger still knows which rules were asked.
    let text = told(event::decided(event::local_user(), &plan), None, &host);
    assert_snapshot!("a_policy_took_it_away_by_the_ledger_alone", text);
}

#[test]
fn no_rule_was_near_enough() {
    let branch = [("commit.branch", "a commit on branch main")];
    let mut permit = sample::outcome("env/prod/changes[1]", RuleEffect::Permit, false, &branch);
    permit.met = vec!["pipeline".to_owned()];
    let decision = Decision {
        allowed: false,
        rules: vec![permit],
        why: Some("no rule for apply under `changes` of prod holds".to_owned()),
        cure: Some("bring what the rule at environments/prod.yaml:17 asks for".to_owned()),
        ..sample::allowed()
    };
    let mut plan = plan(decision);
    plan.commit.as_mut().unwrap().branches = ["feature".to_owned()].into();
    let text = told(event::decided(event::local_user(), &plan), Some(&plan), &reviewed(&[]));
    assert_snapshot!(text);
}

#[test]
fn the_git_host_lets_nobody_in_any_more() {
    let mut event = Event::new(Act::Decided, Ended::Refused, event::local_user());
    event.commit = Some(COMMIT.to_owned());
    let event = event.fact("why", "the credential is wrong").fact("code", "GW6102");
    let secret = SecretName::parse("bitbucket-token").unwrap();
    let scope = HostError::Scope {
        secret: secret.clone(),
        what: "the pull requests".to_owned(),
        needs: vec!["read:pullrequest:bitbucket".to_owned()],
        has: vec!["read:repository:bitbucket".to_owned()],
    };
    let missing = HostError::Secret(SecretRefusal::Missing { name: secret });
    let view = |error| HostView { repository: Err(error), reviews: vec![], deployment: None };
    assert_snapshot!(told(event.clone(), None, &view(scope)));
    assert_snapshot!("the_git_host_by_its_secret", told(event, None, &view(missing)));
}

#[test]
fn what_was_declared_was_wrong() {
    let event = Event::new(Act::Decided, Ended::Refused, event::local_user());
    let event = event.fact("why", "the declarations of commit 9f2c1e7 are wrong: no such owner");
    assert_snapshot!(told(event.fact("code", "GW1101"), None, &reviewed(&[])));
    let event = Event::new(Act::Decided, Ended::Refused, event::local_user());
    let event = event.fact("why", "commit 9f2c1e7 does not come after 77aa0d1");
    let text = told(event.fact("code", "GW3110"), None, &reviewed(&[]));
    assert_snapshot!("history_was_rewritten", text);
}

fn change(outcome: Outcome, state: StepState) -> (Change, Vec<StepRecord>) {
    let step = |position, name, state, detail: &str| StepRecord {
        position,
        target: "default".parse().unwrap(),
        name,
        state,
        detail: Some(detail.to_owned()),
        began_at: AT,
        ended_at: Some(AT),
    };
    let steps = vec![
        step(0, ActName::Stage, StepState::Done, "staged"),
        step(1, ActName::Switch, state, "the target answers 409: somebody else deploys"),
    ];
    let begun = Begun {
        environment: prod(),
        action: Action::Apply,
        actor: event::local_user(),
        reason: None,
        restores: None,
        source_digest: String::new(),
        effect_digest: String::new(),
        plan_id: "p-1".to_owned(),
        commit: None,
        until: None,
        began_at: AT,
    };
    (Change { number: 4, begun, ended_at: Some(AT), outcome, detail: None }, steps)
}

#[test]
fn the_target_stopped_it_half_way_or_serves_it() {
    let plan = plan(sample::allowed());
    let decided = || event::decided(event::local_user(), &plan);
    let host = reviewed(&[("erik", None)]);
    let half = change(Outcome::UnderWay, StepState::Failed);
    assert_snapshot!(changed(decided(), Some(&plan), &host, Some(&half)));
    let whole = change(Outcome::Verified, StepState::Done);
    assert_snapshot!("the_target_serves_it", changed(decided(), Some(&plan), &host, Some(&whole)));
    // A plan that was only shown wrote nothing, and nobody wanted it to.
    let shown = told(event::planned(event::local_user(), &plan), Some(&plan), &host);
    assert_snapshot!("a_plan_that_was_shown", shown);
}
