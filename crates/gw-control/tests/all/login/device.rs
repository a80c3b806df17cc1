//! People sign in on another device, at a certified provider.

use std::cell::Cell;

use gw_control::login::{
    Proof,
    device::{NotSignedIn, SignIn},
};
use gw_net::client::{Client, ClientSettings};
use gw_testkit::{
    absent::not_run,
    clock::FixedClock,
    oidc_provider::{Decision, OidcProvider, TOOL},
};
use time::OffsetDateTime;
use tokio::runtime::Runtime;

use super::{AUDIENCE, Scene};

fn client() -> Client {
    Client::new(&ClientSettings::here())
}

#[test]
fn somebody_signs_in_and_is_let_in() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let (provider, runtime) = (OidcProvider::start(), Runtime::new().unwrap());
    let clock = FixedClock::at(OffsetDateTime::now_utc());
    let tokens = runtime.block_on(async {
        let sign_in = SignIn::find(provider.issuer(), TOOL, client()).await.unwrap();
        let started = sign_in.start("openid read", Some(AUDIENCE), &clock).await.unwrap();
        assert!(started.address.as_str().starts_with(provider.issuer()));
        assert!(format!("{started:?}").contains("device_code: [redacted]"));
        let asked = Cell::new(0);
        // The person takes their time: the first question finds nothing.
        let pause = async |_| {
            asked.set(asked.get() + 1);
            if asked.get() == 2 {
                provider.decide(&started.user_code, Decision::Confirm);
            }
        };
        let tokens = sign_in.wait(&started, Some(AUDIENCE), &clock, pause).await.unwrap();
        assert_eq!(asked.get(), 2);
        tokens
    });
    let scene = Scene::new(Some(provider.issuer()));
    scene.clock.set(OffsetDateTime::now_utc());
    let said = scene.ask(&Proof::Token(tokens.access_token.reveal()));
    assert!(said.given, "{}", said.words);
}

#[test]
fn who_says_no_or_nothing_is_not_signed_in() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let (provider, runtime) = (OidcProvider::start(), Runtime::new().unwrap());
    let clock = FixedClock::at(OffsetDateTime::now_utc());
    runtime.block_on(async {
        let sign_in = SignIn::find(provider.issuer(), TOOL, client()).await.unwrap();
        let started = sign_in.start("openid", Some(AUDIENCE), &clock).await.unwrap();
        let pause = async |_| provider.decide(&started.user_code, Decision::Abort);
        let denied = sign_in.wait(&started, Some(AUDIENCE), &clock, pause).await.unwrap_err();
        assert_eq!(denied, NotSignedIn::Denied);

        let started = sign_in.start("openid", Some(AUDIENCE), &clock).await.unwrap();
        let pause = async |interval| clock.advance(time::Duration::try_from(interval).unwrap());
        let expired = sign_in.wait(&started, Some(AUDIENCE), &clock, pause).await.unwrap_err();
        assert_eq!(expired, NotSignedIn::Expired);

        let stranger = SignIn::find(provider.issuer(), "nobody", client()).await.unwrap();
        let refused = stranger.start("openid", None, &clock).await.unwrap_err();
        assert_eq!(refused, NotSignedIn::Refused { error: "invalid_client".to_owned() });
        let slash = format!("{}/", provider.issuer());
        let other = SignIn::find(&slash, TOOL, client()).await.map(drop);
        assert_eq!(other, Err(NotSignedIn::NotOffered), "the issuer's name is exact");
    });
}
