//! Bitbucket Cloud as a Git host. One repository, addressed by its ids: names may change.

mod api;
mod credential;
mod deployments;
mod protection;
mod pull_requests;
#[cfg(test)]
mod tests;
pub mod webhook;
mod writing;

use std::sync::Arc;

use gw_model::{clock::Clock, secret::SecretStore};
use gw_net::client::Client;
use serde::Deserialize;
use time::Date;
use tokio::sync::Mutex;
use url::Url;

pub use self::credential::Credential;
use self::{
    api::{Api, LONGEST, Part},
    pull_requests::Merged,
};
use super::{
    Account, AccountKind, Comment, Deployment, Ending, GitHost, HostError, Pending, Permission,
    Pipeline, Proposal, Protection, PullRequest, Remark, Report, Repository, Status, Told,
};
use crate::source::git::address as git;

/// Its name under `source` and under `people`.
pub const KIND: &str = "bitbucket";

#[derive(Clone, Debug)]
pub struct Settings {
    pub place: Place,
    pub declared: Declared,
    pub credential: Credential,
}

/// Where Bitbucket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What every path of the API follows.
    api: Url,
    /// Where consumers get their tokens.
    tokens: Url,
}

/// The repository that is meant, as `source.bitbucket` declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// For people.
    pub full_name: String,
    pub workspace_uuid: String,
    pub repository_uuid: String,
}

#[derive(Debug)]
pub struct Bitbucket {
    api: Api,
    declared: Declared,
    /// When the credential ends, where somebody said so: Bitbucket tells nobody.
    ends: Option<Date>,
    merged: Mutex<Merged>,
}

impl Place {
    /// Below this address; the one of Bitbucket itself has its API beside it.
    pub fn at(url: &Url) -> Self {
        let below = |root: &str, path: &[&str]| {
            let mut place = url.clone();
            // A URL without a path has no host either, and will not be reached.
            place.set_host(Some(root)).ok();
            if let Ok(mut segments) = place.path_segments_mut() {
                segments.pop_if_empty().extend(path);
            }
            place
        };
        let host = url.host_str().unwrap_or_default();
        let api = if host == "bitbucket.org" { "api.bitbucket.org" } else { host };
        Self { api: below(api, &["2.0"]), tokens: below(host, &["site", "oauth2", "access_token"]) }
    }

    /// Who makes the tokens of the steps of a workspace's pipelines. By its slug it is the issuer's
    /// name, which changes with the slug; by its UUID it is where the name of now is found.
    pub fn pipelines_issuer(&self, workspace: &str) -> String {
        let mut place = self.api.clone();
        if let Ok(mut segments) = place.path_segments_mut() {
            segments.extend(["workspaces", workspace, "pipelines-config", "identity", "oidc"]);
        }
        place.into()
    }
}

impl Bitbucket {
    pub fn new(
        settings: Settings,
        client: Client,
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let Settings { place, declared, credential } = settings;
        let api = Api::new(place, client, credential, secrets, clock);
        Self { api, declared, ends: None, merged: Mutex::default() }
    }

    /// The same with a credential that ends when this day begins.
    #[must_use]
    pub fn ending_on(self, day: Option<Date>) -> Self {
        Self { ends: day, ..self }
    }

    async fn what_ends(&self) -> Option<Ending> {
        let declared = || {
            let at = self.ends?.midnight().assume_utc();
            Some(Ending { secret: self.api.secret().clone(), at, trouble: None })
        };
        self.api.renew().await.or_else(declared)
    }

