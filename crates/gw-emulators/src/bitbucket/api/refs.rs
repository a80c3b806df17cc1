//! Branches and tags.

use super::{Answer, Call, Result};
use crate::bitbucket::{landing, objects::Move, paging::PAGES, refusal::Refusal, state::World};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

fn list(call: &Call<'_>, world: &World, folder: &str) -> Result {
    let (view, repository) = (call.view(world), call.repository(world)?);
    let refs = repository.refs.iter().filter(|(name, _)| name.starts_with(folder));
    let commits = repository.objects.commits(refs.clone().map(|(_, hash)| hash))?;
    let shown = refs.map(|(name, hash)| view.reference(repository, name, commits.get(hash)));
    call.page(shown.collect(), PAGES)
}

fn one(call: &Call<'_>, world: &World, folder: &str, kind: &str) -> Result {
    let repository = call.repository(world)?;
    let short = call.parameter("name");
    let name = format!("{folder}{short}");
    let hash = repository.refs.get(&name);
    let hash = hash.ok_or_else(|| Refusal::not_found(&format!("{kind} \"{short}\"")))?;
    let commit = repository.objects.commit(hash)?;
    Ok(Answer::ok(call.view(world).reference(repository, &name, commit.as_ref())))
}

pub(super) fn branches(call: &Call<'_>, world: &mut World) -> Result {
    list(call, world, BRANCHES)
}

pub(super) fn tags(call: &Call<'_>, world: &mut World) -> Result {
    list(call, world, TAGS)
}

pub(super) fn branch(call: &Call<'_>, world: &mut World) -> Result {
    one(call, world, BRANCHES, "Branch")
}

pub(super) fn tag(call: &Call<'_>, world: &mut World) -> Result {
    one(call, world, TAGS, "Tag")
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let short = call.text("name").unwrap_or_default().to_owned();
    let target = call.text("target.hash").unwrap_or_default();
    let hash = repository.objects.resolve(target)?;
    let hash = hash.ok_or_else(|| Refusal::field("target", "No such commit."))?;
    if !repository.objects.is_branch_name(&short)? {
        return Err(Refusal::field("name", "This is no name of a branch."));
    }
    let name = format!("{BRANCHES}{short}");
    if repository.objects.move_ref(&name, Some(&hash), None)? == Move::Stale {
        return Err(Refusal::new(400, format!("Branch \"{short}\" already exists.")));
    }
    follow(call, world)?;
    let repository = call.repository(world)?;
    let commit = repository.objects.commit(&hash)?;
    let shown = call.view(world).reference(repository, &name, commit.as_ref());
    Ok(Answer::created(&call.below(&short), shown))
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let short = call.parameter("name");
    if repository.main == short {
        return Err(Refusal::new(400, "The main branch cannot be deleted."));
    }
    let forbidden = |kind: &str| kind == "delete";
    if repository.restrictions.iter().any(|it| forbidden(&it.kind) && it.covers(short)) {
        return Err(Refusal::new(403, format!("Permission denied to delete branch {short}.")));
    }
    let hash = repository.branch(short);
    let hash = hash.ok_or_else(|| Refusal::not_found(&format!("Branch \"{short}\"")))?;
    repository.objects.move_ref(&format!("{BRANCHES}{short}"), None, Some(hash))?;
    follow(call, world)?;
    Ok(Answer::nothing())
}

fn follow(call: &Call<'_>, world: &mut World) -> Result<()> {
    let uuid = call.repository(world)?.uuid.clone();
    Ok(landing::notice(call.host, world, &uuid, call.account()?, call.now)?)
}
