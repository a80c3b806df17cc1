use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use gw_testkit::{
    clock::FixedClock,
    wire::{Reply, request},
};
use time::macros::datetime;

use super::*;

async fn issuer() -> Issuer {
    let clock = Arc::new(FixedClock::at(datetime!(2026-01-01 00:00 UTC)));
    Issuer::start(0, clock).await.expect("a port is free")
}

async fn get(issuer: &Issuer, target: &str) -> Reply {
    let (address, target) = (issuer.address(), target.to_owned());
    let sent = move || request(address, "GET", &target, &[], b"");
    tokio::task::spawn_blocking(sent).await.expect("the thread ends").expect("the issuer answers")
}

fn wanted(algorithm: Algorithm) -> Wanted {
    let claims = BTreeMap::from([("groups".to_owned(), vec!["sales".to_owned()])]);
    Wanted {
        subject: "bob".to_owned(),
        audience: "shop".to_owned(),
        claims,
        algorithm,
        expired: false,
    }
}

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The payload of a token whose signature holds under one of the keys.
fn verify(token: &str, keys: &Value) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&decode(header)).ok()?;
    let key = keys["keys"].as_array()?.iter().find(|key| key["kid"] == header["kid"])?;
    let field = |name: &str| decode(key[name].as_str().expect("a text"));
    let signature = decode(signature);
    let holds = if header["alg"] == "RS256" {
        let public = PublicKeyComponents { n: field("n"), e: field("e") };
        public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
    } else {
        let point = [vec![4], field("x"), field("y")].concat();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        public.verify(signed.as_bytes(), &signature).is_ok()
    };
    holds.then(|| serde_json::from_slice(&decode(payload)).expect("JSON"))
}

#[tokio::test]
async fn discovery_leads_to_keys_that_verify_what_is_minted() {
    let issuer = issuer().await;
    let found = get(&issuer, "/.well-known/openid-configuration").await;
    assert_eq!(found.json()["issuer"], issuer.url());
    assert_eq!(found.json()["jwks_uri"], format!("{}/jwks", issuer.url()));
    let keys = get(&issuer, "/jwks").await.json();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let name = Url::parse(issuer.url()).expect("the issuer has a URL");
        let asked = wanted(algorithm).address(&name).expect("it can be asked for");
        let target = format!("{}?{}", asked.path(), asked.query().expect("it says what is wanted"));
        let reply = get(&issuer, &target).await.json();
        let payload = verify(reply["token"].as_str().expect("a token"), &keys);
        let payload = payload.expect("the signature holds");
        assert_eq!(
            payload.to_string(),
            format!(
                r#"{{"aud":"shop","exp":1767229200,"groups":["sales"],"iat":1767225600,"iss":"{}","sub":"bob"}}"#,
                issuer.url()
            )
        );
    }
}

#[tokio::test]
async fn a_token_outlives_one_rotation_and_not_two() {
    let issuer = issuer().await;
    let old = issuer.mint(&wanted(Algorithm::Rs256)).expect("it signs");
    for holds in [true, false] {
        assert!(issuer.rotate());
        let keys = get(&issuer, "/jwks").await.json();
        assert_eq!(verify(&old, &keys).is_some(), holds);
        let fresh = issuer.mint(&wanted(Algorithm::Es256)).expect("it signs");
        assert!(verify(&fresh, &keys).is_some());
    }
}

#[tokio::test]
async fn a_token_can_be_asked_for_that_ended_already() {
    let issuer = issuer().await;
    let token = issuer.mint(&Wanted { expired: true, ..wanted(Algorithm::Rs256) });
    let keys = get(&issuer, "/jwks").await.json();
    let claims = verify(&token.expect("a token"), &keys).expect("its signature holds");
    let now = datetime!(2026-01-01 00:00 UTC).unix_timestamp();
    assert!(claims["exp"].as_i64().is_some_and(|end| end < now), "{claims}");
    assert!(claims["iat"].as_i64() < claims["exp"].as_i64(), "{claims}");
}
