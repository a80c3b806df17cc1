//! Pull requests. Who pushed, and when the head moved, only their activity tells.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use time::{Duration, OffsetDateTime};

use super::{AccountPart, Bitbucket, CommitPart, NamePart, UuidPart, api::Part, is_declared};
use crate::host::{Account, Approval, HostError, PullRequest, PullRequestState, Remark, Side};

/// The most that pull requests, and what belongs to them, come in.
const PAGE: (&str, &str) = ("pagelen", "50");
const NEWEST_MERGED: [(&str, &str); 3] = [("state", "MERGED"), ("sort", "-updated_on"), PAGE];
/// So many pages of merged pull requests are searched for the one that a commit came by.
const SEARCHED_PAGES: usize = 4;
/// What was merged before so many others is not looked for.
const REMEMBERED_PAGES: usize = 40;
/// The machines of a host have no clocks that agree to the second.
const UNEVEN: Duration = Duration::minutes(5);

#[derive(Debug, Deserialize)]
struct PullRequestPart {
    id: u64,
    title: String,
    state: String,
    author: Option<AccountPart>,
    source: SidePart,
    destination: SidePart,
    merge_commit: Option<CommitPart>,
    /// Who merged or declined it.
    closed_by: Option<AccountPart>,
    participants: Vec<ParticipantPart>,
}

#[derive(Debug, Deserialize)]
struct NumberPart {
    id: u64,
    merge_commit: Option<CommitPart>,
}

#[derive(Debug, Deserialize)]
struct MergedPart {
    id: u64,
    merge_commit: Option<CommitPart>,
    #[serde(with = "time::serde::rfc3339")]
    updated_on: OffsetDateTime,
}

/// What pull requests were merged as, as far as the host told us.
#[derive(Debug, Default)]
pub(super) struct Merged {
    /// By number.
    commits: BTreeMap<u64, CommitPart>,
    /// The last touch of any of them.
    touched_at: Option<OffsetDateTime>,
}

#[derive(Debug, Deserialize)]
struct SidePart {
    branch: NamePart,
    commit: Option<CommitPart>,
    repository: Option<UuidPart>,
}

#[derive(Debug, Deserialize)]
struct ParticipantPart {
    user: Option<AccountPart>,
    approved: bool,
    #[serde(default, with = "time::serde::rfc3339::option")]
    participated_on: Option<OffsetDateTime>,
}

/// One of these, or something that does not matter here.
#[derive(Debug, Deserialize)]
struct ActivityPart {
    update: Option<UpdatePart>,
    approval: Option<ApprovalPart>,
}

#[derive(Debug, Deserialize)]
struct UpdatePart {
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
    author: Option<AccountPart>,
    source: SidePart,
    destination: SidePart,
}

#[derive(Debug, Deserialize)]
struct ApprovalPart {
    #[serde(with = "time::serde::rfc3339")]
    date: OffsetDateTime,
    user: Option<AccountPart>,
}

#[derive(Debug, Deserialize)]
struct CommentPart {
    content: TextPart,
    user: Option<AccountPart>,
    #[serde(default)]
    deleted: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_on: OffsetDateTime,
    inline: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct TextPart {
    raw: String,
}

/// What became of the head since the pull request was opened.
#[derive(Debug, PartialEq)]
struct History {
    pushed_by: Vec<Account>,
    head_since: OffsetDateTime,
}

impl Bitbucket {
    /// The pull request comes first and its activity afterwards: what moved in between shows.
    pub(super) async fn read_pull_request(&self, number: u64) -> Result<PullRequest, HostError> {
        let (what, id) = (format!("pull request {number}"), number.to_string());
        let garbled =
            |because: &str| HostError::Garbled { what: what.clone(), because: because.to_owned() };
        let path = ["pullrequests", id.as_str()];
        let part: PullRequestPart = self.api.read(&self.url(&path, &[]), &what).await?;
        if part.id != number {
            return Err(garbled("it is another one"));
        }
        let destination = part.destination.repository.as_ref().map_or("", |it| it.uuid.as_str());
        let of = format!("the repository of {what}");
        is_declared(&of, &self.declared.repository_uuid, destination)?;
        let state = match part.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            "DECLINED" | "SUPERSEDED" => PullRequestState::Declined,
            _ => return Err(garbled("its state is none that is known")),
        };
        let path = ["pullrequests", id.as_str(), "activity"];
        let activity = self.url(&path, &[PAGE]);
        let activity: Vec<ActivityPart> = self.api.list(activity, Part::Whole, &what).await?;
        let History { pushed_by, head_since } = history(&part, &activity, &what)?;
        let opened_by = part.author.as_ref().ok_or_else(|| garbled("nobody opened it"))?;
        let (source, destination, merge_commit) = tokio::try_join!(
            self.side(&part.source),
            self.side(&part.destination),
            self.full(part.merge_commit.as_ref()),
        )?;
        Ok(PullRequest {
            number,
            state,
            source,
            destination,
            merge_commit,
            merged_by: part
                .closed_by
                .as_ref()
                .filter(|_| state == PullRequestState::Merged)
                .map(AccountPart::account),
            opened_by: opened_by.account(),
            pushed_by,
            approvals: approvals(&part.participants, &activity),
            head_since,
            title: part.title,
        })
    }

    async fn side(&self, part: &SidePart) -> Result<Side, HostError> {
        let commit = part.commit_in(&self.declared.repository_uuid);
        Ok(Side { branch: part.branch.name.clone(), commit: self.full(commit).await? })
    }

