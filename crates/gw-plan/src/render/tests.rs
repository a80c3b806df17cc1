use gw_model::{
    api::{Cors, Per, Who},
    desired::{Desired, PolicyFile},
    environment::Target,
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

/// The words without the lines.
fn flowing(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

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

/// The line that a watching terminal shows names the gravest thing and counts the kinds of the others.
#[test]
fn one_line_tells_the_gravest_and_counts_the_rest() {
    let mut loose = shop();
    let api = loose.apis.get_mut("orders").unwrap();
    api.spec.access.push(rule(17, &[Method::Post], Who::Public));
    api.spec.access.push(rule(18, &[Method::Get], staff(&["sales"])));
    api.spec.upstream.url = "https://elsewhere.test".to_owned();
    api.spec.limits = vec![limit("1000/1m", Per::Caller)];
    api.spec.owner = Some("others".to_owned());
    let Target::Builtin(builtin) = loose.spec.targets.get_mut("default").unwrap() else { panic!() };
    builtin.listen = Some("127.0.0.1:9000".to_owned());
    let before = edited(|api| {
        api.spec.upstream.auth = None;
        api.spec.access = vec![];
    });
    let plan = planned(Some(&before), &loose, &holding(&before)).plan;
    insta::assert_snapshot!(first_line(&plan), @"⚠ BECOMES PUBLIC: orders POST /orders + anyone may call, without proof (and SENDS A SECRET, WIDENS ACCESS, MOVES HOST, LOOSER LIMIT, CHANGES REACH, 2 more)");
    insta::assert_snapshot!("gravest_first", text(&plan));
    assert_eq!(
        first_line(&planned(Some(&shop()), &shop(), &holding(&shop())).plan),
        "nothing changes"
    );
}

/// A terminal of eighty columns breaks no word and pushes no mark out of sight; values are told as
/// people say them.
#[test]
fn a_long_condition_leaves_every_mark_in_sight() {
    let when = "principal.hasTag(\"level\") && principal.getTag(\"level\").contains(\"senior\") && \
                context.ip.isInRange(ip(\"10.0.0.0/8\"))";
    let before = edited(|api| api.spec.upstream.auth = None);
    let after = edited(|api| {
        let Who::Proven { identities, claims, when: _ } = staff(&["sales", "support"]) else {
            panic!()
        };
        let who = Who::Proven { identities, claims, when: Some(when.to_owned()) };
        api.spec.access.push(rule(17, &[Method::Post], who));
        api.spec.cors = Some(Cors {
            origins: vec!["https://app.test".to_owned(), "https://admin.test".to_owned()],
            methods: vec![Method::Get],
            headers: vec![],
            credentials: true,
            max_age: None,
        });
    });
    let told = text(&planned(Some(&before), &after, &holding(&before)).plan);
    insta::assert_snapshot!("narrow", told);
    for line in told.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(told.lines().any(|line| line.starts_with("  ⚠ WIDENS ACCESS")), "{told}");
    assert!(!told.contains('{'), "{told}");
}

#[test]
fn another_issuer_is_named_wherever_the_plan_is_read() {
    let mut evil = shop();
    if let Some(Identity::Oidc(oidc)) = evil.identities.get_mut("staff") {
        oidc.issuer = "https://evil.test".to_owned();
    }
    let plan = planned(Some(&shop()), &evil, &holding(&shop())).plan;
    let told = "any staff: issuer https://issuer.test → https://evil.test";
    assert!(flowing(&text(&plan)).contains(told), "{}", text(&plan));
    assert!(markdown(&plan).contains(told), "{}", markdown(&plan));
    assert!(text(&plan).contains("somebody loses access"));
    let caller = &json(&plan)["callers"][0];
    assert_eq!(caller["before"], "issuer https://issuer.test");
    assert_eq!(caller["after"], "issuer https://evil.test");
}

/// Somebody changed the target by hand, and callers live with that: putting it back is told wherever
/// the plan is read, beside what is declared otherwise.
#[test]
fn drift_that_goes_back_is_a_change_for_callers() {
    let live = edited(|api| {
        api.spec.limits = vec![limit("1000/1m", Per::Caller)];
        api.spec.access.push(rule(17, &[Method::Post], staff(&["sales"])));
        api.spec.upstream.url = "https://elsewhere.test".to_owned();
        api.spec.headers.response.set.insert("X-Frame-Options".to_owned(), "ALLOW".to_owned());
    });
    let back = planned(Some(&shop()), &shop(), &holding(&live)).plan;
    assert!(!back.is_empty());
    insta::assert_snapshot!("drift_text", text(&back));
    insta::assert_snapshot!("drift_markdown", markdown(&back));
    let callers = &json(&back)["callers"];
    insta::assert_snapshot!("drift_json", serde_json::to_string_pretty(callers).unwrap());
    // What was allowed once and is put back needs no rule for what it does to callers.
    let facts = &back.facts;
    assert!(!facts.widens_access && !facts.narrows_access && !facts.loosens_limits);

    let declared = edited(|api| api.spec.limits = vec![limit("60/1m", Per::Caller)]);
    let both = flowing(&text(&planned(Some(&shop()), &declared, &holding(&live)).plan));
    assert!(both.contains("100/1m → 60/1m"), "{both}");
    assert!(both.contains("1000/1m → 60/1m per caller · drift goes back"), "{both}");
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
        api.spec.owner = Some("a|b [x](y) <img> @all \u{202e}&#8238;".to_owned());
        api.spec.headers.request.set =
            (0..200).map(|number| (format!("X-{number}"), "1".to_owned())).collect();
        api.spec.access.push(rule(17, &[], Who::Public));
    });
    let plan = planned(Some(&shop()), &many, &holding(&shop())).plan;
    let comment = markdown(&plan);
    assert!(comment.lines().count() <= 60, "{}", comment.lines().count());
    assert!(
        comment.contains("a\\|b \\[x\\](y) \\<img\\> @\u{2060}all U+202E&amp;\\#8238;"),
        "{comment}"
    );
}
