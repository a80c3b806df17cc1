//! The world that every test of a server stands on: the emulated Bitbucket with one repository, the
//! people who work on it, git and the API as they use them, and one API to change.
//!
//! What asks the Git host, and what serves the API, is the test's own.

mod declared;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use gw_emulators::bitbucket::{Bitbucket, Permission, Person, SERVER_EVENTS, SERVER_SCOPES, Uuid};
use gw_model::{
    clock::Clock,
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretRefusal, SecretStore},
};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{process::Command, task::spawn_blocking, time::timeout};

pub use self::declared::{ISSUER, OPENAPI, POLICY, api, workspace_id};
use crate::wire;

/// What signs webhooks.
pub const HOOK_SECRET: &str = "a secret that only both know";

/// Longer nobody waits for anything.
const PATIENCE: Duration = Duration::from_secs(90);

/// Somebody with an account and an API token.
#[derive(Debug)]
pub struct Somebody {
    pub uuid: Uuid,
    pub email: String,
    pub token: Redacted<String>,
}

/// Bitbucket with the repository `acme/apis`.
#[derive(Debug)]
pub struct Forge {
    pub bitbucket: Bitbucket,
    /// Everything of the test lies in it.
    pub folder: TempDir,
    pub workspace: Uuid,
    pub repository: Uuid,
    /// Rules the repository.
    pub ann: Somebody,
    /// These write to it.
    pub bob: Somebody,
    pub carol: Somebody,
    /// Reads it.
    pub eve: Somebody,
}

