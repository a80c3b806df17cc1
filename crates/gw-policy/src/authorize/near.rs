//! A call that was refused: each rule beside it, looked at once. Why and cure are functions of that.

use std::{collections::BTreeSet, fmt::Write as _};

use gw_model::{
    api::Who,
    id::IdentityName,
    workspace::{Identity, Oidc},
};

use super::{Asking, has_claim};
use crate::{
    cedar::{Hits, NotEvaluated},
    decision::Reason,
    denial::{Aspect, Candidate, Denial, Evidence},
    principal::Principal,
    snapshot::{Operation, Rule},
};

/// More near misses than these help nobody.
const CANDIDATES_MAX: usize = 16;

/// More values of a claim than these are counted and not listed.
const VALUES_MAX: usize = 8;

/// Everything that is known about a call that may not happen.
pub(crate) struct Refusal<'s, 'c> {
    pub(super) asking: Asking<'s, 'c>,
    /// The nearest first.
    pub(super) misses: Vec<NearMiss<'s, 'c>>,
    /// What forbade the call to each whom a rule granted it.
    pub(super) hits: Vec<Hits>,
}

/// One rule, for the principal that comes nearest to it.
#[derive(Clone)]
pub(super) struct NearMiss<'s, 'c> {
    pub(super) rule: &'s Rule,
    /// None: nobody is signed in, or the rule was not asked about anybody.
    pub(super) principal: Option<&'c Principal>,
    pub(super) lacks: Vec<Lack<'s>>,
    evidence: Vec<Evidence>,
}

/// What keeps a rule from granting a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack<'s> {
    /// It speaks of other methods or operations.
    Elsewhere,
    Identity,
    Claim {
        name: &'s str,
        accepted: &'s [String],
    },
    Condition,
    /// A condition that could not be evaluated.
    BrokenCondition,
    Ended,
}

impl<'s, 'c> Refusal<'s, 'c> {
    pub(crate) fn of(asking: Asking<'s, 'c>, hits: Vec<Hits>) -> Self {
        let rules = asking.operation.api().rules.iter();
        let mut misses: Vec<_> = rules.map(|rule| NearMiss::of(asking, rule)).collect();
        misses.sort_by_cached_key(NearMiss::distance);
        misses.truncate(CANDIDATES_MAX);
        Self { asking, misses, hits }
    }

    pub(crate) fn deny(self) -> Denial {
        let reason = self.reason();
        let needs = (reason == Reason::NotSignedIn).then(|| needs(self.asking));
        let (why, cure) = (self.why(reason), self.cure());
        let candidates = self.misses.into_iter();
        let candidates = candidates
            .map(|NearMiss { rule, evidence, principal: _, lacks: _ }| Candidate {
                rule: rule.declared.at.clone(),
                parts: evidence,
            })
            .collect();
        let mut hits = Hits::default();
        for found in self.hits {
            hits.add(found);
        }
        let policies = hits.forbidden.into_iter().chain(hits.failed).collect();
        Denial { reason, why, needs, candidates, policies, cure }
    }

    fn reason(&self) -> Reason {
        let broken =
            || self.misses.first().is_some_and(|nearest| nearest.lacks == [Lack::BrokenCondition]);
        if self.hits.iter().any(|hits| !hits.forbidden.is_empty()) {
            Reason::ForbiddenByPolicy
        } else if !self.hits.is_empty() || broken() {
            Reason::PolicyError
        } else if self.asking.caller.principals.is_empty() && !self.asking.operation.is_public() {
            Reason::NotSignedIn
        } else {
            Reason::NotGranted
        }
    }

    /// In the caller's words: what he lacks of the nearest rule, nothing of the others.
    fn why(&self, reason: Reason) -> String {
        let method = self.asking.operation.method();
        match reason {
            Reason::ForbiddenByPolicy => {
                let mut forbids = self.hits.iter().flat_map(|hits| &hits.forbidden);
                let told = forbids.find_map(|hit| hit.reason.clone());
                told.unwrap_or_else(|| "a policy does not allow this".to_owned())
            }
            Reason::PolicyError => "the rules for this call could not be evaluated".to_owned(),
            Reason::NotSignedIn => "this needs a caller who is signed in".to_owned(),
            _ => match self.nearest().and_then(NearMiss::needs) {
                Some(Needs::Past) => format!("what allowed {method} has ended"),
                Some(Needs::Claims(claims)) => format!("{method} needs {claims}"),
                None => format!("{method} is not open to this caller"),
            },
        }
    }

