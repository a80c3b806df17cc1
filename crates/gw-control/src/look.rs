//! Sees what is new in the repository. An event may have been lost, late or out of order: only what
//! the branches and tags hold now counts, compared with what was dealt with before.

use std::{collections::BTreeMap, sync::Arc};

use gw_model::{
    desired::Desired,
    environment::{Release, ReleaseAction, ReleaseEvent},
    id::EnvironmentName,
};
use gw_policy::change::is_like;

use crate::{
    answer::Answer,
    server::Server,
    source::git::View,
    stop::Stop,
    store::NewTask,
    task::{Cause, Task},
};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
/// So many names are told.
const MOST_NAMES: usize = 20;

/// Fetches, and queues what follows from what moved.
pub async fn look(server: &Server) -> Result<Answer, Stop> {
    let view = server.fetch().await?.view;
    // What is left out moved as well: whoever waits for it is to hear why.
    let left_out = view.all_passed_over().iter();
    let left_out = left_out.filter_map(|(name, it)| Some((name.clone(), it.at?)));
    let now = view.references().chain(left_out);
    let now: BTreeMap<String, String> =
        now.map(|(name, commit)| (name, commit.to_string())).collect();
    let known: BTreeMap<String, String> = server.store.heads().await?.into_iter().collect();
    let moved = now.iter().filter(|(name, commit)| known.get(*name) != Some(*commit));
    let mut moves: Vec<(String, Option<String>)> =
        moved.map(|(name, commit)| (name.clone(), Some(commit.clone()))).collect();
    let gone = known.keys().filter(|name| !now.contains_key(*name));
    moves.extend(gone.map(|name| (name.clone(), None)));
    if moves.is_empty() {
        return ended(&view, &[]);
    }
    let (mut tasks, rules) = (vec![], rules(server).await?);
    for (name, commit) in &moves {
        // What was there before the first look is nobody's event.
        if commit.is_some() && !known.is_empty() {
            tasks.extend(follow(&rules, name));
        }
    }
    if moves.iter().any(|(name, _)| name.starts_with(BRANCHES)) {
        tasks.push(Task::PullRequests);
    }
    let at = server.clock.now();
    let tasks: Vec<NewTask> = tasks.into_iter().map(|task| NewTask::now(task, at)).collect();
    server.store.move_heads(&moves, &tasks, at).await?;
    server.shared.queued.notify_waiters();
    ended(&view, &moves)
}

/// What was seen. What a host could not send now is asked for again.
fn ended(view: &View, moves: &[(String, Option<String>)]) -> Result<Answer, Stop> {
    let left_out = view.all_passed_over();
    if let Some(again) = left_out.values().find(|it| it.at.is_none()) {
        return Err(Stop::Source(again.why.clone()));
    }
    let mut text = match moves {
        [] => "nothing moved".to_owned(),
        _ => format!("moved: {}", first_of(moves.iter().map(|(name, _)| name.as_str()))),
    };
    if !left_out.is_empty() {
        let names = first_of(left_out.keys().map(String::as_str));
        text.push_str(&format!("; left out for what they hold: {names}"));
    }
    if view.crowd() > 0 {
        text.push_str("; there are too many branches and tags, so not all are looked at");
    }
    Ok(Answer::done(text))
}

/// As many names as a person reads.
fn first_of<'a>(mut names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let first: Vec<&str> = names.by_ref().take(MOST_NAMES).collect();
    let more = count.saturating_sub(MOST_NAMES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

/// What is in force everywhere.
async fn rules(server: &Server) -> Result<BTreeMap<EnvironmentName, Arc<Desired>>, Stop> {
    let mut rules = BTreeMap::new();
    for environment in server.environments().await? {
        if let Some(desired) = server.in_force(&environment).await? {
            rules.insert(environment, desired);
        }
    }
    Ok(rules)
}

/// What the environments in force want to be done when a branch or tag moves.
fn follow(rules: &BTreeMap<EnvironmentName, Arc<Desired>>, name: &str) -> Vec<Task> {
    let mut tasks = vec![];
    let causes: &[Cause] =
        if name.starts_with(TAGS) { &[Cause::Tag] } else { &[Cause::Push, Cause::Merge] };
    for (environment, rules) in rules {
        for cause in causes {
            if wanted(rules.spec.on.as_deref(), *cause, name) != ReleaseAction::None {
                let (environment, reference) = (environment.clone(), name.to_owned());
                tasks.push(Task::Release { environment, reference, cause: *cause });
            }
        }
    }
    tasks
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
