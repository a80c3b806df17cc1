//! The exchange of a proof for a short token of ours, after RFC 8693.
//!
//! The token says nothing: it is random, and the store has its hash and what it is for. What is issued,
//! refused and revoked is on the record before anybody learns of it.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use gw_audit::entry::{Actor, Proof as Shown, Subject};
use gw_model::{clock::Clock, secret::Redacted};
use time::{Duration, OffsetDateTime};

use super::{
    Proof, Proven, Refused, Scope, Verifier,
    refusals::{Counted, Kind, Refusals},
    refused::{Once, RequestFault},
};
use crate::{
    event,
    host::{GitHost, Pipeline},
    store::{Carried, Fresh, Store, StoreError, Unique, Whom},
};

/// What our tokens begin with, so that whoever finds one knows what it is.
pub const PREFIX: &str = "gwt_";
/// The longest life of one.
const LIFE: Duration = Duration::minutes(15);
/// How long it is remembered that a step had its token, beyond the life of the proof.
const MEMORY: Duration = Duration::days(1);
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const TOKEN_TYPES: [&str; 2] =
    ["urn:ietf:params:oauth:token-type:jwt", "urn:ietf:params:oauth:token-type:access_token"];
/// Base64 of the JSON of a request that was signed and not sent.
const SIGNED_TYPE: &str = "urn:gatewright:token-type:aws-request";
/// By these words the ledger names who carried somebody here.
const PEOPLE: &str = "people";
const GATEWRIGHT: &str = "gatewright";
/// The type of what is issued.
pub const ISSUED_TYPE: &str = TOKEN_TYPES[1];

/// Where proofs are exchanged.
#[derive(Debug)]
pub struct Exchange {
    store: Store,
    clock: Arc<dyn Clock>,
    refusals: Refusals,
    host: Option<Arc<dyn GitHost>>,
}

/// What is asked for: the parameters of RFC 8693, read.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    pub proof: Proof<'a>,
    pub scope: Scope,
}

/// A token of ours.
#[derive(Clone, Debug)]
pub struct Issued {
    /// By which it is known to people and to the ledger; it opens nothing.
    pub id: String,
    pub token: Redacted<String>,
    pub scope: Scope,
    pub expires_at: OffsetDateTime,
}

/// Why there is no token.
#[derive(Debug)]
pub enum NotIssued {
    Refused(Refused),
    /// It could not be recorded, so it is not done.
    Store(StoreError),
    /// The machine has no randomness to give.
    Random,
}

impl<'a> Request<'a> {
    /// Reads the fields of the form. What is unknown and harmless is passed over, as the RFC wants.
    pub fn parse(fields: &[(&'a str, &'a str)]) -> Result<Self, RequestFault> {
        let one = |parameter: &'static str| {
            let mut found = fields.iter().filter(|(name, _)| *name == parameter);
            let first = found.next().map(|(_, value)| *value).filter(|value| !value.is_empty());
            match found.next() {
                Some(_) => Err(RequestFault::Twice { parameter }),
                None => first.ok_or(RequestFault::Missing { parameter }),
            }
        };
        if one("grant_type")? != GRANT {
            return Err(RequestFault::GrantType);
        }
        // Both would make the token another's than the one who is proved.
        for parameter in ["actor_token", "actor_token_type", "audience"] {
            if fields.iter().any(|(name, _)| *name == parameter) {
                return Err(RequestFault::Unsupported { parameter });
            }
        }
        let wanted = one("requested_token_type");
        if !matches!(wanted, Ok(ISSUED_TYPE) | Err(RequestFault::Missing { .. })) {
            return Err(RequestFault::TokenType);
        }
        let text = one("subject_token")?;
        let proof = match one("subject_token_type")? {
            SIGNED_TYPE => Proof::Signed(text),
            kind if TOKEN_TYPES.contains(&kind) => Proof::Token(text),
            _ => return Err(RequestFault::TokenType),
        };
        Ok(Self { proof, scope: Scope::parse(one("scope")?, one("resource")?)? })
    }
}

