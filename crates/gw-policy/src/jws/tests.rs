//! Published vectors: what they call valid must verify, everything else must not.

use serde_json::{Value, json};

use super::*;

/// Reads published vectors that lie beside the project.
#[expect(clippy::disallowed_methods, reason = "published vectors are files beside the project")]
fn vectors(path: &str) -> Option<Value> {
    let path = gw_testkit::shared::folder("vectors")?.join(path);
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn key_set(jwk: &Value) -> Option<KeySet> {
    KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).ok()
}

/// The key without what only its owner has.
fn public(jwk: &Value) -> Value {
    let mut jwk = jwk.clone();
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        jwk.as_object_mut().unwrap().remove(member);
    }
    jwk
}

fn accepts(keys: Option<&KeySet>, text: &str) -> bool {
    keys.is_some_and(|keys| Jws::parse(text).and_then(|jws| jws.verify(keys)).is_ok())
}

/// Vectors that are called valid and that we refuse, with the reason for each.
fn refused_on_purpose(case: u64) -> Option<&'static str> {
    Some(match case {
        1 | 348 | 352 | 357..=359 | 376 | 377 => "a shared secret never verifies",
        372 | 373 => "a sign outside base64url is not skipped (the vectors skip it)",
        346 | 350 => "the key is for PS256 by its own `alg`, the token uses PS384",
        347 | 351 => "the key's `alg` ES521 does not exist",
        _ => return None,
    })
}

#[test]
fn wycheproof_signatures_of_tokens() {
    let Some(file) = vectors("wycheproof/json_web_signature_test.json") else { return };
    let (mut valid, mut invalid) = (0, 0);
    for group in file["testGroups"].as_array().unwrap() {
        let jwk = if group["public"].is_null() { &group["private"] } else { &group["public"] };
        let keys = key_set(jwk);
        for test in group["tests"].as_array().unwrap() {
            let case = test["tcId"].as_u64().unwrap();
            let accepted = accepts(keys.as_ref(), test["jws"].as_str().unwrap_or_default());
            let valid_for_us = test["result"] == "valid" && refused_on_purpose(case).is_none();
            assert_eq!(accepted, valid_for_us, "case {case}: {}", test["comment"]);
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    assert_eq!((valid, invalid), (32, 369));
}

/// Files of bare signatures: the algorithm, and how many are valid and not.
const BARE: [(&str, Algorithm, (usize, usize)); 5] = [
    ("ecdsa_secp256r1_sha256_p1363_test", Algorithm::Es256, (173, 89)),
    ("ecdsa_secp384r1_sha384_p1363_test", Algorithm::Es384, (193, 87)),
    ("ecdsa_secp521r1_sha512_p1363_test", Algorithm::Es512, (231, 87)),
    ("ed25519_test", Algorithm::EdDsa, (88, 63)),
    ("rsa_pss_2048_sha256_mgf1_32_test", Algorithm::Ps256, (63, 45)),
];

fn bytes(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().unwrap().as_bytes();
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

/// The key of a group as an issuer publishes it; a few groups have it only as a point.
fn published(group: &Value) -> Value {
    if !group["publicKeyJwk"].is_null() {
        return group["publicKeyJwk"].clone();
    }
    let key = &group["publicKey"];
    let point = bytes(&key["uncompressed"]);
    let (x, y) = point[1..].split_at(point.len() / 2);
    let curve = match key["curve"].as_str() {
        Some("secp256r1") => "P-256",
        Some("secp384r1") => "P-384",
        _ => "P-521",
    };
    let text = |number: &[u8]| URL_SAFE_NO_PAD.encode(number);
    json!({"kty": "EC", "crv": curve, "x": text(x), "y": text(y)})
}

#[test]
fn wycheproof_bare_signatures() {
    for (name, algorithm, expected) in BARE {
        let Some(file) = vectors(&format!("wycheproof/{name}.json")) else { return };
        let (mut valid, mut invalid) = (0, 0);
        for group in file["testGroups"].as_array().unwrap() {
            let keys = key_set(&published(group)).unwrap();
            let key = keys.choose(None, algorithm).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let accepted = key.verify_sig(&bytes(&test["msg"]), &bytes(&test["sig"])).is_ok();
                assert_eq!(accepted, test["result"] == "valid", "{name} {}", test["tcId"]);
                if accepted { valid += 1 } else { invalid += 1 }
            }
        }
        assert_eq!((valid, invalid), expected, "{name}");
    }
}

#[test]
fn the_cookbook_verifies_with_public_keys_only() {
    for (name, verifies) in [
        ("4_1.rsa_v15_signature", true),
        ("4_2.rsa-pss_signature", true),
        ("4_3.ecdsa_signature", true),
        ("4_4.hmac-sha2_integrity_protection", false),
        ("4_5.signature_with_detached_content", false),
    ] {
        let Some(example) = vectors(&format!("jose-cookbook/jws/{name}.json")) else { return };
        let keys = key_set(&public(&example["input"]["key"]));
        let compact = example["output"]["compact"].as_str().unwrap();
        assert_eq!(accepts(keys.as_ref(), compact), verifies, "{name}");
        if verifies {
            let payload = Jws::parse(compact).unwrap().payload;
            assert_eq!(payload, example["input"]["payload"].as_str().unwrap().as_bytes(), "{name}");
        }
    }
}

#[test]
fn every_json_form_of_the_cookbook_is_refused() {
    for name in [
        "4_1.rsa_v15_signature",
        "4_6.protecting_specific_header_fields",
        "4_7.protecting_content_only",
        "4_8.multiple_signatures",
    ] {
        let Some(example) = vectors(&format!("jose-cookbook/jws/{name}.json")) else { return };
        for form in ["json", "json_flat"] {
            let text = example["output"][form].to_string();
            let refusal = Jws::parse(&text).unwrap_err();
            assert!(
                matches!(refusal, TokenRefusal::NotCompact | TokenRefusal::Encrypted),
                "{name}"
            );
        }
    }
}

#[test]
fn a_payload_that_is_not_base64_is_refused_as_published_and_as_changed() {
    let Some(example) = vectors("jose-cookbook/rfc7797/4.2.hmac-sha2_b64_false.json") else {
        return;
    };
    let header = example["output"]["json_flat"]["protected"].as_str().unwrap();
    for payload in ["$.02", "e30", ""] {
        let text = format!("{header}.{payload}.AA");
        let refusal = Jws::parse(&text).unwrap_err();
        assert!(matches!(refusal, TokenRefusal::Critical | TokenRefusal::NotCompact), "{refusal}");
    }
    for header in [
        r#"{"alg":"ES256","b64":false}"#,
        r#"{"alg":"ES256","b64":true}"#,
        r#"{"alg":"ES256","b64":false,"crit":["b64"]}"#,
        r#"{"alg":"ES256","crit":[]}"#,
        r#"{"alg":"ES256","crit":["exp"]}"#,
        r#"{"alg":"none","crit":["b64"]}"#,
    ] {
        let text = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        assert_eq!(Jws::parse(&text).unwrap_err(), TokenRefusal::Critical, "{header}");
    }
}
