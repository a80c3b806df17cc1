//! A class of callers, in the words of the people who read plans.

use std::fmt;

use gw_model::{api::Claims, id::IdentityName};
use time::Date;

use super::{Proved, Way, WayWho};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallerClass {
    /// Everybody, without proof.
    Anyone,
    Proven {
        identity: IdentityName,
        /// One value of each: empty for everybody whom the identity proves.
        claims: Claims,
        when: Option<String>,
        until: Option<Date>,
        /// Only callers that prove it in one of these ways; empty for every way.
        proved: Vec<Proved>,
    },
    /// Those whom a Cedar policy names.
    NamedByPolicy { id: String },
}

impl CallerClass {
    pub(super) fn of(way: &Way) -> Self {
        match &way.who {
            WayWho::Anyone => Self::Anyone,
            WayWho::Proven { identity, claims, when, proofs: _ } => Self::Proven {
                identity: identity.clone(),
                claims: claims.clone(),
                when: when.clone(),
                until: way.until,
                proved: vec![],
            },
        }
    }

    pub(super) fn proved(mut self, ways: Vec<Proved>) -> Self {
        if let Self::Proven { proved, .. } = &mut self {
            *proved = ways;
        }
        self
    }

    /// The same callers, whatever proves them.
    #[must_use]
    pub fn however_proved(&self) -> Self {
        self.clone().proved(vec![])
    }

    /// The ways in which they alone are proved.
    pub fn proofs(&self) -> &[Proved] {
        match self {
            Self::Proven { proved, .. } => proved,
            Self::Anyone | Self::NamedByPolicy { .. } => &[],
        }
    }

    /// What a narrower class of callers has beyond this one: `only group a`, `until 2026-12-25`.
    pub fn beyond(&self, wider: &Self) -> String {
        let (
            Self::Proven { identity, claims, when, until, proved },
            Self::Proven { identity: of, claims: held, when: condition, until: end, proved: _ },
        ) = (self, wider)
        else {
            return format!("only {self}");
        };
        let mut words = vec![];
        if identity != of {
            words.push(format!("only {identity}"));
        }
        let more = claims.iter().filter(|(claim, values)| held.get(*claim) != Some(*values));
        for (place, (claim, values)) in more.enumerate() {
            let only = if place == 0 { "only" } else { "and" };
            words.push(format!("{only} {} {}", noun(claim), values.join(" or ")));
        }
        if let Some(when) = when.as_ref().filter(|_| when != condition) {
            words.push(format!("only when {}", when.trim()));
        }
        if let Some(until) = until.filter(|_| until != end) {
            words.push(format!("until {until}"));
        }
        for proved in proved {
            words.push(format!("only with {proved}"));
        }
        words.join(" ")
    }
}

/// `group` for `groups`, as people say it.
fn noun(claim: &str) -> &str {
    if claim == "groups" { "group" } else { claim }
}

impl fmt::Display for CallerClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (identity, claims, when, until, proved) = match self {
            Self::Anyone => return f.write_str("anyone, without proof"),
            Self::NamedByPolicy { id } => return write!(f, "callers named by policy {id}"),
            Self::Proven { identity, claims, when, until, proved } => {
                (identity, claims, when, until, proved)
            }
        };
        if claims.is_empty() {
            write!(f, "any {identity}")?;
        }
        for (place, (claim, values)) in claims.iter().enumerate() {
            let and = if place == 0 { "" } else { " and " };
            write!(f, "{and}{} {}", noun(claim), values.join(" or "))?;
        }
        if !claims.is_empty() {
            write!(f, " ({identity})")?;
        }
        for (place, proved) in proved.iter().enumerate() {
            let with = if place == 0 { "with" } else { "or" };
            write!(f, " {with} {proved}")?;
        }
        if let Some(when) = when {
            write!(f, " when {}", when.trim())?;
        }
        if let Some(until) = until {
            write!(f, " until {until}")?;
        }
        Ok(())
    }
}
