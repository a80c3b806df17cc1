use gw_model::{
    api::{NativeApim, Per, Portable, Who},
    desired::PolicyFile,
    environment::{
        Apim, Builtin, ChangeAction, ChangeRule, CommitRule, HostPattern, Portal, Target,
    },
    id::TargetName,
    scalar::Method,
    workspace::{Algorithm, Identity},
};
use time::macros::date;

use super::*;
use crate::fixture::{NOW, at, edited, limit, rule, shop, staff};

fn told(before: Option<&Desired>, after: &Desired) -> String {
    let noticed = Noticed::compare(before, after, NOW.date());
    let line = |notice: &Notice| {
        let operation = notice.operation.as_ref().map(|it| it.id.as_str()).unwrap_or_default();
        format!("{:?} {operation}: {}\n", notice.effect, notice.text)
    };
    noticed.notices.iter().map(line).collect()
}

fn facts(after: &Desired) -> PlanFacts {
    Noticed::compare(Some(&shop()), after, NOW.date()).facts
}

#[test]
fn equal_states_are_not_worth_a_word() {
    assert_eq!(told(Some(&shop()), &shop()), "");
}

#[test]
fn moved_lines_are_not_worth_a_word() {
    let moved = edited(|api| {
        api.at.line += 3;
        api.spec.access[0].at.line += 3;
        api.spec.limits[0].at.line += 3;
    });
    assert_eq!(told(Some(&shop()), &moved), "");
}

#[test]
fn a_first_state_tells_who_gets_in_and_which_secret_is_sent() {
    insta::assert_snapshot!(told(None, &shop()));
}

/// Shows S1.27: holds
#[test]
fn a_route_that_becomes_public_or_wider_is_flagged() {
    let public = edited(|api| api.spec.access.push(rule(17, &[Method::Post], Who::Public)));
    let wider = edited(|api| api.spec.access.push(rule(17, &[Method::Post], staff(&["sales"]))));
    insta::assert_snapshot!([told(Some(&shop()), &public), told(Some(&shop()), &wider)].join("\n"));
    assert!(facts(&public).widens_access && facts(&wider).widens_access);
    assert!(!facts(&public).narrows_access && !facts(&shop()).widens_access);
}

#[test]
fn every_setting_that_changes_is_told() {
    let changed = edited(|api| {
        let spec = &mut api.spec;
        spec.owner = Some("sales".to_owned());
        spec.upstream.url = "https://elsewhere.internal/v1".to_owned();
        spec.upstream.timeout = "5s".parse().unwrap();
        spec.upstream.pass_authorization = true;
        spec.listen.path = Some("/shop".to_owned());
        spec.max_body = Some("64KiB".parse().unwrap());
        spec.headers.request.remove.push("X-Debug".to_owned());
        spec.validate = gw_model::api::Validate::Report;
    });
    insta::assert_snapshot!(told(Some(&shop()), &changed));
    let facts = facts(&changed);
    assert_eq!(facts.moves_hosts.len(), 1);
    assert!(!facts.loosens_validation);
}

#[test]
fn native_configuration_matters_where_a_target_takes_it() {
    let mut native = edited(|api| {
        let replaces = vec![Portable::Access];
        api.spec.native.apim = Some(NativeApim { replaces, ..NativeApim::default() });
    });
    assert_eq!(told(Some(&shop()), &native), "");
    let mut before = shop();
    for desired in [&mut before, &mut native] {
        let target = desired.spec.targets.values_mut().next().unwrap();
        let service = "/subscriptions/x".to_owned();
        *target =
            Target::Apim(Apim { service, gateways: vec![], host: None, portal: Portal::Keep });
    }
    insta::assert_snapshot!(told(Some(&before), &native));
    assert!(Noticed::compare(Some(&before), &native, NOW.date()).facts.uses_native);
}

