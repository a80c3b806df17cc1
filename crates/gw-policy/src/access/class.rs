//! A class of callers, in the words of the people who read plans.

use std::fmt;

use gw_model::{api::Claims, id::IdentityName};
use time::Date;

use super::{Way, WayWho};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Everybody, without proof.
    Anyone,
    Proven {
        identity: IdentityName,
        /// One value of each: empty for everybody whom the identity proves.
        claims: Claims,
        when: Option<String>,
        until: Option<Date>,
        /// Only callers that prove it this way; empty for every way.
        only: Vec<String>,
    },
    /// Those whom a Cedar policy names.
    NamedByPolicy { id: String },
}

impl Class {
    pub(super) fn of(way: &Way) -> Self {
        match &way.who {
            WayWho::Anyone => Self::Anyone,
            WayWho::Proven { identity, claims, when, proofs: _ } => Self::Proven {
                identity: identity.clone(),
                claims: claims.clone(),
                when: when.clone(),
                until: way.until,
                only: vec![],
            },
        }
    }

    pub(super) fn with_claims(mut self, narrower: Claims) -> Self {
        if let Self::Proven { claims, .. } = &mut self {
            *claims = narrower;
        }
        self
    }

    pub(super) fn only(mut self, choices: Vec<String>) -> Self {
        if let Self::Proven { only, .. } = &mut self {
            *only = choices;
        }
        self
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (identity, claims, when, until, only) = match self {
            Self::Anyone => return f.write_str("anyone, without proof"),
            Self::NamedByPolicy { id } => return write!(f, "callers named by policy {id}"),
            Self::Proven { identity, claims, when, until, only } => {
                (identity, claims, when, until, only)
            }
        };
        if claims.is_empty() {
            write!(f, "any {identity}")?;
        }
        for (place, (claim, values)) in claims.iter().enumerate() {
            let and = if place == 0 { "" } else { " and " };
            let noun = if claim == "groups" { "group" } else { claim };
            write!(f, "{and}{noun} {}", values.join(" or "))?;
        }
        if !claims.is_empty() {
            write!(f, " ({identity})")?;
        }
        if let Some(when) = when {
            write!(f, " when {}", when.trim())?;
        }
        if let Some(until) = until {
            write!(f, " until {until}")?;
        }
        if !only.is_empty() {
            write!(f, ", only {}", only.join("; "))?;
        }
        Ok(())
    }
}
