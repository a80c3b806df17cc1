//! `gatewright can --decision`: a call of the decision log is judged once more, without a gateway.
//!
//! By the generation that decided it: so a refusal can be reproduced, and looked into, away from the
//! traffic. By the files as they are now: so whoever mends a rule sees whether it helps before it is
//! applied. Both are asked about the call as it was, at the time that it was made.

use gw_model::{desired::Desired, terminal::Visible};
use gw_policy::{
    again::{Again, NoRuleAsked},
    decision::{DecisionId, Record},
    generation,
    snapshot::Snapshot,
};
use gw_proxy::Wanted;
use serde::Serialize;

use crate::{
    commands::{Context, explain::find_decision, told::Told},
    compose::{State, Workspace},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    decision: Told<'a>,
    /// By the generation that decided it.
    then: &'a Judged,
    /// By the files as they are now.
    now: &'a Judged,
}

/// What one set of rules says of the call.
#[derive(Serialize)]
#[serde(untagged)]
enum Judged {
    Again(Box<Again>),
    Not { because: String },
}

pub(super) async fn run(context: Context<'_>, id: &DecisionId) -> Result<Exit, Failure> {
    let workspace = Workspace::read(&context.globals.workspace)?;
    let state = State::locate(context, workspace.folder.root())?;
    let record = find_decision(context, &state, &Wanted::Id(id.clone())).await?;
    let then = Judged::of(&record, by_generation(&state, &record));
    let now = Judged::of(&record, by_files(&workspace, &record));
    match context.ui.form {
        Form::Json => context.ui.json(&Document {
            schema: "gatewright.io/decision-again/v1",
            decision: Told(&record),
            then: &then,
            now: &now,
        }),
        Form::Text => context.ui.result(&text(&record, &then, &now)),
    }
    Ok(match &now {
        Judged::Again(again) if again.answer.allowed => Exit::Done,
        Judged::Again(_) => Exit::Denied,
        Judged::Not { .. } => Exit::Failed,
    })
}

/// The rules that decided.
fn by_generation(state: &State, record: &Record) -> Result<Snapshot, String> {
    let number = record.generation.ok_or("no generation was served then")?;
    let generation = state.generation(&record.environment, &record.target, number)?;
    let desired = generation::desired(&generation).map_err(|refusal| refusal.to_string())?;
    compile(&desired, record)
}

/// The rules that would decide if the files were applied.
fn by_files(workspace: &Workspace, record: &Record) -> Result<Snapshot, String> {
    let wrong = || "they are wrong: `gatewright check` tells where".to_owned();
    let declared = workspace.faultless().ok_or_else(wrong)?;
    if !declared.environments().any(|(name, _)| *name == record.environment) {
        return Err(format!("they declare no environment `{}`", record.environment));
    }
    let desired = declared.desired(&record.environment).map_err(|_| wrong())?;
    compile(&desired, record)
}

fn compile(desired: &Desired, record: &Record) -> Result<Snapshot, String> {
    Snapshot::compile(desired, &record.target)
        .map_err(|found| found.first().map(|found| found.message.clone()).unwrap_or_default())
}

impl Judged {
    fn of(record: &Record, rules: Result<Snapshot, String>) -> Self {
        let judge = |rules: Snapshot| {
            record.judge_again(&rules).map_err(|error: NoRuleAsked| error.to_string())
        };
        match rules.and_then(judge) {
            Ok(again) => Self::Again(Box::new(again)),
            Err(because) => Self::Not { because },
        }
    }

    fn text(&self, rules: &str) -> String {
        let again = match self {
            Self::Not { because } => {
                return format!("  {} {rules}: {because}\n", Ui::mark(Mark::Open));
            }
            Self::Again(again) => again,
        };
        let Again { answer, agrees, unknown } = again.as_ref();
        let (mark, verdict) = match agrees {
            true => (Mark::Good, "the same"),
            false => (Mark::Warning, "not the same"),
        };
        let code = answer.reason.code();
        let mut text = format!("  {} {rules}: {verdict}, {code}\n", Ui::mark(mark));
        if !agrees {
            for line in answer.to_string().lines() {
                text.push_str(&format!("      {line}\n"));
            }
        }
        if !unknown.is_empty() {
            let names: Vec<_> = unknown.iter().map(String::as_str).collect();
            text.push_str(&format!(
                "      the record does not keep the whole of claim {}: with it the answer may be \
                 another\n",
                Visible(&names.join(", "))
            ));
        }
        text
    }
}

fn text(record: &Record, then: &Judged, now: &Judged) -> String {
    let number = record.generation.map(|number| format!(" {number}")).unwrap_or_default();
    format!(
        "{record}judged again, as of that time{}\n{}{}",
        if record.proof_was_refused() { " and without the proof that was refused" } else { "" },
        then.text(&format!("by generation{number}, which decided it")),
        now.text("by the files as they are now"),
    )
}