impl Forge {
    /// The repository is empty.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let repositories = folder.path().join("repositories");
        let bitbucket =
            Bitbucket::start(0, &repositories, clock).await.expect("loopback has a free port");
        let workspace = bitbucket.add_workspace("acme").expect("the name is free");
        let repository = bitbucket.add_repository(&workspace, "apis").expect("the name is free");
        let somebody = |name: &str, right| {
            let Person { uuid, email, .. } = bitbucket.add_person(name).expect("the name is free");
            bitbucket.permit(&repository, &uuid, Some(right)).expect("both exist");
            let token = bitbucket.add_api_token(&uuid, SERVER_SCOPES).expect("the person exists");
            Somebody { uuid, email, token: Redacted::new(token) }
        };
        let (ann, bob) = (somebody("ann", Permission::Admin), somebody("bob", Permission::Write));
        let carol = somebody("carol", Permission::Write);
        let eve = somebody("eve", Permission::Read);
        Self { bitbucket, folder, workspace, repository, ann, bob, carol, eve }
    }

    /// Where Ann writes, once something was declared.
    pub fn desk(&self) -> PathBuf {
        self.folder.path().join("desk")
    }

    /// The first commit of `main` has these files.
    pub async fn declare(&self, files: &[(&str, String)]) -> String {
        let arguments = ["init", "--quiet", "--initial-branch", "main", "desk"];
        self.git(self.folder.path(), &arguments).await;
        let desk = self.desk();
        self.git(&desk, &["remote", "add", "origin", &self.remote(&self.ann)]).await;
        self.publish(files, "Declare orders").await
    }

    /// Ann writes files and pushes all that is on her desk to `main`. Which commit that is.
    pub async fn publish(&self, files: &[(&str, String)], message: &str) -> String {
        let desk = self.desk();
        for (path, text) in files {
            let path = desk.join(path);
            let folder = path.parent().expect("a file lies in a folder");
            fs::create_dir_all(folder).expect("the folder can be made");
            fs::write(path, text).expect("the file can be written");
        }
        let commit = self.commit(&desk, message).await;
        self.push(&self.ann, &desk, &["HEAD:refs/heads/main"]).await;
        commit
    }

    /// Commits all that is there, changed or not. Which commit that is.
    pub async fn commit(&self, work: &Path, message: &str) -> String {
        self.git(work, &["add", "--all"]).await;
        self.git(work, &["commit", "--quiet", "--allow-empty", "--message", message]).await;
        self.git(work, &["rev-parse", "HEAD"]).await
    }

    pub async fn push(&self, who: &Somebody, work: &Path, what: &[&str]) {
        let remote = self.remote(who);
        self.git(work, &[&["push", "--quiet", remote.as_str()], what].concat()).await;
    }

    pub async fn clone_as(&self, who: &Somebody, name: &str) -> PathBuf {
        self.git(self.folder.path(), &["clone", "--quiet", &self.remote(who), name]).await;
        self.folder.path().join(name)
    }

    /// The commit that a branch holds.
    pub async fn head(&self, branch: &str) -> String {
        let reference = format!("refs/heads/{branch}");
        let remote = self.remote(&self.ann);
        let listed = self.git(self.folder.path(), &["ls-remote", &remote, &reference]).await;
        listed.split_whitespace().next().expect("the branch exists").to_owned()
    }

    /// Where git finds the repository, with the token of somebody.
    pub fn remote(&self, who: &Somebody) -> String {
        let host = self.bitbucket.url().trim_start_matches("http://");
        format!("http://x-bitbucket-api-token-auth:{}@{host}/acme/apis.git", who.token.reveal())
    }

    /// git, without anything that a machine or a person has set.
    pub async fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(folder)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_AUTHOR_NAME", "Somebody")
            .env("GIT_AUTHOR_EMAIL", "somebody@example.com")
            .env("GIT_COMMITTER_NAME", "Somebody")
            .env("GIT_COMMITTER_EMAIL", "somebody@example.com")
            .output()
            .await
            .expect("git can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Somebody pushes a branch with another declaration of the API, and opens a pull request. Its head.
    pub async fn propose(&self, who: &Somebody, branch: &str, api: &str) -> String {
        let desk = self.desk();
        self.git(&desk, &["checkout", "--quiet", "-b", branch, "main"]).await;
        fs::write(desk.join("apis/orders/api.yaml"), api).expect("the file can be written");
        let head = self.commit(&desk, branch).await;
        self.push(who, &desk, &[&format!("HEAD:refs/heads/{branch}")]).await;
        self.open(who, branch, branch).await;
        self.git(&desk, &["checkout", "--quiet", "main"]).await;
        head
    }

    /// Somebody opens a pull request for a branch that is there.
    pub async fn open(&self, who: &Somebody, branch: &str, title: &str) {
        let source = json!({ "branch": { "name": branch } });
        self.post(who, "/pullrequests", json!({ "title": title, "source": source })).await;
    }

    pub async fn approve(&self, who: &Somebody, number: u64) {
        self.post(who, &format!("/pullrequests/{number}/approve"), Value::Null).await;
    }

    pub async fn merge(&self, number: u64, strategy: &str) {
        let body = json!({ "type": "pullrequest_merge_parameters", "merge_strategy": strategy });
        self.post(&self.ann, &format!("/pullrequests/{number}/merge"), body).await;
    }

    /// The texts below a pull request.
    pub async fn comments(&self, number: u64) -> Vec<String> {
        let page = self.get(&format!("/pullrequests/{number}/comments")).await;
        let values = page.get("values").and_then(Value::as_array).expect("a page has values");
        let texts = values.iter().map(|it| it.pointer("/content/raw").and_then(Value::as_str));
        texts.map(|it| it.expect("a comment has a text").to_owned()).collect()
    }

    pub async fn get(&self, path: &str) -> Value {
        self.ask(&self.ann, "GET", path, Value::Null).await
    }

    pub async fn post(&self, who: &Somebody, path: &str, body: Value) -> Value {
        self.ask(who, "POST", path, body).await
    }

    /// What the API answers somebody who asks about the repository.
    pub async fn ask(&self, who: &Somebody, method: &str, path: &str, body: Value) -> Value {
        let user = format!("{}:{}", who.email, who.token.reveal());
        let proof = format!("Basic {}", STANDARD.encode(user));
        let target = format!("/2.0/repositories/acme/apis{path}");
        let (address, method) = (self.bitbucket.address(), method.to_owned());
        let body = if body.is_null() { vec![] } else { body.to_string().into_bytes() };
        let asked = spawn_blocking(move || {
            let kind = ("content-type", "application/json");
            wire::request(address, &method, &target, &[kind, ("authorization", &proof)], &body)
        });
        let reply = asked.await.expect("nothing panics").expect("Bitbucket answers");
        assert!((200..300).contains(&reply.status), "{path}: {}", reply.text());
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }

    /// Bitbucket tells that address of what happens, signed.
    pub fn hook(&self, url: &str) {
        let made = self.bitbucket.add_hook(&self.repository, url, SERVER_EVENTS, Some(HOOK_SECRET));
        made.expect("the repository exists");
    }

    /// Looks until it is there, each time that somebody wrote something to Bitbucket.
    pub async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        look: impl Fn() -> F,
    ) -> T {
        let mut written = self.bitbucket.written();
        let waiting = async {
            loop {
                written.mark_unchanged();
                if let Some(found) = look().await {
                    return found;
                }
                written.changed().await.expect("Bitbucket runs");
            }
        };
        timeout(PATIENCE, waiting).await.unwrap_or_else(|_| unreachable!("never: {what}"))
    }
}

/// `X-Hub-Signature` of a body.
pub fn signature(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, HOOK_SECRET.as_bytes()), body);
    let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

/// What a secret store holds, by name.
#[derive(Clone, Default)]
pub struct Vault(Arc<Mutex<BTreeMap<String, String>>>);

impl Vault {
    pub fn put(&self, name: &str, value: &str) -> SecretName {
        self.0.lock().insert(name.to_owned(), value.to_owned());
        SecretName::parse(name).expect("a test names its secrets well")
    }
}

impl SecretStore for Vault {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let value = self.0.lock().get(name.as_str()).cloned();
        let secret = value.map(|value| Secret {
            value: Redacted::new(value.into_bytes()),
            version: None,
            since: None,
        });
        let secret = secret.ok_or_else(|| SecretRefusal::Missing { name: name.clone() });
        Box::pin(std::future::ready(secret))
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}
