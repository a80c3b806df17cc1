//! Who asks: proofs of the emulated Bitbucket, of a certified provider and of AWS, exchanged.

mod aws;
mod chain;
mod claims;
mod device;
mod provider;

use std::{cell::RefCell, collections::BTreeMap, sync::Arc};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gw_audit::note::Signer;
use gw_control::{
    host::bitbucket::Place,
    login::{Declared, Exchange, NotIssued, Proof, Request, Scope, Settings, Verifier},
    store::Store,
};
use gw_emulators::bitbucket::{Audience, Bitbucket, Uuid};
use gw_model::{
    id::{IdentityName, PersonName},
    scalar::Period,
    workspace::{Algorithm, Identity, Oidc, Person, Source},
};
use gw_net::{
    client::{Client, ClientSettings},
    issuer::Timing,
};
use gw_testkit::{
    attack::exchange::{Attack, Bench, Said, attack},
    clock::FixedClock,
};
use serde_json::Value;
use tempfile::TempDir;
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio::runtime::Runtime;
use url::Url;

/// What a step asks Bitbucket to put into its token.
const AUDIENCE: &str = "https://gatewright.example";
const START: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

/// A workspace whose pipelines may deploy, and a server that lets them in.
struct Scene {
    runtime: Runtime,
    folder: TempDir,
    clock: FixedClock,
    bitbucket: Bitbucket,
    workspace: Uuid,
    repository: Uuid,
    /// The environment that steps deploy to.
    prod: Uuid,
    person: Uuid,
    store: Store,
    verifier: Verifier,
    exchange: Exchange,
    /// Whether the last refusal said more to whoever asked than they knew.
    told: RefCell<Vec<String>>,
}

fn identity(name: &str) -> IdentityName {
    IdentityName::parse(name).unwrap()
}

impl Scene {
    /// `deploy` is the pipelines; `ci` is what this issuer signs, where there is one.
    fn new(issuer: Option<&str>) -> Self {
        let ci = issuer.map(|issuer| {
            let oidc = Oidc {
                issuer: issuer.to_owned(),
                audiences: vec![AUDIENCE.to_owned()],
                subject: "sub".to_owned(),
                algorithms: vec![Algorithm::Rs256, Algorithm::Es256],
                clock_skew: Period::MINUTE,
                rename: BTreeMap::new(),
            };
            (identity("ci"), Identity::Oidc(oidc))
        });
        Self::build(ci, vec![])
    }

    /// `aws` is these principals of that account, as the host tells.
    fn with_aws(host: &str, account: &str, arns: &[&str]) -> Self {
        let aws = Identity::AwsIam {
            audience: AUDIENCE.to_owned(),
            accounts: vec![account.to_owned()],
            arns: arns.iter().map(|&arn| arn.to_owned()).collect(),
        };
        Self::build(Some((identity("aws"), aws)), vec![Url::parse(host).unwrap()])
    }

