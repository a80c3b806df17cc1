//! A Bitbucket with people and a repository, asked over real connections and by the real git.

mod conformance;
mod git;
mod insights;
mod letters;
mod pulls;
mod rights;

use std::process::{Command, Output, Stdio};

use base64::{Engine, prelude::BASE64_STANDARD};
use gw_testkit::{
    clock::FixedClock,
    wire::{Reply, request},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::macros::datetime;

use super::*;

/// Every scope of an API token that an operation of the table needs.
const ALL: &[&str] = &[
    "read:user:bitbucket",
    "read:workspace:bitbucket",
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
    "read:pullrequest:bitbucket",
    "write:pullrequest:bitbucket",
    "read:webhook:bitbucket",
    "write:webhook:bitbucket",
    "delete:webhook:bitbucket",
    "read:pipeline:bitbucket",
    "write:pipeline:bitbucket",
    "admin:pipeline:bitbucket",
];

/// Somebody with a token that may everything.
pub(super) struct Somebody {
    pub(super) uuid: Uuid,

    token: String,
    pub(super) header: String,
}

pub(super) struct Stage {
    pub(super) bitbucket: Bitbucket,
    folder: TempDir,
    pub(super) clock: FixedClock,
    workspace: Uuid,
    pub(super) repository: Uuid,
    /// Rules the repository.
    pub(super) ann: Somebody,
    /// Writes to it.
    pub(super) bob: Somebody,
    /// Reads it.
    pub(super) eve: Somebody,
}

fn basic(name: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{secret}")))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

const REPOSITORY: &str = "/repositories/acme/apis";

impl Stage {
    /// The repository has one commit on `main`, with one file.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = FixedClock::at(datetime!(2026-01-01 00:00 UTC));
        let repositories = folder.path().join("repositories");
        let bitbucket = Bitbucket::start(0, &repositories, Arc::new(clock.clone())).await;
        let bitbucket = bitbucket.expect("it starts");
        let workspace = bitbucket.add_workspace("acme").expect("a workspace");
        let repository = bitbucket.add_repository(&workspace, "apis").expect("a repository");
        let somebody = |name: &str, permission| {
            let Person { uuid, email, .. } = bitbucket.add_person(name).expect("a person");
            bitbucket.permit(&repository, &uuid, Some(permission)).expect("a permission");
            let token = bitbucket.add_api_token(&uuid, ALL).expect("a token");
            let header = basic(&email, &token);
            Somebody { uuid, token, header }
        };
        let ann = somebody("ann", Permission::Admin);
        let bob = somebody("bob", Permission::Write);
        let eve = somebody("eve", Permission::Read);
        let stage = Self { bitbucket, folder, clock, workspace, repository, ann, bob, eve };
        let files = [("api.yaml", "kind: Api\n")];
        let (of, by) = (&stage.repository, &stage.ann.uuid);
        let first = stage.bitbucket.commit(of, by, "main", "change api.yaml\n", &files);
        first.expect("a commit");
        stage
    }

    pub(super) async fn send(
        &self,
        headers: &[(&str, &str)],
        method: &'static str,
        target: &str,
        body: &[u8],
    ) -> Reply {
        let (address, target, body) = (self.bitbucket.address(), target.to_owned(), body.to_vec());
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sent = move || {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            request(address, method, &target, &headers, &body)
        };
        let reply = tokio::task::spawn_blocking(sent).await.expect("the thread ends");
        reply.expect("Bitbucket answers")
    }

    /// Asks the API; an empty object is no body.
    pub(super) async fn call(
        &self,
        header: &str,
        method: &'static str,
        path: &str,
        body: Value,
    ) -> Reply {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let headers = [("authorization", header), ("content-type", "application/json")];
        self.send(&headers, method, &format!("/2.0{path}"), body.as_bytes()).await
    }

    /// Asks about the repository, and gets what the status says.
    pub(super) async fn get(&self, who: &Somebody, path: &str) -> Value {
        let reply =
            self.call(&who.header, "GET", &format!("{REPOSITORY}{path}"), json!(null)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.json()
    }

    pub(super) async fn post(&self, who: &Somebody, path: &str, body: Value) -> Reply {
        self.call(&who.header, "POST", &format!("{REPOSITORY}{path}"), body).await
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.folder.path().join("repositories")
    }

    fn remote(&self, who: &Somebody) -> String {
        let host = self.bitbucket.url().trim_start_matches("http://");
        format!("http://x-bitbucket-api-token-auth:{}@{host}/acme/apis.git", who.token)
    }

    /// Runs the real git, without settings of this machine.
    async fn git(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new("git");
        command
            .current_dir(folder)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Ann")
            .env("GIT_AUTHOR_EMAIL", "ann@example.com")
            .env("GIT_COMMITTER_NAME", "Ann")
            .env("GIT_COMMITTER_EMAIL", "ann@example.com")
            .stdin(Stdio::null());
        let run = move || command.output().expect("git runs");
        tokio::task::spawn_blocking(run).await.expect("the thread ends")
    }

    pub(super) async fn git_ok(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = self.git(folder, arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) async fn clone_as(&self, who: &Somebody, name: &str) -> PathBuf {
        let remote = self.remote(who);
        self.git_ok(self.folder.path(), &["clone", "--quiet", &remote, name]).await;
        self.folder.path().join(name)
    }

    /// Commits a file, and says which commit that is.
    pub(super) async fn commit(&self, work: &Path, name: &str, text: &str) -> String {
        std::fs::write(work.join(name), text).expect("the file is written");
        self.git_ok(work, &["add", "--all"]).await;
        let message = format!("change {name}");
        self.git_ok(work, &["commit", "--quiet", "--message", &message]).await;
        self.git_ok(work, &["rev-parse", "HEAD"]).await
    }

    pub(super) async fn push(&self, work: &Path, what: &[&str]) {
        let arguments: Vec<&str> =
            ["push", "--quiet", "origin"].into_iter().chain(what.iter().copied()).collect();
        self.git_ok(work, &arguments).await;
    }

    /// Pushes a branch with one commit, and opens a pull request for it.
    pub(super) async fn open(&self, who: &Somebody, branch: &str) -> (PathBuf, Value) {
        let work = self.clone_as(who, branch).await;
        self.git_ok(&work, &["checkout", "--quiet", "-b", branch]).await;
        self.commit(&work, &format!("{branch}.yaml"), "kind: Api\n").await;
        self.push(&work, &["HEAD"]).await;
        let source = json!({ "branch": { "name": branch } });
        let body = json!({ "title": format!("Add {branch}"), "source": source });
        let reply = self.post(who, "/pullrequests", body).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        (work, reply.json())
    }

    pub(super) fn advance(&self) {
        self.clock.advance(time::Duration::minutes(1));
    }
}

fn message(reply: &Reply) -> String {
    let json = reply.json();
    assert_eq!(json["type"], "error", "{json}");
    json["error"]["message"].as_str().expect("a message").to_owned()
}
