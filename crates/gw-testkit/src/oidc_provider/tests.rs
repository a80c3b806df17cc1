use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

#[test]
fn tokens_carry_what_was_asked_and_keys_turn() {
    let provider = OidcProvider::start();
    let wanted = TokenRequest::new("api://orders").claims(json!({"groups": ["sales"]}));
    let (header, payload) = open(&provider.token(&wanted));
    assert_eq!(header["alg"], "RS256");
    assert_eq!(payload["iss"], provider.issuer());
    assert_eq!(payload["aud"], "api://orders");
    assert_eq!(payload["sub"], "caller");
    assert_eq!(payload["groups"], json!(["sales"]));

    let (first, _) = open(&provider.token(&wanted.clone().signed_with("ES256")));
    assert_eq!(first["alg"], "ES256");
    assert!(key_ids(&provider).contains(&first["kid"].to_string()));
    provider.rotate(OldKeys::Published);
    assert!(key_ids(&provider).contains(&first["kid"].to_string()));
    provider.rotate(OldKeys::Removed);
    assert!(!key_ids(&provider).contains(&first["kid"].to_string()));
}

#[test]
fn discovery_fails_on_demand() {
    let provider = OidcProvider::start();
    let discover =
        || request(provider.address, "GET", "/.well-known/openid-configuration", &[], b"");
    assert_eq!(discover().expect("it answers").json()["issuer"], provider.issuer());
    provider.fail(Failure::Status500);
    assert_eq!(discover().expect("it answers").status, 500);
    provider.fail(Failure::Truncated);
    assert!(discover().is_err());
    provider.fail(Failure::None);
    assert_eq!(discover().expect("it answers").status, 200);
    assert_eq!(provider.fetches(), 4);
}

fn key_ids(provider: &OidcProvider) -> Vec<String> {
    let reply = provider.send("GET", "/jwks", &[], b"").json();
    let keys = reply["keys"].as_array().expect("a key set has keys");
    keys.iter().map(|key| key["kid"].to_string()).collect()
}

/// Header and payload, unverified.
fn open(token: &str) -> (Value, Value) {
    let part = |place| {
        let text = token.split('.').nth(place).expect("a token has three parts");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).expect("a part is base64url");
        serde_json::from_slice(&bytes).expect("a part is JSON")
    };
    (part(0), part(1))
}
