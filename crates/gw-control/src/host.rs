//! The port to a Git host: facts about one repository, and what is written back to it.
//!
//! Files and ancestry come from Git itself, never from here. A fact is what the host says now; who
//! said it in a webhook or in a token does not matter.

pub mod approvals;
pub mod bitbucket;
pub mod error;
pub mod report;

use std::{fmt, pin::Pin};

use gw_model::id::SecretName;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use self::error::{CredentialFault, HostError};
use self::report::{Comment, Report, Status};
use crate::source::git::address as git;

/// What a host will have answered, or why not.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, HostError>> + Send + 'a>>;

/// What is known without a host's answer, once it was tried.
pub type Told<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One repository at its host. Commits are full hashes, wherever one stands.
pub trait GitHost: fmt::Debug + Send + Sync {
    /// The word that chooses this host under `source` and under `people`: `bitbucket`.
    fn kind(&self) -> &'static str;

    /// The repository by its declared ids; what has others is refused.
    fn repository(&self) -> Pending<'_, Repository>;

    /// What proves us and ends, where it could not be renewed or nobody can renew it.
    fn ending(&self) -> Told<'_, Option<Ending>>;

    /// By what git is let in to fetch the repository.
    fn for_git(&self) -> Pending<'_, git::Credential>;

    fn pull_request(&self, number: u64) -> Pending<'_, PullRequest>;

    /// Numbers of the open pull requests, for whoever lost an event.
    fn open_pull_requests(&self) -> Pending<'_, Vec<u64>>;

    /// Numbers of the pull requests that were merged as one of these commits.
    fn merged_as<'a>(&'a self, commits: &'a [String]) -> Pending<'a, Vec<u64>>;

    /// Numbers of the pull requests that this commit was part of, or that became it.
    fn pull_requests_of<'a>(&'a self, commit: &'a str) -> Pending<'a, Vec<u64>>;

    /// What a person wrote below a pull request.
    fn remark(&self, pull_request: u64, id: u64) -> Pending<'_, Remark>;

    fn protection<'a>(&'a self, branch: &'a str) -> Pending<'a, Protection>;

    /// What an account may do in the repository now, directly or through a group.
    fn permission<'a>(&'a self, account: &'a Account) -> Pending<'a, Permission>;

    /// Everybody who may do anything in the repository, directly or through a group, and what.
    fn members(&self) -> Pending<'_, Vec<(Account, Permission)>>;

    /// A pipeline of the repository. None: this host has no such thing.
    fn pipeline<'a>(&'a self, _id: &'a str) -> Pending<'a, Option<Pipeline>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// What the host itself calls deployments of a commit. None: this host has no such thing.
    fn deployments<'a>(&'a self, _commit: &'a str) -> Pending<'a, Vec<Deployment>> {
        Box::pin(std::future::ready(Ok(vec![])))
    }

    /// Opens a pull request for a branch of the repository. Answers its number.
    fn propose<'a>(&'a self, proposal: &'a Proposal<'a>) -> Pending<'a, u64>;

    /// Writes our comment below a pull request, or writes over the one that is there. Answers its
    /// id, by which the next one finds it.
    fn comment<'a>(
        &'a self,
        pull_request: u64,
        comment: &'a Comment,
        known: Option<u64>,
    ) -> Pending<'a, u64>;

    /// Puts a report beside a commit, in the place of the former one of that name.
    fn report<'a>(&'a self, commit: &'a str, report: &'a Report) -> Pending<'a, ()>;

    /// Sets the build status of a commit, in the place of the former one of that key.
    fn status<'a>(&'a self, commit: &'a str, status: &'a Status) -> Pending<'a, ()>;
}

