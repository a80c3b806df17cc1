//! Who asks: a proof becomes one of the declared identities, and is exchanged for a short token of ours.
//!
//! A token of an issuer is verified as the gateway verifies one. Nothing here says what anybody may:
//! that, the rules in force say. Facts about a commit never come from a proof; the Git host has them.

pub mod aws;
pub mod device;
pub mod exchange;
mod pipelines;
mod refusals;
pub mod refused;
pub mod scope;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gw_audit::entry::{Actor, Proof as Shown, Subject};
use gw_model::{
    clock::Clock,
    id::{IdentityName, PersonName},
    workspace::{Identity, Person, Source},
};
use gw_net::{
    client::Client,
    issuer::{Held, Issuers, Published, Timing},
};
use gw_policy::{
    keys::{KeySet, KeySetRefusal},
    principal::{Caller, Principal},
    token::{self, TokenRefusal, TrustedIssuers, Unverified},
};
use parking_lot::{Mutex, RwLock};
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

pub(crate) use self::pipelines::deploying;
pub use self::{
    aws::SignedRequest,
    exchange::{Exchange, Issued, NotIssued, Request},
    refused::Refused,
    scope::Scope,
};
use self::{
    aws::{Aws, Signed},
    pipelines::Pipelines,
    refused::{AwsRefusal, Once},
};
use crate::{asker::Asker, host::bitbucket::Place};

/// How long nobody asks again how the issuer of the pipelines is called now.
const SPACING: time::Duration = time::Duration::seconds(30);
const DOCUMENT_BYTES: usize = 128 * 1024;

/// What somebody shows.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A JWT of an issuer: of a person, of a machine, or of the step of a pipeline.
    Token(&'a str),
    /// A GetCallerIdentity request that an AWS principal signed, as [`SignedRequest::parse`] reads it.
    Signed(&'a str),
}

/// What the commit in force declares.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    pub identities: &'a BTreeMap<IdentityName, Identity>,
    pub people: &'a BTreeMap<PersonName, Person>,
    pub source: &'a Source,
}

/// What the server's own settings say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Identities that need no commit, so that there is somebody before the first. One of the same
    /// name in a commit does not count.
    pub identities: BTreeMap<IdentityName, Identity>,
    /// The identity that people prove who sign in.
    pub login: Option<IdentityName>,
    /// What they sign in to. None: they bring tokens that they got elsewhere.
    pub application: Option<device::Application>,
    /// Where Bitbucket is.
    pub bitbucket: Place,
    /// Where signed requests are sent, each as the signer writes it. None: the global host of AWS.
    pub sts: Vec<Url>,
    pub timing: Timing,
}

/// Checks proofs. It holds the keys of every issuer that counts.
pub struct Verifier {
    /// Of the settings, then of the commit in force.
    identities: BTreeMap<IdentityName, Identity>,
    /// Those whose subjects are people.
    people: BTreeSet<IdentityName>,
    /// Whose an account at the Git host is.
    accounts: BTreeMap<String, PersonName>,
    pipelines: Option<Pipelines>,
    aws: Aws,
    trusted: RwLock<Arc<TrustedIssuers>>,
    issuers: Issuers<KeySet>,
    /// When it was last asked how the issuer of the pipelines is called.
    asked: Mutex<Option<OffsetDateTime>>,
    client: Client,
    clock: Arc<dyn Clock>,
}

/// Somebody who is proved, and what the proof is good for.
#[derive(Debug)]
struct Proven {
    asker: Asker,
    /// The subject, where it is a person: the ledger has it only behind a salt.
    person: Option<String>,
    /// What may be taken for writing once. None: as often as the proof is good.
    once: Option<(Once, String)>,
    /// Unix seconds after which the proof is worth nothing.
    until: i64,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
}

impl Verifier {
    /// Begins to read the keys of every issuer. Must be called inside a runtime that lives as long.
    pub fn new(
        declared: Declared<'_>,
        settings: Settings,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut identities = declared.identities.clone();
        identities.extend(settings.identities);
        let subjects = declared.people.values().flat_map(|person| person.subjects.keys());
        let people = subjects.chain(&settings.login).cloned().collect();
        let of_bitbucket = |(name, person): (&PersonName, &Person)| {
            person.bitbucket.as_ref().map(|account| (account.to_ascii_lowercase(), name.clone()))
        };
        let accounts = declared.people.iter().filter_map(of_bitbucket).collect();
        let pipelines = Pipelines::of(&identities, declared.source, &settings.bitbucket);
        let aws = Aws::of(&identities, &settings.sts);
        let issuers = Issuers::new(read_keys, settings.timing);
        let verifier = Self {
            identities,
            people,
            accounts,
            pipelines,
            aws,
            trusted: RwLock::default(),
            issuers,
            asked: Mutex::new(None),
            client,
            clock,
        };
        let declared = verifier.pipelines.as_ref().map(|it| it.declared.clone());
        verifier.trust(declared.as_deref());
        verifier
    }

    /// Who it is, as every identity that the proof proves.
    pub async fn verify(&self, proof: &Proof<'_>) -> Result<Asker, Refused> {
        self.prove(proof).await.map(|proven| proven.asker)
    }

    async fn prove(&self, proof: &Proof<'_>) -> Result<Proven, Refused> {
        match proof {
            Proof::Token(text) => self.by_token(text).await,
            Proof::Signed(text) => self.by_request(text).await.map_err(Refused::Aws),
        }
    }

    async fn by_request(&self, text: &str) -> Result<Proven, AwsRefusal> {
        let request = SignedRequest::parse(text)?;
        let Signed { principals, signature, until } =
            self.aws.verify(&request, &self.client, self.clock.now()).await?;
        let first = principals.first().ok_or(AwsRefusal::Account)?;
        let once = Some((Once::SignedRequest, signature));
        let (actor, person) = self.named(first, &principals, Shown::Signature);
        let asker = Asker { caller: Caller { principals }, actor };
        Ok(Proven { asker, person, once, until })
    }

