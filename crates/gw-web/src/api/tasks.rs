//! What is to be done, and what became of it.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, StatusCode},
};
use gw_control::{
    answer,
    asker::Asker,
    store::{Granted, Queued, TaskState},
    task::Task,
};
use gw_model::{environment::ChangeAction, id::EnvironmentName};
use tokio::time::{Instant, timeout_at};
use url::form_urlencoded;

use super::written;
use crate::{
    Web,
    contract::{self, Accepted, Answer, EndWord, Tasks},
    door::{self, covers},
    problem::Refusal,
};

/// So many are listed.
const MOST: u32 = 100;
/// Nobody waits longer for one answer.
const LONGEST: Duration = Duration::from_secs(30);
/// Also without being told that something ended, it is looked again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub(super) async fn list(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
) -> Result<Json<Tasks>, Refusal> {
    let granted = door::viewer(&web, &headers, "tasks").await?;
    let mut tasks = vec![];
    for queued in web.server.store.tasks(MOST).await? {
        if is_seen(&queued.task, &granted.scope.environment) {
            tasks.push(told(&web, &queued).await?);
        }
    }
    Ok(Json(Tasks { tasks }))
}

/// One task; with `wait`, when it has ended or so many seconds have passed.
pub(super) async fn look(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<contract::Task>, Refusal> {
    let granted = door::holder(&web, &headers).await?;
    let seconds = seconds(query.as_deref().unwrap_or_default())?;
    let id = number(&id)?;
    let mut queued = seen(&web, &headers, &granted, id).await?;
    let until = Instant::now() + Duration::from_secs(seconds).min(LONGEST);
    loop {
        // Listening begins before looking, so that no end goes unheard.
        let settled = web.server.shared.settled.notified();
        queued = web.server.store.task(id).await?.unwrap_or(queued);
        let is_open = matches!(queued.state, TaskState::Waiting | TaskState::Running);
        if !is_open || Instant::now() >= until {
            return Ok(Json(told(&web, &queued).await?));
        }
        let _heard = timeout_at(until.min(Instant::now() + LOOK_AGAIN), settled).await;
    }
}

pub(super) async fn retry(
    State(web): State<Arc<Web>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Accepted>), Refusal> {
    let granted = door::viewer(&web, &headers, "tasks").await?;
    covers(&granted, &granted.scope.environment, ChangeAction::Apply, None)?;
    let task = number(&id)?;
    let queued = seen(&web, &headers, &granted, task).await?;
    // What somebody asked for is theirs: their proof was good then, and may not be now.
    if matches!(queued.task, Task::Request { .. }) {
        return Err(Refusal::Conflict { what: "ask for it anew: it was a request".to_owned() });
    }
    match web.server.retry(task).await? {
        Some(task) => Ok((StatusCode::ACCEPTED, Json(Accepted { task }))),
        None => Err(Refusal::Conflict { what: "it has not failed".to_owned() }),
    }
}

fn seconds(query: &str) -> Result<u64, Refusal> {
    let wait = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "wait");
    let Some((_, seconds)) = wait else { return Ok(0) };
    seconds.parse().map_err(|_| Refusal::malformed("`wait` is a number of seconds"))
}

fn number(text: &str) -> Result<u64, Refusal> {
    text.parse().ok().filter(|number| i64::try_from(*number).is_ok()).ok_or(Refusal::Unseen)
}

/// A task for whoever asked for it, or may see what it is about.
async fn seen(
    web: &Web,
    headers: &HeaderMap,
    granted: &Granted,
    id: u64,
) -> Result<Queued, Refusal> {
    let queued = web.server.store.task(id).await?;
    if let Some(queued) = &queued
        && let Task::Request { request, .. } = &queued.task
        && request.environment == granted.scope.environment
        && is_same(&request.asker, &granted.asker)
    {
        return Ok(queued.clone());
    }
    door::viewer(web, headers, "tasks").await?;
    queued.filter(|it| is_seen(&it.task, &granted.scope.environment)).ok_or(Refusal::Unseen)
}

/// Whether both are the same one, by any token.
fn is_same(one: &Asker, other: &Asker) -> bool {
    let who = |asker: &Asker| {
        let principals = asker.caller.principals.iter();
        let who = principals.map(|it| (it.identity.clone(), it.issuer.clone(), it.subject.clone()));
        who.collect::<Vec<_>>()
    };
    let who_asked = who(one);
    !who_asked.is_empty() && who_asked == who(other)
}

/// Whether it is about this environment, or about none.
fn is_seen(task: &Task, environment: &EnvironmentName) -> bool {
    task.environment().is_none_or(|about| about == environment)
}

async fn told(web: &Web, queued: &Queued) -> Result<contract::Task, Refusal> {
    let answer = queued.outcome.as_deref();
    let answer = answer.and_then(|text| serde_json::from_str::<answer::Answer>(text).ok());
    let environment = queued.task.environment();
    let lines = match (environment, answer.as_ref().and_then(|it| it.change), queued.state) {
        (Some(environment), Some(change), _) => web.server.shared.lines(environment, change),
        (Some(environment), None, TaskState::Running) => {
            match web.server.store.under_way(environment).await? {
                Some(change) => web.server.shared.lines(environment, change.number),
                None => vec![],
            }
        }
        _ => vec![],
    };
    Ok(contract::Task {
        id: queued.id,
        what: queued.task.key(),
        state: queued.state.as_str().to_owned(),
        environment: environment.map(ToString::to_string),
        attempts: queued.attempts,
        queued_at: written(queued.queued_at),
        ended_at: queued.ended_at.map(written),
        answer: answer.map(Answer::from),
        lines,
    })
}

impl From<answer::Answer> for Answer {
    fn from(answer: answer::Answer) -> Self {
        let answer::Answer { end, text, code, help, change, plan, decision } = answer;
        Self { end: EndWord(end), text, code, help, change, plan, decision }
    }
}
