//! AWS principals, against moto with its signatures switched on; the official client signs.

use base64::{Engine, prelude::BASE64_STANDARD};
use gw_audit::entry::Proof as Shown;
use gw_control::login::Proof;
use gw_testkit::{absent::not_run, moto::Moto};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::{AUDIENCE, Scene};

const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const HEADER: &str = "X-Gatewright-Audience";

fn signed(moto: &mut Moto, by: &str, audience: &str) -> Value {
    moto.sign(&json!({ "by": by, "body": BODY, "headers": { HEADER: audience } }))
}

fn proof(request: &Value) -> String {
    BASE64_STANDARD.encode(request.to_string())
}

/// The request with one header in the place of another.
fn with(request: &Value, name: &str, value: &str) -> Value {
    let mut request = request.clone();
    for header in request["headers"].as_array_mut().unwrap() {
        if header[0] == name {
            header[1] = json!(value);
        }
    }
    request
}

/// Shows S1.16: holds
#[test]
fn users_and_roles_prove_themselves() {
    if !Moto::is_installed() {
        return not_run("there is no AWS to test against: run `make counterparts`");
    }
    let mut moto = Moto::start();
    let arns = ["arn:aws:iam::123456789012:user/team/*", "arn:aws:iam::*:role/deployer"];
    let scene = Scene::with_aws(moto.url(), "123456789012", &arns);
    scene.clock.set(OffsetDateTime::now_utc());
    for (by, arn) in [
        ("user", "arn:aws:iam::123456789012:user/team/deploy"),
        ("role", "arn:aws:iam::123456789012:role/deployer"),
    ] {
        let text = proof(&signed(&mut moto, by, AUDIENCE));
        let shown = Proof::Signed(&text);
        let asker = scene.runtime.block_on(scene.verifier.verify(&shown)).unwrap();
        let [principal] = asker.caller.principals.as_slice() else { unreachable!("{asker:?}") };
        assert_eq!((principal.identity.as_str(), principal.subject.as_str()), ("aws", arn));
        assert_eq!(asker.actor.proof, Shown::Signature);
        assert!(scene.ask(&Proof::Signed(&text)).given);
        let again = scene.ask(&Proof::Signed(&text));
        assert!(!again.given && again.words.contains("SignedRequest"), "{}", again.words);
    }
    let entries = String::from_utf8(scene.entries().concat()).unwrap();
    assert!(!entries.contains("erik"), "a session is named by whoever runs it");
}

/// Shows J18: holds
#[test]
fn what_was_not_signed_for_us_now_by_them_gets_no_token() {
    if !Moto::is_installed() {
        return not_run("there is no AWS to test against: run `make counterparts`");
    }
    let mut moto = Moto::start();
    let scene = Scene::with_aws(moto.url(), "123456789012", &[]);
    let attack = |scene: &Scene, name: &str, request: &Value, reason: &str| {
        scene.clock.set(OffsetDateTime::now_utc() - Duration::minutes(2));
        scene.attack_by(name, &proof(request), |text| Proof::Signed(text), reason);
    };
    let good = signed(&mut moto, "user", AUDIENCE);
    attack(&scene, "another key", &signed(&mut moto, "stranger", AUDIENCE), "aws-denied");
    let elsewhere = signed(&mut moto, "user", "https://other.example");
    attack(&scene, "for somebody else", &elsewhere, "aws-audience");
    let bare = moto.sign(&json!({ "by": "user", "body": BODY }));
    attack(&scene, "for nobody", &bare, "aws-header-not-signed");
    let mut added = bare;
    added["headers"].as_array_mut().unwrap().push(json!([HEADER, AUDIENCE]));
    let scene = Scene::with_aws(moto.url(), "123456789012", &[]);
    attack(&scene, "our header beside the signed ones", &added, "aws-header-not-signed");
    let swapped = with(&elsewhere, HEADER, AUDIENCE);
    attack(&scene, "our audience in the place of another", &swapped, "aws-denied");
    let old = json!({ "by": "user", "body": BODY, "ago": 1_020, "headers": { HEADER: AUDIENCE } });
    attack(&scene, "of a while ago", &moto.sign(&old), "aws-date");
    let role = "Action=AssumeRole&Version=2011-06-15";
    let role = json!({ "by": "user", "body": role, "headers": { HEADER: AUDIENCE } });
    attack(&scene, "another action", &moto.sign(&role), "aws-body");
    let mut host = good.clone();
    host["url"] = json!("http://127.0.0.1:9/");
    attack(&scene, "another host", &host, "aws-host");

    let other = Scene::with_aws(moto.url(), "999999999999", &[]);
    attack(&other, "another account", &good, "aws-account");
    let other = Scene::with_aws(moto.url(), "123456789012", &["arn:aws:iam::*:role/*"]);
    attack(&other, "another principal", &good, "aws-arn");
}