    async fn full(&self, commit: Option<&CommitPart>) -> Result<Option<String>, HostError> {
        match commit {
            Some(commit) => self.full_hash(&commit.hash).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn read_open(&self) -> Result<Vec<u64>, HostError> {
        let url = self.url(&["pullrequests"], &[("state", "OPEN"), PAGE]);
        let open: Vec<NumberPart> =
            self.api.list(url, Part::Whole, "the open pull requests").await?;
        Ok(open.iter().map(|it| it.id).collect())
    }

    /// What a pull request was merged as stays. So those are asked for that were touched since it was
    /// asked last: merging touches, and who was touched last comes first.
    pub(super) async fn read_merged_as(&self, commits: &[String]) -> Result<Vec<u64>, HostError> {
        let mut merged = self.merged.lock().await;
        let known = merged.touched_at.map(|at| at - UNEVEN);
        let is_known = |it: &MergedPart| known.is_some_and(|known| it.updated_on < known);
        let url = self.url(&["pullrequests"], &NEWEST_MERGED);
        let what = "the pull requests that were merged";
        let news = self.api.list_until(url, Part::Pages(REMEMBERED_PAGES), is_known, what).await?;
        for MergedPart { id, merge_commit, updated_on } in news {
            merged.touched_at = merged.touched_at.max(Some(updated_on));
            merged.commits.extend(merge_commit.map(|commit| (id, commit)));
        }
        let became = |(_, hash): &(&u64, &CommitPart)| commits.iter().any(|it| hash.is(it));
        Ok(merged.commits.iter().filter(became).map(|(number, _)| *number).collect())
    }

    /// What links commits to pull requests is an app that has to be installed, and does not always
    /// know what a commit became; then the newest merged ones are searched.
    pub(super) async fn read_pull_requests_of(&self, commit: &str) -> Result<Vec<u64>, HostError> {
        let what = format!("the pull requests of commit {commit}");
        let commit = self.full_hash(commit).await?;
        let url = self.url(&["commit", &commit, "pullrequests"], &[PAGE]);
        let linked: Vec<NumberPart> = match self.api.list(url, Part::Whole, &what).await {
            Err(HostError::Missing { .. }) => vec![],
            linked => linked?,
        };
        if !linked.is_empty() {
            return Ok(linked.iter().map(|it| it.id).collect());
        }
        let url = self.url(&["pullrequests"], &NEWEST_MERGED);
        let merged: Vec<NumberPart> =
            self.api.list(url, Part::Pages(SEARCHED_PAGES), &what).await?;
        let became = |it: &&NumberPart| it.merge_commit.as_ref().is_some_and(|it| it.is(&commit));
        Ok(merged.iter().filter(became).map(|it| it.id).collect())
    }

    pub(super) async fn read_remark(
        &self,
        pull_request: u64,
        id: u64,
    ) -> Result<Remark, HostError> {
        let what = format!("comment {id} of pull request {pull_request}");
        let (number, id) = (pull_request.to_string(), id.to_string());
        let url = self.url(&["pullrequests", &number, "comments", &id], &[]);
        let part: CommentPart = self.api.read(&url, &what).await?;
        match part.user {
            Some(user) if !part.deleted && part.inline.is_none() => {
                Ok(Remark { by: user.account(), at: part.created_on, text: part.content.raw })
            }
            _ => Err(HostError::Missing { what }),
        }
    }
}

impl SidePart {
    /// Its commit, unless another repository has it, or one that is gone.
    fn commit_in(&self, repository: &str) -> Option<&CommitPart> {
        let found = self.repository.as_ref();
        found.filter(|it| it.uuid.eq_ignore_ascii_case(repository)).and(self.commit.as_ref())
    }

    fn hash(&self) -> Option<&str> {
        self.commit.as_ref().map(|commit| commit.hash.as_str())
    }
}

/// Reads the updates from the oldest on: who made the head another one moved it.
fn history(
    part: &PullRequestPart,
    activity: &[ActivityPart],
    what: &str,
) -> Result<History, HostError> {
    let mut updates: Vec<_> = activity.iter().rev().filter_map(|it| it.update.as_ref()).collect();
    updates.sort_by_key(|update| update.date);
    let moved = || HostError::Moved { what: what.to_owned() };
    let (first, later) = updates.split_first().ok_or_else(moved)?;
    let mut history = History { pushed_by: vec![], head_since: first.date };
    let mut before = first;
    for update in later {
        let is_push = update.source.hash() != before.source.hash();
        if is_push {
            let because = || "nobody made one of its pushes".to_owned();
            let by = update
                .author
                .as_ref()
                .ok_or_else(|| HostError::Garbled { what: what.to_owned(), because: because() })?;
            if !history.pushed_by.iter().any(|known| known.id == by.id()) {
                history.pushed_by.push(by.account());
            }
        }
        if is_push || update.destination.branch.name != before.destination.branch.name {
            history.head_since = update.date;
        }
        before = update;
    }
    let same_head = before.source.hash() == part.source.hash();
    let same_place = before.destination.branch.name == part.destination.branch.name;
    if same_head && same_place { Ok(history) } else { Err(moved()) }
}

/// An approval stands where the pull request and its activity both have it, and was given at the
/// earlier of the two times: a later word of the same person does not renew it.
fn approvals(participants: &[ParticipantPart], activity: &[ActivityPart]) -> Vec<Approval> {
    let given = |user: &AccountPart| {
        let all = activity.iter().filter_map(|it| it.approval.as_ref());
        let own = all.filter(|it| it.user.as_ref().is_some_and(|it| it.id() == user.id()));
        own.map(|approval| approval.date).max()
    };
    let standing = participants.iter().filter(|it| it.approved);
    let standing = standing.filter_map(|it| {
        let user = it.user.as_ref()?;
        let given = given(user)?;
        let at = it.participated_on.map_or(given, |at| at.min(given));
        Some(Approval { by: user.account(), at, commit: None })
    });
    standing.collect()
}
