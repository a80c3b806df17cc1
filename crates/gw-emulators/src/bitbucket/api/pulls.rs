//! Pull requests: opened, judged, merged or declined.

use serde_json::Value;

use super::{Answer, Call, Result};
use crate::bitbucket::{
    merging::{self, Merge, Strategy},
    paging::{PAGES, SMALL_PAGES},
    pull::{Happening, Pull, PullState, Snapshot, Verdict},
    query::Query,
    refusal::Refusal,
    state::{Permission, Repository, Uuid, World},
};

pub(super) fn find<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Pull> {
    let id = call.parameter("pull_request_id");
    let found = call.repository(world)?.pulls.iter().find(|it| it.id.to_string() == id);
    found.ok_or_else(|| Refusal::not_found(&format!("Pull request {id}")))
}

pub(super) fn find_mut<'w>(call: &Call<'_>, world: &'w mut World) -> Result<&'w mut Pull> {
    let id = call.parameter("pull_request_id");
    let mut pulls = call.repository_mut(world)?.pulls.iter_mut();
    let found = pulls.find(|it| it.id.to_string() == id);
    found.ok_or_else(|| Refusal::not_found(&format!("Pull request {id}")))
}

fn open<'w>(call: &Call<'_>, world: &'w mut World) -> Result<&'w mut Pull> {
    let pull = find_mut(call, world)?;
    if pull.is_open() {
        return Ok(pull);
    }
    Err(Refusal::new(400, "This pull request is already closed."))
}

fn shown(call: &Call<'_>, world: &World) -> Result<Value> {
    Ok(call.view(world).pull(call.repository(world)?, find(call, world)?))
}

fn tell(call: &Call<'_>, world: &World, event: &str) -> Result<()> {
    call.teller(world)?.pull(event, find(call, world)?);
    Ok(())
}

/// The open ones, unless others are asked for; the newest first.
pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository) = (call.view(world), call.repository(world)?);
    let asked = call.queries.iter().filter(|(name, _)| name == "state");
    let states: Vec<&str> = asked.map(|(_, state)| state.as_str()).collect();
    let filtered = call.query("q").map(Query::parse).transpose()?;
    let any = filtered.is_some_and(|query| query.names("state"));
    let wanted = |pull: &&Pull| match pull.now.state.as_str() {
        "OPEN" if states.is_empty() => true,
        _ if states.is_empty() => any,
        state => states.contains(&state),
    };
    let pulls = repository.pulls.iter().rev().filter(wanted);
    call.page(pulls.map(|it| view.pull(repository, it)).collect(), SMALL_PAGES)
}

fn reviewers(call: &Call<'_>, world: &World) -> Result<Option<Vec<Uuid>>> {
    let Some(list) = call.member("reviewers").and_then(Value::as_array) else { return Ok(None) };
    let author = call.account()?;
    let one = |reviewer: &Value| {
        let uuid = reviewer.get("uuid").and_then(Value::as_str);
        let account = world.accounts.iter().find(|it| Some(it.uuid.as_str()) == uuid);
        let account = account.ok_or_else(|| Refusal::field("reviewers", "User not found."))?;
        if account.uuid == *author {
            let wrong = "The author of a pull request cannot be a reviewer.";
            return Err(Refusal::field("reviewers", wrong));
        }
        Ok(account.uuid.clone())
    };
    list.iter().map(one).collect::<Result<_>>().map(Some)
}

/// The head of a branch that the body names.
fn head(repository: &Repository, side: &str, branch: &str) -> Result<String> {
    let found = repository.branch(branch).map(str::to_owned);
    found.ok_or_else(|| Refusal::field(side, &format!("branch {branch} not found")))
}

/// The other repository that the body names, which must be a fork of this one.
fn fork(call: &Call<'_>, world: &World) -> Result<Option<Uuid>> {
    let repository = call.repository(world)?;
    let named = call.text("source.repository.uuid").or(call.text("source.repository.full_name"));
    let Some(named) = named else { return Ok(None) };
    let is_named =
        |it: &&Repository| it.uuid.as_str() == named || call.view(world).full_name(it) == named;
    let found = world.repositories.iter().find(is_named);
    let seen = found.filter(|it| call.caller().is_ok_and(|by| by.permission(world, it).is_some()));
    match seen {
        Some(it) if it.uuid == repository.uuid => Ok(None),
        Some(it) if it.parent.as_ref() == Some(&repository.uuid) => Ok(Some(it.uuid.clone())),
        _ => Err(Refusal::field("source", "This is no fork of the repository.")),
    }
}

