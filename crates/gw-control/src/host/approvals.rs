//! Which approvals of a pull request count. Pure: the facts were read before.
//!
//! Whether the right person approved, and how many are needed, the rules of the environment say.

#[cfg(test)]
mod tests;

use std::fmt;

use super::{Account, AccountKind, Approval, Permission, PullRequest};

/// An approval, and why it does not count if it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged<'a> {
    pub approval: &'a Approval,
    pub refusal: Option<Discounted>,
}

/// Why an approval does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discounted {
    /// Its giver opened the pull request or pushed to it.
    Author,
    /// It was given to a head that is not this one any more.
    FormerHead,
    /// Its giver is no person.
    Machine,
    /// Its giver may not write to the repository now.
    MayNotWrite,
    /// The host does not tell what its giver may do.
    Untold,
}

/// Judges each approval by what its giver may do now. An account of which nothing is known may do
/// nothing.
pub fn judge<'a>(
    pull_request: &'a PullRequest,
    permission: impl Fn(&Account) -> Option<Permission>,
) -> Vec<Judged<'a>> {
    let authors = pull_request.authors();
    let refusal = |approval: &Approval| {
        let by = &approval.by;
        if authors.iter().any(|author| author.is(by)) {
            Some(Discounted::Author)
        } else if by.kind != AccountKind::Person {
            Some(Discounted::Machine)
        } else if !is_for_head(pull_request, approval) {
            Some(Discounted::FormerHead)
        } else {
            match permission(by) {
                None => Some(Discounted::Untold),
                Some(may) => (may < Permission::Write).then_some(Discounted::MayNotWrite),
            }
        }
    };
    let approvals = pull_request.approvals.iter();
    approvals.map(|approval| Judged { approval, refusal: refusal(approval) }).collect()
}

/// Those that count.
pub fn counted<'a>(judged: &'a [Judged<'a>]) -> impl Iterator<Item = &'a Account> {
    judged.iter().filter(|it| it.refusal.is_none()).map(|it| &it.approval.by)
}

/// A host that tells the commit is believed; else an approval of the same moment came before.
fn is_for_head(pull_request: &PullRequest, approval: &Approval) -> bool {
    match &approval.commit {
        Some(commit) => pull_request.source.commit.as_ref() == Some(commit),
        None => approval.at > pull_request.head_since,
    }
}

impl fmt::Display for Discounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Author => "made part of this change",
            Self::FormerHead => "approved before the last push",
            Self::Machine => "is a token or an app and no person",
            Self::MayNotWrite => "may not write to the repository",
            Self::Untold => "may or may not write to the repository: the Git host does not tell us",
        })
    }
}
