//! An explanation in words, as people read it in a terminal and on a page.

use std::fmt;

use gw_policy::change::RuleOutcome;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Blocked, Explained, Link, Mark, Part};
use crate::stop::short;

/// So wide is the name of a part, with the space behind it.
const PART: usize = 12;

pub(super) fn written(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

pub(super) fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

/// What a rule says, on lines of its own.
pub(super) fn rule(rule: &RuleOutcome) -> String {
    rule.to_string()
}

impl Part {
    pub const fn word(self) -> &'static str {
        match self {
            Self::GitHost => "Git host",
            Self::Files => "files",
            Self::Rules => "rules",
            Self::Target => "target",
            Self::Vault => "vault",
        }
    }
}

impl Mark {
    pub const fn sign(self) -> char {
        match self {
            Self::Good => '✔',
            Self::Bad => '✘',
            Self::Open => '–',
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_allowed, action, environment, who, commit, at, entry, .. } = self;
        let word = if *is_allowed { "ALLOWED" } else { "DENIED" };
        write!(f, "{word}  {action} to {environment} · {who}")?;
        if let Some(commit) = commit {
            write!(f, " · commit {}", short(commit))?;
        }
        writeln!(f, " · {at} · ledger entry {entry}")?;
        for link in &self.links {
            write!(f, "{link}")?;
        }
        writeln!(f, "  {}", self.end)?;
        if let Some(cure) = &self.cure {
            for (number, line) in cure.lines().enumerate() {
                let word = if number == 0 { "cure" } else { "" };
                writeln!(f, "  {word:4}  {line}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut head = format!("  {} {:<PART$}", self.mark.sign(), self.part.word());
        let mut row = |f: &mut fmt::Formatter<'_>, text: &str| {
            let done = writeln!(f, "{head}{text}");
            head = " ".repeat(PART + 4);
            done
        };
        if let Some(Blocked { action, scope, who, has, needs }) = &self.blocked {
            for (name, value) in
                [("action", action), ("scope", scope), ("who", who), ("has", has), ("needs", needs)]
            {
                row(f, &format!("{name:<8}{value}"))?;
            }
        }
        for line in self.says.iter().flat_map(|says| says.lines()) {
            row(f, line)?;
        }
        Ok(())
    }
}
