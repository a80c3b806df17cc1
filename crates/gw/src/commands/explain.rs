//! `gatewright explain`.

use clap::Args;
use gw_audit::report;
use gw_control::{
    engine::plan_of,
    store::{Action, Change, StepRecord, StepState, Store, StoreError},
};
use gw_model::{clock::Clock, code::Code, diagnostic::Severity, terminal::Visible};
use gw_plan::{
    plan::{Plan, from_file},
    render,
};
use gw_policy::{
    can::{Known, Question, SOMEWHERE},
    decision::{DecisionId, Reason, Record},
    principal::Caller,
    snapshot::Snapshot,
};
use gw_proxy::Wanted;
use serde::Serialize;
use serde_json::Value;

use super::{
    Context,
    steps::{Seconds, row},
    told::Told,
};
use crate::{
    compose::{Purpose, Scene, State, SystemClock, Workspace, decision, root, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::{clock_text, outcome},
};

/// Tells why: a decision, a change, a plan, an object or an error code.
///
/// A decision (d-…) is told by the gateway that made it, or by the log that it left, with the near
/// miss of every refusal; `gatewright can --decision d-…` judges it again. A change is told by its
/// number, with what it did to callers and its steps; a plan (p-…) as it was shown; an object (api/orders) by the change that
/// wrote it; a code (GW1101) by its story. Without `--env`, every environment that has such a change
/// or object is told of. With `--server` a decision is one on a change: what the Git host knew, what the
/// rules said, how far the target came, and the command that helps; the newest one of a run in CI is found
/// by the number of that run (`'#12'`) or the UUID of its pipeline or step in braces.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// An id, a number, an object or a code.
    #[arg(value_name = "WHAT", required_unless_present = "last")]
    what: Option<String>,
    /// The newest decision: of the gateway on a call, or with `--server` on a change.
    #[arg(long, conflicts_with = "what")]
    last: bool,
}

#[derive(Serialize)]
struct CodeDocument {
    schema: &'static str,
    code: String,
    severity: &'static str,
    title: &'static str,
    explain: &'static str,
}

#[derive(Serialize)]
struct DecisionDocument<'a> {
    schema: &'static str,
    #[serde(flatten)]
    decision: Told<'a>,
}

#[derive(Serialize)]
struct ChangeDocument<'a> {
    schema: &'static str,
    environment: &'a str,
    change: u64,
    action: Action,
    /// The change whose state a rollback restored.
    restores: Option<u64>,
    actor: &'a str,
    reason: Option<&'a str>,
    outcome: &'a str,
    plan: &'a str,
    source: &'a str,
    callers: Vec<Value>,
    steps: Vec<StepDocument<'a>>,
}

#[derive(Serialize)]
struct StepDocument<'a> {
    target: &'a str,
    step: &'a str,
    state: StepState,
    detail: Option<&'a str>,
}

impl Explain {
    /// What is asked for; none: the newest decision.
    pub(super) fn what(&self) -> Option<&str> {
        self.what.as_deref()
    }

    /// Whether no state has to be asked: codes mean the same everywhere.
    pub(super) fn is_code(&self) -> bool {
        self.what().is_some_and(|what| what.to_uppercase().parse::<Code>().is_ok())
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let Some(what) = self.what.as_deref() else {
            return explain_decision(context, &Wanted::Last).await;
        };
        if let Ok(code) = what.to_uppercase().parse::<Code>() {
            explain_code(context, code);
            return Ok(Exit::Done);
        }
        if what.starts_with("d-") {
            let id = DecisionId::parse(what)
                .map_err(|_| Failure::wrong(format!("`{what}` is not the id of a decision")))?;
            return explain_decision(context, &Wanted::Id(id)).await;
        }
        if what.starts_with("p-") {
            return explain_plan(context, what).await;
        }
        if let Ok(number) = what.parse() {
            return explain_change(context, number).await;
        }
        if what.contains('/') {
            return explain_object(context, what).await;
        }
        Err(Failure::wrong(format!("nothing is called `{what}`")).help(
            "name a decision (d-…), a change (its number), a plan (p-…), an object (api/orders) or \
             a code (GW1101)",
        ))
    }
}

fn explain_code(context: Context<'_>, code: Code) {
    let severity = match code.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    match context.ui.form {
        Form::Json => context.ui.json(&CodeDocument {
            schema: "gatewright.io/code/v1",
            code: code.to_string(),
            severity,
            title: code.title(),
            explain: code.explain(),
        }),
        Form::Text => {
            context.ui.line(&format!("{code} {severity}: {}\n\n{}", code.title(), code.explain()));
        }
    }
}

