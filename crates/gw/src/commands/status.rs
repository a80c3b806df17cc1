//! `gatewright status`.

use std::{collections::BTreeSet, fmt, time::Duration};

use clap::Args;
use gw_control::store::{Outcome, StepState};
use gw_model::{
    desired::{Api as Meant, Desired},
    id::ApiName,
};
use gw_plan::{
    difference::{Action, Difference, Drift},
    notice::Cause,
    plan::Plan,
};
use gw_policy::{
    gateway::{Refused, Unready},
    generation::Part,
};
use serde::Serialize;
use time::OffsetDateTime;
use tokio::time::sleep;

use super::{Context, apply::unready, drift};
use crate::{
    compose::{self, Basis, Purpose, Scene, Workspace, store_failure},
    config,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::{clock_text, count, outcome},
};

/// Tells for each API of each environment what is in force, whether it was verified, and drift.
///
/// Without `--env` it tells of every environment. Where the folder has errors it tells what is in
/// force all the same.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Goes on looking, and tells again whenever something is different, until it is stopped.
    #[arg(long)]
    watch: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema: &'static str,
    /// None where the folder says too little to know it.
    workspace: Option<String>,
    environments: Vec<Environment>,
    /// Environments that are not declared any more and where something is still in force.
    undeclared: Vec<String>,
    /// Values of secrets that stand in declarations; `check` tells where.
    literal_secrets: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    environment: String,
    change: Option<u64>,
    outcome: Option<Outcome>,
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    half_way: Option<u64>,
    /// Whether callers meet already what the change does that stopped half way.
    half_way_is_served: bool,
    /// Whether the folder says something else than what is in force.
    pending: bool,
    /// Whether the folder has errors, so that it is not known what it says.
    folder_has_errors: bool,
    apis: Vec<Api>,
    drifted: Vec<drift::Drifted>,
    /// Gateways of the environment that do not run.
    not_running: Vec<String>,
    /// Gateways that were given a generation and do not serve it.
    refused: Vec<Stale>,
    /// APIs whose calls get 503, because a secret is missing.
    unready: Vec<Unready>,
    /// The change that was rolled back from what the folder says: it is not applied as it is.
    held: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Api {
    name: String,
    owner: Option<String>,
    operations: usize,
    rules: usize,
    standing: Standing,
}

/// What an API is in one environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Standing {
    /// It was read back and probed, and nothing differs since.
    Verified,
    /// It was written, and nobody proved that it is served.
    NotVerified,
    /// Somebody else changed it.
    Drifted,
    /// The folder says something else than what is in force.
    Pending,
    NotApplied,
    /// It is in force, and the folder does not declare it any more.
    Undeclared,
}

/// A gateway that serves something older than it was given.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stale {
    target: String,
    serving: Option<u64>,
    refused: Refused,
}

const SCHEMA: &str = "gatewright.io/status/v1";

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

impl Status {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let mut told = self.tell(context, None).await?;
        if !self.watch {
            return Ok(Exit::Done);
        }
        let stopped = config::interrupted();
        tokio::pin!(stopped);
        loop {
            tokio::select! {
                stop = &mut stopped => return Ok(Exit::stopped(stop)),
                () = sleep(LOOK) => told = self.tell(context, Some(told)).await?,
            }
        }
    }

    /// Whether it runs until it is stopped.
    pub(super) fn serves(&self) -> bool {
        self.watch
    }

    /// Tells it, unless it was told before in the same words.
    async fn tell(&self, context: Context<'_>, before: Option<String>) -> Result<String, Failure> {
        let document = document(context).await?;
        let text = text(&document);
        if before.as_ref() != Some(&text) {
            match context.ui.form {
                Form::Json => context.ui.json(&document),
                Form::Text => context.ui.result(&text),
            }
        }
        Ok(text)
    }
}

async fn document(context: Context<'_>) -> Result<Document, Failure> {
    let scenes = match Scene::all(context, Purpose::Look).await {
        Ok(scenes) => scenes,
        Err(failure) => {
            let secrets = Workspace::read(&context.globals.workspace)?.literal_secrets();
            if secrets > 0 {
                tell_secrets(context, secrets);
            }
            return Err(failure);
        }
    };
    let (mut environments, mut undeclared) = (vec![], vec![]);
    for scene in &scenes {
        environments.push(look(scene).await?);
        undeclared = scene.undeclared().await?;
    }
    let first = scenes.first();
    Ok(Document {
        schema: SCHEMA,
        workspace: first.map(|scene| scene.desired.workspace.to_string()),
        environments,
        undeclared: undeclared.iter().map(ToString::to_string).collect(),
        literal_secrets: first.map(|scene| scene.workspace.literal_secrets()).unwrap_or_default(),
    })
}

