//! State as Bitbucket's JSON shows it.

use serde_json::{Map, Value, json};
use time::{
    OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description,
};

use super::{
    contract::encode,
    objects::{Change, Commit},
    pull::{Comment, Happening, Participant, Pull, Snapshot},
    state::{
        Account, AccountKind, Environment, Permission, Repository, Restriction, Status, Uuid,
        Workspace, World,
    },
};

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]+00:00");

/// A moment as Bitbucket writes it.
pub(super) fn stamp(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(STAMP).unwrap_or_default()
}

/// The twelve digits by which pull requests name a commit.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Text for a place where HTML is read.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn rendered(raw: &str) -> Value {
    let html = if raw.is_empty() { String::new() } else { format!("<p>{}</p>", escape(raw)) };
    json!({ "raw": raw, "markup": "markdown", "html": html, "type": "rendered" })
}

fn link(href: String) -> Value {
    Value::Object(Map::from_iter([("href".to_owned(), Value::String(href))]))
}

/// How much of a thing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// As a member of something else.
    Condensed,
    Full,
}

/// The state, and the address under which it is reached.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) url: &'a str,
    pub(super) world: &'a World,
}

impl<'a> View<'a> {
    pub(super) fn api(&self, path: &str) -> String {
        format!("{}/2.0{}", self.url, encode(path))
    }

    pub(super) fn account(&self, uuid: &Uuid) -> Value {
        match self.world.account(uuid) {
            Some(account) => self.known_account(account, Detail::Condensed),
            None => json!({ "type": "user", "uuid": uuid.as_str() }),
        }
    }

    pub(super) fn known_account(&self, account: &Account, detail: Detail) -> Value {
        let Account { uuid, kind, nickname, account_id, created, .. } = account;
        let kind = match kind {
            AccountKind::Person => "user",
            AccountKind::Token => "app_user",
            AccountKind::Team => "team",
        };
        let avatar = format!("{}/_page/avatar/{}", self.url, encode(uuid.as_str()));
        let mut shown = json!({
            "display_name": nickname,
            "links": {
                "self": link(self.api(&format!("/users/{uuid}"))),
                "avatar": link(avatar),
                "html": link(format!("{}/{}/", self.url, encode(uuid.as_str()))),
            },
            "type": kind,
            "uuid": uuid.as_str(),
            "account_id": account_id,
            "nickname": nickname,
        });
        if let (Detail::Full, Some(shown)) = (detail, shown.as_object_mut()) {
            shown.insert("created_on".to_owned(), json!(stamp(*created)));
            shown.insert("account_status".to_owned(), json!("active"));
        }
        shown
    }

    pub(super) fn workspace(&self, workspace: &Workspace, detail: Detail) -> Value {
        let Workspace { uuid, slug, created, .. } = workspace;
        let avatar = format!("{}/_page/avatar/{}", self.url, encode(uuid.as_str()));
        let mut shown = json!({
            "type": "workspace",
            "uuid": uuid.as_str(),
            "name": slug,
            "slug": slug,
            "links": {
                "self": link(self.api(&format!("/workspaces/{slug}"))),
                "html": link(format!("{}/{slug}/", self.url)),
                "avatar": link(avatar),
            },
        });
        if let (Detail::Full, Some(shown)) = (detail, shown.as_object_mut()) {
            shown.insert("is_private".to_owned(), json!(true));
            shown.insert("created_on".to_owned(), json!(stamp(*created)));
        }
        shown
    }

