//! `gatewright apply`.

use std::{collections::BTreeSet, fs, io, path::Path, time::Instant};

use clap::Args;
use gw_control::{
    apply::Executed,
    engine::{Applied, ApplyResult, Former},
};
use gw_model::{code::Code, environment::ChangeAction, id::ApiName};
use gw_plan::{
    plan::{EffectMoved, Ground, Plan, Planned, from_file, replan},
    render,
};
use gw_policy::gateway::Unready;
use serde::Serialize;

use super::{
    Context, no_server,
    plan::{api, keep, known_apis},
    steps::{Seconds, Steps},
};
use crate::{
    compose::{Purpose, Scene, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

/// Makes the declarations be in force: planned, judged, written, read back, probed and recorded.
///
/// Without PLAN it plans now and does that. With PLAN, the id of a plan that was shown or a file
/// that `plan --out` wrote, it does exactly what was shown, or nothing. A change that stopped half
/// way is continued first, and then what is declared now is applied; one that a target refuses is
/// replaced by it.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// A plan: its id, or its file.
    #[arg(value_name = "PLAN", conflicts_with = "only")]
    pub(super) plan: Option<String>,
    /// With `--server`: the commit to apply (else the one that the pipeline builds).
    #[arg(long, value_name = "HASH", conflicts_with = "plan")]
    pub(super) commit: Option<String>,
    /// Only this API; may be given several times. Everything else stays as it is in force.
    #[arg(long, value_name = "API", value_parser = api)]
    pub(super) only: Vec<ApiName>,
    /// Gives up the change that stopped half way, as long as callers cannot have seen it.
    #[arg(long)]
    pub(super) abandon: bool,
    /// With `--server`: without what an ordinary apply needs, by a rule for `breakGlass`. Everybody
    /// hears of it, and it stays open until an ordinary change takes its place.
    #[arg(long, requires = "reason", requires = "until", conflicts_with_all = ["plan", "abandon"])]
    pub(super) break_glass: bool,
    /// Why glass is broken; it stands in the ledger.
    #[arg(long, value_name = "TEXT", requires = "break_glass")]
    pub(super) reason: Option<String>,
    /// Until when that holds, at most seven days: `2026-09-10T18:00:00Z`. Then the server goes back.
    #[arg(long, value_name = "TIME", requires = "break_glass")]
    pub(super) until: Option<String>,
}

#[derive(Serialize)]
struct Ended<'a> {
    schema: &'static str,
    environment: &'a str,
    change: Option<u64>,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl Apply {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        if self.break_glass || self.commit.is_some() {
            return Err(no_server());
        }
        let scene = Scene::open(context, Purpose::Change).await?;
        let lock = scene.lock().await?;
        let begun = Instant::now();
        if self.abandon {
            return abandon(context, &scene).await;
        }
        if let Some(exit) = self.make_way(context, &scene, begun).await? {
            return Ok(exit);
        }
        let planned = self.decide(context, &scene).await?;
        let steps = Steps::begin(context, &scene);
        let outcome = scene.engine().apply(&planned, &steps).await;
        drop(lock);
        let outcome = outcome.map_err(|error| refused(context, &planned, &error))?;
        Ok(conclude(context, &scene, outcome, begun).await)
    }

    /// Ends a change that stopped half way. With an exit code, that is all that is done now.
    async fn make_way(
        &self,
        context: Context<'_>,
        scene: &Scene,
        begun: Instant,
    ) -> Result<Option<Exit>, Failure> {
        let under_way = scene.store.under_way(&scene.environment).await;
        if under_way.map_err(|error| store_failure(&error))?.is_none() {
            return Ok(None);
        }
        let only: BTreeSet<ApiName> = self.only.iter().cloned().collect();
        let planned = make(context, scene, &only).await?;
        let steps = Steps::begin(context, scene);
        let former = scene.engine().make_way(&planned, &steps).await;
        match former.map_err(|error| refused(context, &planned, &error))? {
            Former::None => Ok(None),
            Former::Resumed(applied) => {
                let number = applied.number;
                context.ui.say(&format!("change {number} had stopped half way; it goes on"));
                // What it did is not always what is declared by now: then that comes next.
                let comes_next = match &self.plan {
                    Some(_) => !matches!(applied.executed, Executed::Unproven(_)),
                    None => !make(context, scene, &only).await?.plan.is_empty(),
                };
                if !comes_next {
                    return Ok(Some(report(context, scene, &applied, begun).await));
                }
                context
                    .ui
                    .say(&format!("change {number} is in force; what is declared now is next"));
                Ok(None)
            }
            Former::Superseded(number) => {
                context.ui.say(&superseded(number));
                Ok(None)
            }
        }
    }

    /// The plan that is executed: made now, and compared with the one that was shown.
    async fn decide(&self, context: Context<'_>, scene: &Scene) -> Result<Planned, Failure> {
        let only: BTreeSet<ApiName> = self.only.iter().cloned().collect();
        known_apis(scene, &only)?;
        let Some(name) = &self.plan else {
            let planned = make(context, scene, &only).await?;
            context.ui.say(&render::first_line(&planned.plan));
            return Ok(planned);
        };
        let shown = find_plan(scene, name).await?;
        let planned = make(context, scene, &shown.only).await?;
        match replan(&shown, &planned.plan) {
            Ok(Ground::Same) => {}
            Ok(Ground::Moved { what }) => context.ui.say(&format!(
                "since the plan was made, {} moved; what is done is still what was shown",
                what.join(" and ")
            )),
            Err(moved) => {
                return Err(Failure::new(Exit::Differs, moved.to_string())
                    .coded(EffectMoved::CODE)
                    .note("nothing was written")
                    .help("look at a new plan: `gatewright plan`"));
            }
        }
        Ok(planned)
    }
}