    /// The nearest of the rules that speak of the operation.
    pub(super) fn nearest(&self) -> Option<&NearMiss<'s, 'c>> {
        self.misses.first().filter(|nearest| !nearest.lacks.contains(&Lack::Elsewhere))
    }
}

/// What a caller may read about the rule that he comes nearest to.
enum Needs {
    Past,
    Claims(String),
}

impl<'s, 'c> NearMiss<'s, 'c> {
    /// The parts of a rule, for the principal that comes nearest.
    fn of(asking: Asking<'s, 'c>, rule: &'s Rule) -> Self {
        let mut miss = Self { rule, principal: None, lacks: vec![], evidence: vec![] };
        let (method, id) = (asking.operation.method(), asking.operation.id());
        if !rule.declared.selection().covers_method(method) {
            let only = rule.declared.methods.iter().map(|it| it.as_str()).collect::<Vec<_>>();
            miss.lack(Lack::Elsewhere, Aspect::Method, format!("{} only", only.join(", ")));
            return miss;
        }
        if !rule.declared.selection().covers_id(id) {
            let only = rule.declared.operations.join(", ");
            miss.lack(Lack::Elsewhere, Aspect::Operation, format!("{only} only"));
            return miss;
        }
        if !rule.declared.methods.is_empty() {
            miss.hold(Aspect::Method, method.as_str());
        }
        if !rule.declared.operations.is_empty() {
            miss.hold(Aspect::Operation, id);
        }
        match &rule.declared.who {
            Who::Public => miss.hold(Aspect::Identity, "public"),
            Who::Proven { identities, claims: _, when: _ } => {
                let principals = asking.caller.principals.iter();
                let views = principals.map(|principal| miss.clone().beside(asking, principal));
                miss = views.min_by_key(NearMiss::distance).unwrap_or_else(|| {
                    let needs = names(identities.iter());
                    let text = format!("identity: needs {needs}; nobody is signed in");
                    miss.lack(Lack::Identity, Aspect::Identity, text);
                    miss
                });
            }
        }
        if let Some(until) = rule.declared.until {
            if rule.runs(asking.now) {
                miss.hold(Aspect::Until, format!("until {until}"));
            } else {
                miss.lack(Lack::Ended, Aspect::Until, format!("rule ended {until}"));
            }
        }
        miss
    }

    /// Looks at everything that the rule asks of one principal.
    fn beside(mut self, asking: Asking<'s, 'c>, principal: &'c Principal) -> Self {
        self.principal = Some(principal);
        let rule = self.rule;
        let Who::Proven { identities, claims, when } = &rule.declared.who else { return self };
        if identities.contains(&principal.identity) {
            self.hold(Aspect::Identity, principal.identity.as_str());
        } else {
            let held = names(asking.caller.principals.iter().map(|it| &it.identity));
            let needs = names(identities.iter());
            let text = format!("identity: needs {needs}; the caller is {held}");
            self.lack(Lack::Identity, Aspect::Identity, text);
        }
        for (name, accepted) in claims {
            self.claim(principal, name, accepted);
        }
        let Some(text) = when else { return self };
        match rule.when.map(|when| asking.holds(when, principal)) {
            Some(Ok(true)) => self.hold(Aspect::When, format!("condition `{text}`")),
            Some(Ok(false)) | None => {
                let text = format!("condition `{text}` is false");
                self.lack(Lack::Condition, Aspect::When, text);
            }
            Some(Err(NotEvaluated(error))) => {
                let text = format!("condition `{text}` could not be evaluated: {error}");
                self.lack(Lack::BrokenCondition, Aspect::WhenFailed, text);
            }
        }
        self
    }

    fn claim(&mut self, principal: &Principal, name: &'s str, accepted: &'s [String]) {
        if has_claim(principal, name, accepted) {
            let held = principal.claims.get(name).into_iter().flatten();
            let held: Vec<_> = held.filter(|value| accepted.contains(value)).cloned().collect();
            self.hold(Aspect::Claim, format!("claim {name}: {}", held.join(", ")));
            return;
        }
        let needs = accepted.join(" or ");
        let text = match principal.claims.get(name) {
            None => format!("claim {name}: needs {needs}; the token has no claim {name}"),
            Some(held) => format!("claim {name}: needs {needs}; token has {}", shorten(held)),
        };
        self.lack(Lack::Claim { name, accepted }, Aspect::Claim, text);
    }

