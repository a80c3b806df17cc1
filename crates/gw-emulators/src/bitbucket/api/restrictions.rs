//! Branch restrictions: kept, and enforced where they are about pushes, merges and approvals.

use serde_json::Value;

use super::{Answer, Call, Result};
use crate::bitbucket::{
    paging::PAGES,
    refusal::Refusal,
    state::{AccountKind, Restriction, Uuid, World},
};

/// Kinds that say who is exempt.
const WITH_PEOPLE: &[&str] = &["push", "restrict_merges"];

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let (kind, pattern) = (call.query("kind"), call.query("pattern"));
    let all = repository.restrictions.iter();
    let all = all.filter(|it| kind.is_none_or(|kind| it.kind == kind));
    let all = all.filter(|it| pattern.is_none_or(|pattern| it.pattern == pattern));
    let shown = all.map(|it| call.view(world).restriction(repository, it));
    call.page(shown.collect(), PAGES)
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let text = |name: &str| call.text(name).unwrap_or_default().to_owned();
    let (kind, match_kind, pattern) = (text("kind"), text("branch_match_kind"), text("pattern"));
    if WITH_PEOPLE.contains(&kind.as_str()) {
        for name in ["users", "groups"] {
            call.member(name).ok_or_else(|| Refusal::field(name, "This field is required."))?;
        }
    }
    let mut restriction = Restriction {
        id: 0,
        kind,
        match_kind,
        pattern,
        branch_type: None,
        value: None,
        users: Vec::new(),
        groups: Vec::new(),
    };
    change(call, world, &mut restriction)?;
    unique(call, world, &restriction)?;
    let repository = call.repository_mut(world)?;
    restriction.id = repository.next_id();
    repository.restrictions.push(restriction.clone());
    let repository = call.repository(world)?;
    let shown = call.view(world).restriction(repository, &restriction);
    Ok(Answer::created(&call.below(&restriction.id.to_string()), shown))
}

/// What the body says of a restriction.
fn change(call: &Call<'_>, world: &World, restriction: &mut Restriction) -> Result<()> {
    let kind = call.text("branch_type").map(str::to_owned);
    restriction.branch_type = kind.or(restriction.branch_type.take());
    let value = call.member("value").and_then(Value::as_u64);
    restriction.value = value.or(restriction.value);
    if let Some(text) = call.text("pattern") {
        restriction.pattern = text.to_owned();
    }
    let list = |name: &str| call.member(name).and_then(Value::as_array);
    if !WITH_PEOPLE.contains(&restriction.kind.as_str())
        && let Some(name) =
            ["users", "groups"].into_iter().find(|name| list(name).is_some_and(|it| !it.is_empty()))
    {
        return Err(Refusal::field(name, "Only push and restrict_merges have exceptions."));
    }
    if let Some(users) = list("users") {
        restriction.users = users.iter().map(|it| person(world, it)).collect::<Result<_>>()?;
    }
    if let Some(groups) = list("groups") {
        let slug = |group: &Value| Some(group.get("slug")?.as_str()?.to_owned());
        let slugs: Option<Vec<_>> = groups.iter().map(slug).collect();
        restriction.groups = slugs.ok_or_else(|| Refusal::field("groups", "Expected slugs."))?;
    }
    Ok(())
}

/// Somebody who may be an exception; a token may not.
fn person(world: &World, user: &Value) -> Result<Uuid> {
    let uuid = user.get("uuid").and_then(Value::as_str);
    let mut people = world.accounts.iter().filter(|it| it.kind == AccountKind::Person);
    let known = people.find(|it| Some(it.uuid.as_str()) == uuid);
    known.map(|it| it.uuid.clone()).ok_or_else(|| Refusal::field("users", "User not found."))
}

/// The combination of kind and match is unique.
fn unique(call: &Call<'_>, world: &World, new: &Restriction) -> Result<()> {
    let key = |it: &Restriction| {
        (it.kind.clone(), it.match_kind.clone(), it.pattern.clone(), it.branch_type.clone())
    };
    let mut others = call.repository(world)?.restrictions.iter();
    if others.any(|it| it.id != new.id && key(it) == key(new)) {
        return Err(Refusal::new(409, "A restriction of this kind and match exists already."));
    }
    Ok(())
}

fn find(call: &Call<'_>, world: &World) -> Result<Restriction> {
    let id = call.parameter("id");
    let mut all = call.repository(world)?.restrictions.iter();
    let found = all.find(|it| it.id.to_string() == id).cloned();
    found.ok_or_else(|| Refusal::not_found("Branch restriction"))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let restriction = find(call, world)?;
    Ok(Answer::ok(call.view(world).restriction(call.repository(world)?, &restriction)))
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result {
    let mut restriction = find(call, world)?;
    for (name, old) in [("kind", &restriction.kind), ("branch_match_kind", &restriction.match_kind)]
    {
        if call.text(name).is_some_and(|new| new != old) {
            return Err(Refusal::field(name, "This field cannot be changed."));
        }
    }
    change(call, world, &mut restriction)?;
    unique(call, world, &restriction)?;
    let mut all = call.repository_mut(world)?.restrictions.iter_mut();
    if let Some(place) = all.find(|it| it.id == restriction.id) {
        *place = restriction;
    }
    get(call, world)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result {
    let restriction = find(call, world)?;
    call.repository_mut(world)?.restrictions.retain(|it| it.id != restriction.id);
    Ok(Answer::nothing())
}
