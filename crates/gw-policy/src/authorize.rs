//! Whether a call may happen. Only this makes a [`Permit`]; without a rule the answer is no.
//!
//! A rule grants when all its parts hold for one principal. Forbids are asked for the principal that
//! a rule grants: whoever is forbidden may still come in by another proof of his own, and no proof
//! that is added takes anything away.

use std::{fmt::Write as _, net::IpAddr};

use gw_model::{
    api::{Claims, Who},
    id::IdentityName,
    scalar::Method,
    source::Origin,
    workspace::{Identity, Oidc},
};
use time::OffsetDateTime;

use crate::{
    cedar::{Call, Hits, NotEvaluated},
    decision::Reason,
    denial::{Aspect, Candidate, Denial, Part, Verdict, sort_nearest},
    principal::{Caller, Principal},
    snapshot::{Operation, Rule},
};

/// A call that may happen. It borrows from the snapshot that decided, so it cannot outlive it.
#[derive(Clone, Copy, Debug)]
pub struct Permit<'s, 'c> {
    operation: Operation<'s>,
    rule: &'s Rule,
    principal: Option<&'c Principal>,
}

impl<'s, 'c> Permit<'s, 'c> {
    pub fn operation(&self) -> Operation<'s> {
        self.operation
    }

    /// Where the rule that granted it was written.
    pub fn rule(&self) -> &'s Origin {
        &self.rule.declared.at
    }

    /// Whom it was granted to; nobody in particular where the rule is public and nobody signed in.
    pub fn principal(&self) -> Option<&'c Principal> {
        self.principal
    }
}

/// More near misses than these help nobody.
const CANDIDATES_MAX: usize = 16;

/// More values of a claim than these are counted and not listed.
const VALUES_MAX: usize = 8;

impl<'s> Operation<'s> {
    /// Decides a call. Equal arguments give equal answers.
    pub fn authorize<'c>(
        self,
        caller: &'c Caller,
        ip: IpAddr,
        now: OffsetDateTime,
    ) -> Result<Permit<'s, 'c>, Box<Denial>> {
        let asking = Asking { operation: self, caller, ip, now };
        let mut hits = Hits::default();
        for rule in self.candidates() {
            for principal in asking.granted(rule) {
                let found = asking.hits(principal);
                if found.is_empty() {
                    return Ok(Permit { operation: self, rule, principal });
                }
                hits.add(found);
            }
        }
        Err(Box::new(asking.deny(hits)))
    }
}

/// One call that is being decided.
#[derive(Clone, Copy)]
struct Asking<'s, 'c> {
    operation: Operation<'s>,
    caller: &'c Caller,
    ip: IpAddr,
    now: OffsetDateTime,
}

impl<'s, 'c> Asking<'s, 'c> {
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

