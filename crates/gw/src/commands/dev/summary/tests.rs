use std::collections::BTreeMap;

use gw_model::{id::IdentityName, source::Origin};

use super::*;

fn proven(methods: &[Method], claims: &[(&str, &[&str])], when: Option<&str>) -> AccessRule {
    let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    let claims: BTreeMap<String, Vec<String>> =
        claims.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect();
    AccessRule {
        at: origin(),
        methods: methods.to_vec(),
        operations: vec![],
        who: Who::Proven {
            identities: vec![IdentityName::parse("demo").expect("a name")],
            claims,
            when: when.map(str::to_owned),
        },
        until: None,
    }
}

fn origin() -> Origin {
    Origin { file: "gatewright.yaml".to_owned(), line: 1 }
}

#[test]
fn rules_are_said_in_the_words_of_their_declaration() {
    let said = |one: AccessRule| rule(&one);
    assert_eq!(said(proven(&[Method::Get], &[], None)), "GET any signed-in caller");
    assert_eq!(
        said(proven(&[Method::Post], &[("groups", &["a", "b"])], None)),
        "POST group a or b"
    );
    assert_eq!(
        said(proven(&[], &[("dept", &["x"]), ("groups", &["a"])], Some("true"))),
        "dept x and group a under a condition"
    );
    assert_eq!(
        said(proven(&[Method::Get], &[], Some("true"))),
        "GET any signed-in caller under a condition"
    );
    let public = AccessRule { who: Who::Public, ..proven(&[Method::Get], &[], None) };
    assert_eq!(said(public), "GET anyone");
}

#[test]
fn limits_name_whose_calls_are_counted_together() {
    let said = |per| {
        let rate = "100/1m".parse().expect("a rate");
        limit(&Limit { at: origin(), methods: vec![], operations: vec![], rate, per })
    };
    assert_eq!(said(Per::Caller), "100/1m per caller");
    assert_eq!(said(Per::Ip), "100/1m per address");
}