/// Nothing else can be said about a folder of which nothing was ever applied, and this must be.
fn tell_secrets(context: Context<'_>, literal_secrets: usize) {
    match context.ui.form {
        Form::Json => context.ui.json(&Document {
            schema: SCHEMA,
            workspace: None,
            environments: vec![],
            undeclared: vec![],
            literal_secrets,
        }),
        Form::Text => context.ui.line(&format!("  literal secrets  {literal_secrets}")),
    }
}

async fn look(scene: &Scene) -> Result<Environment, Failure> {
    let broken = |error| store_failure(&error);
    let in_force = scene.store.in_force(&scene.environment).await.map_err(broken)?;
    let half_way = scene.store.under_way(&scene.environment).await.map_err(broken)?;
    let half_way_is_served = match &half_way {
        Some(change) => is_served(scene, change.number).await?,
        None => false,
    };
    let plan = drift::look(scene).await?;
    let outcome = in_force.as_ref().map(|change| change.outcome);
    let proved = outcome.filter(|_| !half_way_is_served);
    let apis = scene.desired.apis.iter();
    let mut apis: Vec<Api> =
        apis.map(|(name, api)| Api::of(name, api, Standing::of(name, &plan, proved))).collect();
    let left = left(&plan);
    if !left.is_empty()
        && let Some(former) = scene.former().await?
    {
        apis.extend(undeclared_apis(&former, &left));
    }
    Ok(Environment {
        environment: scene.environment.to_string(),
        change: in_force.as_ref().map(|change| change.number),
        outcome,
        since: in_force.as_ref().map(|change| change.begun.began_at),
        half_way: half_way.map(|change| change.number),
        half_way_is_served,
        // What callers meet is not what the change in force says, so only objects are compared.
        pending: is_pending(&plan, half_way_is_served),
        folder_has_errors: scene.basis == Basis::InForce,
        apis,
        drifted: drift::of(scene, &plan).await?,
        not_running: scene.unserved().await,
        refused: refused(scene).await,
        unready: scene.unready().await,
        held: scene.held(&plan).await?,
    })
}

/// The APIs that a target holds and an apply would take out.
fn left(plan: &Plan) -> BTreeSet<&str> {
    let differences = plan.targets.iter().flat_map(|target| &target.differences);
    let gone = |it: &&Difference| it.key.kind == Part::API && it.declared.is_none() && it.is_live();
    differences.filter(gone).map(|it| it.key.name.as_str()).collect()
}

/// What was applied of them. What somebody else added there is drift and was never applied.
fn undeclared_apis(former: &Desired, left: &BTreeSet<&str>) -> Vec<Api> {
    let apis = former.apis.iter().filter(|(name, _)| left.contains(name.as_str()));
    apis.map(|(name, api)| Api::of(name, api, Standing::Undeclared)).collect()
}