async fn make(
    context: Context<'_>,
    scene: &Scene,
    only: &BTreeSet<ApiName>,
) -> Result<Planned, Failure> {
    let progress = context.ui.progress("planning");
    let planned = scene.plan(only, ChangeAction::Apply).await;
    progress.end().await;
    let planned = planned.map_err(|error| Failure::from(&error))?;
    keep(scene, &planned.plan).await?;
    Ok(planned)
}

async fn find_plan(scene: &Scene, name: &str) -> Result<Plan, Failure> {
    let kept = scene.store.plan(name).await.map_err(|error| store_failure(&error))?;
    let bytes = match kept {
        Some(text) => text.into_bytes(),
        None => fs::read(Path::new(name)).map_err(|error| no_plan(name, &error))?,
    };
    from_file(&bytes).map_err(|error| {
        Failure::wrong(error.to_string())
            .coded(Code::PlanAltered)
            .help("make a new one: `gatewright plan --out FILE`")
    })
}

/// A file is called with its ending or its folder, so that it is no id.
fn no_plan(name: &str, error: &io::Error) -> Failure {
    let told = match error.kind() {
        io::ErrorKind::NotFound if name.contains(['.', '/']) => {
            format!("there is no file `{name}`, nor a plan of that name")
        }
        io::ErrorKind::NotFound => format!("there is no plan `{name}`"),
        _ => format!("cannot read `{name}`: {error}"),
    };
    Failure::wrong(told).coded(Code::NoSuchPlan).help("make one: `gatewright plan`")
}

async fn abandon(context: Context<'_>, scene: &Scene) -> Result<Exit, Failure> {
    let steps = Steps::begin(context, scene);
    let number = scene.engine().abandon(&steps).await.map_err(|error| Failure::from(&error))?;
    let text = match number {
        Some(number) => format!("change {number} is given up; callers never saw it"),
        None => "no change stopped half way: nothing to give up".to_owned(),
    };
    let outcome = if number.is_some() { "abandoned" } else { "nothing" };
    tell(context, scene, number, outcome, None, &text);
    Ok(Exit::Done)
}