async fn explain_decision(context: Context<'_>, wanted: &Wanted) -> Result<Exit, Failure> {
    let workspace = Workspace::read(&context.globals.workspace)?;
    let state = State::to_look_at(context, &workspace)?;
    let mut record = find_decision(context, &state, wanted).await?;
    if record.cure.is_none() {
        record.cure = listing(&workspace, &record);
    }
    match context.ui.form {
        Form::Json => {
            let schema = "gatewright.io/decision/v1";
            context.ui.json(&DecisionDocument { schema, decision: Told(&record) });
        }
        Form::Text => {
            context.ui.result(&record.to_string());
            context.ui.say(&format!("judge it again: gatewright can --decision {}", record.id));
        }
    }
    Ok(Exit::Done)
}

/// What to do about a call that nothing listed, by the files as they are now: a gateway does not look
/// for what was meant while it is called.
fn listing(workspace: &Workspace, record: &Record) -> Option<String> {
    let is_unlisted = |reason| matches!(reason, Reason::NoRoute | Reason::MethodNotListed);
    if !is_unlisted(record.reason) {
        return None;
    }
    let desired = workspace.faultless()?.desired(&record.environment).ok()?;
    let snapshot = Snapshot::compile(&desired, &record.target).ok()?;
    let answer = snapshot.can(&Question {
        caller: &Caller::default(),
        method: &record.method,
        host: &record.host,
        path: &record.path,
        ip: Known::Assumed(SOMEWHERE),
        now: Known::Assumed(SystemClock.now()),
    });
    if is_unlisted(answer.reason) {
        return answer.cure;
    }
    answer
        .operation
        .map(|_| "the files list it now: gatewright plan shows what else they say".into())
}

/// Asks every built-in gateway of the environment, or of all where none was named: ids are random,
/// so at most one knows it.
pub(super) async fn find_decision(
    context: Context<'_>,
    state: &State,
    wanted: &Wanted,
) -> Result<Record, Failure> {
    let (mut newest, mut refused): (Option<Record>, _) = (None, None);
    let folders = state.target_folders(context.globals.env.as_ref());
    for folder in &folders {
        match decision(folder, wanted).await {
            Ok(found) => newest = newest.into_iter().chain(found).max_by_key(|it| it.at_ms),
            Err(failure) => refused = Some(failure),
        }
    }
    match (newest, refused, wanted) {
        (Some(record), _, _) => Ok(record),
        (None, Some(failure), _) => Err(failure),
        (None, None, _) if folders.is_empty() => {
            Err(Failure::new(Exit::Unreachable, "no gateway ever ran here, so nothing was decided")
                .help("start one: `gatewright gateway`"))
        }
        (None, None, Wanted::Last) => Err(Failure::wrong("no call was decided yet")),
        (None, None, Wanted::Id(id)) => Err(Failure::wrong(format!(
            "no gateway remembers the decision `{id}`"
        ))
        .help("of calls that were allowed only some are kept, and the oldest decisions go first")
        .help("the last moments before a gateway was killed are not on the record")),
    }
}

async fn explain_plan(context: Context<'_>, id: &str) -> Result<Exit, Failure> {
    let root = root(&context.globals.workspace)?;
    let state = State::locate(context, &root)?;
    let plan = match state.open_existing(context).await? {
        Some(store) => find_plan(&store, id).await?,
        None => None,
    };
    let plan = plan.ok_or_else(|| {
        Failure::wrong(format!("there is no plan `{id}`")).coded(Code::NoSuchPlan).help(
            "make one: `gatewright plan`; a change tells its own: `gatewright explain NUMBER`",
        )
    })?;
    match context.ui.form {
        Form::Json => context.ui.json(&render::json(&plan)),
        Form::Text => context.ui.result(&render::text(&plan)),
    }
    Ok(Exit::Done)
}

/// One that was shown, or one that a change carried out.
async fn find_plan(store: &Store, id: &str) -> Result<Option<Plan>, Failure> {
    let told = |error: StoreError| store_failure(&error);
    if let Some(kept) = store.plan(id).await.map_err(told)? {
        return from_file(kept.as_bytes())
            .map(Some)
            .map_err(|error| Failure::wrong(error.to_string()).coded(Code::PlanAltered));
    }
    for environment in store.environments().await.map_err(told)? {
        let changes = store.changes(&environment).await.map_err(told)?;
        if let Some(change) = changes.iter().find(|change| change.begun.plan_id == id) {
            let plan = plan_of(store, &environment, change.number).await;
            return plan.map(Some).map_err(|error| Failure::from(&error));
        }
    }
    Ok(None)
}

