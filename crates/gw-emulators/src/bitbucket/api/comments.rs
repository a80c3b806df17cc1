//! Comments of a pull request. Whoever wrote one may change it.

use serde_json::Value;

use super::{Answer, Call, Result, pulls};
use crate::bitbucket::{
    paging::PAGES,
    pull::{Comment, Pull},
    refusal::Refusal,
    state::{Permission, World},
};

fn text(call: &Call<'_>) -> Result<String> {
    let text = call.text("content.raw").filter(|text| !text.trim().is_empty());
    text.map(str::to_owned).ok_or_else(|| Refusal::field("content.raw", "This field is required."))
}

fn find<'w>(call: &Call<'_>, pull: &'w Pull) -> Result<&'w Comment> {
    let id = call.parameter("comment_id");
    let found = pull.comments.iter().find(|it| it.id.to_string() == id);
    found.ok_or_else(|| Refusal::not_found(&format!("Comment {id}")))
}

fn shown(call: &Call<'_>, world: &World, id: u64) -> Result<Value> {
    let pull = pulls::find(call, world)?;
    let comment = pull.comments.iter().find(|it| it.id == id);
    let comment = comment.ok_or_else(|| Refusal::not_found("Comment"))?;
    Ok(call.view(world).comment(call.repository(world)?, pull, comment))
}

fn tell(call: &Call<'_>, world: &World, event: &str, id: u64) -> Result<()> {
    let pull = pulls::find(call, world)?;
    if let Some(comment) = pull.comments.iter().find(|it| it.id == id) {
        call.teller(world)?.comment(event, pull, comment);
    }
    Ok(())
}

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository) = (call.view(world), call.repository(world)?);
    let pull = pulls::find(call, world)?;
    call.page(pull.comments.iter().map(|it| view.comment(repository, pull, it)).collect(), PAGES)
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let (text, author) = (text(call)?, call.account()?.clone());
    let parent = call.member("parent.id").and_then(Value::as_u64);
    let comments = &pulls::find(call, world)?.comments;
    if parent.is_some_and(|id| comments.iter().all(|it| it.id != id)) {
        return Err(Refusal::field("parent", "There is no such comment."));
    }
    let id = call.repository_mut(world)?.next_id();
    let comment = Comment {
        id,
        author,
        text,
        inline: call.member("inline").cloned(),
        parent,
        is_deleted: false,
        created: call.now,
        updated: call.now,
    };
    pulls::find_mut(call, world)?.comment(comment);
    tell(call, world, "pullrequest:comment_created", id)?;
    Ok(Answer::created(&call.below(&id.to_string()), shown(call, world, id)?))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let id = find(call, pulls::find(call, world)?)?.id;
    shown(call, world, id).map(Answer::ok)
}

/// Those who may change a comment: its author, and whoever rules the repository may remove it.
fn owned(call: &Call<'_>, world: &World, others: Option<Permission>) -> Result<u64> {
    let comment = find(call, pulls::find(call, world)?)?;
    if comment.is_deleted {
        return Err(Refusal::not_found(&format!("Comment {}", comment.id)));
    }
    let caller = call.caller()?;
    let rules = others.is_some_and(|needed| {
        let repository = call.repository(world).ok();
        repository.and_then(|it| caller.permission(world, it)).is_some_and(|has| has >= needed)
    });
    if comment.author != caller.account && !rules {
        return Err(Refusal::new(403, "You are not the author of this comment."));
    }
    Ok(comment.id)
}

pub(super) fn update(call: &Call<'_>, world: &mut World) -> Result {
    let (id, text) = (owned(call, world, None)?, text(call)?);
    let now = call.now;
    let mut comments = pulls::find_mut(call, world)?.comments.iter_mut();
    if let Some(comment) = comments.find(|it| it.id == id) {
        comment.text = text;
        comment.updated = now;
    }
    tell(call, world, "pullrequest:comment_updated", id)?;
    shown(call, world, id).map(Answer::ok)
}

/// A deleted comment stays in the list, without its text.
pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result {
    let id = owned(call, world, Some(Permission::Admin))?;
    let now = call.now;
    let mut comments = pulls::find_mut(call, world)?.comments.iter_mut();
    if let Some(comment) = comments.find(|it| it.id == id) {
        comment.text = String::new();
        comment.is_deleted = true;
        comment.updated = now;
    }
    tell(call, world, "pullrequest:comment_deleted", id)?;
    Ok(Answer::nothing())
}
