use proptest::prelude::*;
use serde_json::json;

use super::*;

#[test]
fn canonical_json_orders_members_by_utf16_and_escapes_only_what_it_must() {
    let value = json!({
        "\u{20ac}": "Euro", "\r": "return", "\u{fb33}": "dalet", "1": "one",
        "\u{1f600}": "smile", "\u{80}": "control", "\u{f6}": "o",
        "list": [true, null, -3, "\u{1}\u{8}\t\n\u{c}\r\"\\/"],
    });
    insta::assert_snapshot!(canonical_json(&value).escape_default(), @r#"{\"\\r\":\"return\",\"1\":\"one\",\"list\":[true,null,-3,\"\\u0001\\b\\t\\n\\f\\r\\\"\\\\/\"],\"\u{80}\":\"control\",\"\u{f6}\":\"o\",\"\u{20ac}\":\"Euro\",\"\u{1f600}\":\"smile\",\"\u{fb33}\":\"dalet\"}"#);
}

#[test]
fn a_digest_is_the_sha256_of_the_bytes() {
    assert_eq!(
        Digest::of_bytes(b"abc").as_str(),
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn files_are_told_apart_by_name_content_and_border() {
    let digest = |files: &[(&str, &[u8])]| Digest::of_named(files.iter().copied());
    let one = digest(&[("a", b"1"), ("b", b"2")]);
    assert_eq!(one, digest(&[("b", b"2"), ("a", b"1")]));
    for other in
        [digest(&[("a", b"1b"), ("", b"2")]), digest(&[("a", b"2"), ("b", b"1")]), digest(&[])]
    {
        assert_ne!(one, other);
    }
}

#[test]
fn a_digest_survives_its_written_form_and_nothing_else_does() {
    let digest = Digest::of_bytes(b"abc");
    assert_eq!(digest.as_str().parse(), Ok(digest.clone()));
    assert_eq!(digest.short(), "Q9W1DF");
    for text in ["", "sha256:", "sha256:AB", "md5:00", &digest.as_str().to_uppercase()] {
        assert!(text.parse::<Digest>().is_err(), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_json_says_the_same(value in any_json()) {
        let text = canonical_json(&value);
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