/// Whether a target switched to a change that has not ended.
async fn is_served(scene: &Scene, number: u64) -> Result<bool, Failure> {
    let steps = scene.store.steps(&scene.environment, number).await;
    let steps = steps.map_err(|error| store_failure(&error))?;
    if steps.iter().any(|step| step.name.reaches_callers() && step.state == StepState::Done) {
        return Ok(true);
    }
    // A step that is only intended may have been done all the same: the gateway knows.
    for target in scene.drivers.keys() {
        let folder = scene.state.target_folder(&scene.environment, target);
        let status = compose::gateway_status(&folder).await;
        let serving = status.and_then(|status| status.serving);
        if serving.is_some_and(|serving| serving.change == Some(number)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What each running gateway was given and does not serve.
pub(super) async fn refused(scene: &Scene) -> Vec<Stale> {
    let mut stale = vec![];
    for target in scene.drivers.keys() {
        let folder = scene.state.target_folder(&scene.environment, target);
        // One that does not run is told elsewhere.
        let Some(status) = compose::gateway_status(&folder).await else { continue };
        if let Some(refused) = status.refused {
            let serving = status.serving.map(|serving| serving.number);
            stale.push(Stale { target: target.to_string(), serving, refused });
        }
    }
    stale
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { target, serving, refused: Refused { because, .. } } = self;
        write!(f, "the gateway of {target} refused what it was given: {because}; ")?;
        match serving {
            Some(number) => write!(f, "it serves generation {number}"),
            None => f.write_str("every call is refused"),
        }
    }
}

impl Api {
    fn of(name: &ApiName, api: &Meant, standing: Standing) -> Self {
        Self {
            name: name.to_string(),
            owner: api.spec.owner.clone(),
            operations: api.operations.len(),
            rules: api.spec.access.len(),
            standing,
        }
    }
}

impl Standing {
    fn of(name: &ApiName, plan: &Plan, outcome: Option<Outcome>) -> Self {
        let is_its_own = |difference: &&Difference| {
            difference.key.kind == Part::API && difference.key.name == name.as_str()
        };
        let differences = plan.targets.iter().flat_map(|target| &target.differences);
        let own: Vec<&Difference> = differences.filter(is_its_own).collect();
        if own.iter().any(|it| it.drift != Drift::None) {
            Self::Drifted
        } else if own.iter().any(|it| it.action == Action::Create) {
            Self::NotApplied
        } else if own.iter().any(|it| it.pending) {
            Self::Pending
        } else if outcome == Some(Outcome::Verified) {
            Self::Verified
        } else {
            Self::NotVerified
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::NotVerified => "not verified",
            Self::Drifted => "drifted",
            Self::Pending => "the folder differs",
            Self::NotApplied => "not applied",
            Self::Undeclared => "not declared any more, still in force",
        }
    }
}

/// Whether the declarations ask for something else than what was written last.
fn is_pending(plan: &Plan, half_way_is_served: bool) -> bool {
    let mut differences = plan.targets.iter().flat_map(|target| &target.differences);
    let declared = plan.notices.iter().any(|notice| notice.cause == Cause::Declared);
    (declared && !half_way_is_served) || differences.any(|it| it.pending)
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    let workspace = document.workspace.as_deref().unwrap_or_default();
    for environment in &document.environments {
        text.push_str(&format!("{workspace} · {}\n", environment.environment));
        environment.tell(&mut text);
    }
    let mark = Ui::mark(Mark::Warning);
    for environment in &document.undeclared {
        text.push_str(&format!("{mark} {}\n", undeclared(environment)));
    }
    // Of all environments alike, so under none of several.
    if document.environments.len() > 1 {
        text.push_str(&format!("{workspace}\n"));
    }
    text.push_str(&format!("  literal secrets  {}\n", document.literal_secrets));
    text
}

/// That an environment is gone from the folder and not from its targets.
pub(super) fn undeclared(environment: &str) -> String {
    format!(
        "{environment} is not declared any more, and what was applied there is still in force: \
         gatewright apply --env {environment} takes it out"
    )
}

impl Environment {
    fn tell(&self, text: &mut String) {
        let in_force = match (self.change, self.outcome, self.since) {
            _ if self.half_way_is_served => self.passage(),
            (Some(number), Some(how), Some(since)) => {
                format!("change {number}, {}, since {}", outcome(how), clock_text(since))
            }
            _ => "nothing was applied yet".to_owned(),
        };
        text.push_str(&format!("  in force         {in_force}\n"));
        for (mark, words) in self.warnings() {
            text.push_str(&format!("  {} {words}\n", Ui::mark(mark)));
        }
        for api in &self.apis {
            let owner = api.owner.as_ref().map(|owner| format!(" · owner {owner}"));
            text.push_str(&format!(
                "  {:<16} {} · {} · {}{}\n",
                api.name,
                count(api.operations, "operation"),
                count(api.rules, "rule"),
                api.standing.words(),
                owner.unwrap_or_default()
            ));
        }
        match self.drifted.len() {
            0 => text.push_str("  drift            none\n"),
            many => text.push_str(&format!(
                "  {} drift          {}: gatewright drift tells which\n",
                Ui::mark(Mark::Warning),
                count(many, "object")
            )),
        }
    }

    /// What is in force between a switch and its proof.
    fn passage(&self) -> String {
        let number = |number: Option<u64>| number.map(|it| it.to_string()).unwrap_or_default();
        let served = format!("change {}, switched to and not verified", number(self.half_way));
        match self.change {
            Some(_) => format!("{served}; before it change {}", number(self.change)),
            None => served,
        }
    }

    fn warnings(&self) -> Vec<(Mark, String)> {
        let mut warnings = vec![];
        if let Some(number) = self.half_way {
            let words = format!("change {number} stopped half way: gatewright apply continues it");
            warnings.push((Mark::Bad, words));
        }
        if self.folder_has_errors {
            let words = "the folder has errors: gatewright check tells them".to_owned();
            warnings.push((Mark::Warning, words));
        }
        if self.pending && self.change.is_some() {
            let words = "the folder says something else: gatewright plan shows what would change"
                .to_owned();
            warnings.push((Mark::Warning, words));
        }
        if let Some(number) = self.held {
            let words = format!(
                "it says what change {number} did, which was rolled back: held until another state \
                 is applied"
            );
            warnings.push((Mark::Open, words));
        }
        for stale in &self.refused {
            warnings.push((Mark::Bad, stale.to_string()));
        }
        for Unready { api, because } in &self.unready {
            warnings.push((Mark::Bad, unready(api, because)));
        }
        for place in &self.not_running {
            warnings.push((Mark::Warning, format!("{place} does not run: nobody is served")));
        }
        warnings
    }
}
