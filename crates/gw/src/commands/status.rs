//! `gatewright status`.

use clap::Args;
use gw_control::store::Outcome;
use gw_plan::plan::Plan;
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    Context,
    drift::{self, count},
    history::{clock_text, outcome},
};
use crate::{
    compose::{Purpose, Scene, Workspace, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

/// Tells for each API of an environment what is in force, whether it was verified, and drift.
#[derive(Debug, Args)]
pub(crate) struct Status {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema: &'static str,
    workspace: String,
    environment: String,
    change: Option<u64>,
    outcome: Option<Outcome>,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    half_way: Option<u64>,
    /// Whether the folder says something else than what is in force.
    pending: bool,
    apis: Vec<Api>,
    drifted: Vec<drift::Drifted>,
    /// Gateways of the environment that do not run.
    not_running: Vec<String>,
    /// The change that was rolled back from what the folder says: it is not applied as it is.
    held: Option<u64>,
    /// Values of secrets that stand in declarations; `check` tells where.
    literal_secrets: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    name: String,
    owner: Option<String>,
    operations: usize,
    rules: usize,
}

impl Status {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let secrets = workspace.literal_secrets();
        if secrets > 0 {
            // Nothing else can be said about such a folder, and this must be.
            context.ui.line(&format!("  literal secrets  {secrets}"));
        }
        let scene = Scene::open(context, Purpose::Look).await?;
        let document = look(&scene).await?;
        match context.ui.form {
            Form::Json => context.ui.json(&document),
            Form::Text => context.ui.result(&text(&document)),
        }
        Ok(Exit::Done)
    }
}

async fn look(scene: &Scene) -> Result<Document, Failure> {
    let broken = |error| store_failure(&error);
    let in_force = scene.store.in_force(&scene.environment).await.map_err(broken)?;
    let half_way = scene.store.under_way(&scene.environment).await.map_err(broken)?;
    let plan = drift::look(scene).await?;
    let api = |(name, api): (&gw_model::id::ApiName, &gw_model::desired::Api)| Api {
        name: name.to_string(),
        owner: api.spec.owner.clone(),
        operations: api.operations.len(),
        rules: api.spec.access.len(),
    };
    Ok(Document {
        schema: "gatewright.io/status/v1",
        workspace: scene.desired.workspace.to_string(),
        environment: scene.environment.to_string(),
        change: in_force.as_ref().map(|change| change.number),
        outcome: in_force.as_ref().map(|change| change.outcome),
        since: in_force.as_ref().map(|change| change.begun.began_at),
        half_way: half_way.map(|change| change.number),
        pending: is_pending(&plan),
        apis: scene.desired.apis.iter().map(api).collect(),
        drifted: drift::of(scene, &plan).await?,
        not_running: scene.unserved().await,
        held: scene.held(&plan).await?,
        literal_secrets: scene.workspace.literal_secrets(),
    })
}

/// Whether the declarations ask for something else than what was written last.
fn is_pending(plan: &Plan) -> bool {
    let mut differences = plan.targets.iter().flat_map(|target| &target.differences);
    !plan.notices.is_empty() || differences.any(|it| it.pending)
}

fn text(document: &Document) -> String {
    let mut text = format!("{} · {}\n", document.workspace, document.environment);
    let in_force = match (document.change, document.outcome, document.since) {
        (Some(number), Some(how), Some(since)) => {
            format!("change {number}, {}, since {}", outcome(how), clock_text(since))
        }
        _ => "nothing was applied yet".to_owned(),
    };
    text.push_str(&format!("  in force         {in_force}\n"));
    if let Some(number) = document.half_way {
        text.push_str(&format!(
            "  {} change {number} stopped half way: gatewright apply continues it\n",
            Ui::mark(Mark::Bad)
        ));
    }
    if document.pending && document.change.is_some() {
        let mark = Ui::mark(Mark::Warning);
        text.push_str(&format!(
            "  {mark} the folder says something else: gatewright plan shows what would change\n"
        ));
    }
    if let Some(number) = document.held {
        let mark = Ui::mark(Mark::Open);
        text.push_str(&format!(
            "  {mark} it says what change {number} did, which was rolled back: held until another \
             state is applied\n"
        ));
    }
    for place in &document.not_running {
        let mark = Ui::mark(Mark::Warning);
        text.push_str(&format!("  {mark} {place} does not run: nobody is served\n"));
    }
    for api in &document.apis {
        let owner = api.owner.as_ref().map(|owner| format!(" · owner {owner}")).unwrap_or_default();
        let operations = count(api.operations, "operation");
        let rules = count(api.rules, "rule");
        text.push_str(&format!("  {:<16} {operations} · {rules}{owner}\n", api.name));
    }
    match document.drifted.len() {
        0 => text.push_str("  drift            none\n"),
        many => text.push_str(&format!(
            "  {} drift          {}: gatewright drift tells which\n",
            Ui::mark(Mark::Warning),
            count(many, "object")
        )),
    }
    text.push_str(&format!("  literal secrets  {}\n", document.literal_secrets));
    text
}
