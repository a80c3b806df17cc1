//! `gatewright dev break`.

use clap::Args;
use gw_model::{clock::Clock, id::ApiName, scalar::Rate, workspace::Source};
use gw_plan::{
    digest::Digest,
    driver::{Condition, Object, Order, Stamp, Step, TargetError},
};
use gw_policy::generation::Part;
use serde::Serialize;
use serde_json::json;

use crate::{
    commands::Context,
    compose::{Purpose, Scene, SystemClock, store_failure},
    exit::{Exit, Failure},
    ui::Form,
};

/// Makes a limit of the running gateway ten times looser, behind Gatewright's back.
///
/// It stands for a hand that changes a gateway directly: no plan, no rule, no entry in the history.
/// `gatewright dev` and `gatewright status` tell within seconds; `gatewright apply` puts it back.
#[derive(Debug, Args)]
pub(crate) struct Break;

/// How much looser the limit becomes.
const FACTOR: u64 = 10;

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    environment: &'a str,
    api: &'a str,
    declared: String,
    served: String,
}

/// What was done to which API.
#[derive(Debug)]
struct Broken {
    api: ApiName,
    before: Rate,
    after: Rate,
}

impl Break {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let scene = Scene::in_force(context, Purpose::Change).await?;
        if !matches!(scene.desired.source, Source::Local {}) {
            return Err(Failure::wrong(
                "this workspace is no playground: its source is a Git host",
            )
            .help("`dev break` is for workspaces that declare `source: { local: {} }`"));
        }
        let in_force = scene.store.in_force(&scene.environment).await;
        let in_force = in_force.map_err(|error| store_failure(&error))?;
        let Some(change) = in_force else { return Err(nothing()) };
        for driver in scene.drivers.values() {
            let observed = driver.observe().await.map_err(|error| failed(&error))?;
            let mut objects = observed.objects;
            let Some(broken) = loosen(&mut objects) else { continue };
            let effect = Digest::of_json(&json!(objects));
            let stamp = Stamp { change: change.number, effect, at: SystemClock.now() };
            let condition = Condition { version: observed.version };
            for step in [Step::Stage, Step::Switch] {
                let order =
                    Order { step: &step, wanted: &objects, stamp: &stamp, condition: &condition };
                driver.step(order).await.map_err(|error| failed(&error))?;
            }
            let Broken { api, before, after } = broken;
            match context.ui.form {
                Form::Json => context.ui.json(&Document {
                    schema: "gatewright.io/broken/v1",
                    environment: scene.environment.as_str(),
                    api: api.as_str(),
                    declared: before.to_string(),
                    served: after.to_string(),
                }),
                Form::Text => context
                    .ui
                    .line(&format!("{api} now lets {after} through where {before} is declared")),
            }
            context.ui.say(
                "Gatewright was not asked; `gatewright status` tells it, as does `gatewright dev`",
            );
            return Ok(Exit::Done);
        }
        Err(nothing())
    }
}

/// Changes the first limit there is.
fn loosen(objects: &mut [Object]) -> Option<Broken> {
    for object in objects {
        let Ok(Part::Api { name, mut api }) = Part::parse(object) else { continue };
        let Some(limit) = api.spec.limits.first_mut() else { continue };
        let before = limit.rate;
        limit.rate.count = before.count.saturating_mul(FACTOR);
        let broken = Broken { api: name.clone(), before, after: limit.rate };
        *object = Part::Api { name, api }.object().ok()?;
        return Some(broken);
    }
    None
}

fn nothing() -> Failure {
    Failure::wrong("nothing with a limit is in force")
        .help("run `gatewright dev` with an API that declares `limits`")
}

fn failed(error: &TargetError) -> Failure {
    Failure::new(Exit::Unreachable, error.to_string()).help(error.help())
}
