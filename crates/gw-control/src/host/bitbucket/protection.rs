//! Branch restrictions, as far as they say who may change a branch and what that needs.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use super::{
    AccountPart, Bitbucket,
    api::{Part, words},
};
use crate::host::{Allowed, Force, HostError, Protection};

#[derive(Debug, Deserialize)]
struct RulePart {
    kind: String,
    branch_match_kind: String,
    #[serde(default)]
    pattern: String,
    value: Option<u32>,
    users: Option<Vec<AccountPart>>,
    groups: Option<Vec<GroupPart>>,
}

#[derive(Debug, Deserialize)]
struct GroupPart {
    slug: String,
}

impl Bitbucket {
    pub(super) async fn read_protection(&self, branch: &str) -> Result<Protection, HostError> {
        let url = self.url(&["branch-restrictions"], &[("pagelen", "100")]);
        let rules: Vec<RulePart> =
            self.api.list(url, Part::Whole, "the branch restrictions").await?;
        Ok(protection(branch, &rules))
    }
}

/// What is not certain is not counted as protection.
fn protection(branch: &str, rules: &[RulePart]) -> Protection {
    let binding = |kind: &'static str| {
        let of_kind = rules.iter().filter(move |rule| rule.kind == kind);
        of_kind.filter(|rule| rule.branch_match_kind == "glob" && covers(&rule.pattern, branch))
    };
    let approvals = binding("require_approvals_to_merge").filter_map(|rule| rule.value).max();
    let force = match binding("enforce_merge_checks").next() {
        Some(_) => Force::Refused,
        None => Force::Warned,
    };
    Protection {
        pushes: allowed(binding("push")),
        merges: allowed(binding("restrict_merges")),
        approvals: approvals.unwrap_or_default(),
        force,
        // The branching model says which branches these are about, and it is not read.
        unjudged: rules.iter().filter(|rule| rule.branch_match_kind != "glob").count(),
    }
}

/// Whoever any of the rules lets through may be let through by all.
fn allowed<'a>(rules: impl Iterator<Item = &'a RulePart>) -> Allowed {
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() {
        return Allowed::Writers;
    }
    let (mut accounts, mut groups) = (vec![], vec![]);
    for rule in rules {
        accounts.extend(rule.users.iter().flatten().map(AccountPart::account));
        groups.extend(rule.groups.iter().flatten().map(|group| words(&group.slug)));
    }
    accounts.sort_by(|one, other| one.id.cmp(&other.id));
    accounts.dedup_by(|one, other| one.is(other));
    groups.sort();
    groups.dedup();
    Allowed::Only { accounts, groups }
}

/// Whether a pattern is about a branch. One star stands for a part of a name between slashes, two
/// for anything, a question mark for one sign.
fn covers(pattern: &str, branch: &str) -> bool {
    // For each start of the branch: whether what was read of the pattern can be all of it.
    let mut reached = vec![true];
    reached.resize(branch.chars().count() + 1, false);
    let mut signs = pattern.chars().peekable();
    while let Some(sign) = signs.next() {
        let is_deep = sign == '*' && signs.next_if_eq(&'*').is_some();
        let mut before = None;
        let branch = std::iter::once(None).chain(branch.chars().map(Some));
        let next = reached.iter().zip(branch).scan(false, |carried, (reached, last)| {
            let can = match (sign, last) {
                ('*', Some('/')) if !is_deep => *reached,
                ('*', _) => *reached || *carried,
                ('?', Some(last)) => before == Some(true) && last != '/',
                (sign, last) => before == Some(true) && last == Some(sign),
            };
            (before, *carried) = (Some(*reached), can);
            Some(can)
        });
        reached = next.collect();
    }
    reached.last() == Some(&true)
}
