//! `gatewright history`.

use std::num::NonZeroUsize;

use clap::Args;
use gw_control::store::{Action, Change, Outcome, Store};
use gw_model::{id::EnvironmentName, terminal::Visible};
use serde::Serialize;
use time::format_description::well_known::Rfc3339;

use super::Context;
use crate::{
    compose::{State, Workspace, store_failure},
    exit::{Exit, Failure},
    ui::Form,
    words::{clock_text, outcome},
};

/// Lists the changes of each environment, the newest first.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value = "20")]
    limit: NonZeroUsize,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    changes: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    environment: &'a str,
    change: u64,
    action: Action,
    outcome: Outcome,
    actor: &'a str,
    reason: Option<&'a str>,
    restores: Option<u64>,
    source: &'a str,
    effect: &'a str,
    plan: &'a str,
    began_at: String,
    ended_at: Option<String>,
    detail: Option<&'a str>,
}

impl History {
    pub(super) fn limit(&self) -> usize {
        self.limit.get()
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let state = State::to_look_at(context, &workspace)?;
        let store = state.open_existing(context).await?;
        let environments = environments(context, &workspace, store.as_ref()).await?;
        let mut histories = vec![];
        for environment in &environments {
            let changes = match &store {
                Some(store) => store.changes(environment).await,
                None => Ok(vec![]),
            };
            let mut changes = changes.map_err(|error| store_failure(&error))?;
            changes.truncate(self.limit.get());
            histories.push((environment, changes));
        }
        match context.ui.form {
            Form::Json => context.ui.json(&Document {
                schema: "gatewright.io/history/v1",
                changes: histories.iter().flat_map(|(_, changes)| changes).map(entry).collect(),
            }),
            Form::Text => tell(context, &histories),
        }
        Ok(Exit::Done)
    }
}

/// The one that was named, else every one that is declared or that anything was ever done to.
async fn environments(
    context: Context<'_>,
    workspace: &Workspace,
    store: Option<&Store>,
) -> Result<Vec<EnvironmentName>, Failure> {
    let mut names = match store {
        Some(store) => store.environments().await.map_err(|error| store_failure(&error))?,
        None => vec![],
    };
    if let Some(wanted) = &context.globals.env {
        // What was done in an environment can be read also when nobody declares it any more.
        let known = names.contains(wanted);
        return match known {
            true => Ok(vec![wanted.clone()]),
            false => Ok(vec![workspace.environment(context, Some(wanted))?]),
        };
    }
    if names.is_empty() || workspace.faultless().is_some() {
        names.extend(workspace.declared(context)?.environments().map(|(name, _)| name.clone()));
    }
    names.sort();
    names.dedup();
    Ok(names)
}

fn tell(context: Context<'_>, histories: &[(&EnvironmentName, Vec<Change>)]) {
    for (environment, changes) in histories {
        if changes.is_empty() {
            context.ui.line(&format!("{environment}: nothing was applied yet"));
        } else if histories.len() > 1 {
            context.ui.line(&format!("{environment}"));
        }
        for change in changes {
            context.ui.line(&line(change));
        }
    }
}

fn entry(change: &Change) -> Entry<'_> {
    let begun = &change.begun;
    Entry {
        environment: begun.environment.as_str(),
        change: change.number,
        action: begun.action,
        outcome: change.outcome,
        actor: &begun.actor.identity,
        reason: begun.reason.as_deref(),
        restores: begun.restores,
        source: &begun.source_digest,
        effect: &begun.effect_digest,
        plan: &begun.plan_id,
        began_at: begun.began_at.format(&Rfc3339).unwrap_or_default(),
        ended_at: change.ended_at.and_then(|at| at.format(&Rfc3339).ok()),
        detail: change.detail.as_deref(),
    }
}

fn line(change: &Change) -> String {
    let begun = &change.begun;
    let what = match (begun.action, begun.restores) {
        (Action::Rollback, Some(to)) => format!("rollback (= {to})"),
        (Action::Rollback, None) => "rollback".to_owned(),
        (Action::Apply, _) => "apply".to_owned(),
        (Action::BreakGlass, _) => "break glass".to_owned(),
    };
    let reason = begun.reason.as_ref().map(|reason| format!("   \"{}\"", short(reason)));
    let reason = reason.unwrap_or_default();
    let outcome = outcome(change.outcome);
    let at = clock_text(begun.began_at);
    let words = format!("{at}  {}{reason}", begun.actor.identity);
    format!("{:>4}  {what:<16} {outcome:<22} {}", change.number, Visible(&words))
}

/// As much of a text as fits in a line; `--json` has the whole.
fn short(text: &str) -> String {
    const MOST: usize = 120;
    let begin: String = text.chars().take(MOST).collect();
    if begin.len() == text.len() { begin } else { format!("{begin} …") }
}
