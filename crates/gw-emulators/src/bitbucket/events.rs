//! What webhooks tell, in the form that was captured from the real ones.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{
    Host,
    hooks::Letter,
    objects::GitError,
    pull::{Comment, Pull},
    render::{Detail, View, members, stamp},
    state::{Repository, Status, Uuid, World},
};

/// A push names this many of its commits, and says that there were more.
const MOST_COMMITS: usize = 5;

/// How a branch or a tag moved.
#[derive(Clone, Debug)]
pub(super) struct RefChange {
    pub(super) name: String,
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) is_forced: bool,
}

/// Something to tell about one repository.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) host: &'a Host,
    pub(super) view: View<'a>,
    pub(super) repository: &'a Repository,
    pub(super) actor: &'a Uuid,
}

impl<'a> Teller<'a> {
    pub(super) fn new(
        host: &'a Host,
        world: &'a World,
        repository: &'a Repository,
        actor: &'a Uuid,
    ) -> Self {
        Self { host, view: View { url: &host.url, world }, repository, actor }
    }

    /// Queues a letter to each hook that wants the event.
    fn tell(&self, event: &str, members: Vec<(&str, Value)>) {
        let wants = |events: &[String]| events.iter().any(|wanted| wanted == event);
        let hooks = self.repository.hooks.iter();
        let mut hooks = hooks.filter(|hook| hook.is_active && wants(&hook.events)).peekable();
        if hooks.peek().is_none() {
            return;
        }
        let mut payload: Map<String, Value> =
            members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let repository = self.view.repository(self.repository, Detail::Full);
        payload.insert("repository".to_owned(), repository);
        payload.insert("actor".to_owned(), self.view.account(self.actor));
        let body = Value::Object(payload).to_string();
        for hook in hooks {
            let request = self.host.letters.lock().uuid();
            let (event, hook) = (event.to_owned(), hook.clone());
            self.host.mailer.send(Letter { event, hook, request, body: body.clone() });
        }
    }

    pub(super) fn pull(&self, event: &str, pull: &Pull) {
        self.tell(event, vec![("pullrequest", self.view.pull(self.repository, pull))]);
    }

    /// An approval, or a request for changes, given or taken back.
    pub(super) fn verdict(&self, event: &str, pull: &Pull, at: OffsetDateTime) {
        let member = if event.contains("changes_request") { "changes_request" } else { "approval" };
        let verdict = json!({ "date": stamp(at), "user": self.view.account(self.actor) });
        let shown = self.view.pull(self.repository, pull);
        self.tell(event, vec![(member, verdict), ("pullrequest", shown)]);
    }

    pub(super) fn comment(&self, event: &str, pull: &Pull, comment: &Comment) {
        let shown = self.view.pull(self.repository, pull);
        let comment = self.view.comment(self.repository, pull, comment);
        self.tell(event, vec![("comment", comment), ("pullrequest", shown)]);
    }

    pub(super) fn status(&self, event: &str, status: &Status) -> Result<(), GitError> {
        let mut shown = members(self.view.status(self.repository, status));
        if let Some(commit) = self.repository.objects.commit(&status.commit)? {
            let mut commit = members(self.view.commit(self.repository, &commit));
            // More of the commit than the API tells of it, and less than of a commit itself.
            commit.retain(|name, _| name != "parents" && name != "summary");
            shown.insert("commit".to_owned(), Value::Object(commit));
        }
        self.tell(event, vec![("commit_status", Value::Object(shown))]);
        Ok(())
    }

    pub(super) fn push(&self, changes: &[RefChange]) -> Result<(), GitError> {
        let mut shown = Vec::new();
        for change in changes {
            shown.push(self.change(change)?);
        }
        self.tell("repo:push", vec![("push", json!({ "changes": shown }))]);
        Ok(())
    }

    fn change(&self, change: &RefChange) -> Result<Value, GitError> {
        let RefChange { name, old, new, is_forced } = change;
        let side = |hash: &Option<String>| match hash {
            Some(hash) => {
                let commit = self.repository.objects.commit(hash)?;
                Ok(self.view.reference(self.repository, name, commit.as_ref()))
            }
            None => Ok::<_, GitError>(Value::Null),
        };
        let mut shown = json!({
            "old": side(old)?,
            "new": side(new)?,
            "created": old.is_none(),
            "closed": new.is_none(),
            "forced": is_forced,
            "truncated": false,
        });
        let Some(members) = shown.as_object_mut() else { return Ok(shown) };
        if let Some(new) = new {
            members.insert("links".to_owned(), self.change_links(new, old.as_deref()));
        }
        if let Some(new) = new.as_ref().filter(|_| name.starts_with("refs/heads/")) {
            let commits = self.new_commits(new, old.as_deref())?;
            members.insert("truncated".to_owned(), json!(commits.len() > MOST_COMMITS));
            let commits: Vec<_> = commits.into_iter().take(MOST_COMMITS).collect();
            members.insert("commits".to_owned(), Value::Array(commits));
        }
        Ok(shown)
    }

    fn change_links(&self, new: &str, old: Option<&str>) -> Value {
        let path = self.view.path(self.repository);
        let commits = self.view.api(&format!("{path}/commits"));
        let Some(old) = old else {
            return json!({ "commits": { "href": format!("{commits}?include={new}") } });
        };
        let full_name = self.view.full_name(self.repository);
        let html = format!("{}/{full_name}/branches/compare/{new}..{old}", self.host.url);
        json!({
            "commits": { "href": format!("{commits}?include={new}&exclude={old}") },
            "diff": { "href": self.view.api(&format!("{path}/diff/{new}..{old}")) },
            "html": { "href": html },
        })
    }

    /// One more than are told, where there are more.
    fn new_commits(&self, new: &str, old: Option<&str>) -> Result<Vec<Value>, GitError> {
        let mut revisions = vec![format!("--max-count={}", MOST_COMMITS + 1), new.to_owned()];
        let main = self.repository.branch(&self.repository.main);
        let known = old.or(main.filter(|main| *main != new));
        revisions.extend(known.map(|known| format!("^{known}")));
        let commits = self.repository.objects.log(&revisions, &[])?;
        Ok(commits.iter().map(|commit| self.view.commit(self.repository, commit)).collect())
    }
}