    fn hold(&mut self, aspect: Aspect, text: impl Into<String>) {
        self.evidence.push(Evidence::held(aspect, text));
    }

    fn lack(&mut self, lack: Lack<'s>, aspect: Aspect, text: impl Into<String>) {
        self.lacks.push(lack);
        self.evidence.push(Evidence::lacked(aspect, text));
    }

    /// Rules for other operations are farthest, then those for other identities; then by how much
    /// lacks and how much holds, then by place.
    fn distance(&self) -> impl Ord + use<'s> {
        let lacks = self.lacks.len();
        let held = self.evidence.len() - lacks;
        let elsewhere = self.lacks.contains(&Lack::Elsewhere);
        let stranger = self.lacks.contains(&Lack::Identity);
        let at = &self.rule.declared.at;
        (elsewhere, stranger, lacks, std::cmp::Reverse(held), at)
    }

    /// `group orders-team; the token has sales`. What the token has, its bearer knows.
    fn needs(&self) -> Option<Needs> {
        if self.lacks.contains(&Lack::Identity) {
            return None;
        }
        if self.lacks.contains(&Lack::Ended) {
            return Some(Needs::Past);
        }
        let principal = self.principal?;
        let lacking: Vec<_> = self.claims().collect();
        let named = lacking.len() > 1;
        let (mut needs, mut has) = (vec![], vec![]);
        for (name, accepted) in lacking {
            needs.push(if names_people(name) {
                format!("an accepted {}", claim_noun(name))
            } else {
                format!("{} {}", claim_noun(name), accepted.join(" or "))
            });
            has.push(match principal.claims.get(name) {
                None => format!("no claim {name}"),
                Some(held) if named => format!("{name} {}", shorten(held)),
                Some(held) => shorten(held),
            });
        }
        let words = || format!("{}; the token has {}", needs.join(" and "), has.join(" and "));
        (!needs.is_empty()).then(|| Needs::Claims(words()))
    }

    /// The claims that lack.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&'s str, &'s [String])> {
        self.lacks.iter().filter_map(|lack| match *lack {
            Lack::Claim { name, accepted } => Some((name, accepted)),
            _ => None,
        })
    }
}

/// What a caller may bring: the issuers that the rules of this operation accept.
fn needs(asking: Asking<'_, '_>) -> String {
    let mut ways = vec![];
    let running = asking.operation.candidates().filter(|rule| rule.runs(asking.now));
    for rule in running {
        for way in proofs(asking.operation, rule) {
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

/// How the identities of a rule are proved.
pub(super) fn proofs(operation: Operation<'_>, rule: &Rule) -> Vec<String> {
    let Who::Proven { identities, .. } = &rule.declared.who else { return vec![] };
    let known = operation.snapshot.identities();
    let proof = |identity: &Identity| match identity {
        Identity::Oidc(Oidc { issuer, .. }) => format!("a token from {issuer}"),
        Identity::BitbucketPipelines { .. } => {
            "an identity token of a Bitbucket pipeline".to_owned()
        }
        Identity::ClientCertificate { .. } => "a client certificate".to_owned(),
        Identity::SignedWebhook { .. } => "a signed request".to_owned(),
        Identity::AwsIam { .. } => "a signed AWS identity".to_owned(),
    };
    identities.iter().filter_map(|name| known.get(name)).map(proof).collect()
}

/// `group` for `groups`, as people say it.
pub(super) fn claim_noun(name: &str) -> String {
    match name {
        "groups" => "group".to_owned(),
        "roles" => "role".to_owned(),
        "scope" | "scp" => "scope".to_owned(),
        _ => format!("claim {name}"),
    }
}

/// Whether the values of a claim may name people, such as addresses: whoever may not call is not told
/// who may. Groups, roles and scopes are what a caller asks for by name.
fn names_people(claim: &str) -> bool {
    !matches!(claim, "groups" | "roles" | "scope" | "scp")
}

fn names<'a>(identities: impl Iterator<Item = &'a IdentityName>) -> String {
    identities.map(IdentityName::as_str).collect::<Vec<_>>().join(" or ")
}

pub(super) fn shorten(values: &BTreeSet<String>) -> String {
    let mut text = values.iter().take(VALUES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if values.is_empty() {
        text.push_str("nothing in it");
    }
    if let Some(more) = values.len().checked_sub(VALUES_MAX).filter(|more| *more > 0) {
        let _ = write!(text, " and {more} more");
    }
    text
}
