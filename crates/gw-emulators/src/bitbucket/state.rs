//! What the emulated Bitbucket holds: accounts, workspaces, repositories, credentials.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use aws_lc_rs::{digest, rand};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use super::{
    access::Credential, hooks::Hook, insights::Report, objects::Objects, oidc::Issuer,
    pipelines::Pipeline, pull::Pull,
};

/// A UUID as Bitbucket writes it everywhere but in an audience: in braces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Uuid(String);

impl Uuid {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without braces.
    pub fn bare(&self) -> &str {
        self.0.trim_start_matches('{').trim_end_matches('}')
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names that nobody can guess, from one drawn seed.
pub(super) struct Names {
    seed: [u8; 32],
    count: u64,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Names {
    /// `None` when the system gives no randomness.
    pub(super) fn draw() -> Option<Self> {
        let mut seed = [0; 32];
        rand::fill(&mut seed).ok()?;
        Some(Self { seed, count: 0 })
    }

    fn next(&mut self) -> String {
        self.count += 1;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.seed);
        context.update(&self.count.to_be_bytes());
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn uuid(&mut self) -> Uuid {
        let digits: Vec<char> = self.next().chars().collect();
        let part = |from: usize, to: usize| -> String {
            digits.get(from..to).unwrap_or_default().iter().collect()
        };
        let (a, b, c, d, e) = (part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32));
        Uuid(format!("{{{a}-{b}-4{c}-a{d}-{e}}}"))
    }

    /// A token with a beginning that tells its kind.
    pub(super) fn token(&mut self, kind: &str) -> String {
        format!("{kind}{}", self.next())
    }
}

/// What somebody may do in a repository; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Permission {
    Read,
    Write,
    Admin,
}

impl Permission {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AccountKind {
    Person,
    /// An access token, which Bitbucket shows as if it were somebody.
    Token,
    /// The owner of an OAuth consumer.
    Team,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Account {
    pub(super) uuid: Uuid,
    pub(super) kind: AccountKind,
    pub(super) nickname: String,
    pub(super) email: String,
    pub(super) account_id: String,
    pub(super) created: OffsetDateTime,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) slug: String,
    pub(super) members: BTreeSet<Uuid>,
}

/// What repositories of a workspace are sorted into.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Project {
    pub(super) uuid: Uuid,
    pub(super) key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Workspace {
    pub(super) uuid: Uuid,
    pub(super) slug: String,
    /// The oldest first; there is always one.
    pub(super) projects: Vec<Project>,
    pub(super) groups: Vec<Group>,
    pub(super) created: OffsetDateTime,
    /// `None` until OpenID Connect is switched on, which is done anew after each start.
    #[serde(skip)]
    pub(super) issuer: Option<Arc<Issuer>>,
}

/// A rule about branches: its fields as they were sent, and what is enforced of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Restriction {
    pub(super) id: u64,
    pub(super) kind: String,
    pub(super) match_kind: String,
    pub(super) pattern: String,
    pub(super) branch_type: Option<String>,
    pub(super) value: Option<u64>,
    pub(super) users: Vec<Uuid>,
    pub(super) groups: Vec<String>,
}

impl Restriction {
    /// Whether it is about this branch. A star stands for any text; the branching model is not
    /// emulated, so nothing matches by it.
    pub(super) fn covers(&self, branch: &str) -> bool {
        self.match_kind == "glob" && matches(&self.pattern, branch)
    }
}

/// Whether the text is what the pattern says, in which only the star has a meaning.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*').filter(|part| !part.is_empty()) {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(end)
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Environment {
    pub(super) uuid: Uuid,
    pub(super) name: String,
}

/// A build status: one for each commit and key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Status {
    pub(super) commit: String,
    pub(super) key: String,
    /// What was sent, checked.
    pub(super) body: Value,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Repository {
    pub(super) uuid: Uuid,
    pub(super) workspace: Uuid,
    pub(super) project: Uuid,
    /// What it was forked from.
    pub(super) parent: Option<Uuid>,
    pub(super) slug: String,
    pub(super) main: String,
    /// Where they lie follows from the UUID.
    #[serde(skip)]
    pub(super) objects: Objects,
    pub(super) people: BTreeMap<Uuid, Permission>,
    pub(super) groups: BTreeMap<String, Permission>,
    pub(super) restrictions: Vec<Restriction>,
    pub(super) hooks: Vec<Hook>,
    pub(super) pulls: Vec<Pull>,
    pub(super) statuses: Vec<Status>,
    pub(super) reports: Vec<Report>,
    pub(super) environments: Vec<Environment>,
    pub(super) pipelines: Vec<Pipeline>,
    /// Branches and tags as they were last seen, by full name.
    pub(super) refs: BTreeMap<String, String>,
    /// The last number given to a restriction or a comment.
    pub(super) last_id: u64,
    pub(super) created: OffsetDateTime,
    pub(super) updated: OffsetDateTime,
}

impl Repository {
    pub(super) fn branch(&self, name: &str) -> Option<&str> {
        self.refs.get(&format!("refs/heads/{name}")).map(String::as_str)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) names: Names,
    pub(super) accounts: Vec<Account>,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) repositories: Vec<Repository>,
    pub(super) credentials: Vec<Credential>,
}

