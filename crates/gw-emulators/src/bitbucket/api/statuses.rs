//! Build statuses: one for each commit and key.

use super::{Answer, Call, Result};
use crate::bitbucket::{
    paging::PAGES,
    refusal::Refusal,
    state::{Status, World},
};

/// Not in the contract; clients have met it.
const LONGEST_KEY: usize = 40;

pub(super) fn post(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository_mut(world)?;
    let commit = call.commit(repository)?;
    let key = call.text("key").unwrap_or_default().to_owned();
    if key.is_empty() || key.chars().count() > LONGEST_KEY {
        let wrong = format!("Ensure this value has 1 to {LONGEST_KEY} characters.");
        return Err(Refusal::field("key", &wrong));
    }
    let same = |it: &&mut Status| it.commit == commit && it.key == key;
    let event = match repository.statuses.iter_mut().find(same) {
        Some(status) => {
            status.body = call.body.clone();
            status.updated = call.now;
            "repo:commit_status_updated"
        }
        None => {
            repository.statuses.push(Status {
                commit: commit.clone(),
                key: key.clone(),
                body: call.body.clone(),
                created: call.now,
                updated: call.now,
            });
            "repo:commit_status_created"
        }
    };
    let status = find(call, world, &commit, &key)?;
    call.teller(world)?.status(event, &status)?;
    let shown = call.view(world).status(call.repository(world)?, &status);
    Ok(Answer::created(&call.below(&key), shown))
}

fn find(call: &Call<'_>, world: &World, commit: &str, key: &str) -> Result<Status> {
    let mut statuses = call.repository(world)?.statuses.iter();
    let found = statuses.find(|it| it.commit == commit && it.key == key).cloned();
    found.ok_or_else(|| Refusal::not_found("Build status"))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let status = find(call, world, &call.commit(repository)?, call.parameter("key"))?;
    Ok(Answer::ok(call.view(world).status(repository, &status)))
}

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let commit = call.commit(call.repository(world)?)?;
    of_commit(call, world, &commit)
}

/// Those of the head of a pull request.
pub(super) fn of_pull(call: &Call<'_>, world: &mut World) -> Result {
    let head = super::pulls::find(call, world)?.now.head.clone();
    of_commit(call, world, &head)
}

fn of_commit(call: &Call<'_>, world: &World, commit: &str) -> Result {
    let repository = call.repository(world)?;
    let statuses = repository.statuses.iter().filter(|it| it.commit == commit);
    call.page(statuses.map(|it| call.view(world).status(repository, it)).collect(), PAGES)
}