    fn build(more: Option<(IdentityName, Identity)>, sts: Vec<Url>) -> Self {
        let runtime = Runtime::new().unwrap();
        let (folder, clock) = (tempfile::tempdir().unwrap(), FixedClock::at(START));
        let repositories = folder.path().join("repositories");
        let starting = Bitbucket::start(0, &repositories, Arc::new(clock.clone()));
        let bitbucket = runtime.block_on(starting).unwrap();
        let workspace = bitbucket.add_workspace("acme").unwrap();
        bitbucket.enable_oidc(&workspace).unwrap();
        let repository = bitbucket.add_repository(&workspace, "apis").unwrap();
        let person = bitbucket.add_person("erik").unwrap().uuid;
        bitbucket.commit(&repository, &person, "main", "first", &[("a.yaml", "a")]).unwrap();
        let prod = bitbucket.add_environment(&repository, "prod").unwrap();

        let ledger = Signer::new("gatewright/test", &[1; 32]).unwrap();
        let state = folder.path().join("state");
        let opening = Store::open(&state, ledger.verifier().clone());
        let store = runtime.block_on(opening).unwrap();
        let pipelines =
            Identity::BitbucketPipelines { audience: AUDIENCE.to_owned(), repositories: vec![] };
        let mut identities = BTreeMap::from([(identity("deploy"), pipelines)]);
        identities.extend(more);
        let source = Source::Bitbucket {
            repository: "acme/apis".to_owned(),
            workspace_uuid: workspace.to_string(),
            repository_uuid: repository.to_string(),
        };
        let settings = Settings {
            identities: BTreeMap::new(),
            login: None,
            application: None,
            bitbucket: Place::at(&Url::parse(bitbucket.url()).unwrap()),
            sts,
            timing: Timing::default(),
        };
        let erik = Person { bitbucket: Some(person.to_string()), ..Person::default() };
        let people = BTreeMap::from([(PersonName::parse("erik").unwrap(), erik)]);
        let declared = Declared { identities: &identities, people: &people, source: &source };
        let client = Client::new(&ClientSettings::here());
        let inside = runtime.enter();
        let verifier = Verifier::new(declared, settings, client, Arc::new(clock.clone()));
        drop(inside);
        let exchange = Exchange::new(store.clone(), Arc::new(clock.clone()));
        let told = RefCell::default();
        Self {
            runtime,
            folder,
            clock,
            bitbucket,
            workspace,
            repository,
            prod,
            person,
            store,
            verifier,
            exchange,
            told,
        }
    }

    /// A step of that repository that runs now, and its token.
    fn step_of(
        &self,
        repository: &Uuid,
        environment: Option<&Uuid>,
        audience: &Audience,
    ) -> String {
        let pipeline = self.bitbucket.start_pipeline(repository, "main", &self.person).unwrap();
        let step = self.bitbucket.start_step(&pipeline, "deploy", environment).unwrap();
        self.bitbucket.step_token(&step, audience).unwrap().unwrap()
    }

    /// The token that deploys.
    fn step(&self) -> String {
        let audience = Audience::One(AUDIENCE.to_owned());
        self.step_of(&self.repository, Some(&self.prod), &audience)
    }

    /// What a token says.
    fn claims(&self, token: &str) -> Value {
        let payload = token.split('.').nth(1).unwrap();
        serde_json::from_slice(&BASE64.decode(payload).unwrap()).unwrap()
    }

    fn forge(&self, claims: &Value) -> String {
        self.bitbucket.forge_token(&self.workspace, claims).unwrap().unwrap()
    }

    /// Asks for a token that writes.
    fn ask(&self, proof: &Proof<'_>) -> Said {
        let scope = Scope::parse("plan apply", "urn:gatewright:prod").unwrap();
        let request = Request { proof: *proof, scope };
        let answer = self.runtime.block_on(self.exchange.exchange(&self.verifier, &request));
        match answer {
            Ok(issued) => Said { given: true, words: format!("{issued:?}") },
            Err(NotIssued::Refused(why)) => {
                self.told.borrow_mut().push(why.to_string());
                let words = format!("{why} | {} | {} | {why:?}", why.operator(), why.cure());
                Said { given: false, words }
            }
            Err(other) => unreachable!("{other}"),
        }
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        self.runtime.block_on(self.store.entries(1, 100_000)).unwrap()
    }

    fn attack(&self, name: &str, token: &str, reason: &str) {
        self.attack_by(name, token, |token| Proof::Token(token), reason);
    }

    fn attack_by(&self, name: &str, text: &str, proof: fn(&str) -> Proof<'_>, reason: &str) {
        // Equal refusals within a minute are one entry.
        self.clock.advance(Duration::minutes(2));
        let bench = Bench {
            written: vec![self.folder.path().join("state")],
            exchange: &|shown| match shown == text {
                true => self.ask(&proof(shown)),
                false => self.ask(&Proof::Token(shown)),
            },
            good: &|| self.step(),
            entries: &|| self.entries(),
        };
        attack(&bench, &Attack { name, proof: text, reason });
    }
}
