//! How long pull requests wait before they may be applied, and for whom; and who waits to go back. Pure:
//! what waited before and who approved was read.

use std::fmt;

use gw_audit::report::median;
use gw_model::id::PersonName;
use time::{Duration, OffsetDateTime};

/// So many of the newest waits at a gate say how long one waits there.
pub const COUNTED: usize = 200;

/// What going back waits for that was approved.
pub const AGAIN: &str = "whoever asked, to ask again";

/// A pull request at a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub pull_request: u64,
    /// In the words of the rules: `approval by team security`.
    pub gate: String,
    /// The newest commit that waits.
    pub head: String,
    pub since: OffsetDateTime,
    /// None: it still waits.
    pub until: Option<OffsetDateTime>,
}

/// Somebody who was refused going back, because others have to approve it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// The change whose state is asked for.
    pub to: u64,
    /// By which it is approved.
    pub plan: String,
    /// In the words of the rules; none: it has to be asked for again.
    pub gates: Vec<String>,
    /// Who asked; none: nobody under `people`.
    pub asked_by: Option<PersonName>,
    pub since: OffsetDateTime,
}

/// What is known of a pull request when it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    pub head: &'a str,
    /// What it waits for at present.
    pub gates: &'a [String],
    /// When the last of the approvals that count was given.
    pub approved_at: Option<OffsetDateTime>,
    pub at: OffsetDateTime,
}

/// What becomes of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    GoesOn,
    Over(OffsetDateTime),
    /// Nobody gave what was waited for: something else is asked now.
    Moot,
}

/// How long one waits at a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    pub name: String,
    /// Half of them waited at most this long.
    pub median: Duration,
    /// So many came through.
    pub passed: usize,
}

impl Wait {
    /// What becomes of it once its pull request was looked at again.
    pub fn fate(&self, look: Look<'_>) -> Fate {
        if look.gates.contains(&self.gate) {
            return Fate::GoesOn;
        }
        // Another commit may need less: then nobody gave anything.
        if self.head != look.head {
            return Fate::Moot;
        }
        match (is_of_people(&self.gate), look.approved_at) {
            (true, Some(given)) => Fate::Over(given.clamp(self.since, look.at.max(self.since))),
            (true, None) => Fate::Moot,
            (false, _) => Fate::Over(look.at.max(self.since)),
        }
    }
}

impl Gate {
    /// What the waits that are over tell, gate by gate.
    pub fn all(over: impl IntoIterator<Item = (String, Duration)>) -> Vec<Self> {
        let mut gates: Vec<(String, Vec<Duration>)> = vec![];
        for (name, waited) in over {
            match gates.iter_mut().find(|(known, _)| *known == name) {
                Some((_, waits)) => waits.push(waited),
                None => gates.push((name, vec![waited])),
            }
        }
        let gate = |(name, waits): (String, Vec<Duration>)| {
            Some(Self { name, passed: waits.len(), median: median(waits)? })
        };
        let mut gates: Vec<Self> = gates.into_iter().filter_map(gate).collect();
        gates.sort_by(|one, other| one.name.cmp(&other.name));
        gates
    }
}

/// Whether somebody opens it, and not time or another environment.
pub fn is_of_people(gate: &str) -> bool {
    gate.contains("approval")
}

/// Whom it is, as short as can be: `security`.
pub fn whom(gate: &str) -> &str {
    let whom = gate.strip_prefix("approval by ").unwrap_or(gate);
    let whom = whom.strip_prefix("team ").unwrap_or(whom);
    whom.split(" (").next().unwrap_or(whom)
}

/// `2 h 10 min`: how long, to its two largest units.
pub fn words(duration: Duration) -> String {
    let secs = duration.whole_seconds().max(0);
    let (larger, smaller) = match secs {
        0..120 => return format!("{secs} s"),
        120..3_600 => return format!("{} min", secs / 60),
        3_600..172_800 => ((secs / 3_600, "h"), (secs % 3_600 / 60, "min")),
        _ => ((secs / 86_400, "days"), (secs % 86_400 / 3_600, "h")),
    };
    let ((count, unit), (rest, small)) = (larger, smaller);
    if rest == 0 { format!("{count} {unit}") } else { format!("{count} {unit} {rest} {small}") }
}

/// `median wait for security: 2 h 10 min, 14 approvals`.
impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, median, passed } = self;
        let what = if is_of_people(name) { "approval" } else { "change" };
        let many = if *passed == 1 { "" } else { "s" };
        write!(f, "median wait for {}: {}, {passed} {what}{many}", whom(name), words(*median))
    }
}

#[cfg(test)]
mod tests;
