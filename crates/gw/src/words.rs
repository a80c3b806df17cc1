//! Words that several commands print: outcomes, times and counts.

use gw_control::store::Outcome;
use time::{OffsetDateTime, macros::format_description};

/// The word that people read.
pub(crate) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::UnderWay => "stopped half way",
        Outcome::Verified => "verified",
        Outcome::Applied => "applied, not verified",
        Outcome::Unhealthy => "in force, unhealthy",
        Outcome::Failed => "nothing written",
        Outcome::Abandoned => "given up",
        Outcome::Superseded => "superseded",
    }
}

pub(crate) fn clock_text(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    at.format(form).unwrap_or_default()
}

/// `1 object`, `2 objects`, `3 entries`.
pub(crate) fn count(number: usize, word: &str) -> String {
    match word.strip_suffix('y').filter(|stem| !stem.ends_with('e')) {
        _ if number == 1 => format!("1 {word}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {word}s"),
    }
}
