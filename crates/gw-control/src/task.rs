//! Something that a server is to do. It says where to look, never what is so: facts are read when it
//! is done, so one that waited is as good as a new one.

use gw_model::id::EnvironmentName;
use serde::{Deserialize, Serialize};

use crate::{answer::Answer, host::Run, notify::Notification, request::Request};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Task {
    /// The repository may have moved.
    Look,
    /// A pull request may have changed: what it would do is planned and told.
    PullRequest { number: u64 },
    /// What every open pull request would do may be another thing now.
    PullRequests,
    /// Somebody wrote below a pull request, perhaps to us.
    Remark { pull_request: u64, id: u64 },
    /// A branch or tag moved that an environment follows: it is planned or applied.
    Release { environment: EnvironmentName, reference: String, cause: Cause },
    /// Whether an environment's targets still hold what was written.
    Drift { environment: EnvironmentName },
    /// Whether the time of an emergency is over.
    Expire { environment: EnvironmentName },
    /// What became of a commit in an environment is written beside it in the Git host.
    Tell { environment: EnvironmentName, commit: String, answer: Box<Answer> },
    /// What the Git host made of the step that asked for a change is read, once the step has ended.
    Deployment { environment: EnvironmentName, change: u64, commit: String, run: Run },
    /// What proves us may end soon.
    Renew,
    /// Those whom the rules name for it are told of something.
    Notify { notification: Box<Notification> },
    /// Somebody asked.
    Request { id: String, request: Box<Request> },
}

/// Everybody who may push makes as many reviews as they like, and whoever is told may be slow to listen.
/// So neither takes all places: what changes something waits behind none of them, nor one of them behind
/// the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskKind {
    Act,
    Review,
    Tell,
}

impl TaskKind {
    /// So many of a kind that has a limit are under way at once.
    pub const MOST: u32 = 2;
    /// So many tasks are under way at once: some places are left for those that act.
    pub const PLACES: usize = 6;

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Review => "review",
            Self::Tell => "tell",
        }
    }
}

/// What happened in the Git host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    Push,
    Tag,
    Merge,
    Decline,
}

impl Task {
    /// Tasks of one key wait as one. A request is like no other.
    pub fn key(&self) -> String {
        match self {
            Self::Look => "look".to_owned(),
            Self::PullRequest { number } => format!("pull-request/{number}"),
            Self::PullRequests => "pull-requests".to_owned(),
            Self::Remark { pull_request, id } => format!("remark/{pull_request}/{id}"),
            Self::Release { environment, reference, cause } => {
                format!("release/{environment}/{}/{reference}", cause.as_str())
            }
            Self::Drift { environment } => format!("drift/{environment}"),
            Self::Expire { environment } => format!("expire/{environment}"),
            Self::Tell { environment, commit, .. } => format!("tell/{environment}/{commit}"),
            Self::Deployment { environment, change, .. } => {
                format!("deployment/{environment}/{change}")
            }
            Self::Renew => "renew".to_owned(),
            Self::Notify { notification } => format!("notify/{}", notification.id()),
            Self::Request { id, .. } => format!("request/{id}"),
        }
    }

    /// What it takes a place for.
    pub const fn kind(&self) -> TaskKind {
        match self {
            Self::PullRequest { .. } | Self::PullRequests | Self::Remark { .. } => TaskKind::Review,
            Self::Tell { .. } | Self::Deployment { .. } | Self::Notify { .. } => TaskKind::Tell,
            Self::Look
            | Self::Release { .. }
            | Self::Drift { .. }
            | Self::Expire { .. }
            | Self::Renew
            | Self::Request { .. } => TaskKind::Act,
        }
    }

    /// The one that it is about; none: it is about the repository.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Self::Look
            | Self::Renew
            | Self::PullRequest { .. }
            | Self::PullRequests
            | Self::Remark { .. } => None,
            Self::Release { environment, .. }
            | Self::Drift { environment }
            | Self::Expire { environment }
            | Self::Deployment { environment, .. }
            | Self::Tell { environment, .. } => Some(environment),
            Self::Notify { notification } => Some(&notification.environment),
            Self::Request { request, .. } => Some(&request.environment),
        }
    }

    /// Tasks of one lane are done one after the other: those that write to one environment, and
    /// those that speak below one pull request.
    pub fn lane(&self) -> String {
        match self {
            Self::Look => "look".to_owned(),
            Self::PullRequest { number: pull_request } | Self::Remark { pull_request, .. } => {
                format!("pull-request/{pull_request}")
            }
            Self::Release { environment, .. }
            | Self::Drift { environment }
            | Self::Expire { environment } => format!("environment/{environment}"),
            Self::Tell { commit, .. } => format!("tell/{commit}"),
            Self::PullRequests | Self::Deployment { .. } | Self::Renew | Self::Notify { .. } => {
                self.key()
            }
            Self::Request { request, .. } => format!("environment/{}", request.environment),
        }
    }
}

impl Cause {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Tag => "tag",
            Self::Merge => "merge",
            Self::Decline => "decline",
        }
    }
}
