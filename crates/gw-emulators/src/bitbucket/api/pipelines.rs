//! Pipelines, environments and deployments.

use serde_json::Value;

use super::{Answer, Call, Result};
use crate::bitbucket::{
    paging::PAGES,
    pipelines::{Ending, Pipeline, without_secret},
    refusal::Refusal,
    state::{Environment, Repository, World},
};

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let (view, repository) = (call.view(world), call.repository(world)?);
    call.page(repository.pipelines.iter().map(|it| view.pipeline(repository, it)).collect(), PAGES)
}

/// The branch and the commit that a target names.
fn target(call: &Call<'_>, repository: &Repository) -> Result<(Option<String>, String)> {
    let kind = call.text("target.type");
    let commit = call.text("target.commit.hash");
    let (branch, revision) = match (kind, call.text("target.ref_type")) {
        (Some("pipeline_ref_target"), Some("branch" | "named_branch")) => {
            let name = call.text("target.ref_name").unwrap_or_default();
            let head = repository.branch(name);
            let head = head.ok_or_else(|| Refusal::field("target.ref_name", "No such branch."))?;
            (Some(name.to_owned()), commit.unwrap_or(head))
        }
        (Some("pipeline_ref_target"), Some("tag")) => {
            let name = call.text("target.ref_name").unwrap_or_default();
            let tag = repository.refs.get(&format!("refs/tags/{name}"));
            let tag = tag.ok_or_else(|| Refusal::field("target.ref_name", "No such tag."))?;
            (None, commit.unwrap_or(tag))
        }
        (Some("pipeline_commit_target"), _) => (
            None,
            commit.ok_or_else(|| Refusal::field("target.commit", "This field is required."))?,
        ),
        _ => return Err(Refusal::field("target", "Expected a branch, a tag or a commit.")),
    };
    let hash = repository.objects.resolve(revision)?;
    let hash = hash.ok_or_else(|| Refusal::field("target.commit", "No such commit."))?;
    Ok((branch, hash))
}

pub(super) fn create(call: &Call<'_>, world: &mut World) -> Result {
    let (branch, commit) = target(call, call.repository(world)?)?;
    let (uuid, creator) = (world.names.uuid(), call.account()?.clone());
    let variables = call.member("variables").and_then(Value::as_array).into_iter().flatten();
    let variables = variables.map(without_secret).collect();
    let repository = call.repository_mut(world)?;
    let pipeline = Pipeline {
        uuid,
        number: repository.pipelines.len() + 1,
        creator,
        target: call.member("target").cloned().unwrap_or_default(),
        branch,
        commit,
        variables,
        steps: Vec::new(),
        created: call.now,
        ended: None,
    };
    repository.pipelines.push(pipeline.clone());
    let (view, repository) = (call.view(world), call.repository(world)?);
    let address = call.below(pipeline.uuid.as_str());
    Ok(Answer::created(&address, view.pipeline(repository, &pipeline)))
}

fn find<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Pipeline> {
    let name = call.parameter("pipeline_uuid");
    let mut pipelines = call.repository(world)?.pipelines.iter();
    // A build number does as well.
    let found = pipelines.find(|it| it.uuid.as_str() == name || it.number.to_string() == name);
    found.ok_or_else(|| Refusal::not_found("Pipeline"))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    let pipeline = find(call, world)?;
    Ok(Answer::ok(call.view(world).pipeline(call.repository(world)?, pipeline)))
}

pub(super) fn steps(call: &Call<'_>, world: &mut World) -> Result {
    let (view, pipeline) = (call.view(world), find(call, world)?);
    call.page(pipeline.steps.iter().map(|it| view.step(pipeline, it)).collect(), PAGES)
}

pub(super) fn step(call: &Call<'_>, world: &mut World) -> Result {
    let (pipeline, name) = (find(call, world)?, call.parameter("step_uuid"));
    let step = pipeline.steps.iter().find(|it| it.uuid.as_str() == name);
    let step = step.ok_or_else(|| Refusal::not_found("Step"))?;
    Ok(Answer::ok(call.view(world).step(pipeline, step)))
}

pub(super) fn stop(call: &Call<'_>, world: &mut World) -> Result {
    let pipeline = find(call, world)?;
    if pipeline.ended.is_some() {
        return Err(Refusal::new(400, "The pipeline has ended already."));
    }
    let uuid = pipeline.uuid.clone();
    let mut pipelines = call.repository_mut(world)?.pipelines.iter_mut();
    if let Some(pipeline) = pipelines.find(|it| it.uuid == uuid) {
        pipeline.end(call.now, Ending::Stopped);
    }
    Ok(Answer::nothing())
}

pub(super) fn environments(call: &Call<'_>, world: &mut World) -> Result {
    let (view, environments) = (call.view(world), call.repository(world)?.environments.iter());
    call.page(environments.map(|it| view.environment(it)).collect(), PAGES)
}

pub(super) fn environment(call: &Call<'_>, world: &mut World) -> Result {
    let name = call.parameter("environment_uuid");
    let mut environments = call.repository(world)?.environments.iter();
    let found = environments.find(|it| it.uuid.as_str() == name);
    let found = found.ok_or_else(|| Refusal::not_found("Environment"))?;
    Ok(Answer::ok(call.view(world).environment(found)))
}

pub(super) fn create_environment(call: &Call<'_>, world: &mut World) -> Result {
    let name = call.text("name").filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Refusal::field("name", "This field is required."))?.to_owned();
    if call.repository(world)?.environments.iter().any(|it| it.name == name) {
        return Err(Refusal::new(409, format!("An environment named {name} exists already.")));
    }
    let environment = Environment { uuid: world.names.uuid(), name };
    call.repository_mut(world)?.environments.push(environment.clone());
    let shown = call.view(world).environment(&environment);
    Ok(Answer::created(&call.below(environment.uuid.as_str()), shown))
}

fn all_deployments(call: &Call<'_>, world: &World) -> Result<Vec<Value>> {
    let (view, repository) = (call.view(world), call.repository(world)?);
    let of = |pipeline: &Pipeline| {
        let steps = pipeline.steps.iter();
        steps.filter_map(|step| view.deployment(repository, pipeline, step)).collect::<Vec<_>>()
    };
    Ok(repository.pipelines.iter().flat_map(of).collect())
}

pub(super) fn deployments(call: &Call<'_>, world: &mut World) -> Result {
    let environment = call.query("environment");
    let mut shown = all_deployments(call, world)?;
    shown.retain(|it| {
        let uuid = it.pointer("/environment/uuid").and_then(Value::as_str);
        environment.is_none() || environment == uuid
    });
    call.page(shown, PAGES)
}

pub(super) fn deployment(call: &Call<'_>, world: &mut World) -> Result {
    let name = call.parameter("deployment_uuid");
    let mut all = all_deployments(call, world)?.into_iter();
    let found = all.find(|it| it.get("uuid").is_some_and(|uuid| uuid == name));
    found.map(Answer::ok).ok_or_else(|| Refusal::not_found("Deployment"))
}
