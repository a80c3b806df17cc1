use serde_json::json;

use super::*;

/// The breaches of a schema, as place and words.
fn found(schema: &Value, value: &Value) -> Vec<String> {
    let schemas = json!({
        "object": { "type": "object", "properties": { "type": {} }, "required": ["type"] },
        "branch": {
            "allOf": [{ "$ref": "#/components/schemas/object" }],
            "type": "object",
            "properties": { "name": { "type": "string", "minLength": 1, "maxLength": 3 } },
        },
        "closed": { "type": "object", "properties": {}, "additionalProperties": false },
    });
    let schemas = schemas.as_object().expect("an object");
    let found = breaches(schemas, schema, value).into_iter();
    found.map(|it| format!("{} ({}): {}", it.at, it.place, it.wrong.words())).collect()
}

#[test]
fn every_breach_has_its_place_in_the_value_and_in_the_contract() {
    let branch = json!({ "$ref": "#/components/schemas/branch" });
    let list = json!({ "type": "array", "items": branch, "minItems": 1, "maxItems": 2 });
    let whole = json!({ "type": "object", "properties": { "branches": list } });
    let named = |name: Value| json!({ "type": "branch", "name": name });
    let of = |branches: Value| json!({ "branches": branches });
    let rows: [(Value, &[&str]); 9] = [
        (of(json!([named(json!("abc"))])), &[]),
        (json!({}), &[]),
        (of(json!([])), &["branches (branches): Must have at least 1 items."]),
        (
            of(json!([named(json!("a")), named(json!("b")), named(json!("c"))])),
            &["branches (branches): Must have at most 2 items."],
        ),
        (
            of(json!([named(json!("")), named(json!("abcd"))])),
            &[
                "branches[0].name (branch.name): Must have at least 1 characters.",
                "branches[1].name (branch.name): Must have at most 3 characters.",
            ],
        ),
        (
            of(json!([{ "name": "a" }])),
            &["branches[0].type (object.type): This field is required."],
        ),
        (of(json!([named(json!(7))])), &["branches[0].name (branch.name): Expected string."]),
        (of(json!([null])), &["branches[0] (branches[]): This field may not be null."]),
        (json!([]), &[" (): Expected object."]),
    ];
    for (value, expected) in rows {
        assert_eq!(found(&whole, &value), expected, "{value}");
    }
}

#[test]
fn numbers_choices_and_closed_objects_are_checked() {
    let rows = [
        (json!({ "type": "integer", "minimum": 1 }), json!(0), "Must be at least 1."),
        (json!({ "type": "integer", "maximum": 1 }), json!(2), "Must be at most 1."),
        (json!({ "type": "integer" }), json!(1.5), "Expected integer."),
        (json!({ "type": "boolean" }), json!("true"), "Expected boolean."),
        (json!({ "enum": ["A", "B"] }), json!("C"), "Must be one of: A, B."),
        (json!({ "enum": ["A"] }), json!(null), "This field may not be null."),
    ];
    for (schema, value, words) in rows {
        assert_eq!(found(&schema, &value), [format!(" (): {words}")]);
    }
    assert_eq!(found(&json!({ "enum": ["A", null] }), &json!(null)), [""; 0]);
    let closed = json!({ "$ref": "#/components/schemas/closed" });
    assert_eq!(found(&closed, &json!({ "a": 1 })), ["a (closed.a): This field is not known."]);
}
