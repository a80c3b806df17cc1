//! Who calls: tokens of trusted issuers and client certificates become principals.
//!
//! A token that was verified once is remembered by this thread, whole, under a keyed hash. It is good
//! again only while its issuer's keys are the same, the generation is the same, and it has not
//! expired; everything else is verified anew.

use std::{
    cell::RefCell,
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    sync::Arc,
};

use gw_net::issuer::{Held, Issuer, Issuers};
use gw_policy::{
    keys::KeySet,
    principal::{Caller, Principal},
    token::{TokenRefusal, Unverified, verify},
};
use http::{HeaderMap, header::AUTHORIZATION};

use crate::{respond::Refusal, serving::Serving, wire::head::Peer};

/// What a request proved, and what it tried to prove in vain.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(crate) caller: Arc<Caller>,
    /// Those of the caller that the token proved.
    bearer: Arc<Caller>,
    pub(crate) refused: Option<Refused>,
}

#[derive(Clone, Debug)]
pub(crate) enum Refused {
    Token(TokenRefusal),
    SeveralTokens,
    Certificate,
}

/// The tokens that one thread has verified of late. When the young half is full, by their number or
/// by their bytes, the old half is forgotten; what is used moves back to the young half.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    halves: RefCell<Halves<Remembered>>,
}

#[derive(Debug)]
struct Halves<V> {
    young: Half<V>,
    /// Of the tokens in the young half.
    young_bytes: usize,
    old: Half<V>,
    key: RandomState,
}

/// Tokens by a keyed hash of their end. That is the signature, which no two have in common and nobody
/// chooses; whether it is the same token, all of it says.
type Half<V> = HashMap<u64, (Box<str>, V)>;

#[derive(Debug)]
struct Remembered {
    caller: Arc<Caller>,
    /// Unix seconds: the first at which one of its principals is worth nothing.
    good_until: i64,
    issuer: Issuer<KeySet>,
    keys: u64,
    generation: u64,
}

/// So much of the end of a token is hashed.
const TAIL_BYTES: usize = 32;
const HALF: usize = 4096;
const HALF_BYTES: usize = 4 * 1024 * 1024;

impl Identified {
    /// Whether the request's token is what proves this principal.
    pub(crate) fn proves_by_token(&self, principal: &Principal) -> bool {
        self.bearer.principals.contains(principal)
    }
}

impl Refused {
    pub(crate) fn refusal(&self) -> Refusal {
        match self {
            Self::Token(refusal) => Refusal::Token(refusal.clone()),
            Self::SeveralTokens => Refusal::SeveralTokens,
            Self::Certificate => Refusal::Certificate,
        }
    }
}

impl Verified {
    /// Whom a token proved, if that still holds.
    fn caller(&self, token: &str, generation: u64, now: i64) -> Option<Arc<Caller>> {
        let mut halves = self.halves.borrow_mut();
        let known = halves.find(token)?;
        let holds = known.generation == generation
            && now < known.good_until
            && known.issuer.generation() == Some(known.keys);
        holds.then(|| Arc::clone(&known.caller))
    }

    fn keep(&self, token: &str, known: Remembered) {
        self.halves.borrow_mut().keep(token.into(), known);
    }
}

impl<V> Default for Halves<V> {
    fn default() -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self { young, young_bytes: 0, old, key: RandomState::new() }
    }
}

impl<V> Halves<V> {
    fn find(&mut self, token: &str) -> Option<&V> {
        let hash = self.hash(token);
        let same = |(held, _): &(Box<str>, V)| **held == *token;
        if !self.young.get(&hash).is_some_and(same) {
            let (held, known) = self.old.remove(&hash).filter(same)?;
            self.keep(held, known);
        }
        self.young.get(&hash).map(|(_, known)| known)
    }

    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        self.key.hash_one(bytes.last_chunk::<TAIL_BYTES>().map_or(bytes, |tail| tail))
    }

    fn keep(&mut self, token: Box<str>, known: V) {
        let (hash, bytes) = (self.hash(&token), token.len());
        if self.young.len() >= HALF || self.young_bytes + bytes > HALF_BYTES {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some((before, _)) = self.young.insert(hash, (token, known)) {
            self.young_bytes -= before.len();
        }
    }
}

/// `now` is in Unix seconds.
pub(crate) async fn identify(
    serving: &Serving,
    issuers: &Issuers<KeySet>,
    verified: &Verified,
    headers: &HeaderMap,
    peer: &Peer,
    now: i64,
) -> Identified {
    let (mut caller, mut refused) = match bearer(headers) {
        Ok(None) => (Arc::default(), None),
        Ok(Some(token)) => match verified.caller(token, serving.generation.number, now) {
            Some(caller) => (caller, None),
            // Rare and large: every call would carry room for it.
            None => match Box::pin(by_token(serving, issuers, verified, token, now)).await {
                Ok(caller) => (caller, None),
                Err(refusal) => (Arc::default(), Some(Refused::Token(refusal))),
            },
        },
        Err(refusal) => (Arc::default(), Some(refusal)),
    };
    let bearer = Arc::clone(&caller);
    if let Some(chain) = &peer.certificates
        && !serving.authorities.is_empty()
    {
        let seconds = u64::try_from(now).unwrap_or_default();
        let all = serving.authorities.iter();
        let proved: Vec<_> = all.filter_map(|one| one.verify(chain, seconds).ok()).collect();
        if proved.is_empty() {
            refused = refused.or(Some(Refused::Certificate));
        }
        let principals = caller.principals.iter().cloned().chain(proved).collect();
        caller = Arc::new(Caller { principals });
    }
    Identified { caller, bearer, refused }
}

/// The token of the request. Another scheme than `Bearer` is not for the gateway.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Refused> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(Refused::SeveralTokens);
    }
    let malformed = || Refused::Token(TokenRefusal::NotCompact);
    let line = line.to_str().map_err(|_| malformed())?;
    match line.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
            Ok(Some(token.trim_start_matches(' ')))
        }
        None if line.eq_ignore_ascii_case("bearer") => Err(malformed()),
        Some(_) | None => Ok(None),
    }
}

async fn by_token(
    serving: &Serving,
    issuers: &Issuers<KeySet>,
    verified: &Verified,
    text: &str,
    now: i64,
) -> Result<Arc<Caller>, TokenRefusal> {
    let generation = serving.generation.number;
    let token = Unverified::parse(text)?;
    let trusted = serving.issuers.get(token.issuer())?;
    let issuer = issuers.get(token.issuer()).ok_or(TokenRefusal::NoKeys)?;
    let check = |held: &Held<KeySet>| {
        verify(&token, trusted, &held.keys, now).map(|principals| (principals, held.generation))
    };
    let held = issuer.held();
    let (principals, keys) = match held.as_deref().map_or(Err(TokenRefusal::NoKeys), check) {
        Err(refusal) if refusal.wants_newer_keys() => {
            let newer = issuer.newer(held.map(|held| held.generation)).await.ok_or(refusal)?;
            check(&newer)?
        }
        other => other?,
    };
    let good_until = principals.iter().filter_map(|one: &Principal| one.expires_at).min();
    let caller = Arc::new(Caller { principals });
    if let Some(good_until) = good_until {
        let caller = Arc::clone(&caller);
        verified.keep(text, Remembered { caller, good_until, issuer, keys, generation });
    }
    Ok(caller)
}

#[cfg(test)]
mod tests;
