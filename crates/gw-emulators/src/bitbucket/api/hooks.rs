//! Subscriptions to webhooks. A secret goes in and never comes out.

use gw_model::secret::Redacted;
use serde_json::{Value, json};

use super::{Answer, Call, Result};
use crate::bitbucket::{
    hooks::{Hook, here},
    paging::PAGES,
    refusal::Refusal,
    render::{Detail, View, stamp},
    state::{Repository, World},
};

fn shown(view: View<'_>, repository: &Repository, hook: &Hook) -> Value {
    let own = format!("{}/hooks/{}", view.path(repository), hook.uuid);
    json!({
        "type": "webhook_subscription",
        "uuid": hook.uuid.as_str(),
        "url": hook.url,
        "description": hook.description,
        "active": hook.is_active,
        "events": hook.events,
        "secret_set": hook.secret.is_some(),
        "subject_type": "repository",
        "subject": view.repository(repository, Detail::Condensed),
        "created_at": stamp(hook.created),
        "links": { "self": { "href": view.api(&own) } },
    })
}

/// The real Bitbucket sends to public addresses only; this one to its own machine only.
fn url(call: &Call<'_>) -> Result<Option<String>> {
    let Some(url) = call.text("url") else { return Ok(None) };
    here(url).ok_or_else(|| Refusal::field("url", "Only http addresses of this machine."))?;
    Ok(Some(url.to_owned()))
}

fn change(call: &Call<'_>, hook: &mut Hook) -> Result<()> {
    hook.url = url(call)?.unwrap_or_else(|| hook.url.clone());
    if let Some(description) = call.text("description") {
        hook.description = description.to_owned();
    }
    hook.is_active = call.flag("active").unwrap_or(hook.is_active);
    if let Some(events) = call.member("events").and_then(Value::as_array) {
        hook.events = events.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    // Left out it stays; null, or nothing in it, takes it away.
    if let Some(secret) = call.body.get("secret") {
        let secret = secret.as_str().filter(|secret| !secret.is_empty());
        hook.secret = secret.map(|secret| Redacted::new(secret.to_owned()));
    }
    Ok(())
}

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let hooks = repository.hooks.iter();
    call.page(hooks.map(|it| shown(call.view(world), repository, it)).collect(), PAGES)
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let mut hook = Hook {
        uuid: world.names.uuid(),
        url: String::new(),
        description: String::new(),
        is_active: true,
        events: Vec::new(),
        secret: None,
        created: call.now,
    };
    change(call, &mut hook)?;
    call.repository_mut(world)?.hooks.push(hook.clone());
    let (view, repository) = (call.view(world), call.repository(world)?);
    Ok(Answer::created(&call.below(hook.uuid.as_str()), shown(view, repository, &hook)))
}

fn find(call: &Call<'_>, world: &World) -> Result<Hook> {
    let name = call.parameter("uid");
    let mut hooks = call.repository(world)?.hooks.iter();
    let found = hooks.find(|it| it.uuid.as_str() == name || it.uuid.bare() == name).cloned();
    found.ok_or_else(|| Refusal::not_found("Webhook"))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let hook = find(call, world)?;
    Ok(Answer::ok(shown(call.view(world), call.repository(world)?, &hook)))
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result {
    let mut hook = find(call, world)?;
    change(call, &mut hook)?;
    let mut hooks = call.repository_mut(world)?.hooks.iter_mut();
    if let Some(place) = hooks.find(|it| it.uuid == hook.uuid) {
        *place = hook;
    }
    get(call, world)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result {
    let hook = find(call, world)?;
    call.repository_mut(world)?.hooks.retain(|it| it.uuid != hook.uuid);
    Ok(Answer::nothing())
}
