//! Workspaces, their issuers, and repositories.

use super::{Answer, Call, Result};
use crate::bitbucket::{
    oidc,
    paging::PAGES,
    refusal::Refusal,
    render::Detail,
    state::{Repository, Workspace, World},
};

fn named<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Workspace> {
    let name = call.parameter("workspace");
    world
        .workspace(name)
        .ok_or_else(|| Refusal::new(404, format!("No workspace with identifier '{name}'.")))
}

pub(super) fn workspace(call: &Call<'_>, world: &mut World) -> Result {
    Ok(Answer::ok(call.view(world).workspace(named(call, world)?, Detail::Full)))
}

pub(super) fn discovery(call: &Call<'_>, world: &mut World) -> Result {
    let workspace = named(call, world)?;
    if workspace.issuer.is_none() {
        return Err(Refusal::not_found("OpenID Connect configuration"));
    }
    Ok(Answer::ok(oidc::discovery(&call.host.url, &workspace.slug)))
}

pub(super) fn keys(call: &Call<'_>, world: &mut World) -> Result {
    let issuer = named(call, world)?.issuer.as_ref();
    issuer.map(|issuer| Answer::ok(issuer.keys())).ok_or_else(|| Refusal::not_found("Keys"))
}

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let (workspace, caller) = (named(call, world)?, call.caller()?);
    let own = world.repositories.iter().filter(|it| it.workspace == workspace.uuid);
    let seen = own.filter(|it| caller.permission(world, it).is_some());
    let shown = seen.map(|it| call.view(world).repository(it, Detail::Full)).collect();
    call.page(shown, PAGES)
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    Ok(Answer::ok(call.view(world).repository(call.repository(world)?, Detail::Full)))
}

/// Renames: the slug follows the name. Nothing else of a repository is changed here.
pub(super) fn put(call: &Call<'_>, world: &mut World) -> Result {
    if let Some(name) = call.text("name") {
        let slug = slug(name);
        let Repository { uuid, workspace, .. } = call.repository(world)?;
        let same = |it: &Repository| it.workspace == *workspace && it.slug == slug;
        let taken = world.repositories.iter().any(|it| same(it) && it.uuid != *uuid);
        if taken || slug.is_empty() {
            return Err(Refusal::field(
                "name",
                "Repository with this Slug and Owner already exists.",
            ));
        }
        let repository = call.repository_mut(world)?;
        repository.slug = slug;
        repository.updated = call.now;
    }
    get(call, world)
}

/// A name as a part of an address.
fn slug(name: &str) -> String {
    let signs = name.chars().map(|sign| match sign {
        sign if sign.is_ascii_alphanumeric() || sign == '_' || sign == '.' => {
            sign.to_ascii_lowercase()
        }
        _ => '-',
    });
    signs.collect::<String>().trim_matches('-').to_owned()
}
