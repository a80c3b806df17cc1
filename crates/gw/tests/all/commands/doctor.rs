//! A token that somebody holds, as `doctor` tests it.

use gw_testkit::{issuer::Issuer, signer::Signer};
use serde_json::{Value, json};

use super::{
    again::{now, shop},
    machine::Machine,
};

fn doctor(machine: &Machine, token: &str) -> (String, i32) {
    machine.folder.write("shop/bob.jwt", &format!("{token}\n"));
    let (told, code) = machine.tells(&["doctor", "--token-file", "bob.jwt"]);
    for part in token.split('.').filter(|part| part.len() > 8) {
        assert!(!told.contains(part), "it repeats the token: {told}");
    }
    let lines = told.lines().skip_while(|line| !line.contains("token bob.jwt"));
    let lines: Vec<_> = lines.take_while(|line| !line.contains("target default")).collect();
    (lines.join("\n"), code)
}

#[test]
fn a_good_token_is_told_with_the_rules_that_want_other_values() {
    let (machine, _issuer, token) = shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = doctor(&machine, &token);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @r"
    ✔ token bob.jwt bob by identity demo, good until DATE TIME, its signature holds
                      it meets gatewright.yaml:29
                      rule gatewright.yaml:31 does not match it: claim groups needs orders-team, it has sales
    ");
}

#[test]
fn a_claim_that_the_token_lacks_is_told_with_its_rule_and_its_repair() {
    let machine = Machine::with_shop();
    let signer = Signer::rs256("one");
    let issuer = Issuer::start(&[&signer]);
    machine.edit("http://localhost:7071", &issuer.url());
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let mut claims = issuer.claims("shop", "bob", now());
    // The rule may be meant for others: nothing is broken.
    let (told, code) = doctor(&machine, &signer.token(&claims));
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @r#"
    ✔ token bob.jwt bob by identity demo, good until DATE TIME, its signature holds
                      it meets gatewright.yaml:29
                      rule gatewright.yaml:31 cannot match it: it has no claim "groups". Where it should: have http://TIME put the claim "groups" into its access tokens
    "#);
    claims["_claim_names"] = json!({"groups": "src1"});
    let (told, _) = doctor(&machine, &signer.token(&claims));
    assert!(told.contains("the issuer left it out, because its holder has too many"), "{told}");

    // A key that only somebody else has proves nothing.
    let (told, code) = doctor(&machine, &Signer::rs256("one").token(&claims));
    assert_eq!(code, 1);
    insta::assert_snapshot!(told, @r"
    ✘ token bob.jwt the signature of the token is wrong
                      repair: get an access token for the API from the issuer
    ");
    claims["aud"] = json!("others");
    let (told, _) = doctor(&machine, &signer.token(&claims));
    assert!(told.contains("`aud` must hold one of `shop`"), "{told}");
    claims["exp"] = json!(now() - 3600);
    claims["aud"] = json!("shop");
    let (told, _) = doctor(&machine, &signer.token(&claims));
    assert!(told.contains("the token expired 60 min ago"), "{told}");
    let (told, _) = doctor(&machine, "not-a-token");
    assert!(told.contains("the token is not a signed JWT in compact form"), "{told}");

    let printed = machine.says(&["doctor", "--token-file", "bob.jwt", "--json"]);
    let document: Value = serde_json::from_str(&printed).expect("it is JSON");
    assert_eq!(document["schema"], "gatewright.io/doctor/v1");
    assert_eq!(machine.ends("shop", &["doctor", "--token-file", "nowhere.jwt"]), 2);
}

#[test]
fn without_the_keys_of_the_issuer_the_rules_are_told_all_the_same() {
    let (machine, issuer, token) = shop();
    drop(issuer);
    let (told, code) = doctor(&machine, &token);
    assert_eq!(code, 1);
    assert!(told.contains("if its signature holds"), "{told}");
    assert!(told.contains("claim groups needs orders-team, it has sales"), "{told}");
}