/// Where a new pull request goes from, and where to.
struct Way {
    fork: Option<Uuid>,
    source: String,
    destination: String,
    head: String,
    base: String,
}

/// The way that the body names, with its commits at hand.
fn way(call: &Call<'_>, world: &World, id: u64) -> Result<Way> {
    let repository = call.repository(world)?;
    let branch = |path: &str| call.text(path).map(str::to_owned);
    let source = branch("source.branch.name").unwrap_or_default();
    let destination = branch("destination.branch.name").unwrap_or_else(|| repository.main.clone());
    let fork = fork(call, world)?;
    let from = fork.as_ref().and_then(|uuid| world.repository_by(uuid));
    let top = head(from.unwrap_or(repository), "source", &source)?;
    let base = head(repository, "destination", &destination)?;
    if let Some(from) = from {
        repository.objects.bring(&from.objects, &source, id)?;
    }
    if repository.objects.is_ancestor(&top, &base)? {
        return Err(Refusal::new(400, "There are no changes to be pulled"));
    }
    Ok(Way { fork, source, destination, head: top, base })
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let count = call.repository(world)?.pulls.len();
    let id = u64::try_from(count).unwrap_or(u64::MAX).saturating_add(1);
    let Way { fork, source, destination, head, base } = way(call, world, id)?;
    let reviewers = reviewers(call, world)?.unwrap_or_default();
    let author = call.account()?.clone();
    let text = |path: &str| call.text(path).unwrap_or_default().to_owned();
    let now = Snapshot {
        title: text("title"),
        description: text("description"),
        state: PullState::Open,
        reason: String::new(),
        head,
        base,
    };
    let mut pull = Pull {
        id,
        author: author.clone(),
        fork,
        source,
        destination,
        now,
        is_draft: call.flag("draft").unwrap_or(false),
        closes_source: call.flag("close_source_branch").unwrap_or(false),
        participants: Vec::new(),
        reviewers: Vec::new(),
        comments: Vec::new(),
        happened: Vec::new(),
        closed_by: None,
        merge_commit: None,
        created: call.now,
        updated: call.now,
    };
    pull.invite(reviewers);
    pull.record(&author, call.now);
    call.repository_mut(world)?.pulls.push(pull.clone());
    call.teller(world)?.pull("pullrequest:created", &pull);
    let (view, repository) = (call.view(world), call.repository(world)?);
    Ok(Answer::created(&call.below(&id.to_string()), view.pull(repository, &pull)))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    shown(call, world).map(Answer::ok)
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result {
    let reviewers = reviewers(call, world)?;
    let by = call.account()?.clone();
    let writes = rules(call, world, Permission::Write)?;
    let destination = call.text("destination.branch.name").map(str::to_owned);
    let base = destination.as_deref().map(|it| head(call.repository(world)?, "destination", it));
    let base = base.transpose()?;
    let pull = open(call, world)?;
    if pull.author != by && !writes {
        return Err(Refusal::new(403, "You may not change this pull request."));
    }
    if let Some(title) = call.text("title") {
        pull.now.title = title.to_owned();
    }
    if let Some(description) = call.text("description") {
        pull.now.description = description.to_owned();
    }
    if let (Some(destination), Some(base)) = (destination, base) {
        (pull.destination, pull.now.base) = (destination, base);
    }
    pull.closes_source = call.flag("close_source_branch").unwrap_or(pull.closes_source);
    pull.is_draft = call.flag("draft").unwrap_or(pull.is_draft);
    if let Some(reviewers) = reviewers {
        pull.invite(reviewers);
    }
    pull.record(&by, call.now);
    tell(call, world, "pullrequest:updated")?;
    get(call, world)
}

/// Whether the caller may do at least this in the repository.
fn rules(call: &Call<'_>, world: &World, needed: Permission) -> Result<bool> {
    let has = call.caller()?.permission(world, call.repository(world)?);
    Ok(has.is_some_and(|has| has >= needed))
}

/// The newest first.
pub(super) fn activity(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository, pull) = (call.view(world), call.repository(world)?, find(call, world)?);
    let mut happened: Vec<&Happening> = pull.happened.iter().rev().collect();
    happened.sort_by_key(|it| std::cmp::Reverse(it.at()));
    let shown = happened.into_iter().map(|it| view.happening(repository, pull, it));
    call.page(shown.collect(), SMALL_PAGES)
}

