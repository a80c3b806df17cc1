//! Tokens of a certified provider that nobody here wrote.

use gw_control::login::Proof;
use gw_testkit::{
    absent::not_run,
    oidc_provider::{OidcProvider, TokenRequest},
};
use serde_json::json;
use time::{Duration, OffsetDateTime};

use super::{AUDIENCE, Scene};

/// Shows J18: holds
/// Shows S0.26: part (the certified provider stands for Okta and Entra)
#[test]
fn what_a_provider_signs_for_others_gets_no_token() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let (provider, other) = (OidcProvider::start(), OidcProvider::start());
    let scene = Scene::new(Some(provider.issuer()));
    // Clocks stand at what the provider thinks it is, with room for what the bench lets pass. Each row
    // has a ledger of its own: equal refusals within a minute are one entry.
    let now = || OffsetDateTime::now_utc() - Duration::minutes(2);
    let refuse = |name: &str, token: &str, reason: &str| {
        let scene = Scene::new(Some(provider.issuer()));
        scene.clock.set(now());
        scene.attack(name, token, reason);
    };
    scene.clock.set(OffsetDateTime::now_utc());
    let wanted = TokenRequest::new(AUDIENCE);
    let good = provider.token(&wanted);
    assert!(scene.ask(&Proof::Token(&good)).given, "the good one");
    scene.clock.set(now());
    scene.attack("the same once more", &good, "token-used");

    let elsewhere = TokenRequest::new("https://other.example");
    refuse("for somebody else", &provider.token(&elsewhere), "token-audience");
    refuse("another provider", &other.token(&wanted), "token-issuer-unknown");

    let signed_in = provider.sign_in(AUDIENCE);
    refuse("an ID token", &signed_in.identity, "token-audience");
    refuse("with a nonce", &signed_in.identity_with_nonce, "token-purpose");
    refuse("of the front channel", &signed_in.identity_of_front_channel, "token-purpose");
    refuse("a logout token", &signed_in.logout, "token-type");

    // Issuers swapped: the provider says what a step says, and Bitbucket signs as the provider.
    let mut claims = scene.claims(&scene.step());
    let ids = ["workspaceUuid", "repositoryUuid", "pipelineUuid", "stepUuid"];
    let step = ids.map(|id| (id.to_owned(), claims[id].clone())).into_iter().collect();
    let as_step = provider.token(&TokenRequest::new(AUDIENCE).claims(step));
    scene.clock.set(OffsetDateTime::now_utc());
    let said = scene.ask(&Proof::Token(&as_step));
    assert!(said.given, "it is `ci`, whatever else it says: {}", said.words);
    let last = scene.entries().pop().unwrap();
    let entry: serde_json::Value = serde_json::from_slice(&last).unwrap();
    assert_eq!(entry["by"]["identity"], json!("ci"));
    claims["iss"] = json!(provider.issuer());
    refuse("Bitbucket as the provider", &scene.forge(&claims), "token-key-unknown");
}
