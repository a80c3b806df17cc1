//! Commits, their common ancestors and their differences.

use super::{Answer, Call, Result};
use crate::bitbucket::{
    paging::{LARGE_PAGES, PAGES, SMALL_PAGES},
    refusal::Refusal,
    render::View,
    state::{Repository, World},
};

/// What every first commit is compared with: the tree that has nothing.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let hash = call.commit(repository)?;
    let commit = repository.objects.commit(&hash)?.ok_or_else(|| Refusal::not_found("Commit"))?;
    Ok(Answer::ok(call.view(world).commit(repository, &commit)))
}

fn resolve(repository: &Repository, revision: &str) -> Result<String> {
    let found = repository.objects.resolve(revision)?;
    found.ok_or_else(|| Refusal::not_found(&format!("Commit {revision}")))
}

/// Those that one revision, or `include`, reaches and `exclude` does not.
pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let given = |name: &'static str| {
        let values = call.queries.iter().filter(move |(found, _)| found == name);
        values.map(|(_, value)| value.as_str())
    };
    let named = Some(call.parameter("revision")).filter(|name| !name.is_empty());
    let include: Vec<&str> = named.into_iter().chain(given("include")).collect();
    let mut revisions = Vec::new();
    for revision in &include {
        revisions.push(resolve(repository, revision)?);
    }
    if include.is_empty() {
        let branches = repository.refs.iter().filter(|(name, _)| name.starts_with("refs/heads/"));
        revisions.extend(branches.map(|(_, hash)| hash.clone()));
    }
    for revision in given("exclude") {
        revisions.push(format!("^{}", resolve(repository, revision)?));
    }
    let paths: Vec<String> = given("path").map(str::to_owned).collect();
    let commits =
        if revisions.is_empty() { vec![] } else { repository.objects.log(&revisions, &paths)? };
    let shown = commits.iter().map(|it| call.view(world).commit(repository, it)).collect();
    call.page(shown, PAGES)
}

/// The two sides of `a..b`.
fn sides(spec: &str) -> Option<(&str, &str)> {
    spec.split_once("..").filter(|(one, other)| !one.is_empty() && !other.is_empty())
}

pub(super) fn merge_base(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let (one, other) = sides(call.parameter("revspec"))
        .ok_or_else(|| Refusal::new(400, "Expected two commits, as in 3a8b42..9ff173."))?;
    let (one, other) = (resolve(repository, one)?, resolve(repository, other)?);
    let base = repository.objects.merge_base(&one, &other)?;
    let base = base.ok_or_else(|| Refusal::not_found("Common ancestor"))?;
    let commit = repository.objects.commit(&base)?.ok_or_else(|| Refusal::not_found("Commit"))?;
    Ok(Answer::ok(call.view(world).commit(repository, &commit)))
}

/// The first of two commits has the changes: the opposite of git's order.
pub(super) fn diffstat(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let spec = call.parameter("spec");
    let (old, new) = match sides(spec) {
        Some((new, old)) => {
            let (new, old) = (resolve(repository, new)?, resolve(repository, old)?);
            let topic = call.query("topic") == Some("true");
            let base = if topic { repository.objects.merge_base(&old, &new)? } else { None };
            (base.unwrap_or(old), new)
        }
        None => {
            let new = resolve(repository, spec)?;
            let commit = repository.objects.commit(&new)?;
            let parent = commit.and_then(|commit| commit.parents.into_iter().next());
            (parent.unwrap_or_else(|| EMPTY_TREE.to_owned()), new)
        }
    };
    let changes = repository.objects.changes(&old, &new)?;
    call.page(changes.iter().map(View::change).collect(), LARGE_PAGES)
}

/// Pull requests that have the commit, or became it.
pub(super) fn pulls(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let hash = call.commit(repository)?;
    let mut shown = Vec::new();
    for pull in &repository.pulls {
        let objects = &repository.objects;
        let reviewed = objects.is_ancestor(&hash, &pull.now.head)?
            && !objects.is_ancestor(&hash, &pull.now.base)?;
        if reviewed || pull.merge_commit.as_ref() == Some(&hash) {
            shown.push(call.view(world).pull(repository, pull));
        }
    }
    call.page(shown, SMALL_PAGES)
}
