use gw_audit::entry::{Act, Outcome, Subject};
use gw_model::environment::ChangeAction;
use serde_json::json;
use time::Duration;

use super::{GRANT, ISSUED_TYPE, NotIssued, PREFIX, Request};
use crate::{
    asker::Asker,
    login::{
        refused::{Once, Refused, RequestFault},
        tests::{NOON, Scene},
    },
};

fn refused(not_issued: NotIssued) -> Refused {
    match not_issued {
        NotIssued::Refused(refused) => refused,
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn a_token_of_ours_gives_back_who_holds_it_and_for_what() {
    let scene = Scene::new().await;
    let proof = scene.machine();
    let request = scene.request(&proof, "plan apply");
    let issued = scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    let text = issued.token.reveal();
    assert!(text.starts_with(PREFIX) && text.len() == PREFIX.len() + 43, "{}", text.len());
    // The proof is good for ten minutes and a minute of skew; ours for no longer.
    assert_eq!(issued.expires_at, NOON + Duration::minutes(11));

    let granted = scene.store.token(text, NOON).await.unwrap().unwrap();
    assert_eq!(granted.id, issued.id);
    assert_eq!(granted.scope, issued.scope);
    assert!(granted.scope.actions.contains(&ChangeAction::Apply));
    let [principal] = granted.asker.caller.principals.as_slice() else { unreachable!() };
    assert_eq!((principal.identity.as_str(), principal.subject.as_str()), ("machines", "robot"));
    assert_eq!(principal.expires_at, Some(issued.expires_at.unix_timestamp()));
    let [gateway] = granted.asker.actor.via.as_slice() else { unreachable!() };
    assert_eq!(gateway.subject, Some(Subject::Machine(issued.id.clone())));

    let [entry] = scene.entries().await.try_into().unwrap();
    assert_eq!((entry.event.act, entry.event.outcome), (Act::TokenIssued, Outcome::Done));
    assert_eq!(entry.event.by, granted.asker.actor);
    assert_eq!(entry.event.facts["scope"], json!("plan apply"));
    assert_eq!(entry.event.environment.as_deref(), Some("prod"));

    assert_eq!(scene.store.token(text, issued.expires_at).await.unwrap(), None, "it is over");
    assert_eq!(scene.store.token("gwt_other", NOON).await.unwrap(), None);
}

#[tokio::test]
async fn a_proof_gives_one_token_that_writes_and_any_number_that_read() {
    let scene = Scene::new().await;
    let proof = scene.machine();
    for _ in 0..3 {
        let request = scene.request(&proof, "view plan");
        scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    }
    let request = scene.request(&proof, "apply");
    scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    let again = scene.exchange.exchange(&scene.verifier, &request).await.unwrap_err();
    let again = refused(again);
    assert!(matches!(again, Refused::Used { what: Once::Token, .. }), "{again:?}");
    assert_eq!(again.reason(), "token-used");
    let outcomes: Vec<_> = scene.entries().await.iter().map(|it| it.event.outcome).collect();
    assert_eq!(outcomes, [[Outcome::Done; 4].as_slice(), &[Outcome::Refused]].concat());
}

/// Two servers in one store, or two requests at once: one of them writes.
#[tokio::test]
async fn of_two_at_once_one_writes() {
    let scene = Scene::new().await;
    let proof = scene.machine();
    let request = scene.request(&proof, "apply");
    let other = super::Exchange::new(scene.store.clone(), std::sync::Arc::new(scene.clock.clone()));
    let (one, two) = tokio::join!(
        scene.exchange.exchange(&scene.verifier, &request),
        other.exchange(&scene.verifier, &request),
    );
    assert_ne!(one.is_ok(), two.is_ok());
}

#[tokio::test]
async fn people_go_on_until_their_sign_in_ends_and_stand_behind_a_salt() {
    let scene = Scene::new().await;
    let proof = scene.person();
    for _ in 0..2 {
        let request = scene.request(&proof, "apply");
        scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    }
    let subjects: Vec<_> =
        scene.entries().await.into_iter().map(|it| it.event.by.subject).collect();
    let [Some(Subject::Person(one)), Some(Subject::Person(two))] = subjects.as_slice() else {
        unreachable!("{subjects:?}")
    };
    assert_eq!(one, two, "one person is one in the ledger");
    assert_eq!(scene.store.opened(one).await.unwrap().as_deref(), Some("erik"));
    let bytes = scene.store.entries(0, 100).await.unwrap().concat();
    assert!(!String::from_utf8(bytes).unwrap().contains("erik"));
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_nothing() {
    let scene = Scene::new().await;
    let proof = scene.machine();
    let request = scene.request(&proof, "apply");
    let issued = scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    let by = Asker::local().actor;
    assert!(scene.store.revoke(&issued.id, by.clone(), NOON).await.unwrap());
    assert_eq!(scene.store.token(issued.token.reveal(), NOON).await.unwrap(), None);
    assert!(!scene.store.revoke(&issued.id, by, NOON).await.unwrap(), "there is none any more");
    let acts: Vec<_> = scene.entries().await.iter().map(|it| it.event.act).collect();
    assert_eq!(acts, [Act::TokenIssued, Act::TokenRevoked]);
}

#[tokio::test]
async fn no_part_of_a_token_stands_in_the_state() {
    let scene = Scene::new().await;
    let proof = scene.machine();
    let request = scene.request(&proof, "apply");
    let issued = scene.exchange.exchange(&scene.verifier, &request).await.unwrap();
    let bytes = scene.store.entries(0, 100).await.unwrap().concat();
    let ledger = String::from_utf8(bytes).unwrap();
    let signature = proof.rsplit('.').next().unwrap();
    assert!(!ledger.contains(issued.token.reveal()) && !ledger.contains(signature));
    assert!(!format!("{issued:?} {request:?}").contains(signature));
    assert!(!format!("{issued:?}").contains(issued.token.reveal().as_str()));
}

#[test]
fn a_request_is_read_strictly() {
    let good = [
        ("grant_type", GRANT),
        ("subject_token", "a.b.c"),
        ("subject_token_type", ISSUED_TYPE),
        ("scope", "plan"),
        ("resource", "urn:gatewright:prod"),
    ];
    assert!(Request::parse(&good).is_ok());
    let with = |name: &'static str, value: &'static str| {
        let mut fields = good.to_vec();
        fields.retain(|(known, _)| *known != name);
        fields.push((name, value));
        Request::parse(&fields).map(drop)
    };
    assert_eq!(with("client_id", "anything"), Ok(()), "unknown parameters are passed over");
    assert_eq!(with("requested_token_type", ISSUED_TYPE), Ok(()));
    let rows = [
        ("grant_type", "authorization_code", RequestFault::GrantType),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:jwt", RequestFault::TokenType),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2", RequestFault::TokenType),
        ("scope", "admin", RequestFault::Scope),
        ("resource", "*", RequestFault::Resource),
        ("actor_token", "x", RequestFault::Unsupported { parameter: "actor_token" }),
        ("audience", "x", RequestFault::Unsupported { parameter: "audience" }),
    ];
    for (name, value, fault) in rows {
        assert_eq!(with(name, value), Err(fault), "{name}={value}");
    }
    for (index, (parameter, value)) in good.into_iter().enumerate() {
        let twice = [good.as_slice(), &[(parameter, value)]].concat();
        assert_eq!(Request::parse(&twice).map(drop), Err(RequestFault::Twice { parameter }));
        let mut without = good.to_vec();
        without.remove(index);
        assert_eq!(Request::parse(&without).map(drop), Err(RequestFault::Missing { parameter }));
    }
}