    fn holds(self, when: usize, principal: &Principal) -> Result<bool, NotEvaluated> {
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
    fn hits(self, principal: Option<&Principal>) -> Hits {
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

    fn deny(self, hits: Hits) -> Denial {
        let mut candidates: Vec<_> =
            self.operation.api().rules.iter().map(|rule| self.look_at(rule)).collect();
        sort_nearest(&mut candidates);
        candidates.truncate(CANDIDATES_MAX);
        let failed_condition = candidates.first().is_some_and(|nearest| {
            let mut lacks = nearest.lacks();
            lacks.next().is_some_and(|part| part.aspect == Aspect::WhenFailed)
                && lacks.next().is_none()
        });
        let public = self.operation.is_public();
        let reason = if !hits.forbidden.is_empty() {
            Reason::ForbiddenByPolicy
        } else if !hits.failed.is_empty() || failed_condition {
            Reason::PolicyError
        } else if self.caller.principals.is_empty() && !public {
            Reason::NotSignedIn
        } else {
            Reason::NotGranted
        };
        let cure = self.cure(reason, &candidates, &hits);
        let why = self.why(reason, &candidates, &hits);
        let needs = (reason == Reason::NotSignedIn).then(|| self.needs());
        let policies = hits.forbidden.into_iter().chain(hits.failed).collect();
        Denial { reason, why, needs, candidates, policies, cure }
    }

    /// The parts of a rule, for the principal that comes nearest.
    fn look_at(self, rule: &Rule) -> Candidate {
        let at = rule.declared.at.clone();
        let mut parts = vec![];
        let (method, id) = (self.operation.method(), self.operation.id());
        if !rule.admits_method(method) {
            let only = rule.declared.methods.iter().map(|it| it.as_str()).collect::<Vec<_>>();
            parts.push(Part::lacked(Aspect::Method, format!("{} only", only.join(", "))));
            return Candidate { rule: at, parts };
        }
        if !rule.admits_operation(id) {
            let only = rule.declared.operations.join(", ");
            parts.push(Part::lacked(Aspect::Operation, format!("{only} only")));
            return Candidate { rule: at, parts };
        }
        if !rule.declared.methods.is_empty() {
            parts.push(Part::held(Aspect::Method, method.as_str()));
        }
        if !rule.declared.operations.is_empty() {
            parts.push(Part::held(Aspect::Operation, id));
        }
        parts.append(&mut self.look_at_who(rule));
        if let Some(until) = rule.declared.until {
            parts.push(if rule.runs(self.now) {
                Part::held(Aspect::Until, format!("until {until}"))
            } else {
                Part::lacked(Aspect::Until, format!("rule ended {until}"))
            });
        }
        Candidate { rule: at, parts }
    }

    fn look_at_who(self, rule: &Rule) -> Vec<Part> {
        let Who::Proven { identities, claims, .. } = &rule.declared.who else {
            return vec![Part::held(Aspect::Identity, "public")];
        };
        let admitted = self.caller.principals.iter().filter(|it| identities.contains(&it.identity));
        let views = admitted.map(|principal| self.look_at_principal(rule, principal, claims));
        let lacks =
            |parts: &Vec<Part>| parts.iter().filter(|part| part.verdict == Verdict::Lacked).count();
        views.min_by_key(lacks).unwrap_or_else(|| {
            let needs = names(identities);
            let mut text = format!("identity: needs {needs}; ");
            if self.caller.principals.is_empty() {
                text.push_str("nobody is signed in");
            } else {
                let held: Vec<_> =
                    self.caller.principals.iter().map(|it| it.identity.clone()).collect();
                let _ = write!(text, "the caller is {}", names(&held));
            }
            vec![Part::lacked(Aspect::Identity, text)]
        })
    }

    fn look_at_principal(self, rule: &Rule, principal: &Principal, claims: &Claims) -> Vec<Part> {
        let mut parts = vec![Part::held(Aspect::Identity, principal.identity.as_str())];
        for (name, values) in claims {
            let needs = values.join(" or ");
            parts.push(if has_claim(principal, name, values) {
                let held = principal.claims.get(name).into_iter().flatten();
                let held: Vec<_> = held.filter(|value| values.contains(value)).cloned().collect();
                Part::held(Aspect::Claim, format!("claim {name}: {}", held.join(", ")))
            } else {
                let text = match principal.claims.get(name) {
                    None => format!("claim {name}: needs {needs}; the token has no claim {name}"),
                    Some(held) => {
                        format!("claim {name}: needs {needs}; token has {}", shorten(held))
                    }
                };
                Part::lacked(Aspect::Claim, text)
            });
        }
        let Who::Proven { when: Some(text), .. } = &rule.declared.who else { return parts };
        let result = rule.when.map(|when| self.holds(when, principal));
        parts.push(match result {
            Some(Ok(true)) => Part::held(Aspect::When, format!("condition `{text}`")),
            Some(Ok(false)) | None => {
                Part::lacked(Aspect::When, format!("condition `{text}` is false"))
            }
            Some(Err(NotEvaluated(error))) => Part::lacked(
                Aspect::WhenFailed,
                format!("condition `{text}` could not be evaluated: {error}"),
            ),
        });
        parts
    }

    /// What a caller may bring: the issuers that the rules of this operation accept.
    fn needs(self) -> String {
        let identities = self.operation.snapshot.identities();
        let mut ways = vec![];
        for rule in self.operation.candidates() {
            let Who::Proven { identities: named, .. } = &rule.declared.who else { continue };
            for name in named {
                let way = match identities.get(name) {
                    Some(Identity::Oidc(Oidc { issuer, .. })) => format!("a token from {issuer}"),
                    Some(Identity::BitbucketPipelines { .. }) => {
                        "an identity token of a Bitbucket pipeline".to_owned()
                    }
                    Some(Identity::ClientCertificate { .. }) => "a client certificate".to_owned(),
                    Some(Identity::SignedWebhook { .. }) => "a signed request".to_owned(),
                    Some(Identity::AwsIam { .. }) => "a signed AWS identity".to_owned(),
                    None => continue,
                };
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        if ways.is_empty() {
            "nothing would help: nobody may call this".to_owned()
        } else {
            ways.join(" or ")
        }
    }

    /// In the caller's words: what he lacks of the nearest rule, nothing of the others.
    fn why(self, reason: Reason, candidates: &[Candidate], hits: &Hits) -> String {
        let method = self.operation.method();
        match reason {
            Reason::ForbiddenByPolicy => {
                let told = hits.forbidden.iter().find_map(|hit| hit.reason.clone());
                told.unwrap_or_else(|| "a policy does not allow this".to_owned())
            }
            Reason::PolicyError => "the rules for this call could not be evaluated".to_owned(),
            Reason::NotSignedIn => "this needs a caller who is signed in".to_owned(),
            _ => {
                let near = self.operation.candidates().find(|rule| {
                    candidates.first().is_some_and(|nearest| nearest.rule == rule.declared.at)
                });
                let lack = near.and_then(|rule| self.first_lack(rule, method));
                lack.unwrap_or_else(|| format!("{method} is not open to this caller"))
            }
        }
    }

    /// `POST needs group orders-team; the token has sales`.
    fn first_lack(self, rule: &Rule, method: Method) -> Option<String> {
        let Who::Proven { identities, claims, .. } = &rule.declared.who else { return None };
        if !rule.runs(self.now) {
            return Some(format!("what allowed {method} has ended"));
        }
        let mut own = self.caller.principals.iter().filter(|it| identities.contains(&it.identity));
        let principal = own.next()?;
        let lacking = claims.iter().find(|(name, values)| !has_claim(principal, name, values));
        let (name, values) = lacking?;
        let needs = values.join(" or ");
        let noun = claim_noun(name);
        Some(match principal.claims.get(name) {
            None => format!("{method} needs {noun} {needs}; the token has no claim {name}"),
            Some(held) => format!("{method} needs {noun} {needs}; the token has {}", shorten(held)),
        })
    }

    fn cure(self, reason: Reason, candidates: &[Candidate], hits: &Hits) -> String {
        let api = self.operation.api();
        if let Some(hit) = hits.failed.first() {
            return format!(
                "mend policy {} at {}: what it asks for is missing",
                hit.id, hit.source
            );
        }
        if let Some(hit) = hits.forbidden.first() {
            return format!(
                "policy {} at {} decides; change it, or ask its owner",
                hit.id, hit.source
            );
        }
        let method = self.operation.method();
        let owner = api.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
        let Some(near) = candidates.first().filter(|nearest| {
            nearest.parts.iter().all(|part| {
                part.verdict == Verdict::Held
                    || !matches!(part.aspect, Aspect::Method | Aspect::Operation)
            })
        }) else {
            return format!(
                "add a rule for {method} under `access` in {} (widens access)",
                api.at.file
            );
        };
        if reason == Reason::NotSignedIn {
            return format!("send {}", self.needs());
        }
        let rule = api.rules.iter().find(|rule| rule.declared.at == near.rule);
        let lack = near.lacks().next().map(|part| part.aspect);
        let at = &near.rule;
        match (lack, rule.map(|rule| &rule.declared.who)) {
            (Some(Aspect::Claim), Some(Who::Proven { identities, claims, .. })) => {
                self.cure_claim(identities, claims, at, &owner)
            }
            (Some(Aspect::Until), _) => format!("move the date of `until` at {at} (widens access)"),
            (Some(Aspect::When), _) => format!("change the condition at {at} (widens access)"),
            (Some(Aspect::WhenFailed), _) => {
                format!("mend the condition at {at}: ask whether the claim is there first")
            }
            (Some(Aspect::Identity), _) => {
                format!("add the caller's identity to the rule at {at} (widens access)")
            }
            _ => format!("look at the rule at {at}"),
        }
    }

    fn cure_claim(
        self,
        identities: &[IdentityName],
        claims: &Claims,
        at: &Origin,
        owner: &str,
    ) -> String {
        let mut own = self.caller.principals.iter().filter(|it| identities.contains(&it.identity));
        let lacking = own.next().and_then(|principal| {
            let mut pairs = claims.iter();
            let pair = pairs.find(|(name, values)| !has_claim(principal, name, values))?;
            Some((principal, pair))
        });
        let Some((principal, (name, values))) = lacking else {
            return format!("look at the claims of the rule at {at}");
        };
        let Principal { subject, identity, .. } = principal;
        let noun = claim_noun(name);
        let needs = values.join(" or ");
        match principal.claims.get(name) {
            None => format!(
                "have the issuer of identity \"{identity}\" put claim {name} into its tokens, with \
                 {needs} for {subject}{owner}"
            ),
            Some(held) => {
                let any = if held.len() > 1 { "one of " } else { "" };
                format!(
                    "put {subject} in {noun} {needs} (identity \"{identity}\"{owner}), or grant \
                     {any}{} at {at} (widens access)",
                    shorten(held)
                )
            }
        }
    }
}

fn has_claim(principal: &Principal, name: &str, accepted: &[String]) -> bool {
    principal.claims.get(name).is_some_and(|held| accepted.iter().any(|value| held.contains(value)))
}

/// `group` for `groups`, as people say it.
fn claim_noun(name: &str) -> String {
    match name {
        "groups" => "group".to_owned(),
        "roles" => "role".to_owned(),
        "scope" | "scp" => "scope".to_owned(),
        _ => format!("claim {name}"),
    }
}

fn names(identities: &[IdentityName]) -> String {
    identities.iter().map(IdentityName::as_str).collect::<Vec<_>>().join(" or ")
}

fn shorten(values: &std::collections::BTreeSet<String>) -> String {
    let mut text = values.iter().take(VALUES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if values.is_empty() {
        text.push_str("nothing in it");
    }
    if let Some(more) = values.len().checked_sub(VALUES_MAX).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests;
