//! Tokens of an issuer that does as the test says.

use std::{collections::BTreeMap, sync::Arc};

use gw_audit::{
    entry::{Entry, Outcome, Subject},
    note::Signer as LedgerSigner,
};
use gw_model::{
    code::Code,
    id::{IdentityName, PersonName},
    scalar::Period,
    workspace::{Algorithm, Identity, Oidc, Person, Source},
};
use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
    issuer::Timing,
};
use gw_policy::{principal::Caller, token::TokenRefusal};
use gw_testkit::{
    clock::FixedClock,
    issuer::{Document, Issuer, KEYS},
    signer::Signer,
};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};
use url::Url;

use super::{Declared, Exchange, Proof, Refused, Request, Scope, Settings, Verifier};
use crate::{host::bitbucket::Place, store::Store};

pub(super) const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
pub(super) const AUDIENCE: &str = "https://gatewright.example";

/// One issuer, of machines and of people who sign in.
pub(super) struct Scene {
    pub(super) issuer: Issuer,
    pub(super) signer: Signer,
    pub(super) clock: FixedClock,
    pub(super) store: Store,
    pub(super) verifier: Verifier,
    pub(super) exchange: Exchange,
}

pub(super) fn identity(name: &str) -> IdentityName {
    IdentityName::parse(name).unwrap()
}

fn oidc(issuer: &str, audience: &str) -> Identity {
    Identity::Oidc(Oidc {
        issuer: issuer.to_owned(),
        audiences: vec![audience.to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Es256],
        clock_skew: Period::MINUTE,
        rename: BTreeMap::new(),
    })
}

fn client() -> Client {
    let loopback = LoopbackReach::Free;
    Client::new(&ClientSettings { loopback, ..ClientSettings::default() })
}

impl Scene {
    /// `machines` is declared, `operators` stands in the settings; erik is a person of it.
    pub(super) async fn new() -> Self {
        let signer = Signer::es256("k1");
        let issuer = Issuer::start(&[&signer]);
        Self::of(issuer, signer).await
    }

    async fn of(issuer: Issuer, signer: Signer) -> Self {
        let clock = FixedClock::at(NOON);
        let ledger = LedgerSigner::new("gatewright/test", &[1; 32]).unwrap();
        let store = Store::blank(ledger.verifier().clone()).await.unwrap();
        let declared = BTreeMap::from([(identity("machines"), oidc(&issuer.url(), AUDIENCE))]);
        let erik = Person {
            subjects: BTreeMap::from([(identity("operators"), "erik".to_owned())]),
            ..Person::default()
        };
        let people = BTreeMap::from([(PersonName::parse("erik").unwrap(), erik)]);
        let people_audience = "gatewright-cli";
        let settings = Settings {
            identities: BTreeMap::from([(
                identity("operators"),
                oidc(&issuer.url(), people_audience),
            )]),
            login: Some(identity("operators")),
            application: None,
            bitbucket: Place::at(&Url::parse("https://bitbucket.org").unwrap()),
            sts: vec![],
            timing: Timing::default(),
        };
        let declared =
            Declared { identities: &declared, people: &people, source: &Source::Local {} };
        let verifier = Verifier::new(declared, settings, client(), Arc::new(clock.clone()));
        let exchange = Exchange::new(store.clone(), Arc::new(clock.clone()));
        Self { issuer, signer, clock, store, verifier, exchange }
    }

    pub(super) fn claims(&self, audience: &str, subject: &str) -> Value {
        self.issuer.claims(audience, subject, NOON.unix_timestamp())
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.signer.token(claims)
    }

    pub(super) fn machine(&self) -> String {
        let mut claims = self.claims(AUDIENCE, "robot");
        claims["jti"] = json!("j-1");
        self.token(&claims)
    }

    pub(super) fn person(&self) -> String {
        self.token(&self.claims("gatewright-cli", "erik"))
    }

    pub(super) async fn caller(&self, token: &str) -> Result<Caller, Refused> {
        self.verifier.verify(&Proof::Token(token)).await.map(|asker| asker.caller)
    }

    pub(super) fn request<'a>(&self, token: &'a str, scope: &str) -> Request<'a> {
        let scope = Scope::parse(scope, "urn:gatewright:prod").unwrap();
        Request { proof: Proof::Token(token), scope }
    }

    /// What the ledger has beside its first entry.
    pub(super) async fn entries(&self) -> Vec<Entry> {
        let bytes = self.store.entries(1, 1_000).await.unwrap();
        bytes.iter().map(|bytes| Entry::parse(bytes).unwrap()).collect()
    }
}

