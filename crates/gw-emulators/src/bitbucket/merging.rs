//! Merges a pull request, unless a branch restriction forbids it.

use time::OffsetDateTime;

use super::{
    Host,
    access::Caller,
    landing,
    objects::{Hand, Move},
    pull::{Pull, PullState, Verdict},
    refusal::Refusal,
    state::{Repository, Uuid, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    MergeCommit,
    Squash,
    FastForward,
}

impl Strategy {
    pub(super) fn parse(name: &str) -> Option<Self> {
        match name {
            "merge_commit" => Some(Self::MergeCommit),
            "squash" => Some(Self::Squash),
            "fast_forward" => Some(Self::FastForward),
            _ => None,
        }
    }
}

/// What is to be merged, and how.
#[derive(Clone, Debug)]
pub(super) struct Merge {
    pub(super) repository: Uuid,
    pub(super) pull: u64,
    pub(super) strategy: Strategy,
    pub(super) message: Option<String>,
    pub(super) closes_source: bool,
}

pub(super) fn merge(
    host: &Host,
    world: &mut World,
    caller: &Caller,
    wanted: &Merge,
    now: OffsetDateTime,
) -> Result<(), Refusal> {
    let gone = || Refusal::not_found("Pull request");
    let repository = world.repositories.iter().find(|it| it.uuid == wanted.repository);
    let repository = repository.ok_or_else(gone)?;
    let pull = repository.pulls.iter().find(|it| it.id == wanted.pull).ok_or_else(gone)?;
    may_merge(world, repository, pull, caller)?;
    let (head, base) = (pull.now.head.clone(), pull.now.base.clone());
    let hash = write(world, repository, pull, caller, wanted, now)?;
    let destination = format!("refs/heads/{}", pull.destination);
    if repository.objects.move_ref(&destination, Some(&hash), Some(&base))? == Move::Stale {
        return Err(Refusal::new(409, "A ref changed while merging."));
    }
    if wanted.closes_source && pull.fork.is_none() && pull.source != repository.main {
        // A branch that moved in between stays; what is merged is merged.
        let source = format!("refs/heads/{}", pull.source);
        repository.objects.move_ref(&source, None, Some(&head))?;
    }
    let pulls = world.repository_mut(&wanted.repository).map(|it| it.pulls.iter_mut());
    if let Some(pull) = pulls.into_iter().flatten().find(|it| it.id == wanted.pull) {
        pull.merge_commit = Some(hash);
        pull.close(PullState::Merged, &caller.account, now);
    }
    Ok(landing::notice(host, world, &wanted.repository, &caller.account, now)?)
}

/// Makes the commit that the destination will be at.
fn write(
    world: &World,
    repository: &Repository,
    pull: &Pull,
    caller: &Caller,
    wanted: &Merge,
    now: OffsetDateTime,
) -> Result<String, Refusal> {
    let (objects, head, base) = (&repository.objects, &pull.now.head, &pull.now.base);
    if wanted.strategy == Strategy::FastForward {
        if objects.is_ancestor(base, head)? {
            return Ok(head.clone());
        }
        return Err(Refusal::new(400, "The source branch cannot be fast-forwarded."));
    }
    let tree = objects.merge(base, head)?.ok_or_else(|| {
        Refusal::new(400, "You can't merge until you resolve all merge conflicts.")
    })?;
    let message = wanted.message.clone().unwrap_or_else(|| message(world, pull));
    let account = world.account(&caller.account);
    let (name, email) = account.map_or(("", ""), |it| (it.nickname.as_str(), it.email.as_str()));
    let hand = Hand { name, email, seconds: now.unix_timestamp() };
    let both = [base.as_str(), head.as_str()];
    let parents = if wanted.strategy == Strategy::Squash { &both[..1] } else { &both[..] };
    Ok(objects.write_commit(&tree, parents, &message, &hand)?)
}

/// What Bitbucket writes where nobody says otherwise.
fn message(world: &World, pull: &Pull) -> String {
    let mut message = format!("Merged in {} (pull request #{})\n", pull.source, pull.id);
    message.push_str(&format!("\n{}\n", pull.now.title));
    let approved = pull.participants.iter().filter(|it| it.verdict == Some(Verdict::Approved));
    let mut names = approved.filter_map(|it| world.account(&it.account)).peekable();
    if names.peek().is_some() {
        message.push('\n');
    }
    for account in names {
        message.push_str(&format!("Approved-by: {}\n", account.nickname));
    }
    message
}

fn may_merge(
    world: &World,
    repository: &Repository,
    pull: &Pull,
    caller: &Caller,
) -> Result<(), Refusal> {
    let rules = repository.restrictions.iter().filter(|it| it.covers(&pull.destination));
    for rule in rules {
        let least = usize::try_from(rule.value.unwrap_or(1)).unwrap_or(usize::MAX);
        let wrong = match rule.kind.as_str() {
            "restrict_merges" if !world.is_exempt(repository, rule, &caller.account) => {
                let message = "You do not have permission to merge into this branch.";
                return Err(Refusal::new(403, message));
            }
            "require_approvals_to_merge" if pull.count(Verdict::Approved) < least => {
                format!("This pull request needs at least {least} approvals.")
            }
            "require_no_changes_requested" if pull.count(Verdict::ChangesRequested) > 0 => {
                "Changes are requested.".to_owned()
            }
            "require_passing_builds_to_merge" if passing(repository, pull) < least => {
                format!("This pull request needs at least {least} successful builds.")
            }
            _ => continue,
        };
        return Err(Refusal::new(400, wrong));
    }
    Ok(())
}

/// Successful builds of the head; none where one failed.
fn passing(repository: &Repository, pull: &Pull) -> usize {
    let states: Vec<_> = repository
        .statuses
        .iter()
        .filter(|it| it.commit == pull.now.head)
        .filter_map(|it| it.body.get("state")?.as_str())
        .collect();
    if states.contains(&"FAILED") {
        return 0;
    }
    states.iter().filter(|state| **state == "SUCCESSFUL").count()
}
