use serde_json::json;

use super::*;

fn rules(rules: serde_json::Value) -> Vec<RulePart> {
    serde_json::from_value(rules).unwrap()
}

#[test]
fn a_pattern_is_about_a_branch() {
    let rows = [
        ("main", "main", true),
        ("main", "Main", false),
        ("main", "mainly", false),
        ("", "main", false),
        ("*", "main", true),
        ("*", "", true),
        ("*", "release/1", false),
        ("**", "release/1", true),
        ("release/*", "release/1", true),
        ("release/*", "release/1/2", false),
        ("release/**", "release/1/2", true),
        ("*/1", "release/1", true),
        ("ma*n", "main", true),
        ("ma*n", "man", true),
        ("m*a*i*n", "main", true),
        ("ma?n", "main", true),
        ("ma?n", "man", false),
        ("release?1", "release/1", false),
        ("m[a]in", "main", false),
        ("größe", "größe", true),
        ("gr?ße", "größe", true),
    ];
    for (pattern, branch, covered) in rows {
        assert_eq!(covers(pattern, branch), covered, "{pattern} {branch}");
    }
}

#[test]
fn a_hostile_pattern_takes_no_time_to_speak_of() {
    let pattern = format!("{}b", "*a".repeat(500));
    assert!(!covers(&pattern, &"a".repeat(1000)));
}

#[test]
fn rules_of_a_branch_are_taken_together() {
    let person = |name: &str| json!({ "type": "user", "uuid": format!("{{{name}}}") });
    let rules = rules(json!([
        { "kind": "push", "branch_match_kind": "glob", "pattern": "main", "users": [person("ann")], "groups": [] },
        { "kind": "push", "branch_match_kind": "glob", "pattern": "ma*", "users": [person("ann"), person("bob")],
          "groups": [{ "slug": "release" }] },
        { "kind": "push", "branch_match_kind": "glob", "pattern": "other", "users": [person("eve")], "groups": [] },
        { "kind": "push", "branch_match_kind": "branching_model", "branch_type": "production", "pattern": "" },
        { "kind": "restrict_merges", "branch_match_kind": "glob", "pattern": "**", "users": [], "groups": null },
        { "kind": "require_approvals_to_merge", "branch_match_kind": "glob", "pattern": "*", "value": 1 },
        { "kind": "require_approvals_to_merge", "branch_match_kind": "glob", "pattern": "main", "value": 2 },
        { "kind": "require_approvals_to_merge", "branch_match_kind": "branching_model", "pattern": "", "value": 9 },
        { "kind": "enforce_merge_checks", "branch_match_kind": "glob", "pattern": "main" },
        { "kind": "something_new", "branch_match_kind": "glob", "pattern": "main", "value": null },
    ]));
    let main = protection("main", &rules);
    let Allowed::Only { accounts, groups } = &main.pushes else { panic!("{main:?}") };
    let ids: Vec<_> = accounts.iter().map(|it| it.id.as_str()).collect();
    assert_eq!((ids, groups), (vec!["{ann}", "{bob}"], &vec!["release".to_owned()]));
    assert_eq!(main.merges, Allowed::Only { accounts: vec![], groups: vec![] });
    assert_eq!((main.approvals, main.force, main.unjudged), (2, Force::Refused, 2));
    let free = protection("a/b", &rules);
    assert_eq!((free.pushes, free.approvals, free.force), (Allowed::Writers, 0, Force::Warned));
}
