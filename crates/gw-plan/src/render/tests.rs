use gw_model::{
    api::{Per, Who},
    desired::{Desired, PolicyFile},
    id::{PersonName, TeamName},
    scalar::Method,
    workspace::{Identity, Team},
};

use super::*;
use crate::{
    fixture::{edited, limit, rule, shop, staff},
    memory::{holding, planned},
    plan::Plan,
};

const NEEDS_SECURITY: &str = r#"@id("widening-needs-security")
@reason("In prod, giving anyone new access needs a review by security")
forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.plan.widensAccess }
unless { context.approverTeams.contains("security") };
"#;

fn wider(mut before: Desired) -> Plan {
    let after = edited(|api| {
        api.spec.access.push(rule(17, &[Method::Post], staff(&["sales"])));
        api.spec.limits = vec![limit("60/1m", Per::Caller)];
    });
    let policy = PolicyFile { path: "policies/changes.cedar".into(), text: NEEDS_SECURITY.into() };
    before.policies.push(policy.clone());
    let team = Team::People(vec![PersonName::parse("mira").unwrap()]);
    before.teams.insert(TeamName::parse("security").unwrap(), team);
    let after = Desired { policies: vec![policy], teams: before.teams.clone(), ..after };
    planned(Some(&before), &after, &holding(&shop())).plan
}

#[test]
fn a_change_that_widens_and_waits() {
    let plan = wider(shop());
    insta::assert_snapshot!("text", text(&plan));
    insta::assert_snapshot!("markdown", markdown(&plan));
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&json(&plan)).unwrap());
    insta::assert_snapshot!(first_line(&plan), @"⚠ WIDENS ACCESS: orders POST /orders + group sales (staff) may call (and 1 more)");
}

#[test]
fn another_issuer_is_named_wherever_the_plan_is_read() {
    let mut evil = shop();
    if let Some(Identity::Oidc(oidc)) = evil.identities.get_mut("staff") {
        oidc.issuer = "https://evil.test".to_owned();
    }
    let plan = planned(Some(&shop()), &evil, &holding(&shop())).plan;
    let told = "any staff: issuer https://issuer.test → https://evil.test";
    assert!(text(&plan).contains(told), "{}", text(&plan));
    assert!(markdown(&plan).contains(told), "{}", markdown(&plan));
    assert!(text(&plan).contains("somebody loses access"));
    let caller = &json(&plan)["callers"][0];
    assert_eq!(caller["before"], "issuer https://issuer.test");
    assert_eq!(caller["after"], "issuer https://evil.test");
}

#[test]
fn a_first_plan_and_one_without_a_change() {
    insta::assert_snapshot!(
        "first",
        text(
            &planned(None, &shop(), &holding(&Desired { apis: Default::default(), ..shop() })).plan
        )
    );
    insta::assert_snapshot!(
        "unchanged",
        text(&planned(Some(&shop()), &shop(), &holding(&shop())).plan)
    );
}

#[test]
fn a_comment_stays_short_and_keeps_foreign_text_in_its_cell() {
    let many = edited(|api| {
        api.spec.owner = Some("a|b [x](y) <img> @all".to_owned());
        api.spec.headers.request.set =
            (0..200).map(|number| (format!("X-{number}"), "1".to_owned())).collect();
        api.spec.access.push(rule(17, &[], Who::Public));
    });
    let plan = planned(Some(&shop()), &many, &holding(&shop())).plan;
    let comment = comment(&[plan.clone(), plan.clone(), plan]);
    assert!(comment.lines().count() <= 60, "{}", comment.lines().count());
    assert!(comment.contains(r"a\|b \[x\](y) \<img\> \@all"));
}
