use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::token::tests::{es256, es256_other, named, rs256};

fn parse(set: &serde_json::Value) -> Result<KeySet, KeySetRefusal> {
    KeySet::parse(set.to_string().as_bytes())
}

fn good() -> serde_json::Value {
    named(es256(), "good")
}

/// What becomes of one key beside a good one.
fn skip(jwk: serde_json::Value) -> SkipReason {
    let keys = vec![jwk, good()];
    let set = parse(&json!({ "keys": keys })).unwrap();
    assert_eq!(set.len(), 1, "the good key stays");
    assert_eq!(set.skipped().len(), 1);
    set.skipped()[0].reason
}

fn with(mut jwk: serde_json::Value, member: &str, value: serde_json::Value) -> serde_json::Value {
    jwk[member] = value;
    jwk
}

fn rsa_of(bits: usize, exponent: &[u8]) -> serde_json::Value {
    let mut modulus = vec![0xff; bits / 8];
    modulus[0] = 0x80;
    json!({
        "kty": "RSA", "kid": "made",
        "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
    })
}

#[test]
fn each_kind_of_hostile_key_is_left_out_by_name() {
    let other = || named(es256_other(), "other");
    let rsa = || named(rs256(), "rsa");
    let text = |value: &str| serde_json::Value::from(value);
    assert_eq!(skip(json!({"kty": "oct", "k": "c2VjcmV0", "kid": "x"})), SkipReason::Symmetric);
    assert_eq!(skip(with(rsa(), "k", text("c2VjcmV0"))), SkipReason::Symmetric);
    assert_eq!(skip(with(other(), "d", text("AA"))), SkipReason::Private);
    assert_eq!(skip(with(rsa(), "p", text("AA"))), SkipReason::Private);
    assert_eq!(skip(with(other(), "use", text("enc"))), SkipReason::OtherUse);
    assert_eq!(skip(with(other(), "key_ops", json!(["sign"]))), SkipReason::OtherUse);
    assert_eq!(skip(with(other(), "kty", text("PQ"))), SkipReason::UnknownType);
    assert_eq!(skip(with(other(), "crv", text("secp256k1"))), SkipReason::UnknownType);
    assert_eq!(skip(with(other(), "alg", text("HS256"))), SkipReason::UnknownAlgorithm);
    assert_eq!(skip(with(other(), "alg", text("RS256"))), SkipReason::UnknownAlgorithm);
    assert_eq!(skip(with(other(), "kid", json!(7))), SkipReason::BadKeyId);
    assert_eq!(skip(with(other(), "kid", text(&"k".repeat(257)))), SkipReason::BadKeyId);
    assert_eq!(skip(with(other(), "x", text("AA"))), SkipReason::Malformed);
    assert_eq!(skip(with(other(), "x", good()["y"].clone())), SkipReason::Malformed);
    assert_eq!(skip(json!("key")), SkipReason::NotAnObject);
    assert_eq!(skip(json!({"kty": "OKP", "crv": "X25519", "x": "AA"})), SkipReason::UnknownType);
    assert_eq!(skip(json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"})), SkipReason::Malformed);
}

#[test]
fn rsa_keys_are_of_a_sane_size_with_a_sane_exponent() {
    assert_eq!(skip(rsa_of(1024, &[1, 0, 1])), SkipReason::Weak);
    assert_eq!(skip(rsa_of(2040, &[1, 0, 1])), SkipReason::Weak);
    assert_eq!(skip(rsa_of(8200, &[1, 0, 1])), SkipReason::Weak);
    for exponent in [&[1][..], &[], &[0], &[2], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
        assert_eq!(skip(rsa_of(2048, exponent)), SkipReason::Malformed, "{exponent:?}");
    }
}

#[test]
fn two_keys_of_one_name_are_both_left_out() {
    let (one, two) = (named(es256(), "same"), named(es256_other(), "same"));
    let set = parse(&json!({"keys": [one, two, good()]})).unwrap();
    assert_eq!(
        set.skipped().iter().map(|key| key.reason).collect::<Vec<_>>(),
        vec![SkipReason::DuplicateKeyId, SkipReason::DuplicateKeyId]
    );
    assert_eq!(set.choose(Some("same"), Algorithm::Es256).unwrap_err(), NoKey::Unknown);
    assert!(set.choose(Some("good"), Algorithm::Es256).is_ok());
}

#[test]
fn a_set_that_is_too_large_or_useless_is_refused_whole() {
    let many = |count: usize| json!({"keys": vec![json!({"kty": "x"}); count]});
    assert_eq!(parse(&many(101)), Err(KeySetRefusal::TooManyKeys(101)));
    assert!(matches!(parse(&many(100)), Err(KeySetRefusal::NoneUsable(all)) if all.len() == 100));
    let huge = vec![b' '; SET_BYTES + 1];
    assert_eq!(KeySet::parse(&huge), Err(KeySetRefusal::Unreadable(JsonFault::TooLong)));
    assert_eq!(parse(&json!({"keys": {}})), Err(KeySetRefusal::NoKeys));
    assert_eq!(parse(&json!({})), Err(KeySetRefusal::NoKeys));
    assert!(matches!(parse(&json!({"keys": []})), Err(KeySetRefusal::NoneUsable(_))));
    let twice = br#"{"keys":[],"keys":[]}"#;
    assert_eq!(KeySet::parse(twice), Err(KeySetRefusal::Unreadable(JsonFault::Duplicate)));
}

#[test]
fn a_token_without_a_key_name_needs_a_set_with_one_fitting_key() {
    let rsa = named(rs256(), "rsa");
    let set = parse(&json!({"keys": [good(), rsa]})).unwrap();
    assert!(set.choose(None, Algorithm::Es256).is_ok());
    assert!(set.choose(None, Algorithm::Rs256).is_ok());
    assert_eq!(set.choose(None, Algorithm::EdDsa).unwrap_err(), NoKey::NotOne);
    assert_eq!(set.choose(Some("good"), Algorithm::Rs256).unwrap_err(), NoKey::OtherAlgorithm);
    assert_eq!(set.choose(Some("GOOD"), Algorithm::Es256).unwrap_err(), NoKey::Unknown);
    let two = parse(&json!({"keys": [good(), named(es256_other(), "two")]})).unwrap();
    assert_eq!(two.choose(None, Algorithm::Es256).unwrap_err(), NoKey::NotOne);
}

#[test]
fn sets_are_equal_by_their_keys() {
    let one = parse(&json!({"keys": [good()], "x": 1})).unwrap();
    assert_eq!(one, parse(&json!({"keys": [good(), {"kty": "oct", "k": ""}]})).unwrap());
    assert_ne!(one, parse(&json!({"keys": [named(es256_other(), "good")]})).unwrap());
    assert_ne!(one, parse(&json!({"keys": [named(es256(), "bad")]})).unwrap());
}

#[test]
fn skipped_keys_are_told_in_words() {
    let set =
        json!({"keys": [good(), {"kty": "oct", "kid": "a\nb"}, {"kty": "RSA", "use": "enc"}]});
    let told = parse(&set).unwrap().skipped().iter().map(ToString::to_string).collect::<Vec<_>>();
    insta::assert_snapshot!(told.join("\n"), @r"
    key `a\nb` is not used: it is a symmetric key
    key number 3 is not used: its `use` or `key_ops` say that it does not verify signatures
    ");
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..128)) {
        let _set = KeySet::parse(&bytes);
    }

    #[test]
    fn never_panics_on_any_member(
        member in "kty|crv|x|y|n|e|use|key_ops|alg|kid|k|d",
        value in "[a-zA-Z0-9_-]{0,8}",
    ) {
        for jwk in [good(), named(rs256(), "r")] {
            let _set = parse(&json!({"keys": [with(jwk, &member, value.clone().into())]}));
        }
    }
}