    async fn by_token(&self, text: &str) -> Result<Proven, Refused> {
        let unread = |why| Refused::Token { issuer: None, why };
        let token = Unverified::parse(text).map_err(unread)?;
        let trusted = self.trusted_for(token.issuer()).await;
        let known = trusted.get(token.issuer()).map_err(unread)?;
        let issuer = known.url().to_owned();
        let refused = |why| Refused::Token { issuer: Some(issuer.clone()), why };
        let keys = self.issuers.get(&issuer).ok_or(TokenRefusal::NoKeys).map_err(refused)?;
        let now = self.clock.now().unix_timestamp();
        let check = |held: &Held<KeySet>| token::verify(&token, known, &held.keys, now);
        let held = keys.held();
        let principals = match held.as_deref().map_or(Err(TokenRefusal::NoKeys), check) {
            Err(why) if why.wants_newer_keys() => {
                match keys.newer(held.map(|held| held.generation)).await {
                    Some(newer) => check(&newer),
                    None => Err(why),
                }
            }
            other => other,
        };
        self.proven(principals.map_err(refused)?, &issuer, text)
    }

    /// Whom a verified token proves, once steps are held to their ids.
    fn proven(
        &self,
        verified: Vec<Principal>,
        issuer: &str,
        text: &str,
    ) -> Result<Proven, Refused> {
        let (mut principals, mut nearest) = (vec![], None);
        for principal in verified {
            let step = self.pipelines.as_ref().filter(|it| it.has(&principal.identity));
            match step.map_or(Ok(principal.clone()), |it| it.step(principal)) {
                Ok(principal) => principals.push(principal),
                Err(why) => nearest = Some(Refused::Step { issuer: issuer.to_owned(), why }),
            }
        }
        let Some(first) = principals.first() else {
            let why = TokenRefusal::UnknownIssuer;
            return Err(nearest.unwrap_or(Refused::Token { issuer: None, why }));
        };
        let (mut actor, person) = self.named(first, &principals, Shown::Token);
        let step = pipelines::only(first, pipelines::STEP)
            .filter(|_| self.pipelines.as_ref().is_some_and(|it| it.has(&first.identity)));
        actor.via.extend(step.and_then(|_| pipelines::pipeline(first)));
        let token_id = first.claims.get("jti").and_then(|ids| ids.first());
        let once = match (&person, step, token_id) {
            // Whoever signed in goes on until the sign-in ends.
            (Some(_), ..) => None,
            (_, Some(step), _) => Some((Once::Step, step.to_owned())),
            (_, None, Some(id)) => Some((Once::Token, id.clone())),
            (_, None, None) => Some((Once::Token, text.to_owned())),
        };
        let until = principals.iter().filter_map(|it| it.expires_at).min().unwrap_or_default();
        Ok(Proven { asker: Asker { caller: Caller { principals }, actor }, person, once, until })
    }

    /// Who it is, for the ledger; the subject apart where it is a person.
    fn named(&self, first: &Principal, all: &[Principal], proof: Shown) -> (Actor, Option<String>) {
        let is_person = all.iter().any(|it| self.people.contains(&it.identity));
        let actor = Actor {
            identity: first.identity.to_string(),
            issuer: Some(first.issuer.clone()),
            subject: (!is_person).then(|| Subject::Machine(first.subject.clone())),
            proof,
            via: vec![],
        };
        (actor, is_person.then(|| first.subject.clone()))
    }

    /// The trusted issuers, once it is known how the one of the pipelines is called now.
    async fn trusted_for(&self, issuer: &str) -> Arc<TrustedIssuers> {
        let trusted = Arc::clone(&self.trusted.read());
        let Some(pipelines) = &self.pipelines else { return trusted };
        if trusted.get(issuer).is_ok() || !pipelines.could_be(issuer) || !self.may_ask() {
            return trusted;
        }
        let Ok(address) = Url::parse(&pipelines.address()) else { return trusted };
        let document = self.client.get(&address, DOCUMENT_BYTES).await.ok();
        let document = document.and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        // What somebody puts in a token is tried against the host, and never the other way round.
        if document.is_some_and(|document| document.issuer == issuer) {
            self.trust(Some(issuer));
        }
        Arc::clone(&self.trusted.read())
    }

    fn may_ask(&self) -> bool {
        let (now, mut asked) = (self.clock.now(), self.asked.lock());
        let rested = asked.is_none_or(|asked| (now - asked).abs() >= SPACING);
        if rested {
            *asked = Some(now);
        }
        rested
    }

    /// From now on these are the issuers, the one of the pipelines by this name only.
    fn trust(&self, pipelines: Option<&str>) {
        let own = self.identities.iter().map(|(name, it)| (name.clone(), it.clone()));
        let steps = self.pipelines.iter().zip(pipelines).flat_map(|(it, name)| it.as_oidc(name));
        let trusted = TrustedIssuers::of(&own.chain(steps).collect());
        self.issuers.set(&self.client, trusted.iter().map(token::TrustedIssuer::url));
        *self.trusted.write() = Arc::new(trusted);
    }
}

/// A set without a key that can be used is an answer too: it lists none of the former ones.
fn read_keys(bytes: &[u8]) -> Result<Published<KeySet>, String> {
    match KeySet::parse(bytes) {
        Ok(keys) => Ok(Published::Keys(keys)),
        Err(nothing @ KeySetRefusal::NoneUsable(_)) => Ok(Published::Nothing(nothing.to_string())),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// The proof itself is in no log.
impl std::fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::Signed(_) => "Signed",
        })
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}
