use gw_model::scalar::Method;

use super::*;
use crate::{
    cedar::SCHEMA,
    sample::{ORDERS, api, desired, identity, orders, rule, target, with_policy},
    snapshot::Snapshot,
};

fn errors(text: &str) -> Vec<(Code, String, String)> {
    let found = Snapshot::compile(&with_policy(orders(), text), &target()).unwrap_err();
    let place = |found: &Diagnostic| {
        let mark = &found.marks[0];
        format!("{}:{}:{}", mark.file, mark.start.line, mark.start.column)
    };
    found.iter().map(|found| (found.code, found.message.clone(), place(found))).collect()
}

#[test]
fn the_schema_is_one_that_cedar_takes() {
    let (_, warnings) = cedar_policy::Schema::from_cedarschema_str(SCHEMA).unwrap();
    assert_eq!(warnings.count(), 0);
}

#[test]
fn a_permit_in_a_file_is_refused_at_its_place() {
    let found = errors("// mine\n\n@id(\"x\")\npermit (principal, action, resource);");
    assert_eq!(found[0].0, Code::PermitInPolicy);
    assert_eq!(found[0].2, "policies/rules.cedar:4:1");
}

#[test]
fn what_is_not_cedar_is_refused_at_its_place() {
    let found = errors("forbid (principal, action, resource);\n\nforbid (principal, action) ;");
    assert_eq!(found[0].0, Code::PolicySyntax);
    assert!(found[0].2.starts_with("policies/rules.cedar:3:"), "{found:?}");
}

#[test]
fn what_does_not_fit_the_schema_is_refused_at_its_place() {
    let text = "forbid (principal, action, resource)\nwhen {\n  principal.level > 3\n};";
    let found = errors(text);
    assert_eq!(found[0].0, Code::PolicyInvalid);
    assert!(found[0].2.starts_with("policies/rules.cedar:3:"), "{found:?}");
    assert!(!found[0].1.contains("policy0"), "{found:?}");
    let unguarded = "forbid (principal, action == Gatewright::Action::\"call\", resource) when { \
        principal.getTag(\"groups\").contains(\"x\") };";
    assert_eq!(errors(unguarded)[0].0, Code::PolicyInvalid);
}

#[test]
fn two_policies_of_one_name_are_refused() {
    let text = "@id(\"x\") forbid (principal, action, resource);\n".repeat(2);
    let found = errors(&text);
    assert_eq!(found[0].0, Code::PolicyIdTwice);
}

#[test]
fn a_file_is_cut_at_the_ends_of_policies_only() {
    let text = "// a; comment\n@reason(\"one; \\\" two\") forbid (principal, action, resource);\n\
        // between\nforbid (principal, action, resource) // end; not yet\n;\n// last";
    let pieces: Vec<_> = split(text).into_iter().map(|piece| piece.text.lines().count()).collect();
    assert_eq!(pieces, [1, 2]);
    assert_eq!(split(" \n// nothing\n"), []);
    assert_eq!(split("forbid").len(), 1, "an end without `;` is kept for the parser to name");
}

fn condition_error(text: &str) -> Code {
    let who = gw_model::api::Who::Proven {
        identities: vec![identity("staff")],
        claims: Default::default(),
        when: Some(text.to_owned()),
    };
    let wrong = desired(&[("orders", api(vec![rule(9, &[Method::Get], who)], ORDERS))]);
    let found = Snapshot::compile(&wrong, &target()).unwrap_err();
    assert_eq!(found[0].marks[0].start.line, 9);
    found[0].code
}

#[test]
fn a_condition_is_one_expression_and_cannot_leave_its_braces() {
    assert_eq!(
        condition_error("true }; permit (principal, action, resource) when { true"),
        Code::PolicySyntax
    );
    assert_eq!(condition_error("true } unless { false"), Code::PolicySyntax);
    assert_eq!(condition_error(""), Code::PolicySyntax);
    assert_eq!(condition_error("context.nothing"), Code::PolicyInvalid);
    assert_eq!(condition_error("principal.subject"), Code::PolicyInvalid);
}

#[test]
fn equal_words_forbid_the_same_whatever_their_layout() {
    let words = crate::cedar::Vocabulary::get().unwrap();
    let read = |text: &str| {
        let mut findings = vec![];
        let file = crate::sample::policy(text);
        let forbids = read_files(&[file], words, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        forbids[0].canonical()
    };
    let one =
        "@id(\"a\") forbid (principal, action, resource) when { principal.subject == \"x\" };";
    let two = "forbid(principal,action,resource)\n// why\nwhen{principal.subject==\"x\"};";
    assert_eq!(read(one), read(two));
    assert_ne!(read(one), read("forbid (principal, action, resource);"));
}