    /// The address of something in the repository.
    fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let Declared { workspace_uuid, repository_uuid, .. } = &self.declared;
        let root = ["repositories", workspace_uuid.as_str(), repository_uuid.as_str()];
        self.api.url(&[&root, path].concat(), query)
    }

    async fn read_repository(&self) -> Result<Repository, HostError> {
        let what = format!("repository {}", self.declared.full_name);
        let found: RepositoryPart = self.api.read(&self.url(&[], &[]), &what).await?;
        let RepositoryPart { uuid, full_name, workspace, mainbranch } = found;
        is_declared(&format!("the id of {what}"), &self.declared.repository_uuid, &uuid)?;
        let of = format!("the workspace of {what}");
        is_declared(&of, &self.declared.workspace_uuid, &workspace.uuid)?;
        let declared = &self.declared.full_name;
        Ok(Repository {
            workspace_id: workspace.uuid,
            id: uuid,
            renamed_from: (*declared != full_name).then(|| declared.clone()),
            full_name,
            main_branch: mainbranch.map(|branch| branch.name),
        })
    }

    /// The full hash behind what is perhaps a part of one.
    async fn full_hash(&self, hash: &str) -> Result<String, HostError> {
        let what = format!("commit {hash}");
        if !is_hash(hash, 7) {
            return Err(HostError::Missing { what: format!("commit {}", api::words(hash)) });
        }
        if hash.len() == LONGEST {
            return Ok(hash.to_owned());
        }
        let found: CommitPart = self.api.read(&self.url(&["commit", hash], &[]), &what).await?;
        if is_hash(&found.hash, LONGEST) && found.hash.starts_with(hash) {
            return Ok(found.hash);
        }
        Err(HostError::Garbled { what, because: "it is another commit".to_owned() })
    }

    async fn read_pipeline(&self, pipeline: &str) -> Result<Option<Pipeline>, HostError> {
        let what = format!("pipeline {}", api::words(pipeline));
        if !is_uuid(pipeline) {
            return Err(HostError::Missing { what });
        }
        let url = self.url(&["pipelines", pipeline], &[]);
        let found: PipelinePart = self.api.read(&url, &what).await?;
        is_declared(&format!("the id of {what}"), pipeline, &found.uuid)?;
        Ok(Some(Pipeline {
            started_by: found.creator.as_ref().map(AccountPart::account),
            name: found.build_number.map(|number| format!("#{number}")),
        }))
    }

    async fn read_permission(&self, account: &Account) -> Result<Permission, HostError> {
        let what = format!("what {account} may do");
        if account.host != KIND || !is_uuid(&account.id) {
            return Ok(Permission::None);
        }
        let Declared { workspace_uuid, repository_uuid, .. } = &self.declared;
        let path = ["workspaces", workspace_uuid, "permissions", "repositories", repository_uuid];
        let query = format!("user.uuid=\"{}\"", account.id);
        let url = self.api.url(&path, &[("q", &query), ("pagelen", "100")]);
        let found: Result<Vec<PermissionPart>, _> = self.api.list(url, Part::Whole, &what).await;
        let found = found.map_err(|error| self.api.without_permissions(error))?;
        let own = found.iter().filter(|part| part.user.id() == account.id);
        let own = own.map(PermissionPart::permission);
        Ok(own.max().unwrap_or(Permission::None))
    }

    async fn read_members(&self) -> Result<Vec<(Account, Permission)>, HostError> {
        let Declared { workspace_uuid, repository_uuid, .. } = &self.declared;
        let path = ["workspaces", workspace_uuid, "permissions", "repositories", repository_uuid];
        let url = self.api.url(&path, &[("pagelen", "100")]);
        let found = self.api.list(url, Part::Whole, "what people may do").await;
        let found: Vec<PermissionPart> =
            found.map_err(|error| self.api.without_permissions(error))?;
        Ok(found.iter().map(|part| (part.user.account(), part.permission())).collect())
    }
}