/// That a change which a target refuses gives way to what is declared now.
pub(crate) fn superseded(number: u64) -> String {
    format!("change {number} was refused by a target; what is declared now takes its place")
}

/// Says why a plan was not done; for a denial, by which rules.
pub(crate) fn refused(
    context: Context<'_>,
    planned: &Planned,
    error: &gw_control::engine::EngineError,
) -> Failure {
    use gw_control::engine::EngineError;

    if matches!(error, EngineError::Denied(_) | EngineError::Errors)
        && context.ui.form == Form::Text
    {
        context.ui.alarm(&render::text(&planned.plan));
    }
    Failure::from(error)
}

/// Tells how an apply or a rollback ended.
pub(crate) async fn conclude(
    context: Context<'_>,
    scene: &Scene,
    outcome: ApplyResult,
    begun: Instant,
) -> Exit {
    match outcome {
        ApplyResult::Nothing => {
            let hindrances = hindrances(scene, &Executed::Verified).await;
            let text = format!("{scene} is as declared: nothing to do{}", warnings(&hindrances));
            let detail = Some(hindrances.join("; ")).filter(|words| !words.is_empty());
            tell(context, scene, None, "nothing", detail, &text);
            Exit::Done
        }
        ApplyResult::Proved(applied) | ApplyResult::Changed(applied) => {
            report(context, scene, &applied, begun).await
        }
    }
}

async fn report(context: Context<'_>, scene: &Scene, applied: &Applied, begun: Instant) -> Exit {
    let Applied { number, executed, before } = applied;
    match executed {
        Executed::Verified | Executed::Hindered(_) => {
            let hindrances = hindrances(scene, executed).await;
            let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            let how = match hindrances.is_empty() {
                true => " and verified",
                false => "; its rules are verified, but calls fail",
            };
            let mut text = format!("change {number} is applied{how}, {}", Seconds(ms));
            if let Some(back) = before {
                let environment = &scene.environment;
                text.push_str(&format!(
                    ".      Undo: gatewright rollback --env {environment} --to {back}"
                ));
            }
            text.push_str(&warnings(&hindrances));
            let detail = Some(hindrances.join("; ")).filter(|words| !words.is_empty());
            tell(context, scene, Some(*number), "verified", detail, &text);
            Exit::Done
        }
        Executed::Unproven(reason) => {
            let text = format!(
                "change {number} is applied, not verified: {reason}\n\
                 It is served as soon as a gateway runs: gatewright gateway --env {}",
                scene.environment
            );
            tell(context, scene, Some(*number), "applied", Some(reason.to_string()), &text);
            Exit::Unreachable
        }
    }
}

/// Why calls bring no answer although what is declared is in force.
async fn hindrances(scene: &Scene, executed: &Executed) -> Vec<String> {
    let mut words = match executed {
        Executed::Hindered(words) => words.clone(),
        Executed::Verified | Executed::Unproven(_) => vec![],
    };
    for Unready { api, because } in scene.unready().await {
        if !words.iter().any(|told| told.contains(&because)) {
            words.push(unready(&api, &because));
        }
    }
    words
}

/// A line below for each.
fn warnings(hindrances: &[String]) -> String {
    hindrances.iter().map(|words| format!("\n{} {words}", Ui::mark(Mark::Warning))).collect()
}

/// That an API has no credential for its backend.
pub(crate) fn unready(api: &str, because: &str) -> String {
    format!("calls of {api} get 503: {because}")
}

/// Tells how it ended, in the form that was asked for.
pub(crate) fn tell(
    context: Context<'_>,
    scene: &Scene,
    change: Option<u64>,
    outcome: &'static str,
    detail: Option<String>,
    text: &str,
) {
    match context.ui.form {
        Form::Json => context.ui.json(&Ended {
            schema: "gatewright.io/applied/v1",
            environment: scene.environment.as_str(),
            change,
            outcome,
            detail,
        }),
        Form::Text => context.ui.line(text),
    }
}
