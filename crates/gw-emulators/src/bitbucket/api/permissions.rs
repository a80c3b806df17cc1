//! Accounts, and what they may do in a repository.

use serde_json::Value;

use super::{Answer, Call, Result};
use crate::bitbucket::{
    access::Kind,
    paging::PAGES,
    refusal::Refusal,
    render::{Detail, members},
    state::{AccountKind, Permission, World},
};

pub(super) fn user(call: &Call<'_>, world: &mut World) -> Result {
    let account = world.account(call.account()?).ok_or_else(|| Refusal::not_found("User"))?;
    Ok(Answer::ok(call.view(world).known_account(account, Detail::Full)))
}

pub(super) fn somebody(call: &Call<'_>, world: &mut World) -> Result {
    let name = call.parameter("selected_user");
    // Nicknames have not been addresses since 2019.
    let mut accounts = world.accounts.iter();
    let account = accounts.find(|it| it.uuid.as_str() == name || it.account_id == name);
    let account = account.ok_or_else(|| Refusal::not_found(&format!("User {name}")))?;
    Ok(Answer::ok(call.view(world).known_account(account, Detail::Full)))
}

/// The caller's own permissions in one workspace.
pub(super) fn own(call: &Call<'_>, world: &mut World) -> Result {
    let caller = call.caller()?;
    if caller.kind != Kind::ApiToken {
        return Err(Refusal::new(403, "This is about people, and the token is nobody's."));
    }
    let name = call.parameter("workspace");
    let workspace = world.workspace(name).ok_or_else(|| Refusal::not_found("Workspace"))?;
    let repositories = world.repositories.iter().filter(|it| it.workspace == workspace.uuid);
    let shown = repositories.filter_map(|it| {
        let permission = world.permission(it, &caller.account)?;
        Some(call.view(world).permission(it, &caller.account, permission))
    });
    call.page(shown.collect(), PAGES)
}

/// The highest permission of each person. Tokens are not among them.
pub(super) fn effective(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let people = world.accounts.iter().filter(|it| it.kind == AccountKind::Person);
    let shown = people.filter_map(|it| {
        let permission = world.permission(repository, &it.uuid)?;
        Some(call.view(world).permission(repository, &it.uuid, permission))
    });
    call.page(shown.collect(), PAGES)
}

pub(super) fn users(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let people = repository.people.iter();
    let shown = people.map(|(uuid, permission)| {
        let mut shown = members(call.view(world).permission(repository, uuid, *permission));
        shown.insert("type".to_owned(), "repository_user_permission".into());
        Value::Object(shown)
    });
    call.page(shown.collect(), PAGES)
}

pub(super) fn user_explicit(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let name = call.parameter("selected_user_id");
    let mut accounts = world.accounts.iter();
    let account = accounts.find(|it| it.uuid.as_str() == name || it.account_id == name);
    let account = account.ok_or_else(|| Refusal::not_found(&format!("User {name}")))?;
    let given = repository.people.get(&account.uuid).copied();
    let shown = call.view(world).permission(repository, &account.uuid, Permission::Read);
    let mut shown = members(shown);
    let permission = given.map_or("none", Permission::as_str);
    shown.insert("type".to_owned(), "repository_user_permission".into());
    shown.insert("permission".to_owned(), permission.into());
    Ok(Answer::ok(Value::Object(shown)))
}

fn group_permission(call: &Call<'_>, world: &World, slug: &str, permission: &str) -> Result<Value> {
    let (view, repository) = (call.view(world), call.repository(world)?);
    Ok(serde_json::json!({
        "type": "repository_group_permission",
        "permission": permission,
        "group": view.group(repository, slug),
        "repository": view.repository(repository, Detail::Condensed),
    }))
}

/// Names of groups and what they may; who is in them nobody is told.
pub(super) fn groups(call: &Call<'_>, world: &mut World) -> Result {
    let groups = call.repository(world)?.groups.iter();
    let shown = groups.map(|(slug, it)| group_permission(call, world, slug, it.as_str()));
    call.page(shown.collect::<Result<_>>()?, PAGES)
}

pub(super) fn group(call: &Call<'_>, world: &mut World) -> Result {
    let slug = call.parameter("group_slug");
    let repository = call.repository(world)?;
    let groups = world.workspace_of(repository).map(|it| it.groups.as_slice());
    if !groups.unwrap_or_default().iter().any(|group| group.slug == slug) {
        return Err(Refusal::not_found(&format!("Group {slug}")));
    }
    let permission = repository.groups.get(slug).map_or("none", |it| it.as_str());
    group_permission(call, world, slug, permission).map(Answer::ok)
}
