//! Who stands behind a step: the person, the account at Bitbucket, the pipeline and the token of ours, as
//! one line of the ledger.

use std::sync::Arc;

use gw_audit::entry::{Entry, Proof as Shown, Subject};
use gw_control::{
    host::bitbucket::{Bitbucket, Credential, Declared, Place, Settings},
    login::Proof,
};
use gw_model::{
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretStore},
};
use gw_net::client::{Client, ClientSettings};
use url::Url;

use super::Scene;

/// A store with one secret.
#[derive(Debug)]
struct One(Redacted<String>);

impl SecretStore for One {
    fn read<'a>(&'a self, _: &'a SecretName) -> SecretFuture<'a> {
        let value = Redacted::new(self.0.reveal().clone().into_bytes());
        Box::pin(std::future::ready(Ok(Secret { value, version: None, since: None })))
    }
}

impl Scene {
    /// The declared repository, as an access token of it sees it.
    fn host(&self, scopes: &[&str]) -> Bitbucket {
        let ann = self.bitbucket.add_person("ann").unwrap();
        let right = Some(gw_emulators::bitbucket::Permission::Admin);
        self.bitbucket.permit(&self.repository, &ann.uuid, right).unwrap();
        let token = self.bitbucket.add_api_token(&ann.uuid, scopes).unwrap();
        let settings = Settings {
            place: Place::at(&Url::parse(self.bitbucket.url()).unwrap()),
            declared: Declared {
                full_name: "acme/apis".to_owned(),
                workspace_uuid: self.workspace.to_string(),
                repository_uuid: self.repository.to_string(),
            },
            credential: Credential::ApiToken {
                email: ann.email,
                token: SecretName::parse("bitbucket").unwrap(),
            },
        };
        let client = Client::new(&ClientSettings::here());
        let secrets = Arc::new(One(Redacted::new(token)));
        Bitbucket::new(settings, client, secrets, Arc::new(self.clock.clone()))
    }

    /// Each of the chain, as whoever may open it reads it.
    fn chain(&self) -> Vec<(String, String, Shown)> {
        let last = Entry::parse(&self.entries().pop().unwrap()).unwrap();
        let read = |subject: &Subject| match subject {
            Subject::Machine(text) => text.clone(),
            Subject::Person(hash) => {
                self.runtime.block_on(self.store.opened(hash)).unwrap().unwrap()
            }
        };
        let by = last.event.by;
        let all = by.via.iter().map(|via| {
            (via.identity.clone(), via.subject.as_ref().map(read).unwrap_or_default(), via.proof)
        });
        all.collect()
    }
}

/// Shows S2.20: holds
#[test]
fn the_ledger_names_whoever_stands_behind_a_step() {
    let mut scene = Scene::new(None);
    let host = Arc::new(scene.host(&["read:pipeline:bitbucket", "read:repository:bitbucket"]));
    let (store, clock) = (scene.store.clone(), Arc::new(scene.clock.clone()));
    scene.exchange = gw_control::login::Exchange::new(store, clock).with_host(host);
    let step = scene.step();
    let pipeline = scene.claims(&step)["pipelineUuid"].as_str().unwrap().to_owned();
    assert!(scene.ask(&Proof::Token(&step)).given);
    let chain = scene.chain();
    let told: Vec<_> =
        chain.iter().map(|(by, subject, proof)| (by.as_str(), subject.as_str(), *proof)).collect();
    let [person, account, number, run, token] = told.as_slice() else { unreachable!("{told:?}") };
    assert_eq!(*person, ("people", "erik", Shown::GitHost));
    assert_eq!(*account, ("bitbucket", scene.person.as_str(), Shown::GitHost));
    assert_eq!(*number, ("run", "#1", Shown::GitHost));
    assert_eq!(*run, ("pipeline", pipeline.as_str(), Shown::Token));
    assert!(token.0 == "gatewright" && token.1.starts_with("t-"), "{token:?}");
    let ledger = String::from_utf8(scene.entries().concat()).unwrap();
    assert!(!ledger.contains(scene.person.as_str()) && !ledger.contains("erik"));
}

#[test]
fn a_host_that_does_not_say_stops_nobody() {
    let mut scene = Scene::new(None);
    let host = Arc::new(scene.host(&["read:repository:bitbucket"]));
    let (store, clock) = (scene.store.clone(), Arc::new(scene.clock.clone()));
    scene.exchange = gw_control::login::Exchange::new(store, clock).with_host(host);
    assert!(scene.ask(&Proof::Token(&scene.step())).given);
    let named: Vec<_> = scene.chain().into_iter().map(|(by, ..)| by).collect();
    assert_eq!(named, ["pipeline", "gatewright"]);
}