impl GitHost for Bitbucket {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn repository(&self) -> Pending<'_, Repository> {
        Box::pin(self.read_repository())
    }

    fn ending(&self) -> Told<'_, Option<Ending>> {
        Box::pin(self.what_ends())
    }

    fn for_git(&self) -> Pending<'_, git::Credential> {
        Box::pin(self.api.for_git())
    }

    fn pull_request(&self, number: u64) -> Pending<'_, PullRequest> {
        Box::pin(self.read_pull_request(number))
    }

    fn open_pull_requests(&self) -> Pending<'_, Vec<u64>> {
        Box::pin(self.read_open())
    }

    fn merged_as<'a>(&'a self, commits: &'a [String]) -> Pending<'a, Vec<u64>> {
        Box::pin(self.read_merged_as(commits))
    }

    fn pull_requests_of<'a>(&'a self, commit: &'a str) -> Pending<'a, Vec<u64>> {
        Box::pin(self.read_pull_requests_of(commit))
    }

    fn remark(&self, pull_request: u64, id: u64) -> Pending<'_, Remark> {
        Box::pin(self.read_remark(pull_request, id))
    }

    fn protection<'a>(&'a self, branch: &'a str) -> Pending<'a, Protection> {
        Box::pin(self.read_protection(branch))
    }

    fn pipeline<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Pipeline>> {
        Box::pin(self.read_pipeline(id))
    }

    fn deployments<'a>(&'a self, commit: &'a str) -> Pending<'a, Vec<Deployment>> {
        Box::pin(self.read_deployments(commit))
    }

    fn permission<'a>(&'a self, account: &'a Account) -> Pending<'a, Permission> {
        Box::pin(self.read_permission(account))
    }

    fn members(&self) -> Pending<'_, Vec<(Account, Permission)>> {
        Box::pin(self.read_members())
    }

    fn propose<'a>(&'a self, proposal: &'a Proposal<'a>) -> Pending<'a, u64> {
        Box::pin(self.open_pull_request(proposal))
    }

    fn comment<'a>(
        &'a self,
        pull_request: u64,
        comment: &'a Comment,
        known: Option<u64>,
    ) -> Pending<'a, u64> {
        Box::pin(self.write_comment(pull_request, comment, known))
    }

    fn report<'a>(&'a self, commit: &'a str, report: &'a Report) -> Pending<'a, ()> {
        Box::pin(self.write_report(commit, report))
    }

    fn status<'a>(&'a self, commit: &'a str, status: &'a Status) -> Pending<'a, ()> {
        Box::pin(self.write_status(commit, status))
    }
}

#[derive(Debug, Deserialize)]
struct RepositoryPart {
    uuid: String,
    full_name: String,
    workspace: UuidPart,
    mainbranch: Option<NamePart>,
}

#[derive(Debug, Deserialize)]
struct UuidPart {
    uuid: String,
}

#[derive(Debug, Deserialize)]
struct NamePart {
    name: String,
}

#[derive(Debug, Deserialize)]
struct CommitPart {
    hash: String,
}

#[derive(Debug, Deserialize)]
struct PipelinePart {
    uuid: String,
    build_number: Option<u64>,
    creator: Option<AccountPart>,
}

#[derive(Debug, Deserialize)]
struct PermissionPart {
    permission: String,
    user: AccountPart,
}

impl PermissionPart {
    fn permission(&self) -> Permission {
        match self.permission.as_str() {
            "admin" => Permission::Admin,
            "write" => Permission::Write,
            "read" => Permission::Read,
            _ => Permission::None,
        }
    }
}

#[derive(Debug, Deserialize)]
struct AccountPart {
    #[serde(rename = "type")]
    kind: String,
    uuid: String,
    display_name: Option<String>,
    nickname: Option<String>,
}

impl CommitPart {
    /// Whether it names this commit, perhaps by a part of its hash.
    fn is(&self, full: &str) -> bool {
        is_hash(&self.hash, 7) && full.starts_with(&self.hash)
    }
}

impl AccountPart {
    fn id(&self) -> String {
        self.uuid.to_ascii_lowercase()
    }

    fn account(&self) -> Account {
        let name = self.display_name.as_ref().or(self.nickname.as_ref()).unwrap_or(&self.uuid);
        Account {
            host: KIND,
            id: self.id(),
            name: api::words(name),
            kind: match self.kind.as_str() {
                "user" => AccountKind::Person,
                _ => AccountKind::Machine,
            },
        }
    }
}

fn is_declared(what: &str, declared: &str, found: &str) -> Result<(), HostError> {
    if declared.eq_ignore_ascii_case(found) {
        return Ok(());
    }
    let (what, declared, found) = (what.to_owned(), declared.to_owned(), api::words(found));
    Err(HostError::Foreign { what, declared, found })
}

/// Whether it is at least so much of a commit's hash.
fn is_hash(text: &str, least: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (least..=LONGEST).contains(&text.len()) && text.bytes().all(digit)
}

/// Whether it is a UUID in braces, and can stand in a query.
fn is_uuid(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    inner.is_some_and(|inner| {
        inner.len() == 36 && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
    })
}
