//! Code Insights: reports about a commit, and annotations on its lines.

use serde_json::{Map, Value};

use super::{Answer, Call, Result};
use crate::bitbucket::{
    insights::{Annotation, MOST_ANNOTATIONS, Report},
    paging::PAGES,
    refusal::Refusal,
    render::members,
    state::{Uuid, World},
};

/// Not marked in the contract; a report without them is refused as incomplete.
const NEEDED: &[&str] = &["title", "details", "report_type"];
/// The same of an annotation.
const NEEDED_OF_ANNOTATION: &[&str] = &["annotation_type", "summary"];

fn complete(body: &Value, needed: &[&str]) -> Result<()> {
    let absent = |name: &&&str| body.get(**name).is_none_or(Value::is_null);
    match needed.iter().find(absent) {
        Some(name) => Err(Refusal::field(name, "This field is required.")),
        None => Ok(()),
    }
}

pub(super) fn put(call: &Call<'_>, world: &mut World) -> Result {
    complete(&call.body, NEEDED)?;
    figures(&call.body)?;
    let uuid = world.names.uuid();
    let commit = call.commit(call.repository(world)?)?;
    let (name, body) = (call.parameter("reportId"), members(call.body.clone()));
    let repository = call.repository_mut(world)?;
    let shown = match repository.reports.iter_mut().find(|it| it.is(&commit, name)) {
        Some(report) => {
            report.body = body;
            report.updated = call.now;
            report.shown()
        }
        None => {
            let report = Report {
                uuid,
                commit,
                external_id: name.to_owned(),
                body,
                annotations: Vec::new(),
                created: call.now,
                updated: call.now,
            };
            let shown = report.shown();
            repository.reports.push(report);
            shown
        }
    };
    Ok(Answer::ok(shown))
}

/// Whether each figure has a value of its type, as the prose has it.
fn figures(body: &Value) -> Result<()> {
    for figure in body.get("data").and_then(Value::as_array).into_iter().flatten() {
        let value = figure.get("value").unwrap_or(&Value::Null);
        let fits = match figure.get("type").and_then(Value::as_str) {
            Some("BOOLEAN") => value.is_boolean(),
            Some("DATE" | "DURATION" | "NUMBER") => value.is_number(),
            Some("PERCENTAGE") => value.as_f64().is_some_and(|it| (0.0..=100.0).contains(&it)),
            Some("TEXT") => value.is_string(),
            Some("LINK") => ["text", "href"].iter().all(|name| value.get(name).is_some()),
            _ => value.is_number() || value.is_string() || value.is_boolean(),
        };
        if !fits || figure.get("title").is_none_or(|title| !title.is_string()) {
            return Err(Refusal::field("data", "A value is not of its type."));
        }
    }
    Ok(())
}

fn find<'w>(call: &Call<'_>, world: &'w World) -> Result<&'w Report> {
    let repository = call.repository(world)?;
    let (commit, name) = (call.commit(repository)?, call.parameter("reportId"));
    let found = repository.reports.iter().find(|it| it.is(&commit, name));
    found.ok_or_else(|| Refusal::not_found(&format!("Report {name}")))
}

pub(super) fn get(call: &Call<'_>, world: &mut World) -> Result {
    find(call, world).map(|report| Answer::ok(report.shown()))
}

pub(super) fn list(call: &Call<'_>, world: &mut World) -> Result {
    let repository = call.repository(world)?;
    let commit = call.commit(repository)?;
    let reports = repository.reports.iter().filter(|it| it.commit == commit);
    call.page(reports.map(Report::shown).collect(), PAGES)
}

pub(super) fn delete(call: &Call<'_>, world: &mut World) -> Result {
    let uuid = find(call, world)?.uuid.clone();
    call.repository_mut(world)?.reports.retain(|it| it.uuid != uuid);
    Ok(Answer::nothing())
}

pub(super) fn annotations(call: &Call<'_>, world: &mut World) -> Result {
    let annotations = find(call, world)?.annotations.iter();
    call.page(annotations.map(Annotation::shown).collect(), PAGES)
}

/// All of them, or none: a wrong one refuses the others.
pub(super) fn annotate(call: &Call<'_>, world: &mut World) -> Result {
    let report = find(call, world)?.uuid.clone();
    let mut fresh = Vec::new();
    for item in call.body.as_array().into_iter().flatten() {
        complete(item, NEEDED_OF_ANNOTATION)?;
        let name = item.get("external_id").and_then(Value::as_str).unwrap_or_default();
        fresh.push((world.names.uuid(), name.to_owned(), members(item.clone())));
    }
    let mut reports = call.repository_mut(world)?.reports.iter_mut();
    let report = reports.find(|it| it.uuid == report);
    let report = report.ok_or_else(|| Refusal::not_found("Report"))?;
    let mut annotations = report.annotations.clone();
    let mut shown = Vec::new();
    for (uuid, external_id, body) in fresh {
        shown.push(keep(call, &mut annotations, uuid, external_id, body));
    }
    if annotations.len() > MOST_ANNOTATIONS {
        let message = format!("A report can contain up to {MOST_ANNOTATIONS} annotations.");
        return Err(Refusal::new(400, message));
    }
    report.annotations = annotations;
    Ok(Answer::ok(Value::Array(shown)))
}

/// Puts an annotation in the place of the one with its name, or behind the others.
fn keep(
    call: &Call<'_>,
    annotations: &mut Vec<Annotation>,
    uuid: Uuid,
    external_id: String,
    body: Map<String, Value>,
) -> Value {
    if let Some(known) = annotations.iter_mut().find(|it| it.external_id == external_id) {
        known.body = body;
        known.updated = call.now;
        return known.shown();
    }
    let annotation = Annotation { uuid, external_id, body, created: call.now, updated: call.now };
    let shown = annotation.shown();
    annotations.push(annotation);
    shown
}
