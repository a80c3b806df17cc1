//! Whom a plan waits for, in the words of the rules that keep it.

use gw_plan::plan::Decision;
use gw_policy::change::{Missing, RuleEffect, RuleOutcome};

use crate::waits;

/// What a plan lacks that somebody else, or time, will bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// In the words of the rules: `approval by team security`.
    pub needs: Vec<String>,
}

/// The facts that come without another commit and without another asker.
const COMING: [&str; 5] = ["approvals", "approverTeams", "approvers", "verifiedIn", "hours"];

impl Waiting {
    /// None: it may be applied, or waiting does not help.
    pub fn of(decision: &Decision) -> Option<Self> {
        if decision.allowed {
            return None;
        }
        let (permits, forbids): (Vec<&RuleOutcome>, Vec<&RuleOutcome>) =
            decision.rules.iter().partition(|rule| rule.effect == RuleEffect::Permit);
        let comes = |missing: &&Missing| COMING.contains(&missing.fact.as_str());
        let mut needs = vec![];
        if !permits.iter().any(|rule| rule.held) {
            // The nearest comes first.
            let nearest = permits.first()?;
            if !nearest.missing.iter().all(|missing| comes(&missing)) {
                return None;
            }
            needs.extend(nearest.missing.iter().map(|missing| missing.needs.clone()));
        }
        for rule in forbids.into_iter().filter(|rule| rule.held) {
            // Any one of these is enough.
            let any: Vec<&str> =
                rule.missing.iter().filter(comes).map(|missing| missing.needs.as_str()).collect();
            if any.is_empty() {
                return None;
            }
            needs.push(any.join(" or "));
        }
        needs.dedup();
        (!needs.is_empty()).then_some(Self { needs })
    }

    /// What it waits for, in words that stay the same while it comes nearer.
    pub fn gates(&self) -> Vec<String> {
        let gate = |needs: &String| needs.split(" (").next().unwrap_or_default().to_owned();
        self.needs.iter().map(gate).collect()
    }

    /// Whom it waits for, as short as can be: `security`.
    pub fn whom(&self) -> impl Iterator<Item = &str> {
        self.needs.iter().map(|needs| waits::whom(needs))
    }
}
