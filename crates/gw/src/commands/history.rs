//! `gatewright history`.

use clap::Args;
use gw_control::store::{Action, Change, Outcome};
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339, macros::format_description};

use super::Context;
use crate::{
    compose::{State, Workspace, store_failure},
    exit::{Exit, Failure},
    ui::Form,
};

/// Lists the changes of an environment, the newest first.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// At most so many.
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: usize,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    environment: &'a str,
    changes: Vec<Entry<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
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
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let environment = workspace.environment(context)?;
        let state = State::locate(context, workspace.folder.root())?;
        let changes = match state.open_existing().await? {
            Some(store) => {
                store.changes(&environment).await.map_err(|error| store_failure(&error))?
            }
            None => vec![],
        };
        let shown = changes.iter().take(self.limit);
        match context.ui.form {
            Form::Json => context.ui.json(&Document {
                schema: "gatewright.io/history/v1",
                environment: environment.as_str(),
                changes: shown.map(entry).collect(),
            }),
            Form::Text if changes.is_empty() => {
                context.ui.line(&format!("{environment}: nothing was applied yet"));
            }
            Form::Text => {
                for change in shown {
                    context.ui.line(&line(change));
                }
            }
        }
        Ok(Exit::Done)
    }
}

fn entry(change: &Change) -> Entry<'_> {
    let begun = &change.begun;
    Entry {
        change: change.number,
        action: begun.action,
        outcome: change.outcome,
        actor: &begun.actor,
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
    };
    let reason = begun.reason.as_ref().map(|reason| format!("   \"{reason}\"")).unwrap_or_default();
    let outcome = outcome(change.outcome);
    let at = clock_text(begun.began_at);
    format!("{:>4}  {what:<16} {outcome:<22} {at}  {}{reason}", change.number, begun.actor)
}

/// The word that people read.
pub(crate) const fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::UnderWay => "stopped half way",
        Outcome::Verified => "verified",
        Outcome::Applied => "applied, not verified",
        Outcome::Failed => "nothing written",
        Outcome::Abandoned => "given up",
    }
}

pub(crate) fn clock_text(at: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    at.format(form).unwrap_or_default()
}
