use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bytes: 4096, depth: 8, values: 64 };

fn fault(text: &str) -> JsonFault {
    parse(text.as_bytes(), LIMITS).unwrap_err()
}

fn read(text: &str) -> Value {
    parse(text.as_bytes(), LIMITS).unwrap()
}

#[test]
fn a_member_named_twice_is_refused_at_any_depth_and_in_any_spelling() {
    for text in [
        r#"{"sub":"a","sub":"b"}"#,
        r#"{"sub":"a","sub":"a"}"#,
        r#"{"sub":"a","x":1,"s\u0075b":"b"}"#,
        r#"{"a":[{"b":{"c":1,"d":2,"c":3}}]}"#,
    ] {
        assert_eq!(fault(text), JsonFault::Duplicate, "{text}");
    }
}

#[test]
fn limits_hold() {
    assert_eq!(fault(&"[".repeat(4097)), JsonFault::TooLong);
    assert_eq!(fault(&"[".repeat(9)), JsonFault::TooDeep);
    assert!(parse("[[[[[[[[]]]]]]]]".as_bytes(), LIMITS).is_ok());
    assert_eq!(fault(&format!("[{}0]", "0,".repeat(64))), JsonFault::TooMany);
    assert!(parse(format!("[{}0]", "0,".repeat(62)).as_bytes(), LIMITS).is_ok());
}

#[test]
fn what_is_not_json_is_refused() {
    for text in [
        "",
        " ",
        "{",
        "}",
        "{]",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "[1 2]",
        "01",
        "+1",
        "1.",
        ".5",
        "1e",
        "--1",
        "NaN",
        "Infinity",
        "nul",
        "True",
        "\"a",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0041\"",
        "\"\\udc00\"",
        "\"\n\"",
        "\"\u{0}\"",
        "{} {}",
        "\u{feff}{}",
        "{}\0",
        "/**/{}",
        "\u{a0}{}",
    ] {
        assert_eq!(fault(text), JsonFault::Syntax, "{text:?}");
    }
    assert_eq!(parse(b"\"\xff\"", LIMITS).unwrap_err(), JsonFault::NotUtf8);
    assert_eq!(Object::parse(b"[]", LIMITS).unwrap_err(), JsonFault::NotAnObject);
}

#[test]
fn numbers_keep_what_was_written() {
    for number in ["0", "-0", "1.50", "1E+2", "18446744073709551617"] {
        assert_eq!(read(number), Value::Number(number.to_owned()));
    }
}

#[test]
fn texts_are_unescaped() {
    let text = read(r#""\"\\\/\b\f\n\r\t\u0041\u00e9\ud83d\ude00 é""#);
    assert_eq!(text, Value::Text("\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{1f600} \u{e9}".to_owned()));
}

fn documents() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn same(ours: &Value, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(a), serde_json::Value::Bool(b)) => a == b,
        (Value::Number(a), serde_json::Value::Number(b)) => *a == b.to_string(),
        (Value::Text(a), serde_json::Value::String(b)) => a == b,
        (Value::List(a), serde_json::Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), serde_json::Value::Object(b)) => {
            a.0.len() == b.len()
                && b.iter().all(|(name, b)| a.get(name).is_some_and(|a| same(a, b)))
        }
        _ => false,
    }
}

const WIDE: Limits = Limits { bytes: 1 << 20, depth: 64, values: 1 << 16 };

proptest! {
    #[test]
    fn reads_what_another_reader_wrote(document in documents(), pretty in any::<bool>()) {
        let write = if pretty { serde_json::to_string_pretty } else { serde_json::to_string };
        let ours = parse(write(&document).unwrap().as_bytes(), WIDE).unwrap();
        prop_assert!(same(&ours, &document));
    }

    /// Stricter than another reader, never laxer.
    #[test]
    fn accepts_nothing_that_another_reader_refuses(
        text in r#"[ \[\]{}:,"\\au0-9.eE+tru\-]{0,24}"#,
    ) {
        if let Ok(ours) = parse(text.as_bytes(), WIDE) {
            // A number may be too large for the other reader; it is text for us.
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(_) => {}
                Err(error) => prop_assert!(error.to_string().contains("out of range"), "{ours:?}"),
            }
        }
    }

    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _read = parse(&bytes, LIMITS);
    }
}
