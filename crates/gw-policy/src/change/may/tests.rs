use gw_model::environment::Day;
use insta::assert_snapshot;

use super::*;
use crate::sample::{self, change_rule, orders, with_policy};

const WIDENING: &str = r#"@id("widening-needs-security")
@reason("new access needs a review by security")
forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.plan.widensAccess };
"#;

fn rules() -> Desired {
    let mut desired = orders();
    let mut merged = change_rule(17, &[ChangeAction::Apply], &["server", "partners"]);
    merged.commit = Some(CommitRule {
        branch: Some("main".to_owned()),
        approvals: Some(2),
        ..CommitRule::default()
    });
    merged.owner = Some("platform".to_owned());
    merged.because = Some("what is merged goes live".to_owned());
    let mut by_hand = change_rule(21, &[ChangeAction::Apply], &["staff"]);
    by_hand.claims = sample::claims(&[("groups", &["platform", "oncall"])]);
    by_hand.deletes = true;
    by_hand.hours = Some(Hours {
        days: vec![Day::Mon, Day::Tue],
        from: "09:00".to_owned(),
        to: "17:00".to_owned(),
        zone: "Europe/Oslo".to_owned(),
    });
    let in_vain = change_rule(29, &[ChangeAction::Approve], &["server"]);
    desired.spec.changes = vec![merged, by_hand, in_vain];
    with_policy(desired, WIDENING)
}

fn rights(action: ChangeAction, whom: &Whom) -> String {
    let rules = rules();
    ChangeRules::compile(&rules).unwrap().rights(action, whom).to_string()
}

fn may(who: &str, claims: &[(&str, &str)], action: ChangeAction) -> String {
    let text = |value: &str| std::collections::BTreeSet::from([value.to_owned()]);
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), text(value)));
    rights(action, &Whom::parse(&rules(), who, &claims.collect()).unwrap())
}

/// Shows S0.3: holds
/// Shows S2.7: holds
#[test]
fn who_may_is_told_with_owner_origin_and_reason() {
    assert_snapshot!(rights(ChangeAction::Apply, &Whom::Everybody), @r#"
    apply in prod
      ✔ environments/prod.yaml:17   server or partners
          provided: a commit on branch main, 2 approvals, nothing is deleted
          owner: platform · because: what is merged goes live
      ✔ environments/prod.yaml:21   staff · groups: platform or oncall
          provided: mon tue 09:00 to 17:00 Europe/Oslo
          owner: nobody is named · because: no reason is given
      policy widening-needs-security (policies/rules.cedar:1) may take it away
          "new access needs a review by security"
    "#);
    assert_snapshot!(rights(ChangeAction::Rotate, &Whom::Everybody), @"rotate in prod: nobody may");
    // What `server` may never, no rule gives.
    assert_snapshot!(rights(ChangeAction::Approve, &Whom::Everybody), @r"
    approve in prod: nobody may
      ✘ environments/prod.yaml:29   server
          lacks: `server` may never approve
          owner: nobody is named · because: no reason is given
    ");
}

/// Shows S0.3: holds
#[test]
fn of_somebody_is_told_what_lets_them_and_what_they_lack() {
    let apply = ChangeAction::Apply;
    assert_snapshot!(may("partners", &[], apply), @r#"
    YES  partners may apply in prod
      ✔ environments/prod.yaml:17   server or partners
          provided: a commit on branch main, 2 approvals, nothing is deleted
          owner: platform · because: what is merged goes live
      ✘ environments/prod.yaml:21   staff · groups: platform or oncall
          provided: mon tue 09:00 to 17:00 Europe/Oslo
          lacks: identity staff (this is partners)
          owner: nobody is named · because: no reason is given
      policy widening-needs-security (policies/rules.cedar:1) may take it away
          "new access needs a review by security"
    "#);
    assert_snapshot!(may("staff:bob", &[("groups", "sales")], apply), @r#"
    NO   staff:bob may not apply in prod
      ✘ environments/prod.yaml:17   server or partners
          provided: a commit on branch main, 2 approvals, nothing is deleted
          lacks: identity server or partners (this is staff)
          owner: platform · because: what is merged goes live
      ✘ environments/prod.yaml:21   staff · groups: platform or oncall
          provided: mon tue 09:00 to 17:00 Europe/Oslo
          lacks: claim groups: platform or oncall (it holds sales)
          owner: nobody is named · because: no reason is given
      policy widening-needs-security (policies/rules.cedar:1) may take it away
          "new access needs a review by security"
    "#);
    assert!(may("staff:bob", &[("groups", "oncall")], apply).starts_with("YES  staff:bob"));
    assert_snapshot!(may("branch/release", &[], apply), @r#"
    YES  branch/release may apply in prod
      ✔ environments/prod.yaml:21   staff · groups: platform or oncall
          provided: mon tue 09:00 to 17:00 Europe/Oslo
          owner: nobody is named · because: no reason is given
      ✘ environments/prod.yaml:17   server or partners
          provided: a commit on branch main, 2 approvals, nothing is deleted
          lacks: a commit on branch main
          owner: platform · because: what is merged goes live
      policy widening-needs-security (policies/rules.cedar:1) may take it away
          "new access needs a review by security"
    "#);
    assert!(may("anyone", &[], apply).starts_with("NO   anyone may not apply"));
    for nobody in ["nobody", "person/nobody", "Not A Name", "branch/", ""] {
        assert_eq!(Whom::parse(&rules(), nobody, &ClaimSet::new()), None, "{nobody}");
    }
}