/// Somebody at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// [`GitHost::kind`] of the host that knows it.
    pub host: &'static str,
    /// What is trusted; at Bitbucket a UUID in braces.
    pub id: String,
    /// For people only: its owner chooses it.
    pub name: String,
    pub kind: AccountKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    Person,
    /// A token, an app, a team: something that nobody signs in as.
    Machine,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    pub workspace_id: String,
    pub id: String,
    /// As it is called now, for people.
    pub full_name: String,
    /// The declared name, where it is no longer the one of the host.
    pub renamed_from: Option<String>,
    /// None: the repository is empty.
    pub main_branch: Option<String>,
}

/// A pull request that we open.
#[derive(Clone, Copy, Debug)]
pub struct Proposal<'a> {
    pub title: &'a str,
    pub text: &'a str,
    pub branch: &'a str,
    pub into: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    /// Its author chooses it.
    pub title: String,
    pub state: PullRequestState,
    /// What it would bring.
    pub source: Side,
    /// Where it would bring it.
    pub destination: Side,
    /// What the destination became by merging it.
    pub merge_commit: Option<String>,
    pub merged_by: Option<Account>,
    pub opened_by: Account,
    /// Every account that moved its head since it was opened.
    pub pushed_by: Vec<Account>,
    /// Approvals that stand, whether they count or not.
    pub approvals: Vec<Approval>,
    /// When its head, or the branch that it is for, last became another.
    pub head_since: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PullRequestState {
    Open,
    Merged,
    Declined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    pub branch: String,
    /// None: another repository has it.
    pub commit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    pub by: Account,
    pub at: OffsetDateTime,
    /// The head that was approved, where the host knows it.
    pub commit: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub by: Account,
    pub at: OffsetDateTime,
    /// Anybody who may read the repository may have written anything.
    pub text: String,
}

/// Where a pipeline is, by ids of the host; what is empty nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
}

/// What a host says of a pipeline that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    pub started_by: Option<Account>,
    /// What people call it: `#12`.
    pub name: Option<String>,
}

/// A step that says in the words of the host where it deploys to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// As the host calls it.
    pub environment: String,
    pub state: DeploymentState,
    pub run: Run,
    /// What people call the run: `#12`.
    pub release: Option<String>,
    pub url: Option<String>,
    /// When it ended, or else began.
    pub at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentState {
    UnderWay,
    Done,
    Failed,
    Stopped,
}

/// What the host itself demands of whoever changes a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Who may push to it, past every pull request.
    pub pushes: Allowed,
    /// Who may merge into it.
    pub merges: Allowed,
    /// How many approvals a merge needs.
    pub approvals: u32,
    pub force: Force,
    /// Rules of which the host does not tell here whether they are about this branch. None of them
    /// is counted.
    pub unjudged: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Whoever may write to the repository.
    Writers,
    /// These and nobody else; both empty: nobody.
    Only { accounts: Vec<Account>, groups: Vec<String> },
}

/// What a merge meets that does not have what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    Warned,
    Refused,
}

/// A credential of ours that ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub secret: SecretName,
    /// When it ends, or has ended.
    pub at: OffsetDateTime,
    /// Why it could not be renewed; none: nobody but its owner can.
    pub trouble: Option<HostError>,
}

/// Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    None,
    Read,
    Write,
    Admin,
}

impl Account {
    /// Whether both are the same somebody, whatever they call themselves.
    pub fn is(&self, other: &Self) -> bool {
        self.host == other.host && self.id == other.id
    }
}

impl Deployment {
    /// Whether it is the one of that step; where the host names no steps, of that pipeline.
    pub fn is_of(&self, run: &Run) -> bool {
        match (&self.run.step, &run.step) {
            (Some(own), Some(step)) => own == step,
            _ => self.run.pipeline.is_some() && self.run.pipeline == run.pipeline,
        }
    }
}

impl DeploymentState {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderWay => "underWay",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

impl PullRequest {
    /// Who made this change: nobody approves their own.
    pub fn authors(&self) -> Vec<&Account> {
        let mut authors = vec![&self.opened_by];
        for account in &self.pushed_by {
            if !authors.iter().any(|author| author.is(account)) {
                authors.push(account);
            }
        }
        authors
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}
