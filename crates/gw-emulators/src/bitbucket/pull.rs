//! A pull request: what it is, who took part, and what happened to it.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::state::Uuid;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum PullState {
    Open,
    Merged,
    Declined,
}

impl PullState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Merged => "MERGED",
            Self::Declined => "DECLINED",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Approved,
    ChangesRequested,
}

impl Verdict {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::ChangesRequested => "changes_requested",
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Participant {
    pub(super) account: Uuid,
    pub(super) verdict: Option<Verdict>,
    /// When the verdict was given, else when the account last commented.
    pub(super) at: Option<OffsetDateTime>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Comment {
    pub(super) id: u64,
    pub(super) author: Uuid,
    pub(super) text: String,
    /// Path and line, as they were sent.
    pub(super) inline: Option<serde_json::Value>,
    pub(super) parent: Option<u64>,
    pub(super) is_deleted: bool,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

/// What happened. The list tells who pushed, which the pull request itself does not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Happening {
    Update { at: OffsetDateTime, by: Uuid, pull: Box<Snapshot> },
    Verdict { at: OffsetDateTime, by: Uuid, verdict: Verdict },
    Comment { at: OffsetDateTime, id: u64 },
}

impl Happening {
    pub(super) fn at(&self) -> OffsetDateTime {
        match self {
            Self::Update { at, .. } | Self::Verdict { at, .. } | Self::Comment { at, .. } => *at,
        }
    }
}

/// A pull request as it was after an update.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Snapshot {
    pub(super) title: String,
    pub(super) description: String,
    pub(super) state: PullState,
    pub(super) reason: String,
    pub(super) head: String,
    pub(super) base: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pull {
    pub(super) id: u64,
    pub(super) author: Uuid,
    /// The fork that the source branch is in; else it is in the repository itself.
    pub(super) fork: Option<Uuid>,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) now: Snapshot,
    pub(super) is_draft: bool,
    pub(super) closes_source: bool,
    pub(super) reviewers: Vec<Uuid>,
    pub(super) participants: Vec<Participant>,
    pub(super) comments: Vec<Comment>,
    pub(super) happened: Vec<Happening>,
    pub(super) closed_by: Option<Uuid>,
    pub(super) merge_commit: Option<String>,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

impl Pull {
    pub(super) fn is_open(&self) -> bool {
        self.now.state == PullState::Open
    }

    /// Remembers what the pull request has become.
    pub(super) fn record(&mut self, by: &Uuid, at: OffsetDateTime) {
        self.updated = at;
        let pull = Box::new(self.now.clone());
        self.happened.push(Happening::Update { at, by: by.clone(), pull });
    }

    pub(super) fn close(&mut self, state: PullState, by: &Uuid, at: OffsetDateTime) {
        self.now.state = state;
        self.closed_by = Some(by.clone());
        self.record(by, at);
    }

    /// These are asked to judge it, and no others.
    pub(super) fn invite(&mut self, reviewers: Vec<Uuid>) {
        self.participants.retain(|it| it.at.is_some() || !self.reviewers.contains(&it.account));
        self.reviewers = reviewers;
        for reviewer in self.reviewers.clone() {
            self.participant(&reviewer);
        }
    }

    fn participant(&mut self, account: &Uuid) -> Option<&mut Participant> {
        if !self.participants.iter().any(|it| it.account == *account) {
            let account = account.clone();
            self.participants.push(Participant { account, verdict: None, at: None });
        }
        self.participants.iter_mut().find(|it| it.account == *account)
    }

    pub(super) fn judge(&mut self, by: &Uuid, verdict: Verdict, at: OffsetDateTime) {
        self.withdraw(by);
        if let Some(participant) = self.participant(by) {
            participant.verdict = Some(verdict);
            participant.at = Some(at);
        }
        self.happened.push(Happening::Verdict { at, by: by.clone(), verdict });
    }

    /// Takes the verdict of an account back; what it was, if there was one.
    pub(super) fn withdraw(&mut self, by: &Uuid) -> Option<Verdict> {
        self.happened.retain(|it| !matches!(it, Happening::Verdict { by: who, .. } if who == by));
        let found = self.participants.iter_mut().find(|it| it.account == *by)?;
        found.at = None;
        found.verdict.take()
    }

    /// Takes back every such verdict.
    pub(super) fn forget(&mut self, verdict: Verdict) {
        let given = self.participants.iter().filter(|it| it.verdict == Some(verdict));
        let accounts: Vec<_> = given.map(|it| it.account.clone()).collect();
        for account in accounts {
            self.withdraw(&account);
        }
    }

    pub(super) fn comment(&mut self, comment: Comment) {
        let Comment { id, created: at, .. } = comment;
        if let Some(participant) = self.participant(&comment.author)
            && participant.verdict.is_none()
        {
            participant.at = Some(at);
        }
        self.happened.push(Happening::Comment { at, id });
        self.comments.push(comment);
    }

    pub(super) fn verdict(&self, account: &Uuid) -> Option<Verdict> {
        self.participants.iter().find(|it| it.account == *account)?.verdict
    }

    /// Everybody but the author with this verdict.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        let others = self.participants.iter().filter(|it| it.account != self.author);
        others.filter(|it| it.verdict == Some(verdict)).count()
    }
}