impl Exchange {
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, refusals: Refusals::default(), host: None }
    }

    /// The same, with a Git host that says who started a pipeline.
    #[must_use]
    pub fn with_host(self, host: Arc<dyn GitHost>) -> Self {
        Self { host: Some(host), ..self }
    }

    /// A token for whoever the proof proves, on the record; or a refusal, on the record.
    pub async fn exchange(
        &self,
        verifier: &Verifier,
        request: &Request<'_>,
    ) -> Result<Issued, NotIssued> {
        match verifier.prove(&request.proof).await {
            Ok(proven) => {
                let carried = self.carried(verifier, &proven.asker.actor).await;
                self.issue(proven, carried, &request.scope).await
            }
            Err(refused) => Err(self.refuse(refused).await),
        }
    }

    /// A request that could not be read is on the record like any other refusal.
    pub async fn refuse(&self, refused: Refused) -> NotIssued {
        let at = self.clock.now();
        let due = self.refusals.count(&refused, at);
        match self.record(due, at).await {
            Ok(()) => NotIssued::Refused(refused),
            Err(error) => NotIssued::Store(error),
        }
    }

    /// Counts somebody who came without a proof: to a door of ours, and why it stayed shut. Both are
    /// words of a few, so that nobody fills the ledger.
    pub async fn turn_away(
        &self,
        door: &'static str,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        let at = self.clock.now();
        let due = self.refusals.count(Kind { source: door.to_owned(), reason }, at);
        self.record(due, at).await
    }

    /// Writes the counts of the minutes that have ended; for a timer, and at the end.
    pub async fn settle(&self) -> Result<(), StoreError> {
        let at = self.clock.now();
        self.record(self.refusals.due(at), at).await
    }

    async fn record(&self, due: Vec<Counted>, at: OffsetDateTime) -> Result<(), StoreError> {
        for Counted { kind, times, since } in due {
            let event = event::turned_away(&kind.source, kind.reason, times, since);
            self.store.record(event, at).await?;
        }
        Ok(())
    }

    /// Who started the pipeline that carries somebody here: the person, and the account at the Git host;
    /// and what people call that run.
    /// Where the host does not say, the pipeline is named all the same, and whoever asks later finds it.
    async fn carried(&self, verifier: &Verifier, actor: &Actor) -> Vec<Carried> {
        let pipeline = actor.via.iter().find_map(|via| match &via.subject {
            Some(Subject::Machine(pipeline)) if via.identity == Actor::PIPELINE => Some(pipeline),
            _ => None,
        });
        let (Some(host), Some(pipeline)) = (&self.host, pipeline) else { return vec![] };
        let Ok(Some(Pipeline { started_by, name })) = host.pipeline(pipeline).await else {
            return vec![];
        };
        let person = started_by.as_ref().and_then(|it| verifier.accounts.get(&it.id));
        let person =
            person.map(|name| Carried { by: PEOPLE, whom: Whom::Person(name.to_string()) });
        let account = started_by.map(|it| Carried { by: it.host, whom: Whom::Person(it.id) });
        let run = name.map(|name| Carried { by: Actor::RUN, whom: Whom::Machine(name) });
        [person, account, run].into_iter().flatten().collect()
    }

    async fn issue(
        &self,
        proven: Proven,
        carried: Vec<Carried>,
        scope: &Scope,
    ) -> Result<Issued, NotIssued> {
        let Proven { mut asker, person, once, until } = proven;
        let (token, id) = draw().ok_or(NotIssued::Random)?;
        let at = self.clock.now();
        let until = OffsetDateTime::from_unix_timestamp(until).unwrap_or(at);
        let expires_at = until.min(at + LIFE);
        for principal in &mut asker.caller.principals {
            principal.expires_at = Some(expires_at.unix_timestamp());
        }
        asker.actor.via.push(Actor {
            identity: GATEWRIGHT.to_owned(),
            issuer: None,
            subject: Some(Subject::Machine(id.clone())),
            proof: Shown::Token,
            via: vec![],
        });
        let once = once.filter(|_| scope.writes());
        let issuer = asker.actor.issuer.clone().unwrap_or_default();
        let unique = once.as_ref().map(|(what, name)| Unique {
            key: once_key(*what, &issuer, name),
            until: until + MEMORY,
        });
        let fresh = Fresh {
            id: &id,
            hash: hash(&token),
            scope,
            expires_at,
            person: person.as_deref(),
            carried,
        };
        let issued = self.store.issue(fresh, asker, unique, at).await.map_err(NotIssued::Store)?;
        match (issued, once) {
            (false, Some((what, _))) => Err(self.refuse(Refused::Used { issuer, what }).await),
            _ => Ok(Issued { id, token, scope: scope.clone(), expires_at }),
        }
    }
}

/// The text of a new token, and the id that it is known by.
fn draw() -> Option<(Redacted<String>, String)> {
    let (mut secret, mut id) = ([0; 32], [0; 8]);
    rand::fill(&mut secret).ok()?;
    rand::fill(&mut id).ok()?;
    let text = format!("{PREFIX}{}", BASE64.encode(secret));
    Some((Redacted::new(text), format!("t-{:016x}", u64::from_be_bytes(id))))
}

/// What the store knows a token by.
pub(crate) fn hash_of(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

fn hash(token: &Redacted<String>) -> [u8; 32] {
    hash_of(token.reveal())
}

/// A name for what may be used once. The id of a step is its own, however its issuer is called now.
fn once_key(what: Once, issuer: &str, name: &str) -> [u8; 32] {
    hash_of(&match what {
        Once::Step => format!("step {name}"),
        // Neither a URL nor an ARN has a space.
        Once::Token => format!("token {issuer} {name}"),
        Once::SignedRequest => format!("request {name}"),
    })
}

impl fmt::Display for NotIssued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refused) => refused.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Random => f.write_str("this machine gives no random numbers"),
        }
    }
}

impl std::error::Error for NotIssued {}

#[cfg(test)]
mod tests;
