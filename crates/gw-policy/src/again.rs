//! Judging a recorded call once more: by the generation that decided it, or by any other.
//!
//! A record keeps what the decision could turn on and nothing else: never the token, and of the
//! claims only those that a rule, a condition or a policy of the operation looks at.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use gw_model::api::Who;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    can::{Answer, Known, Question, SOMEWHERE},
    decision::{Asker, Reason, Record},
    principal::{Caller, LEFT_OUT, Principal},
    snapshot::{Operation, Routed, Snapshot},
};

/// The claims that a decision about an operation can turn on, each with the values that rules name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookedAt {
    claims: BTreeMap<String, BTreeSet<String>>,
    /// A policy puts the name of a claim together, so it may look at any.
    any: bool,
}

/// What came of judging a record once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Again {
    pub answer: Answer,
    /// Whether the rules say what they said then.
    pub agrees: bool,
    /// Claims that are looked at now and that the record does not keep, or not whole: with these the
    /// answer may be another.
    pub unknown: BTreeSet<String>,
}

/// Why a record cannot be judged once more: no rule was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRuleAsked(pub Reason);

/// Of one claim a record keeps so many values that no rule names.
const VALUES_MAX: usize = 32;
/// A longer value is left out.
const VALUE_MAX_BYTES: usize = 128;

impl Operation<'_> {
    /// What a decision about it can turn on.
    pub fn looked_at(self) -> LookedAt {
        let mut looked_at = LookedAt::default();
        let guards = &self.snapshot().guards;
        let mut policies: Vec<_> = self.forbids().map(|forbid| &forbid.looks).collect();
        for rule in self.candidates() {
            policies.extend(rule.when.and_then(|when| guards.looks(when)));
            let Who::Proven { claims, .. } = &rule.declared.who else { continue };
            for (name, values) in claims {
                let named = looked_at.claims.entry(name.clone()).or_default();
                named.extend(values.iter().cloned());
            }
        }
        for looks in policies {
            looked_at.any |= looks.computed;
            for name in &looks.claims {
                looked_at.claims.entry(name.clone()).or_default();
            }
        }
        looked_at
    }
}

impl LookedAt {
    /// The names for a record. Where a policy may look at any claim, all that are held are named.
    pub fn names(&self, caller: &Caller) -> BTreeSet<String> {
        let mut names: BTreeSet<String> = self.claims.keys().cloned().collect();
        if self.any {
            names.extend(caller.principals.iter().flat_map(|one| one.claims.keys().cloned()));
        }
        names
    }

    /// A caller as a record keeps one.
    pub fn asker(&self, principal: &Principal) -> Asker {
        let Principal { identity, issuer, subject, claims, expires_at } = principal;
        let (mut kept, mut cut) = (BTreeMap::new(), BTreeSet::new());
        for (name, held) in claims {
            let named = self.claims.get(name);
            // What is unknown decides as much as what is held.
            if named.is_none() && !self.any && name != LEFT_OUT {
                continue;
            }
            let is_named = |value: &&String| named.is_some_and(|named| named.contains(*value));
            let short = held.iter().filter(|value| value.len() <= VALUE_MAX_BYTES);
            let others = short.filter(|value| !is_named(value)).take(VALUES_MAX);
            let values: BTreeSet<String> =
                held.iter().filter(is_named).chain(others).cloned().collect();
            if values.len() < held.len() {
                cut.insert(name.clone());
            }
            kept.insert(name.clone(), values);
        }
        Asker {
            identity: identity.clone(),
            issuer: issuer.clone(),
            subject: subject.clone(),
            expires_at: *expires_at,
            claims: kept,
            cut,
        }
    }
}

impl Record {
    /// Asks the rules of a snapshot about the call, as of the time of the call.
    pub fn judge_again(&self, snapshot: &Snapshot) -> Result<Again, NoRuleAsked> {
        let then = self.verdict()?;
        let principals = self.who.iter().map(|asker| Principal {
            identity: asker.identity.clone(),
            issuer: asker.issuer.clone(),
            subject: asker.subject.clone(),
            claims: asker.claims.clone(),
            expires_at: asker.expires_at,
        });
        let caller = Caller { principals: principals.collect() };
        let nanos = i128::from(self.at_ms) * 1_000_000;
        let answer = snapshot.can(&Question {
            caller: &caller,
            method: &self.method,
            host: &self.host,
            path: &self.path,
            ip: self.client.map_or(Known::Assumed(SOMEWHERE), Known::Given),
            now: Known::Given(
                OffsetDateTime::from_unix_timestamp_nanos(nanos)
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            ),
        });
        let agrees = then.agrees(answer.reason);
        Ok(Again { agrees, unknown: self.unknown(snapshot, &caller), answer })
    }

    /// Whether the caller sent a token or certificate that was refused: then nothing of it is kept.
    pub fn proof_was_refused(&self) -> bool {
        self.verdict() == Ok(Verdict::Unproven)
    }

    /// What a snapshot would look at and the record does not know.
    fn unknown(&self, snapshot: &Snapshot, caller: &Caller) -> BTreeSet<String> {
        let Routed::Found(found) = snapshot.route(&self.host, &self.method, &self.path) else {
            return BTreeSet::new();
        };
        if caller.principals.is_empty() {
            return BTreeSet::new();
        }
        let now = found.operation.looked_at();
        let cut = |name: &String| self.who.iter().any(|asker| asker.cut.contains(name));
        let names = now.names(caller).into_iter();
        names.filter(|name| !self.looked_at.contains(name) || cut(name)).collect()
    }

    /// What the rules said, whatever became of the call after they were asked.
    fn verdict(&self) -> Result<Verdict, NoRuleAsked> {
        if self.grant.is_some() {
            return Ok(Verdict::Rules(Reason::Granted));
        }
        match self.reason {
            reason @ (Reason::NoRoute
            | Reason::MethodNotListed
            | Reason::PathRefused
            | Reason::NotSignedIn
            | Reason::NotGranted
            | Reason::ForbiddenByPolicy
            | Reason::PolicyError) => Ok(Verdict::Rules(reason)),
            Reason::TokenExpired
            | Reason::TokenNotYetValid
            | Reason::TokenRefused
            | Reason::TokenIssuer
            | Reason::TokenAudience
            | Reason::KeysUnavailable
            | Reason::CertificateRefused => Ok(Verdict::Unproven),
            other => Err(NoRuleAsked(other)),
        }
    }
}

/// What the rules said of a recorded call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Rules(Reason),
    /// The proof was refused, so the rules were asked about nobody in particular, and refused.
    Unproven,
}

impl Verdict {
    fn agrees(self, now: Reason) -> bool {
        match self {
            Self::Rules(then) => then == now,
            Self::Unproven => now != Reason::Granted,
        }
    }
}

impl fmt::Display for NoRuleAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no rule was asked about this call: it ended as `{}`", self.0)
    }
}

impl std::error::Error for NoRuleAsked {}

#[cfg(test)]
mod tests;
