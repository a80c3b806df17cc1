//! `gatewright test`.

use clap::Args;
use gw_control::{
    asker::Asker,
    engine::state_of,
    trial::{self, NoTrial, Trial},
};
use gw_model::{clock::Clock, code::Code};
use gw_plan::driver::TargetError;
use serde::Serialize;

use super::Context;
use crate::{
    compose::{DemoIssuer, Purpose, Scene, SystemClock, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::count,
};

/// Tries the table of access on the running gateway: every class of callers calls every operation.
///
/// The tokens are made by the test issuer, so it works only where callers are proved by an issuer on
/// this machine: that of `gatewright dev`, or that of a server (`testIssuer`). The gateway decides as
/// for anybody; nothing is sent to a backend. Where it says otherwise than the rules in force, the call
/// is told and the exit code is 4. `verifiedIn` asks for this where it can be asked for.
#[derive(Debug, Args)]
pub(crate) struct Test {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    environment: &'a str,
    change: u64,
    calls: usize,
    wrong: Vec<String>,
    untried: Vec<&'a str>,
}

impl Test {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let scene = Scene::in_force(context, Purpose::Change).await?;
        let broken = |error| store_failure(&error);
        let environment = &scene.environment;
        let change = scene.store.in_force(environment).await.map_err(broken)?;
        let change = change.ok_or_else(|| {
            Failure::wrong(format!("nothing is in force in {environment}"))
                .help(format!("apply it first: gatewright apply --env {environment}"))
        })?;
        let (desired, source) = state_of(&scene.store, environment, change.number)
            .await
            .map_err(|error| Failure::from(&error))?;
        let progress = context.ui.progress("calling");
        let issuer = DemoIssuer::default();
        let now = SystemClock.now();
        let trial = trial::run(&desired, &scene.drivers, &issuer, now).await;
        progress.end().await;
        let trial = trial.map_err(|error| refused(&error))?;
        let actor = Asker::local().actor;
        let told = gw_control::event::tested(actor, environment, change.number, &source, &trial);
        let (source, passed) = (source.as_str(), trial.passed());
        let kept = scene.store.keep_trial(environment, source, passed, told, SystemClock.now());
        kept.await.map_err(broken)?;
        tell(context, environment.as_str(), change.number, &trial);
        Ok(if trial.passed() { Exit::Done } else { Exit::Differs })
    }
}

fn tell(context: Context<'_>, environment: &str, change: u64, trial: &Trial) {
    let Trial { calls, wrong, untried } = trial;
    if context.ui.form == Form::Json {
        context.ui.json(&Document {
            schema: "gatewright.io/test/v1",
            environment,
            change,
            calls: *calls,
            wrong: wrong.iter().map(ToString::to_string).collect(),
            untried: untried.iter().map(|it| it.as_str()).collect(),
        });
        return;
    }
    for one in wrong {
        context.ui.line(&format!("  {} {one}", Ui::mark(Mark::Bad)));
    }
    for identity in untried {
        let mark = Ui::mark(Mark::Warning);
        context.ui.line(&format!("  {mark} {identity} is not proved by the test issuer: left out"));
    }
    let calls = count(*calls, "call");
    context.ui.line(&match wrong.len() {
        0 => format!("{environment}, change {change}: {calls}, all as the rules say"),
        wrong => format!("{environment}, change {change}: {calls}, {wrong} otherwise"),
    });
}

fn refused(error: &NoTrial) -> Failure {
    let failure = Failure::wrong(error.to_string());
    match error {
        NoTrial::Untrusting => failure
            .help("declare an identity of that name under `identities` of the environment, whose issuer is on this machine")
            .help("never in production: whoever reaches that issuer is whom he likes"),
        NoTrial::NoToken { .. } => failure.help("run `gatewright dev` in another terminal first"),
        NoTrial::Target(error @ TargetError::Unreachable { .. }) => {
            Failure::new(Exit::Unreachable, error.to_string()).coded(Code::TargetUnreachable)
        }
        NoTrial::Target(_) | NoTrial::Rules { .. } | NoTrial::TooLarge { .. } => failure,
    }
}
