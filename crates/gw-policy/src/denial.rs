//! Why not: each rule that could have allowed it, what held and what lacked, and the smallest cure.
//!
//! A default denial has no reason attached, so the near miss is computed rule by rule. This is the
//! operator's side; what a caller may read is [`Denial::why`].

use std::fmt;

use gw_model::source::Origin;
use serde::{Deserialize, Serialize};

use crate::decision::Reason;

/// A call that may not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Denial {
    pub reason: Reason,
    /// In the caller's words; says nothing about rules that the caller does not come near.
    pub why: String,
    /// What the caller could bring, where nobody is signed in.
    pub needs: Option<String>,
    /// The nearest first.
    pub candidates: Vec<Candidate>,
    /// The policies that took the call away, or could not be evaluated.
    pub policies: Vec<PolicyHit>,
    /// The smallest change that would let the call through, in the operator's words.
    pub cure: String,
}

/// A rule that was looked at, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    pub rule: Origin,
    pub parts: Vec<Evidence>,
}

/// One thing that a rule asks for, and whether the call has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    pub verdict: Verdict,
    pub aspect: Aspect,
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    Held,
    Lacked,
}

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Aspect {
    Method,
    Operation,
    Action,
    Identity,
    Claim,
    When,
    /// A condition that could not be evaluated.
    WhenFailed,
    Until,
    Branch,
    Tag,
    Signature,
    Approvals,
    VerifiedIn,
    Hours,
    Deletes,
}

/// A Cedar policy that spoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyHit {
    /// Its `@id`, else `file:line` of `source`.
    pub id: String,
    pub source: Origin,
    /// Its `@reason`.
    pub reason: Option<String>,
    /// Why it could not be evaluated, where that is what happened.
    pub error: Option<String>,
}

impl Evidence {
    pub(crate) fn held(aspect: Aspect, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Held, aspect, text: text.into() }
    }

    pub(crate) fn lacked(aspect: Aspect, text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Lacked, aspect, text: text.into() }
    }
}

impl PolicyHit {
    /// `policy no-partners at policies/rules.cedar:3`.
    pub fn name(&self) -> String {
        let Self { id, source, .. } = self;
        match self.own_id() {
            Some(_) => format!("policy {id} at {source}"),
            None => format!("the policy at {source}"),
        }
    }

    /// Its `@id`, where it has one.
    pub fn own_id(&self) -> Option<&str> {
        (self.id != self.source.to_string()).then_some(self.id.as_str())
    }
}

impl Candidate {
    pub fn lacks(&self) -> impl Iterator<Item = &Evidence> {
        self.parts.iter().filter(|part| part.verdict == Verdict::Lacked)
    }

    pub fn held(&self) -> bool {
        self.lacks().next().is_none()
    }
}

/// `✔ POST  ✔ staff  ✘ claim groups: needs orders-team; token has sales`.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let gap = if index == 0 { "" } else { "  " };
            write!(f, "{gap}{part}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.verdict {
            Verdict::Held => '✔',
            Verdict::Lacked => '✘',
        };
        write!(f, "{sign} {}", self.text)
    }
}