/// In each environment that has a change of that number.
async fn explain_change(context: Context<'_>, number: u64) -> Result<Exit, Failure> {
    let scenes = Scene::all(context, Purpose::Look).await?;
    let mut found = false;
    for scene in &scenes {
        let change = scene.store.change(&scene.environment, number).await;
        if let Some(change) = change.map_err(|error| store_failure(&error))? {
            found = true;
            tell_change(context, scene, &change).await?;
        }
    }
    if found {
        return Ok(Exit::Done);
    }
    let none = match scenes.as_slice() {
        [scene] => format!("{} has no change {number}", scene.environment),
        _ => format!("no environment has a change {number}"),
    };
    Err(Failure::wrong(none).coded(Code::NoSuchChange).help("`gatewright history` lists them"))
}

async fn tell_change(context: Context<'_>, scene: &Scene, change: &Change) -> Result<(), Failure> {
    let (number, environment) = (change.number, &scene.environment);
    let steps = scene.store.steps(environment, number).await;
    let steps = steps.map_err(|error| store_failure(&error))?;
    let plan = plan_of(&scene.store, environment, number).await;
    let plan = plan.map_err(|error| Failure::from(&error))?;
    let begun = &change.begun;
    match context.ui.form {
        Form::Json => context.ui.json(&ChangeDocument {
            schema: "gatewright.io/change/v1",
            environment: environment.as_str(),
            change: number,
            action: begun.action,
            restores: begun.restores,
            actor: &begun.actor.identity,
            reason: begun.reason.as_deref(),
            outcome: change.outcome.as_str(),
            plan: &begun.plan_id,
            source: &begun.source_digest,
            callers: render::callers(&plan),
            steps: steps.iter().map(step_document).collect(),
        }),
        Form::Text => {
            let mut text = change_text(change, &steps);
            let deployed = scene.store.deployed(environment, number).await;
            if let Some(deployed) = deployed.map_err(|error| store_failure(&error))? {
                let told = report::deployed(&deployed);
                text.push_str(&format!("  deployment  {}\n", Visible(&told)));
            }
            context.ui.result(&format!("{text}{}", render::for_callers(&plan)));
        }
    }
    Ok(())
}

/// The change that wrote an object that is in force, in each environment.
async fn explain_object(context: Context<'_>, object: &str) -> Result<Exit, Failure> {
    let key = object.replacen('/', " ", 1);
    let mut found = false;
    for scene in &Scene::all(context, Purpose::Look).await? {
        let Some(change) = writer(scene, &key).await.map_err(|error| store_failure(&error))? else {
            continue;
        };
        found = true;
        if context.ui.form == Form::Text {
            context.ui.line(&format!("{object} was written last by:"));
        }
        tell_change(context, scene, &change).await?;
    }
    if found {
        return Ok(Exit::Done);
    }
    Err(Failure::wrong(format!("nothing called `{object}` was ever written here"))
        .help("`gatewright status` lists what is in force"))
}

/// The change that wrote an object last, to whichever target has it.
async fn writer(scene: &Scene, key: &str) -> Result<Option<Change>, StoreError> {
    for target in scene.drivers.keys() {
        if let Some(number) = scene.store.writer(&scene.environment, target, key).await? {
            return scene.store.change(&scene.environment, number).await;
        }
    }
    Ok(None)
}

fn step_document(step: &StepRecord) -> StepDocument<'_> {
    StepDocument {
        target: step.target.as_str(),
        step: step.name.as_str(),
        state: step.state,
        detail: step.detail.as_deref(),
    }
}

fn change_text(change: &Change, steps: &[StepRecord]) -> String {
    let begun = &change.begun;
    let mut text = format!(
        "change {} · {} · {} by {} · {} · {}\n  plan    {}\n  files   {}\n",
        change.number,
        begun.environment,
        begun.action.as_str(),
        Visible(&begun.actor.identity),
        clock_text(begun.began_at),
        outcome(change.outcome),
        begun.plan_id,
        begun.source_digest,
    );
    if let Some(restored) = begun.restores {
        text.push_str(&format!("  state   of change {restored}, which it restores\n"));
    }
    if let Some(reason) = &begun.reason {
        text.push_str(&format!("  reason  {}\n", Visible(reason)));
    }
    for step in steps {
        let mark = match step.state {
            StepState::Done => Mark::Good,
            StepState::Failed => Mark::Bad,
            StepState::Intended => Mark::Open,
        };
        let took = step.ended_at.map(|end| (end - step.began_at).whole_milliseconds());
        let took = took.and_then(|ms| u64::try_from(ms).ok()).map(Seconds);
        let took = took.map(|took| took.to_string()).unwrap_or_default();
        let words = step.detail.as_deref().unwrap_or("begun, and nothing is known of its end");
        text.push_str(&row(&Ui::mark(mark), step.name.as_str(), words, &took));
        text.push('\n');
    }
    text
}
