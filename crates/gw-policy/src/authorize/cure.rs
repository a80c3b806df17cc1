//! The smallest change that would let a call through. It names everything that lacks: whoever does
//! what it says may call, unless a policy takes the call away from whom the rule now grants it.

use gw_model::api::Who;

use super::near::{Lack, NearMiss, Refusal, claim_noun, proofs, shorten};
use crate::{
    denial::PolicyHit,
    principal::Principal,
    snapshot::{Operation, Rule},
};

/// One step of a cure.
#[derive(Clone, Debug)]
pub(crate) enum Remedy<'s, 'c> {
    /// The policy lets the call through, or can be evaluated.
    Policy(PolicyHit),
    /// A rule for the operation, where none speaks of it.
    AddRule,
    /// A proof that the rule takes, with everything that it asks for.
    SignIn(&'s Rule),
    /// The principal holds one of these values.
    Claim { principal: &'c Principal, name: &'s str, accepted: &'s [String] },
    /// The rule names the principal's identity too.
    Identity { rule: &'s Rule, principal: &'c Principal },
    /// The rule's condition lets the call through.
    Condition(&'s Rule),
    /// The rule's condition can be evaluated, and lets the call through.
    BrokenCondition(&'s Rule),
    /// The rule holds again.
    Until(&'s Rule),
}

impl<'s, 'c> Refusal<'s, 'c> {
    /// In the operator's words.
    pub(super) fn cure(&self) -> String {
        let remedies = self.remedies();
        let api = self.asking.operation.api();
        let owner = api.owner.as_ref().map(|owner| format!(", owner {owner}")).unwrap_or_default();
        if let [Remedy::Claim { principal, name, accepted }] = remedies.as_slice()
            && let Some(nearest) = self.nearest()
            && let Some(held) = principal.claims.get(*name)
        {
            let any = if held.len() > 1 { "one of " } else { "" };
            let put = put_in(principal, name, accepted, &owner);
            let at = &nearest.rule.declared.at;
            return format!("{put}, or grant {any}{} at {at} (widens access)", shorten(held));
        }
        let steps = remedies.iter().map(|remedy| remedy.words(self.asking.operation, &owner));
        steps.collect::<Vec<_>>().join(", and ")
    }

    pub(crate) fn remedies(&self) -> Vec<Remedy<'s, 'c>> {
        let weight = |policies: &Vec<PolicyHit>| policies.len();
        let blocked = self.hits.iter().map(|hits| {
            hits.failed.iter().chain(&hits.forbidden).cloned().collect::<Vec<PolicyHit>>()
        });
        if let Some(fewest) = blocked.min_by_key(weight) {
            return fewest.into_iter().map(Remedy::Policy).collect();
        }
        match self.nearest() {
            Some(nearest) => nearest.lacks.iter().map(|lack| nearest.remedy(*lack)).collect(),
            None => vec![Remedy::AddRule],
        }
    }
}

impl<'s, 'c> NearMiss<'s, 'c> {
    fn remedy(&self, lack: Lack<'s>) -> Remedy<'s, 'c> {
        let rule = self.rule;
        match (lack, self.principal) {
            (Lack::Claim { name, accepted }, Some(principal)) => {
                Remedy::Claim { principal, name, accepted }
            }
            (Lack::Identity, Some(principal)) => Remedy::Identity { rule, principal },
            (Lack::Identity | Lack::Claim { .. }, None) => Remedy::SignIn(rule),
            (Lack::Condition, _) => Remedy::Condition(rule),
            (Lack::BrokenCondition, _) => Remedy::BrokenCondition(rule),
            (Lack::Ended, _) => Remedy::Until(rule),
            (Lack::Elsewhere, _) => Remedy::AddRule,
        }
    }
}

impl Remedy<'_, '_> {
    fn words(&self, operation: Operation<'_>, owner: &str) -> String {
        match self {
            Self::Policy(hit) if hit.error.is_some() => {
                format!("mend {}: what it asks for is missing", hit.name())
            }
            Self::Policy(hit) => {
                format!("{} decides; change it, or ask its owner", hit.name())
            }
            Self::AddRule => {
                let (method, file) = (operation.method(), &operation.api().at.file);
                format!("add a rule for {method} under `access` in {file} (widens access)")
            }
            Self::SignIn(rule) => sign_in(operation, rule),
            Self::Claim { principal, name, accepted } => match principal.claims.get(*name) {
                Some(_) => put_in(principal, name, accepted, owner),
                None => {
                    let Principal { identity, subject, .. } = principal;
                    format!(
                        "have the issuer of identity \"{identity}\" put claim {name} into its \
                         tokens, with {} for {subject}{owner}",
                        accepted.join(" or ")
                    )
                }
            },
            Self::Identity { rule, principal } => format!(
                "add identity \"{}\" to the rule at {} (widens access)",
                principal.identity, rule.declared.at
            ),
            Self::Condition(rule) => {
                format!("change the condition at {} (widens access)", rule.declared.at)
            }
            Self::BrokenCondition(rule) => format!(
                "mend the condition at {}: ask whether the claim is there first",
                rule.declared.at
            ),
            Self::Until(rule) => {
                format!("move the date of `until` at {} (widens access)", rule.declared.at)
            }
        }
    }
}

/// `put bob in group orders-team (identity "staff", owner orders-team)`.
fn put_in(principal: &Principal, name: &str, accepted: &[String], owner: &str) -> String {
    let Principal { subject, identity, .. } = principal;
    let (noun, needs) = (claim_noun(name), accepted.join(" or "));
    format!("put {subject} in {noun} {needs} (identity \"{identity}\"{owner})")
}

/// `send a token from https://acme.okta.com with group orders-team, where the condition at … holds`.
fn sign_in(operation: Operation<'_>, rule: &Rule) -> String {
    let mut text = format!("send {}", proofs(operation, rule).join(" or "));
    let Who::Proven { identities: _, claims, when } = &rule.declared.who else { return text };
    for (place, (name, accepted)) in claims.iter().enumerate() {
        let glue = if place == 0 { "with" } else { "and" };
        text = format!("{text} {glue} {} {}", claim_noun(name), accepted.join(" or "));
    }
    if when.is_some() {
        text = format!("{text}, where the condition at {} holds", rule.declared.at);
    }
    text
}
