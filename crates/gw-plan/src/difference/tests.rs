use gw_model::desired::Desired;
use serde_json::json;

use super::*;
use crate::driver::{Actor, Body, Fate, Lowered, Observed, Order, Pending, Probe, Probed, Step};

/// Says of origins that they do not count, and nothing else.
#[derive(Debug)]
struct Plain;

impl Driver for Plain {
    fn kind(&self) -> &'static str {
        "plain"
    }
    fn place(&self) -> String {
        "plain".to_owned()
    }
    fn lower(&self, _: &Desired) -> Lowered {
        Lowered::default()
    }
    fn raise(&self, _: &[Object]) -> Option<Desired> {
        None
    }
    fn canonical(&self, object: &Object) -> Value {
        without_origins(object.body.value())
    }
    fn steps(&self, _: &[Difference]) -> Vec<Step> {
        vec![]
    }
    fn probes(&self, _: &Desired) -> Vec<Probe> {
        vec![]
    }
    fn observe(&self) -> Pending<'_, Observed> {
        Box::pin(async { Ok(Observed::nothing(time::OffsetDateTime::UNIX_EPOCH)) })
    }
    fn step<'a>(&'a self, _: Order<'a>) -> Pending<'a, ()> {
        Box::pin(async { Ok(()) })
    }
    fn probe<'a>(&'a self, _: &'a Probe) -> Pending<'a, Probed> {
        Box::pin(async { Ok(Probed { status: 404, fate: Fate::Refused }) })
    }
    fn actor<'a>(&'a self, _: &'a Difference) -> Pending<'a, Option<Actor>> {
        Box::pin(async { Ok(None) })
    }
    fn import(&self) -> Pending<'_, Vec<Object>> {
        Box::pin(async { Ok(vec![]) })
    }
}

fn object(name: &str, body: &Value) -> Object {
    let body = Body::write(body).unwrap();
    Object { kind: "api".to_owned(), name: name.to_owned(), body }
}

/// One object, seen from three sides: what is done, and what is drift.
fn sides(declared: Option<i64>, written: Option<i64>, live: Option<i64>) -> String {
    let side = |value: Option<i64>| value.map(|value| object("a", &json!(value))).into_iter();
    let [declared, written, live] =
        [declared, written, live].map(|value| side(value).collect::<Vec<_>>());
    let differences = compare(&Plain, &declared, &written, &live);
    differences.iter().map(|it| format!("{:?}, drift {:?}", it.action, it.drift)).collect()
}

#[test]
fn every_combination_of_three_sides_has_one_answer() {
    let rows = [
        (None, None, None),
        (Some(1), None, None),
        (Some(1), Some(1), Some(1)),
        (Some(2), Some(1), Some(1)),
        (Some(1), Some(1), Some(2)),
        (Some(2), Some(1), Some(2)),
        (Some(2), Some(1), Some(3)),
        (Some(1), Some(1), None),
        (Some(1), None, Some(1)),
        (Some(1), None, Some(2)),
        (None, Some(1), Some(1)),
        (None, Some(1), Some(2)),
        (None, Some(1), None),
        (None, None, Some(1)),
    ];
    let text = |side: Option<i64>| side.map_or_else(|| "-".to_owned(), |side| side.to_string());
    let table: Vec<String> = rows
        .into_iter()
        .map(|(declared, written, live)| {
            let answer = sides(declared, written, live);
            format!("{} {} {}  {answer}", text(declared), text(written), text(live))
        })
        .collect();
    insta::assert_snapshot!(table.join("\n"));
}

#[test]
fn the_place_of_a_line_is_no_difference() {
    let at = |line: u32| json!({"rules": [{"at": {"file": "a.yaml", "line": line}, "x": 1}]});
    let (old, new) = ([object("a", &at(3))], [object("a", &at(9))]);
    assert_eq!(compare(&Plain, &new, &old, &old), vec![]);
}

#[test]
fn leaves_name_the_places_that_differ() {
    let before = json!({"a": [1, 2], "b": {"c": 1}, "same": [1]});
    let after = json!({"a": [1, 3, 4], "b": {}, "same": [1]});
    let found: Vec<String> = leaves(&before, &after)
        .into_iter()
        .map(|leaf| format!("{} {:?} {:?}", leaf.path, leaf.before, leaf.after))
        .collect();
    insta::assert_snapshot!(found.join("\n"), @r"
    a[1] Some(Number(2)) Some(Number(3))
    a[2] None Some(Number(4))
    b.c Some(Number(1)) None
    ");
}

#[test]
fn leaves_are_called_as_the_declaration_calls_them() {
    let rule = |groups: &[&str]| json!({"who": {"proven": {"claims": {"groups": groups}}}});
    let api = |rule: Value| json!({"spec": {"access": [rule], "limits": [{"rate": "1/1m"}]}});
    let found = leaves(&api(rule(&["a"])), &api(rule(&["a", "b"])));
    assert_eq!(found[0].path, "access[0].claims.groups[1]");
    let (before, after) = (api(json!({})), api(rule(&[])));
    assert_eq!(leaves(&before, &after)[0].path, "access[0].who");
}

#[test]
fn a_value_is_told_as_people_say_it() {
    for (value, words) in [
        (json!(null), "none"),
        (json!("30s"), "30s"),
        (json!(true), "true"),
        (json!([]), "none"),
        (json!(["GET", "POST"]), "GET, POST"),
        (
            json!({"header": {"name": "X-Api-Key", "prefix": "", "secret": "orders-key"}}),
            "header (name X-Api-Key, secret orders-key)",
        ),
        (json!({"file": {}, "days": ["mon", "tue"]}), "days (mon, tue)"),
    ] {
        assert_eq!(in_words(Some(&value)), words);
    }
    assert_eq!(in_words(None), "none");
}
