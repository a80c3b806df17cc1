//! Whether a call may happen. Only this makes a [`Permit`]; without a rule the answer is no.
//!
//! A rule grants when all its parts hold for one principal. Forbids are asked for the principal that
//! a rule grants: whoever is forbidden may still come in by another proof of his own, and no proof
//! that is added takes anything away.

mod cure;
mod near;

use std::net::IpAddr;

use gw_model::{api::Who, scalar::Method, source::Origin};
use time::OffsetDateTime;

#[cfg(test)]
pub(crate) use self::cure::Remedy;
pub(crate) use self::near::Refusal;
use crate::{
    cedar::{Call, Hits, NotEvaluated},
    denial::Denial,
    principal::{Caller, Principal},
    snapshot::{Operation, Rule},
};

/// A call that may happen. It borrows from the snapshot that decided, so it cannot outlive it.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'s, 'c> {
    operation: Operation<'s>,
    /// None: nobody calls but the gateway itself.
    rule: Option<&'s Rule>,
    principal: Option<&'c Principal>,
}

impl<'s, 'c> Permit<'s, 'c> {
    pub fn operation(&self) -> Operation<'s> {
        self.operation
    }

    /// Where the rule that granted it was written; of the gateway's own call, where the API was.
    pub fn rule(&self) -> &'s Origin {
        self.rule.map_or(&self.operation.api().at, |rule| &rule.declared.at)
    }

    /// Whom it was granted to; nobody in particular where the rule is public and nobody signed in.
    pub fn principal(&self) -> Option<&'c Principal> {
        self.principal
    }
}

impl<'s> Operation<'s> {
    /// The gateway's own call of the one operation by which the API shows that its backend works. It
    /// says nothing but its path, so that it asks for nothing of anybody.
    pub fn health<'c>(self) -> Option<Permit<'s, 'c>> {
        let declared = self.api().upstream.health.as_ref();
        let is_it = declared.is_some_and(|health| health.operation == self.id());
        let is_plain = self.method() == Method::Get && !self.path().contains('{');
        (is_it && is_plain).then_some(Permit { operation: self, rule: None, principal: None })
    }

    /// Decides a call. Equal arguments give equal answers.
    pub fn authorize<'c>(
        self,
        caller: &'c Caller,
        ip: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Permit<'s, 'c>, Box<Denial>> {
        let asking = Asking { operation: self, caller, ip, now };
        asking.decide().map_err(|hits| Box::new(Refusal::of(asking, hits).deny()))
    }
}

/// One call that is being decided.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'s, 'c> {
    pub(crate) operation: Operation<'s>,
    pub(crate) caller: &'c Caller,
    pub(crate) ip: IpAddr,
    pub(crate) now: OffsetDateTime,
}

impl<'s, 'c> Asking<'s, 'c> {
    /// A permit, or what forbade the call to each whom a rule granted it.
    pub(crate) fn decide(self) -> Result<Permit<'s, 'c>, Vec<Hits>> {
        let mut hits = vec![];
        for rule in self.operation.candidates() {
            for principal in self.granted(rule) {
                let found = self.hits(principal);
                if found.is_empty() {
                    return Ok(Permit { operation: self.operation, rule: Some(rule), principal });
                }
                hits.push(found);
            }
        }
        Err(hits)
    }

    /// Those whom a rule grants the call. A public rule grants it to nobody in particular too.
    fn granted(self, rule: &'s Rule) -> impl Iterator<Item = Option<&'c Principal>> {
        let running = rule.runs(self.now);
        let public = matches!(rule.declared.who, Who::Public);
        let anyone = (running && public && self.caller.principals.is_empty()).then_some(None);
        let principals = self.caller.principals.iter().filter(move |_| running);
        let granted = principals.filter(move |principal| self.grants(rule, principal));
        granted.map(Some).chain(anyone)
    }

    fn grants(self, rule: &Rule, principal: &Principal) -> bool {
        match &rule.declared.who {
            Who::Public => true,
            Who::Proven { identities, claims, when: _ } => {
                identities.contains(&principal.identity)
                    && claims.iter().all(|(name, values)| has_claim(principal, name, values))
                    && rule.when.is_none_or(|when| self.holds(when, principal) == Ok(true))
            }
        }
    }

    pub(crate) fn holds(self, when: usize, principal: &Principal) -> Result<bool, NotEvaluated> {
        let call = self.call(Some(principal), &[]);
        self.operation.snapshot.guards.holds(when, &call)
    }

    fn call<'a>(self, principal: Option<&'a Principal>, also: &'a [&'a Principal]) -> Call<'a>
    where
        's: 'a,
    {
        Call { operation: self.operation, principal, also, ip: self.ip, now: self.now }
    }

    /// What the forbids say about one caller: every identity that proves the same issuer and subject
    /// is looked at, so none of them can be used to get past a forbid on another.
    pub(crate) fn hits(self, principal: Option<&Principal>) -> Hits {
        if self.operation.row.guard.is_none() {
            return Hits::default();
        }
        let guards = &self.operation.snapshot.guards;
        let Some(principal) = principal else { return guards.hits(&self.call(None, &[])) };
        let same = |other: &&Principal| {
            other.issuer == principal.issuer && other.subject == principal.subject
        };
        let views: Vec<&Principal> = self.caller.principals.iter().filter(same).collect();
        let mut hits = Hits::default();
        for view in &views {
            hits.add(guards.hits(&self.call(Some(view), &views)));
        }
        hits
    }
}

fn has_claim(principal: &Principal, name: &str, accepted: &[String]) -> bool {
    principal.claims.get(name).is_some_and(|held| accepted.iter().any(|value| held.contains(value)))
}

#[cfg(test)]
mod tests;