#[test]
fn limits_are_compared_by_what_they_let_through() {
    let rows = [
        (vec![("100/1m", Per::Caller)], vec![("60/1m", Per::Caller)]),
        (vec![("60/1m", Per::Caller)], vec![("100/1m", Per::Caller)]),
        (vec![("100/1m", Per::Caller)], vec![("1000/1h", Per::Caller)]),
        (vec![("100/1m", Per::Caller)], vec![("100/1m", Per::Api)]),
        (vec![("100/1m", Per::Api)], vec![("100/1m", Per::Caller)]),
        (vec![("100/1m", Per::Caller)], vec![]),
        (vec![], vec![("100/1m", Per::Ip)]),
        (vec![("10/1s", Per::Caller)], vec![("600/1m", Per::Caller), ("10/1s", Per::Caller)]),
        (vec![("10/1s", Per::Caller), ("600/1m", Per::Caller)], vec![("10/1s", Per::Caller)]),
    ];
    let state = |limits: &[(&str, Per)]| {
        edited(|api| api.spec.limits = limits.iter().map(|(rate, per)| limit(rate, *per)).collect())
    };
    let table: Vec<String> = rows
        .iter()
        .map(|(before, after)| {
            format!("{before:?} to {after:?}\n{}", told(Some(&state(before)), &state(after)))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn rules_for_changes_are_watched() {
    let mut looser = shop();
    looser.spec.changes[0].deletes = true;
    insta::assert_snapshot!(told(Some(&shop()), &looser), @"Rules : rule local may plan, apply: deletes  false → true");
    assert!(facts(&looser).touches_change_rules);
    let mut read = shop();
    read.intake.policies = vec!["elsewhere/*.cedar".to_owned()];
    insta::assert_snapshot!(told(Some(&shop()), &read), @"Rules : policy globs  none → elsewhere/*.cedar");
    let mut moved = shop();
    moved.spec.changes[0].at.line += 1;
    assert!(!facts(&moved).touches_change_rules);
}

fn change_rule(line: u32, actions: &[ChangeAction], identity: &str) -> ChangeRule {
    ChangeRule {
        at: at("environments/prod.yaml", line),
        actions: actions.to_vec(),
        identities: vec![IdentityName::parse(identity).unwrap()],
        ..shop().spec.changes[0].clone()
    }
}

#[test]
fn every_rule_that_differs_is_told_with_both_sides() {
    let mut before = shop();
    let mut after = shop();
    let branch =
        CommitRule { branch: Some("main".to_owned()), approvals: Some(1), ..CommitRule::default() };
    before.spec.changes.push(change_rule(24, &[ChangeAction::Rollback], "staff"));
    after.spec.changes.insert(0, change_rule(17, &[ChangeAction::BreakGlass], "server"));
    after.spec.changes[0].commit = Some(branch);
    after.spec.changes[1].deletes = true;
    after.spec.egress.push(HostPattern("*.evil.internal".to_owned()));
    let policy = |text: &str| PolicyFile { path: "policies/x.cedar".into(), text: text.into() };
    before.policies = vec![policy(
        "// calm\nforbid (principal, action == Gatewright::Action::\"apply\", resource);",
    )];
    after.policies = vec![policy(
        "// calm\nforbid (principal, action == Gatewright::Action::\"rollback\", resource);",
    )];
    let noticed = Noticed::compare(Some(&before), &after, NOW.date());
    let line = |notice: &Notice| {
        let at = notice.at.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} ({at})\n", notice.text)
    };
    insta::assert_snapshot!(noticed.notices.iter().map(line).collect::<String>());
    assert!(noticed.notices.iter().all(|notice| notice.change.is_some()));
    let mut turned = before.clone();
    turned.spec.changes.reverse();
    insta::assert_snapshot!(told(Some(&before), &turned), @"Rules : changes stand in another order");
}

/// Shows S1.27: holds
#[test]
fn what_callers_can_reach_is_told_first_and_flagged() {
    let edge = TargetName::parse("edge").unwrap();
    let mut after = edited(|api| {
        api.spec.access.push(rule(17, &[Method::Post], Who::Public));
        api.spec.targets.push(edge.clone());
    });
    let listen =
        |listen: &str| Target::Builtin(Builtin { listen: Some(listen.into()), replicas: None });
    let mut before = shop();
    before.spec.targets.insert(TargetName::parse("default").unwrap(), listen("127.0.0.1:8080"));
    after.spec.targets.insert(TargetName::parse("default").unwrap(), listen("0.0.0.0:8080"));
    after.spec.targets.insert(edge, listen("0.0.0.0:8443"));
    insta::assert_snapshot!(told(Some(&before), &after), @r"
    Reach : target default  listens at 127.0.0.1:8080 → listens at 0.0.0.0:8080
    Reach : target edge  none → listens at 0.0.0.0:8443
    Reach : answered by target edge too
    Public createOrder: + anyone may call, without proof
    ");
    insta::assert_snapshot!(told(Some(&after), &before), @r"
    Reach : target default  listens at 0.0.0.0:8080 → listens at 127.0.0.1:8080
    Reach : target edge  listens at 0.0.0.0:8443 → none
    Reach : no longer answered by target edge
    Narrow createOrder: - anyone, without proof → only group orders-team (staff)
    ");
}

#[test]
fn another_issuer_is_told_to_callers_as_before_and_after() {
    let mut after = shop();
    if let Some(Identity::Oidc(oidc)) = after.identities.get_mut("staff") {
        oidc.issuer = "https://evil.test".to_owned();
        oidc.algorithms = vec![Algorithm::Es256];
    }
    insta::assert_snapshot!(told(Some(&shop()), &after), @r"
    Widen listOrders: any staff: algorithm RS256 → ES256, issuer https://issuer.test → https://evil.test
    Widen createOrder: group orders-team (staff): algorithm RS256 → ES256, issuer https://issuer.test → https://evil.test
    Widen getOrder: any staff: algorithm RS256 → ES256, issuer https://issuer.test → https://evil.test
    ");
    let facts = facts(&after);
    assert!(facts.widens_access && facts.narrows_access);
}

#[test]
fn a_rule_that_is_narrowed_is_not_told_as_lost() {
    let until = edited(|api| api.spec.access[0].until = Some(date!(2026 - 12 - 25)));
    insta::assert_snapshot!(told(Some(&shop()), &until), @r"
    Narrow listOrders: - any staff → until 2026-12-25
    Narrow getOrder: - any staff → until 2026-12-25
    ");
    insta::assert_snapshot!(told(Some(&until), &shop()), @r"
    Widen listOrders: + any staff may call (before: until 2026-12-25)
    Widen getOrder: + any staff may call (before: until 2026-12-25)
    ");
    let group = edited(|api| api.spec.access[0].who = staff(&["buyers"]));
    insta::assert_snapshot!(told(Some(&shop()), &group), @r"
    Narrow listOrders: - any staff → only group buyers
    Narrow getOrder: - any staff → only group buyers
    ");
}

#[test]
fn who_had_access_before_has_a_column_of_their_own() {
    let more = |groups: &[&str]| {
        let who = staff(groups);
        edited(|api| api.spec.access[1].who = who)
    };
    let table = |after: &Desired| Noticed::compare(Some(&shop()), after, NOW.date()).access;
    let same = Cell { before: true, after: true };
    let gains = Cell { before: false, after: true };
    let AccessTable { classes, rows } = table(&more(&["orders-team", "sales", "support"])).unwrap();
    assert_eq!(
        classes,
        ["orders-team", "sales", "support"].map(|it| format!("group {it} (staff)"))
    );
    assert_eq!(rows[0].cells, [same, gains, gains]);
    // More columns than can be read are no table.
    assert_eq!(table(&more(&["orders-team", "a", "b", "c", "d", "e", "f"])), None);
}

#[test]
fn an_operation_that_nobody_may_call_is_told_with_its_api() {
    let shut = edited(|api| {
        let (id, path) = ("purgeOrders".to_owned(), "/orders".to_owned());
        api.operations.push(Operation { id, method: Method::Delete, path });
    });
    insta::assert_snapshot!(told(Some(&shop()), &shut), @"Setting purgeOrders: new, nobody may call it");
    let noticed = Noticed::compare(Some(&shop()), &shut, NOW.date());
    assert_eq!(noticed.notices[0].api.as_ref().unwrap().as_str(), "orders");
}