    fn slug(&self, repository: &Repository) -> &'a str {
        let workspace = self.world.workspaces.iter().find(|it| it.uuid == repository.workspace);
        workspace.map_or("", |workspace| workspace.slug.as_str())
    }

    pub(super) fn full_name(&self, repository: &Repository) -> String {
        format!("{}/{}", self.slug(repository), repository.slug)
    }

    /// The path of the repository's API.
    pub(super) fn path(&self, repository: &Repository) -> String {
        format!("/repositories/{}", self.full_name(repository))
    }

    pub(super) fn repository(&self, repository: &Repository, detail: Detail) -> Value {
        let Repository { uuid, slug, main, created, updated, .. } = repository;
        let (full_name, path) = (self.full_name(repository), self.path(repository));
        let mut shown = json!({
            "type": "repository",
            "uuid": uuid.as_str(),
            "name": slug,
            "full_name": full_name,
            "links": {
                "self": link(self.api(&path)),
                "html": link(format!("{}/{full_name}", self.url)),
                "avatar": link(format!("{}/_page/avatar/{}", self.url, encode(uuid.as_str()))),
            },
        });
        let (Detail::Full, Some(shown_members)) = (detail, shown.as_object_mut()) else {
            return shown;
        };
        let clone = format!("{}/{full_name}.git", self.url);
        if let Some(links) = shown_members.get_mut("links").and_then(Value::as_object_mut) {
            links.insert("clone".to_owned(), json!([{ "name": "https", "href": clone }]));
            let pulls = link(self.api(&format!("{path}/pullrequests")));
            links.insert("pullrequests".to_owned(), pulls);
            links.insert("hooks".to_owned(), link(self.api(&format!("{path}/hooks"))));
        }
        let parent = repository.parent.as_ref().and_then(|uuid| self.world.repository_by(uuid));
        let more = json!({
            "scm": "git",
            "website": "",
            "parent": parent.map(|it| self.repository(it, Detail::Condensed)),
            "project": self.project(repository),
            "is_private": true,
            "owner": self.world.workspace_of(repository).map(|it| self.owner(it)),
            "mainbranch": { "type": "branch", "name": main },
            "created_on": stamp(*created),
            "updated_on": stamp(*updated),
            "workspace": self.world.workspace_of(repository).map(|it| self.workspace(it, Detail::Condensed)),
        });
        shown_members.extend(members(more));
        shown
    }

    fn project(&self, repository: &Repository) -> Option<Value> {
        let workspace = self.world.workspace_of(repository)?;
        let project = workspace.projects.iter().find(|it| it.uuid == repository.project)?;
        let (slug, key) = (&workspace.slug, &project.key);
        let avatar = format!("{}/_page/avatar/{}", self.url, encode(project.uuid.as_str()));
        Some(json!({
            "type": "project",
            "uuid": project.uuid.as_str(),
            "key": key,
            "name": key,
            "links": {
                "self": link(self.api(&format!("/workspaces/{slug}/projects/{key}"))),
                "html": link(format!("{}/{slug}/workspace/projects/{key}", self.url)),
                "avatar": link(avatar),
            },
        }))
    }

    /// A workspace where an account is expected.
    fn owner(&self, workspace: &Workspace) -> Value {
        let Workspace { uuid, slug, .. } = workspace;
        json!({
            "display_name": slug,
            "type": "team",
            "uuid": uuid.as_str(),
            "username": slug,
            "links": {
                "self": link(self.api(&format!("/workspaces/{uuid}"))),
                "html": link(format!("{}/{slug}/", self.url)),
                "avatar": link(format!("{}/_page/avatar/{}", self.url, encode(uuid.as_str()))),
            },
        })
    }

    /// A commit by hash only.
    fn commit_link(&self, repository: &Repository, hash: &str) -> Value {
        json!({ "hash": hash, "type": "commit", "links": self.commit_links(repository, hash, Detail::Condensed) })
    }

    fn commit_links(&self, repository: &Repository, hash: &str, detail: Detail) -> Value {
        let (path, full_name) = (self.path(repository), self.full_name(repository));
        let own = format!("{path}/commit/{hash}");
        let mut links = Map::new();
        links.insert("self".to_owned(), link(self.api(&own)));
        links.insert("html".to_owned(), link(format!("{}/{full_name}/commits/{hash}", self.url)));
        if detail == Detail::Full {
            for part in ["approve", "comments", "statuses"] {
                links.insert(part.to_owned(), link(self.api(&format!("{own}/{part}"))));
            }
            links.insert("diff".to_owned(), link(self.api(&format!("{path}/diff/{hash}"))));
        }
        Value::Object(links)
    }

    pub(super) fn commit(&self, repository: &Repository, commit: &Commit) -> Value {
        let Commit { hash, parents, author, email, date, message } = commit;
        let mut person = json!({ "type": "author", "raw": format!("{author} <{email}>") });
        let known = self.world.accounts.iter().find(|account| account.email == *email);
        if let (Some(known), Some(person)) = (known, person.as_object_mut()) {
            person.insert("user".to_owned(), self.known_account(known, Detail::Condensed));
        }
        let parents: Vec<_> =
            parents.iter().map(|hash| self.commit_link(repository, hash)).collect();
        json!({
            "type": "commit",
            "hash": hash,
            "date": date,
            "author": person,
            "message": message,
            "summary": rendered(message.lines().next().unwrap_or_default()),
            "parents": parents,
            "links": self.commit_links(repository, hash, Detail::Full),
        })
    }

    /// The commit of a ref, with fewer links.
    fn target(&self, repository: &Repository, commit: &Commit) -> Value {
        let links = self.commit_links(repository, &commit.hash, Detail::Condensed);
        let mut shown = members(self.commit(repository, commit));
        shown.insert("links".to_owned(), links);
        Value::Object(shown)
    }

    pub(super) fn reference(
        &self,
        repository: &Repository,
        name: &str,
        target: Option<&Commit>,
    ) -> Value {
        let (kind, folder, short) = match name.strip_prefix("refs/tags/") {
            Some(tag) => ("tag", "tags", tag),
            None => ("branch", "branches", name.trim_start_matches("refs/heads/")),
        };
        let (path, full_name) = (self.path(repository), self.full_name(repository));
        let html = match kind {
            "tag" => format!("{}/{full_name}/commits/tag/{}", self.url, encode(short)),
            _ => format!("{}/{full_name}/branch/{}", self.url, encode(short)),
        };
        json!({
            "type": kind,
            "name": short,
            "target": target.map(|commit| self.target(repository, commit)),
            "links": {
                "self": link(self.api(&format!("{path}/refs/{folder}/{short}"))),
                "commits": link(self.api(&format!("{path}/commits/{short}"))),
                "html": link(html),
            },
        })
    }

    fn endpoint(&self, repository: &Repository, branch: &str, hash: &str) -> Value {
        json!({
            "branch": { "name": branch },
            "commit": self.commit_link(repository, short(hash)),
            "repository": self.repository(repository, Detail::Condensed),
        })
    }

    /// The side of a pull request that may be in a fork.
    fn source(&self, repository: &Repository, pull: &Pull, head: &str) -> Value {
        let fork = pull.fork.as_ref().and_then(|uuid| self.world.repository_by(uuid));
        self.endpoint(fork.unwrap_or(repository), &pull.source, head)
    }

    pub(super) fn pull_link(&self, repository: &Repository, pull: &Pull) -> Value {
        let full_name = self.full_name(repository);
        let own = format!("{}/pullrequests/{}", self.path(repository), pull.id);
        json!({
            "type": "pullrequest",
            "id": pull.id,
            "title": pull.now.title,
            "links": {
                "self": link(self.api(&own)),
                "html": link(format!("{}/{full_name}/pull-requests/{}", self.url, pull.id)),
            },
        })
    }

    pub(super) fn pull(&self, repository: &Repository, pull: &Pull) -> Value {
        let Snapshot { title, description, state, reason, head, base } = &pull.now;
        let participants: Vec<_> =
            pull.participants.iter().map(|it| self.participant(pull, it)).collect();
        let reviewers: Vec<_> = pull.reviewers.iter().map(|it| self.account(it)).collect();
        let comments = pull.comments.iter().filter(|comment| !comment.is_deleted).count();
        let merge_commit = pull.merge_commit.as_ref().map(|hash| {
            let own = format!("{}/commit/{}", self.path(repository), short(hash));
            json!({ "hash": short(hash), "links": { "self": link(self.api(&own)) } })
        });
        json!({
            "type": "pullrequest",
            "id": pull.id,
            "title": title,
            "description": description,
            "rendered": { "title": rendered(title), "description": rendered(description) },
            "summary": rendered(description),
            "state": state.as_str(),
            "draft": pull.is_draft,
            "author": self.account(&pull.author),
            "source": self.source(repository, pull, head),
            "destination": self.endpoint(repository, &pull.destination, base),
            "merge_commit": merge_commit,
            "closed_by": pull.closed_by.as_ref().map(|by| self.account(by)),
            "close_source_branch": pull.closes_source,
            "comment_count": comments,
            "task_count": 0,
            "reason": reason,
            "reviewers": reviewers,
            "participants": participants,
            "created_on": stamp(pull.created),
            "updated_on": stamp(pull.updated),
            "links": self.pull_links(repository, pull),
        })
    }

    fn pull_links(&self, repository: &Repository, pull: &Pull) -> Value {
        let own = format!("{}/pullrequests/{}", self.path(repository), pull.id);
        let mut links = Map::new();
        links.insert("self".to_owned(), link(self.api(&own)));
        let html = format!("{}/{}/pull-requests/{}", self.url, self.full_name(repository), pull.id);
        links.insert("html".to_owned(), link(html));
        for part in [
            "commits", "approve", "diff", "diffstat", "comments", "activity", "merge", "decline",
            "statuses",
        ] {
            links.insert(part.to_owned(), link(self.api(&format!("{own}/{part}"))));
        }
        let changes = link(self.api(&format!("{own}/request-changes")));
        links.insert("request-changes".to_owned(), changes);
        Value::Object(links)
    }

    pub(super) fn participant(&self, pull: &Pull, participant: &Participant) -> Value {
        let Participant { account, verdict, at } = participant;
        let role = if pull.reviewers.contains(account) { "REVIEWER" } else { "PARTICIPANT" };
        json!({
            "type": "participant",
            "user": self.account(account),
            "role": role,
            "approved": verdict.is_some_and(|verdict| verdict.as_str() == "approved"),
            "state": verdict.map(|verdict| verdict.as_str()),
            "participated_on": at.map(stamp),
        })
    }

    pub(super) fn comment(&self, repository: &Repository, pull: &Pull, it: &Comment) -> Value {
        let own = format!("{}/pullrequests/{}/comments/{}", self.path(repository), pull.id, it.id);
        let full_name = self.full_name(repository);
        let html =
            format!("{}/{full_name}/pull-requests/{}/_/diff#comment-{}", self.url, pull.id, it.id);
        let mut shown = json!({
            "type": "pullrequest_comment",
            "id": it.id,
            "content": rendered(&it.text),
            "user": self.account(&it.author),
            "deleted": it.is_deleted,
            "pending": false,
            "pullrequest": self.pull_link(repository, pull),
            "created_on": stamp(it.created),
            "updated_on": stamp(it.updated),
            "links": { "self": link(self.api(&own)), "html": link(html) },
        });
        if let Some(shown) = shown.as_object_mut() {
            shown.extend(it.inline.clone().map(|inline| ("inline".to_owned(), inline)));
            let parent = it.parent.map(|id| json!({ "type": "pullrequest_comment", "id": id }));
            shown.extend(parent.map(|parent| ("parent".to_owned(), parent)));
        }
        shown
    }

    pub(super) fn happening(
        &self,
        repository: &Repository,
        pull: &Pull,
        happening: &Happening,
    ) -> Value {
        let own = self.pull_link(repository, pull);
        let (name, what) = match happening {
            Happening::Update { at, by, pull: snapshot } => {
                let Snapshot { title, description, state, reason, head, base } = &**snapshot;
                let update = json!({
                    "title": title,
                    "description": description,
                    "reason": reason,
                    "state": state.as_str(),
                    "author": self.account(by),
                    "date": stamp(*at),
                    "source": self.source(repository, pull, head),
                    "destination": self.endpoint(repository, &pull.destination, base),
                });
                ("update", update)
            }
            Happening::Verdict { at, by, verdict } => {
                let name = match verdict.as_str() {
                    "approved" => "approval",
                    other => other,
                };
                let user = self.account(by);
                (name, json!({ "date": stamp(*at), "user": user, "pullrequest": own }))
            }
            Happening::Comment { id, .. } => {
                let comment = pull.comments.iter().find(|comment| comment.id == *id);
                let comment = comment.map(|comment| self.comment(repository, pull, comment));
                ("comment", comment.unwrap_or_default())
            }
        };
        json!({ name: what, "pull_request": own })
    }

    pub(super) fn status(&self, repository: &Repository, status: &Status) -> Value {
        let Status { commit, key, body, created, updated } = status;
        let of = format!("{}/commit/{commit}", self.path(repository));
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        json!({
            "type": "build",
            "key": key,
            "name": text("name").unwrap_or_default(),
            "state": text("state"),
            "description": text("description").unwrap_or_default(),
            "url": text("url").unwrap_or_default(),
            "refname": text("refname"),
            "commit": self.commit_link(repository, commit),
            "repository": self.repository(repository, Detail::Condensed),
            "created_on": stamp(*created),
            "updated_on": stamp(*updated),
            "links": {
                "self": link(self.api(&format!("{of}/statuses/build/{key}"))),
                "commit": link(self.api(&of)),
            },
        })
    }

    pub(super) fn restriction(&self, repository: &Repository, it: &Restriction) -> Value {
        let own = format!("{}/branch-restrictions/{}", self.path(repository), it.id);
        let users: Vec<_> = it.users.iter().map(|uuid| self.account(uuid)).collect();
        let groups: Vec<_> = it
            .groups
            .iter()
            .map(|slug| json!({ "type": "group", "slug": slug, "name": slug }))
            .collect();
        let mut shown = json!({
            "type": "branchrestriction",
            "id": it.id,
            "kind": it.kind,
            "branch_match_kind": it.match_kind,
            "pattern": it.pattern,
            "users": users,
            "groups": groups,
            "links": { "self": link(self.api(&own)) },
        });
        if let Some(shown) = shown.as_object_mut() {
            shown.extend(it.value.map(|value| ("value".to_owned(), json!(value))));
            let kind = it.branch_type.as_ref().map(|kind| ("branch_type".to_owned(), json!(kind)));
            shown.extend(kind);
        }
        shown
    }

    pub(super) fn change(change: &Change) -> Value {
        let file = |path: &String| json!({ "type": "commit_file", "path": path, "escaped_path": encode(path) });
        let status = match (&change.old, &change.new) {
            (None, _) => "added",
            (_, None) => "removed",
            (old, new) if old == new => "modified",
            _ => "renamed",
        };
        let mut shown = json!({
            "type": "diffstat",
            "status": status,
            "lines_added": change.added,
            "lines_removed": change.removed,
        });
        if let Some(shown) = shown.as_object_mut() {
            shown.extend(change.old.as_ref().map(|path| ("old".to_owned(), file(path))));
            shown.extend(change.new.as_ref().map(|path| ("new".to_owned(), file(path))));
        }
        shown
    }

    pub(super) fn permission(
        &self,
        repository: &Repository,
        user: &Uuid,
        permission: Permission,
    ) -> Value {
        json!({
            "type": "repository_permission",
            "permission": permission.as_str(),
            "user": self.account(user),
            "repository": self.repository(repository, Detail::Condensed),
        })
    }

    pub(super) fn group(&self, repository: &Repository, slug: &str) -> Value {
        let workspace =
            self.world.workspace_of(repository).map(|it| self.workspace(it, Detail::Condensed));
        json!({
            "type": "group",
            "slug": slug,
            "name": slug,
            "full_slug": format!("{}:{slug}", self.slug(repository)),
            "workspace": workspace,
        })
    }

    pub(super) fn environment(&self, environment: &Environment) -> Value {
        let Environment { uuid, name } = environment;
        json!({ "type": "deployment_environment", "uuid": uuid.as_str(), "name": name, "slug": name })
    }
}

/// The members of an object.
pub(super) fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
