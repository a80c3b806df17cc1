//! The owners of a server: they alone bring the first state of an environment, because no rules are in
//! force there that could say who else may.

use std::fmt;

use gw_model::{
    id::{EnvironmentName, IdentityName},
    source::Origin,
};

use super::{Asked, ChangeDenial, ChangePermit, ChangeReason, Missing, RuleEffect, RuleOutcome};
use crate::principal::Principal;

/// Somebody, as the settings of the server name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub who: OwnerIs,
    /// Where the settings say so.
    pub at: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerIs {
    /// Whoever this identity calls so. It is one of the settings: what a commit declares could call
    /// anybody so.
    Subject { identity: IdentityName, subject: String },
    /// Whoever proves this identity and holds the claim.
    Holder { identity: IdentityName, claim: String, value: String },
}

/// Judges the first change of an environment.
pub fn judge_first(
    owners: &[Owner],
    environment: &EnvironmentName,
    asked: &Asked,
) -> Result<ChangePermit, Box<ChangeDenial>> {
    let outcome = |number: usize, owner: &Owner, principal: Option<&Principal>| {
        let needs = Missing::new("owner", owner.to_string());
        RuleOutcome {
            id: format!("owners[{number}]"),
            effect: RuleEffect::Permit,
            held: principal.is_some(),
            at: owner.at.clone(),
            met: principal
                .map(|it| vec![it.identity.to_string(), owner.to_string()])
                .unwrap_or_default(),
            missing: if principal.is_some() { vec![] } else { vec![needs] },
            because: None,
            owner: None,
        }
    };
    let mut rules = vec![];
    let mut granted = None;
    for (number, owner) in owners.iter().enumerate() {
        let principal = asked.actor.principals.iter().find(|it| owner.who.is(it));
        rules.push(outcome(number, owner, principal));
        if let (None, Some(principal)) = (&granted, principal) {
            granted = Some((principal.clone(), owner.at.clone()));
        }
    }
    let (action, environment) = (asked.action, environment.clone());
    match granted {
        Some((principal, rule)) => Ok(ChangePermit { action, environment, principal, rule, rules }),
        None => Err(Box::new(ChangeDenial {
            why: format!(
                "nothing is in force in {environment} yet, and its first state is brought by the \
                 owners of the server"
            ),
            cure: match owners.first() {
                Some(_) => "have one of the owners apply it once".to_owned(),
                None => "name an owner under `owners` in the settings of the server".to_owned(),
            },
            reason: if owners.is_empty() { ChangeReason::NoRule } else { ChangeReason::NotGranted },
            action,
            environment,
            rules,
        })),
    }
}

impl OwnerIs {
    fn is(&self, principal: &Principal) -> bool {
        match self {
            Self::Subject { identity, subject } => {
                principal.identity == *identity && principal.subject == *subject
            }
            Self::Holder { identity, claim, value } => {
                let held = principal.claims.get(claim);
                principal.identity == *identity && held.is_some_and(|held| held.contains(value))
            }
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.who {
            OwnerIs::Subject { identity, subject } => write!(f, "{subject} of {identity}"),
            OwnerIs::Holder { identity, claim, value } => {
                write!(f, "whoever is {identity} and has {claim} {value}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
