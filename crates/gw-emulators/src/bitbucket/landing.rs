//! What follows when branches have moved, by a push or by a merge: heads of pull requests, and
//! whom to tell.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::{
    Host,
    events::{RefChange, Teller},
    objects::GitError,
    pull::{PullState, Verdict},
    state::{Repository, Uuid, World},
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
    let Some(repository) = world.repositories.iter().find(|it| it.uuid == *uuid) else {
        return Ok(());
    };
    let teller = Teller::new(host, world, repository, actor);
    teller.push(&changes)?;
    for (event, id) in told {
        if let Some(pull) = repository.pulls.iter().find(|pull| pull.id == id) {
            teller.pull(event, pull);
        }
    }
    Ok(())
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
) -> Result<Vec<(&'static str, u64)>, GitError> {
    let moved = |branch: &str| {
        let name = format!("refs/heads/{branch}");
        changes.iter().find(|change| change.name == name)?.new.clone()
    };
    let resets = |branch: &str| {
        let resets = |kind: &str| kind == "reset_pullrequest_approvals_on_change";
        repository.restrictions.iter().any(|it| resets(&it.kind) && it.covers(branch))
    };
    let mut told = Vec::new();
    for pull in repository.pulls.iter_mut().filter(|pull| pull.is_open()) {
        if let Some(base) = moved(&pull.destination) {
            if repository.objects.is_ancestor(&pull.now.head, &base)? {
                pull.merge_commit = Some(base);
                pull.close(PullState::Merged, actor, now);
                told.push(("pullrequest:fulfilled", pull.id));
                continue;
            }
            pull.now.base = base;
        }
        if let Some(head) = moved(&pull.source) {
            pull.now.head = head;
            pull.record(actor, now);
            if resets(&pull.destination) {
                pull.forget(Verdict::Approved);
            }
            told.push(("pullrequest:updated", pull.id));
        }
    }
    Ok(told)
}
