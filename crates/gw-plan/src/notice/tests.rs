use gw_model::{
    api::{NativeApim, Per, Portable, Who},
    environment::{Apim, Portal, Target},
    scalar::Method,
};

use super::*;
use crate::fixture::{NOW, edited, limit, rule, shop, staff};

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
    insta::assert_snapshot!(told(Some(&shop()), &looser), @"Rules : changes differ from the rules in force");
    assert!(facts(&looser).touches_change_rules);
    let mut read = shop();
    read.intake.policies = vec!["elsewhere/*.cedar".to_owned()];
    insta::assert_snapshot!(told(Some(&shop()), &read), @"Rules : policy globs differ from the rules in force");
    let mut moved = shop();
    moved.spec.changes[0].at.line += 1;
    assert!(!facts(&moved).touches_change_rules);
}