impl World {
    pub(super) fn account(&self, uuid: &Uuid) -> Option<&Account> {
        self.accounts.iter().find(|account| account.uuid == *uuid)
    }

    pub(super) fn add_account(
        &mut self,
        kind: AccountKind,
        nickname: &str,
        created: OffsetDateTime,
    ) -> Uuid {
        let uuid = self.names.uuid();
        let email = format!("{nickname}@example.com");
        let account_id = format!("557058:{}", uuid.bare());
        let nickname = nickname.to_owned();
        self.accounts.push(Account {
            uuid: uuid.clone(),
            kind,
            nickname,
            email,
            account_id,
            created,
        });
        uuid
    }

    /// By slug, or by UUID in braces.
    pub(super) fn workspace(&self, name: &str) -> Option<&Workspace> {
        let named = |it: &&Workspace| it.slug == name || it.uuid.as_str() == name;
        self.workspaces.iter().find(named)
    }

    /// By slug or UUID, of a workspace by slug or UUID.
    pub(super) fn repository(&self, workspace: &str, name: &str) -> Option<&Repository> {
        let workspace = &self.workspace(workspace)?.uuid;
        let named = |it: &&Repository| it.slug == name || it.uuid.as_str() == name;
        self.repositories.iter().filter(|it| it.workspace == *workspace).find(named)
    }

    pub(super) fn repository_by(&self, uuid: &Uuid) -> Option<&Repository> {
        self.repositories.iter().find(|it| it.uuid == *uuid)
    }

    pub(super) fn repository_mut(&mut self, uuid: &Uuid) -> Option<&mut Repository> {
        self.repositories.iter_mut().find(|it| it.uuid == *uuid)
    }

    pub(super) fn workspace_of(&self, repository: &Repository) -> Option<&Workspace> {
        self.workspaces.iter().find(|it| it.uuid == repository.workspace)
    }

    /// What a person may do in a repository, directly or by a group.
    pub(super) fn permission(&self, repository: &Repository, who: &Uuid) -> Option<Permission> {
        let by_group = |slug: &String| {
            let groups = self.workspace_of(repository).map(|workspace| &workspace.groups);
            let mut groups = groups.into_iter().flatten();
            groups.any(|group| group.slug == *slug && group.members.contains(who))
        };
        let groups = repository.groups.iter().filter(|(slug, _)| by_group(slug));
        let groups = groups.map(|(_, permission)| *permission);
        groups.chain(repository.people.get(who).copied()).max()
    }

    /// Whether the restriction lets this account do what it forbids to the others.
    pub(super) fn is_exempt(
        &self,
        repository: &Repository,
        restriction: &Restriction,
        who: &Uuid,
    ) -> bool {
        let groups = self.workspace_of(repository).map(|workspace| &workspace.groups);
        let mut groups = groups.into_iter().flatten();
        restriction.users.contains(who)
            || groups.any(|it| restriction.groups.contains(&it.slug) && it.members.contains(who))
    }
}
