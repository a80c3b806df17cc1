//! What follows when branches have moved, by a push or by a merge: heads of pull requests, and
//! whom to tell.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{
    Host,
    events::{RefChange, Teller},
    objects::GitError,
    pull::{Pull, PullState, Verdict},
    state::{Repository, Restriction, Uuid, World},
};

/// Compares the refs with those that were last seen, and lets the rest follow.
pub(super) fn notice(
    host: &Host,
    world: &mut World,
    uuid: &Uuid,
    actor: &Uuid,
    now: OffsetDateTime,
) -> Result<(), GitError> {
    let Some(repository) = world.repository_mut(uuid) else { return Ok(()) };
    let refs = repository.objects.refs()?;
    let changes = changes(repository, &refs)?;
    if changes.is_empty() {
        return Ok(());
    }
    repository.refs = refs;
    repository.updated = now;
    let told = follow(repository, &changes, actor, now)?;
    if let Some(repository) = world.repository_by(uuid) {
        let teller = Teller::new(host, world, repository, actor);
        teller.push(&changes)?;
        tell(&teller, &told);
    }
    follow_from_forks(host, world, uuid, &changes, actor, now)
}

type Told = (&'static str, u64);

fn tell(teller: &Teller<'_>, told: &[Told]) {
    for (event, id) in told {
        if let Some(pull) = teller.repository.pulls.iter().find(|pull| pull.id == *id) {
            teller.pull(event, pull);
        }
    }
}

/// Where a branch went.
fn moved(changes: &[RefChange], branch: &str) -> Option<String> {
    let name = format!("refs/heads/{branch}");
    changes.iter().find(|change| change.name == name)?.new.clone()
}

fn changes(
    repository: &Repository,
    refs: &BTreeMap<String, String>,
) -> Result<Vec<RefChange>, GitError> {
    let before = &repository.refs;
    let mut names: Vec<_> = before.keys().chain(refs.keys()).collect();
    names.sort();
    names.dedup();
    let mut changes = Vec::new();
    for name in names {
        let (old, new) = (before.get(name).cloned(), refs.get(name).cloned());
        if old == new {
            continue;
        }
        let is_forced = match (&old, &new) {
            (Some(old), Some(new)) => !repository.objects.is_ancestor(old, new)?,
            _ => false,
        };
        changes.push(RefChange { name: name.clone(), old, new, is_forced });
    }
    Ok(changes)
}

/// Moves the heads of open pull requests. What came to its destination by a push is merged.
fn follow(
    repository: &mut Repository,
    changes: &[RefChange],
    actor: &Uuid,
    now: OffsetDateTime,
) -> Result<Vec<Told>, GitError> {
    let mut told = Vec::new();
    for pull in repository.pulls.iter_mut().filter(|pull| pull.is_open()) {
        if let Some(base) = moved(changes, &pull.destination) {
            if repository.objects.is_ancestor(&pull.now.head, &base)? {
                pull.merge_commit = Some(base);
                pull.close(PullState::Merged, actor, now);
                told.push(("pullrequest:fulfilled", pull.id));
                continue;
            }
            pull.now.base = base;
        }
        if let Some(head) = moved(changes, &pull.source).filter(|_| pull.fork.is_none()) {
            advance(pull, &repository.restrictions, head, actor, now);
            told.push(("pullrequest:updated", pull.id));
        }
    }
    Ok(told)
}

/// A new head, which may void what was said of the old one.
fn advance(
    pull: &mut Pull,
    restrictions: &[Restriction],
    head: String,
    actor: &Uuid,
    now: OffsetDateTime,
) {
    pull.now.head = head;
    pull.record(actor, now);
    let resets = |it: &Restriction| it.kind == "reset_pullrequest_approvals_on_change";
    if restrictions.iter().any(|it| resets(it) && it.covers(&pull.destination)) {
        pull.forget(Verdict::Approved);
    }
}

/// Moves the heads of pull requests that other repositories have from this fork.
fn follow_from_forks(
    host: &Host,
    world: &mut World,
    fork: &Uuid,
    changes: &[RefChange],
    actor: &Uuid,
    now: OffsetDateTime,
) -> Result<(), GitError> {
    let Some(from) = world.repository_by(fork) else { return Ok(()) };
    let (from, Some(parent)) = (from.objects.clone(), from.parent.clone()) else { return Ok(()) };
    let Some(repository) = world.repository_mut(&parent) else { return Ok(()) };
    let mut told = Vec::new();
    let pulls = repository.pulls.iter_mut();
    for pull in pulls.filter(|it| it.is_open() && it.fork.as_ref() == Some(fork)) {
        let Some(head) = moved(changes, &pull.source) else { continue };
        repository.objects.bring(&from, &pull.source, pull.id)?;
        advance(pull, &repository.restrictions, head, actor, now);
        told.push(("pullrequest:updated", pull.id));
    }
    if let Some(repository) = world.repository_by(&parent) {
        tell(&Teller::new(host, world, repository, actor), &told);
    }
    Ok(())
}
