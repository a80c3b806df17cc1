//! Sees what is new in the repository. An event may have been lost, late or out of order: only what
//! the branches and tags hold now counts, compared with what was dealt with before.

use std::collections::BTreeMap;

use gw_model::environment::{Release, ReleaseAction, ReleaseEvent};
use gw_policy::change::is_like;

use crate::{
    answer::Answer,
    server::Server,
    stop::Stop,
    store::NewTask,
    task::{Cause, Task},
};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// Fetches, and queues what follows from what moved.
pub async fn look(server: &Server) -> Result<Answer, Stop> {
    let view = server.fetch().await?.view;
    let now: BTreeMap<String, String> =
        view.references().map(|(name, commit)| (name, commit.to_string())).collect();
    let known: BTreeMap<String, String> = server.store.heads().await?.into_iter().collect();
    let moved = now.iter().filter(|(name, commit)| known.get(*name) != Some(*commit));
    let mut moves: Vec<(String, Option<String>)> =
        moved.map(|(name, commit)| (name.clone(), Some(commit.clone()))).collect();
    let gone = known.keys().filter(|name| !now.contains_key(*name));
    moves.extend(gone.map(|name| (name.clone(), None)));
    if moves.is_empty() {
        return Ok(Answer::done("nothing moved"));
    }
    let mut tasks = vec![];
    for (name, commit) in &moves {
        // What was there before the first look is nobody's event.
        if commit.is_some() && !known.is_empty() {
            tasks.extend(follow(server, name).await?);
        }
    }
    if moves.iter().any(|(name, _)| name.starts_with(BRANCHES)) {
        let open = server.host.open_pull_requests().await?;
        tasks.extend(open.into_iter().map(|number| Task::PullRequest { number }));
    }
    let at = server.clock.now();
    let tasks: Vec<NewTask> = tasks.into_iter().map(|task| NewTask::now(task, at)).collect();
    server.store.move_heads(&moves, &tasks, at).await?;
    server.shared.queued.notify_waiters();
    let names: Vec<&str> = moves.iter().map(|(name, _)| name.as_str()).collect();
    Ok(Answer::done(format!("moved: {}", names.join(", "))))
}

/// What the environments in force want to be done when a branch or tag moves.
async fn follow(server: &Server, name: &str) -> Result<Vec<Task>, Stop> {
    let mut tasks = vec![];
    let causes: &[Cause] =
        if name.starts_with(TAGS) { &[Cause::Tag] } else { &[Cause::Push, Cause::Merge] };
    for environment in server.environments().await? {
        let Some(rules) = server.in_force(&environment).await? else { continue };
        for cause in causes {
            if wanted(rules.spec.on.as_deref(), *cause, name) != ReleaseAction::None {
                let (environment, reference) = (environment.clone(), name.to_owned());
                tasks.push(Task::Release { environment, reference, cause: *cause });
            }
        }
    }
    Ok(tasks)
}

/// What is done because of an event. Of several rules that fit, the one that does most.
pub(crate) fn wanted(releases: Option<&[Release]>, cause: Cause, reference: &str) -> ReleaseAction {
    let event = match cause {
        Cause::Push => ReleaseEvent::Push,
        Cause::Tag => ReleaseEvent::Tag,
        Cause::Merge => ReleaseEvent::Merge,
        Cause::Decline => ReleaseEvent::Decline,
    };
    let branch = reference.strip_prefix(BRANCHES);
    let tag = reference.strip_prefix(TAGS);
    let fits = |release: &&Release| {
        release.event == event
            && release.branch.as_ref().is_none_or(|only| branch == Some(only))
            && release.tag.as_ref().is_none_or(|like| tag.is_some_and(|tag| is_like(like, tag)))
    };
    let actions = releases.unwrap_or_default().iter().filter(fits).map(|release| release.then);
    actions.max_by_key(rank).unwrap_or(ReleaseAction::None)
}

const fn rank(action: &ReleaseAction) -> u8 {
    match action {
        ReleaseAction::None => 0,
        ReleaseAction::Plan => 1,
        ReleaseAction::Apply => 2,
    }
}

#[cfg(test)]
mod tests;