fn judge(call: &Call<'_>, world: &mut World, verdict: Verdict, event: &str) -> Result {
    let by = call.account()?.clone();
    let pull = open(call, world)?;
    if pull.verdict(&by) == Some(verdict) {
        return Err(Refusal::new(409, "You have said so already."));
    }
    pull.judge(&by, verdict, call.now);
    let pull = find(call, world)?;
    call.teller(world)?.verdict(event, pull, call.now);
    let participant = pull.participants.iter().find(|it| it.account == by);
    let view = call.view(world);
    Ok(Answer::ok(participant.map_or(Value::Null, |it| view.participant(pull, it))))
}

fn withdraw(call: &Call<'_>, world: &mut World, verdict: Verdict, event: &str) -> Result {
    let by = call.account()?.clone();
    let pull = open(call, world)?;
    if pull.verdict(&by) != Some(verdict) {
        return Err(Refusal::new(400, "You have not said so."));
    }
    pull.withdraw(&by);
    call.teller(world)?.verdict(event, find(call, world)?, call.now);
    Ok(Answer::nothing())
}

pub(super) fn approve(call: &Call<'_>, world: &mut World) -> Result {
    judge(call, world, Verdict::Approved, "pullrequest:approved")
}

pub(super) fn unapprove(call: &Call<'_>, world: &mut World) -> Result {
    withdraw(call, world, Verdict::Approved, "pullrequest:unapproved")
}

pub(super) fn request_changes(call: &Call<'_>, world: &mut World) -> Result {
    judge(call, world, Verdict::ChangesRequested, "pullrequest:changes_request_created")
}

pub(super) fn unrequest(call: &Call<'_>, world: &mut World) -> Result {
    withdraw(call, world, Verdict::ChangesRequested, "pullrequest:changes_request_removed")
}

pub(super) fn commits(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository, pull) = (call.view(world), call.repository(world)?, find(call, world)?);
    let revisions = [pull.now.head.clone(), format!("^{}", pull.now.base)];
    let commits = repository.objects.log(&revisions, &[])?;
    call.page(commits.iter().map(|it| view.commit(repository, it)).collect(), PAGES)
}

/// Another address has it: that of the two commits.
pub(super) fn diffstat(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository, pull) = (call.view(world), call.repository(world)?, find(call, world)?);
    let spec = format!("{}..{}", pull.now.head, pull.now.base);
    let address = view.api(&format!("{}/diffstat/{spec}", view.path(repository)));
    let from = format!("from_pullrequest_id={}&topic=true", pull.id);
    Ok(Answer::elsewhere(format!("{address}?{from}")))
}

pub(super) fn decline(call: &Call<'_>, world: &mut World) -> Result {
    let by = call.account()?.clone();
    let writes = rules(call, world, Permission::Write)?;
    let pull = open(call, world)?;
    if pull.author != by && !writes {
        return Err(Refusal::new(403, "You may not decline this pull request."));
    }
    if let Some(reason) = call.text("message") {
        pull.now.reason = reason.to_owned();
    }
    pull.close(PullState::Declined, &by, call.now);
    tell(call, world, "pullrequest:rejected")?;
    get(call, world)
}

pub(super) fn merge(call: &Call<'_>, world: &mut World) -> Result {
    open(call, world)?;
    if call.query("async") == Some("true") {
        return Err(Refusal::new(400, "Merging in the background is not emulated."));
    }
    let name = call.text("merge_strategy").unwrap_or("merge_commit");
    let strategy = Strategy::parse(name)
        .ok_or_else(|| Refusal::field("merge_strategy", &format!("{name} is not emulated.")))?;
    let pull = find(call, world)?;
    let wanted = Merge {
        repository: call.repository(world)?.uuid.clone(),
        pull: pull.id,
        strategy,
        message: call.text("message").map(str::to_owned),
        closes_source: call.flag("close_source_branch").unwrap_or(pull.closes_source),
    };
    merging::merge(call.host, world, call.caller()?, &wanted, call.now)?;
    tell(call, world, "pullrequest:fulfilled")?;
    get(call, world)
}