#[tokio::test]
async fn a_token_proves_the_identities_that_are_declared_for_it() {
    let scene = Scene::new().await;
    let machine = scene.verifier.verify(&Proof::Token(&scene.machine())).await.unwrap();
    let [principal] = machine.caller.principals.as_slice() else { unreachable!("{machine:?}") };
    assert_eq!(principal.identity.as_str(), "machines");
    assert_eq!(machine.actor.issuer.as_deref(), Some(scene.issuer.url().as_str()));
    assert_eq!(machine.actor.subject, Some(Subject::Machine("robot".to_owned())));

    let person = scene.verifier.verify(&Proof::Token(&scene.person())).await.unwrap();
    assert_eq!(person.actor.identity, "operators");
    assert_eq!(person.actor.subject, None, "people stand in the ledger behind a salt only");
}

#[tokio::test]
async fn groups_that_entra_leaves_out_are_unknown() {
    let scene = Scene::new().await;
    let mut claims = scene.claims(AUDIENCE, "robot");
    claims["_claim_names"] = json!({ "groups": "src1" });
    claims["_claim_sources"] = json!({ "src1": { "endpoint": "https://graph.windows.net/x" } });
    let caller = scene.caller(&scene.token(&claims)).await.unwrap();
    assert!(caller.principals[0].leaves_out("groups"));
    claims["groups"] = json!(["a"]);
    let caller = scene.caller(&scene.token(&claims)).await.unwrap();
    assert!(!caller.principals[0].leaves_out("groups"));
}

#[tokio::test]
async fn what_a_commit_declares_proves_no_identity_of_the_settings() {
    let scene = Scene::new().await;
    // The same issuer and subject, for another audience: whoever declares it chose the audience.
    let caller = scene.caller(&scene.token(&scene.claims(AUDIENCE, "erik"))).await.unwrap();
    let [principal] = caller.principals.as_slice() else { unreachable!("{caller:?}") };
    assert_eq!(principal.identity.as_str(), "machines");
}

#[tokio::test]
async fn what_does_not_hold_is_refused_with_its_reason() {
    let scene = Scene::new().await;
    let other = Signer::es256("k1");
    let good = || scene.claims(AUDIENCE, "robot");
    let edited = |edit: &dyn Fn(&mut Value)| {
        let mut claims = good();
        edit(&mut claims);
        scene.token(&claims)
    };
    let rows = [
        (other.token(&good()), "token-signature"),
        (edited(&|it| it["aud"] = json!("other")), "token-audience"),
        (edited(&|it| it["exp"] = json!(NOON.unix_timestamp() - 61)), "token-expired"),
        (edited(&|it| it["iss"] = json!("https://evil.example")), "token-issuer-unknown"),
        (edited(&|it| drop(it.as_object_mut().unwrap().remove("exp"))), "token-expiry-missing"),
        ("a.b.c".to_owned(), "token-malformed"),
    ];
    for (token, reason) in rows {
        let refused = scene.caller(&token).await.unwrap_err();
        assert_eq!(refused.reason(), reason, "{refused}");
    }
}

#[tokio::test]
async fn what_somebody_puts_in_a_token_is_no_key_of_the_ledger() {
    let scene = Scene::new().await;
    for number in 0..50 {
        let mut claims = scene.claims(AUDIENCE, "robot");
        claims["iss"] = json!(format!("https://evil-{number}.example"));
        let token = scene.token(&claims);
        scene.exchange.exchange(&scene.verifier, &scene.request(&token, "plan")).await.unwrap_err();
    }
    let [entry] = <[Entry; 1]>::try_from(scene.entries().await).unwrap();
    assert_eq!(entry.event.outcome, Outcome::Refused);
    assert_eq!(entry.event.facts["source"], json!("unknown"));
}

#[tokio::test]
async fn without_keys_nothing_is_believed() {
    let signer = Signer::es256("k1");
    let issuer = Issuer::start(&[&signer]);
    issuer.set(KEYS, Document::Answer(500, vec![]));
    let scene = Scene::of(issuer, signer).await;
    let refused = scene.caller(&scene.machine()).await.unwrap_err();
    let issuer = Some(scene.issuer.url());
    assert_eq!(refused, Refused::Token { issuer, why: TokenRefusal::NoKeys });
    assert_eq!(refused.error(), "temporarily_unavailable");
    assert_eq!(refused.code(), Code::ProofUnchecked);
}
