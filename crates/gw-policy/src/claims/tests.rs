use super::*;
use crate::json::Limits;

const LIMITS: Limits = Limits { bytes: 4096, depth: 16, values: 128 };

fn token() -> Object {
    let text = r#"{
        "sub": "bob", "groups": ["a", "b", "a", 7, true, null, ["c"], {"d": 1}],
        "scope": "read  write ", "scp": ["x y"], "name": "x y", "level": 3.50, "admin": false,
        "none": null, "realm_access": {"roles": ["ops"], "deep": {"er": "z"}},
        "https://example.com/groups": ["url"], "a": {"b.c": "dotted", "b": {"c": "nested"}}
    }"#;
    Object::parse(text.as_bytes(), LIMITS).unwrap()
}

fn renamed(rename: &[(&str, &str)]) -> ClaimSet {
    let owned = |(name, path): &(&str, &str)| ((*name).to_owned(), (*path).to_owned());
    claims(&token(), &rename.iter().map(owned).collect())
}

#[test]
fn every_form_becomes_a_set_of_texts() {
    insta::assert_json_snapshot!(renamed(&[]), @r#"
    {
      "admin": [
        "false"
      ],
      "groups": [
        "7",
        "a",
        "b",
        "true"
      ],
      "https://example.com/groups": [
        "url"
      ],
      "level": [
        "3.50"
      ],
      "name": [
        "x y"
      ],
      "scope": [
        "read",
        "write"
      ],
      "scp": [
        "x y"
      ],
      "sub": [
        "bob"
      ]
    }
    "#);
}

#[test]
fn a_path_reaches_into_objects_and_finds_names_with_dots() {
    for (path, expected) in [
        ("realm_access.roles", "ops"),
        ("realm_access.deep.er", "z"),
        ("https://example.com/groups", "url"),
        ("a.b.c", "dotted"),
    ] {
        let claims = renamed(&[("new", path)]);
        assert_eq!(claims["new"], BTreeSet::from([expected.to_owned()]), "{path}");
    }
}

#[test]
fn a_renamed_claim_never_comes_from_its_new_name() {
    for path in ["realm_access.missing", "sub.x", "none", "realm_access", ".", "a..b", ""] {
        assert!(!renamed(&[("groups", path)]).contains_key("groups"), "{path}");
    }
    let claims = renamed(&[("groups", "realm_access.roles")]);
    assert_eq!(claims["groups"], BTreeSet::from(["ops".to_owned()]));
}

#[test]
fn what_the_issuer_left_out_is_listed_under_the_names_of_rules() {
    let left_out = |text: &str, rename: &[(&str, &str)]| {
        let token = Object::parse(text.as_bytes(), LIMITS).unwrap();
        let owned = |(name, path): &(&str, &str)| ((*name).to_owned(), (*path).to_owned());
        let claims = claims(&token, &rename.iter().map(owned).collect());
        claims.get(LEFT_OUT).map(|names| names.iter().cloned().collect::<Vec<_>>().join(" "))
    };
    // Entra, with more groups than fit.
    let many =
        r#"{"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}}"#;
    let rows = [
        (many, vec![], Some("groups")),
        (many, vec![("teams", "groups")], Some("groups teams")),
        (many, vec![("groups", "other")], None),
        (r#"{"hasgroups": true}"#, vec![], Some("groups")),
        (r#"{"hasgroups": "true", "groups": ["a"]}"#, vec![], None),
        (r#"{"groups": ["a"]}"#, vec![], None),
        (r#"{"_claim_names": "groups"}"#, vec![], None),
        (r#"{"_claim_names": ["groups"]}"#, vec![], None),
    ];
    for (token, rename, expected) in rows {
        assert_eq!(left_out(token, &rename).as_deref(), expected, "{token} {rename:?}");
    }
}
