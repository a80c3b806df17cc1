use serde_json::json;

use super::*;

const API: &str = r#"# Of the orders team.
apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: { name: orders }
spec:
  upstream: { url: "http://127.0.0.1:9", timeout: 10s }   # the old one
  access:
    - methods: [GET, POST]
      claims:
        groups:
          - orders-team
          - "the sales"   # since May
    - { methods: [GET], public: true, claims: { groups: [b, a] } }
  limits:
    - { rate: 100/1m, per: caller }
---
kind: Api
metadata: { name: other }
spec: { limits: [{ rate: 100/1m }] }
"#;

fn change<'a>(path: &'a str, before: Option<&'a Json>, after: Option<&'a Json>) -> Change<'a> {
    Change { path, before, after }
}

/// The lines that differ.
fn lines(changes: &[Change<'_>]) -> String {
    let text = edited(API, "Api", "orders", changes).unwrap().unwrap();
    let former: Vec<&str> = API.lines().collect();
    let lines = text.lines().filter(|line| !former.contains(line));
    lines.map(|line| format!("{}\n", line.trim())).collect()
}

#[test]
fn one_value_changes_and_nothing_beside_it() {
    for (path, before, after, line) in [
        ("limits[0].rate", json!("100/1m"), json!("900/1m"), "- { rate: 900/1m, per: caller }\n"),
        (
            "upstream.url",
            json!("http://127.0.0.1:9"),
            json!("http://10.0.0.1"),
            "upstream: { url: \"http://10.0.0.1\", timeout: 10s }   # the old one\n",
        ),
        (
            "upstream.timeout",
            json!("10s"),
            json!("a s"),
            "upstream: { url: \"http://127.0.0.1:9\", timeout: \"a s\" }   # the old one\n",
        ),
        (
            "access[0].claims.groups[1]",
            json!("the sales"),
            json!("support"),
            "- support   # since May\n",
        ),
        (
            "access[1].public",
            json!(true),
            json!(false),
            "- { methods: [GET], public: false, claims: { groups: [b, a] } }\n",
        ),
        // The list is compared in another order than it is written.
        (
            "access[1].claims.groups[0]",
            json!("a"),
            json!("c"),
            "- { methods: [GET], public: true, claims: { groups: [b, c] } }\n",
        ),
    ] {
        assert_eq!(lines(&[change(path, Some(&before), Some(&after))]), line, "{path}");
    }
}

#[test]
fn an_element_is_added_as_its_list_is_written() {
    let value = json!("support");
    let flow = lines(&[change("access[1].claims.groups[2]", None, Some(&value))]);
    assert_eq!(flow, "- { methods: [GET], public: true, claims: { groups: [b, a, support] } }\n");
    let (one, other) = (json!("support"), json!("yes"));
    let block = lines(&[
        change("access[0].claims.groups[2]", None, Some(&one)),
        change("access[0].claims.groups[3]", None, Some(&other)),
    ]);
    assert_eq!(block, "- support\n- \"yes\"\n");
}

#[test]
fn what_is_not_said_there_or_not_in_one_word_has_no_place() {
    let (was, is, list) = (json!("100/1m"), json!("900/1m"), json!(["a"]));
    for refused in [
        change("limits[0].rate", Some(&is), Some(&was)),
        change("limits[1].rate", Some(&was), Some(&is)),
        change("limits[0].burst", Some(&was), Some(&is)),
        change("limits[0].rate", Some(&was), None),
        change("access[0].methods", Some(&was), Some(&list)),
        change("limits[1]", None, Some(&list)),
        change("operations[0].id", Some(&was), Some(&is)),
        change("", Some(&was), Some(&is)),
    ] {
        let told = edited(API, "Api", "orders", &[refused]);
        assert_eq!(told, Err(NoPlace { path: refused.path.to_owned() }), "{refused:?}");
    }
    let rate = change("limits[0].rate", Some(&was), Some(&is));
    assert_eq!(edited(API, "Api", "nobody", &[rate]), Ok(None));
    assert_eq!(edited("{", "Api", "orders", &[rate]), Ok(None));
    let other = edited(API, "Api", "other", &[rate]).unwrap().unwrap();
    assert!(other.ends_with("spec: { limits: [{ rate: 900/1m }] }\n"), "{other}");
}
