//! `gatewright plan`.

use std::{collections::BTreeSet, fs, path::PathBuf};

use clap::{Args, ValueEnum};
use gw_control::event::{local_user, planned};
use gw_model::{clock::Clock, code::Code, environment::ChangeAction, id::ApiName};
use gw_plan::{
    plan::{Plan as Made, to_file},
    render,
};

use super::{Context, no_server, status::undeclared};
use crate::{
    compose::{Purpose, Scene, SystemClock, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
};

/// Tells what an apply would do: to callers, to objects, and whether it may be done.
///
/// Nothing is written to any target. Where there is a state already the plan is kept in it, so that
/// `gatewright apply PLAN` does exactly what was shown; before the first apply, `--out` keeps it.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Only this API; may be given several times. Everything else stays as it is in force.
    #[arg(long, value_name = "API", value_parser = api)]
    only: Vec<ApiName>,
    /// Exits with 4 where there is anything to do that may be done, with 3 where it may not.
    #[arg(long)]
    pub(super) exit_code: bool,
    /// With `--server`: the commit to plan (else the one that the pipeline builds).
    #[arg(long, value_name = "HASH")]
    pub(super) commit: Option<String>,
    /// With `--server`: an open pull request, as if it were merged now.
    #[arg(long, value_name = "NUMBER", conflicts_with = "commit")]
    pub(super) pull_request: Option<u64>,
    /// Also writes the plan to a file, for `gatewright apply FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The form of the plan.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Markdown,
}

impl Plan {
    /// The APIs that were named; none: everything.
    pub(super) fn only(&self) -> Option<Vec<String>> {
        let named: Vec<String> = self.only.iter().map(ToString::to_string).collect();
        Some(named).filter(|named| !named.is_empty())
    }

    /// A flag that was given and that no server has.
    pub(super) fn of_this_machine(&self) -> Option<&'static str> {
        match (&self.out, self.format) {
            (Some(_), _) => Some("--out"),
            (None, Format::Json | Format::Markdown) => Some("--format"),
            (None, Format::Text) => None,
        }
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        // Here is planned what the folder declares, whatever commit that is.
        if self.commit.is_some() || self.pull_request.is_some() {
            return Err(no_server());
        }
        let scene = Scene::open(context, Purpose::Look).await?;
        let only: BTreeSet<ApiName> = self.only.iter().cloned().collect();
        known_apis(&scene, &only)?;
        let progress = context.ui.progress("planning");
        let planned = scene.plan(&only, ChangeAction::Apply).await;
        progress.end().await;
        let plan = planned.map_err(|error| Failure::from(&error))?.plan;
        keep(&scene, &plan).await?;
        if self.out.is_none() && scene.state.standing().is_none() {
            context.ui.say(
                "this plan is not kept, because nothing was applied here yet; `--out FILE` keeps it",
            );
        }
        if let Some(path) = &self.out {
            write(path, &plan)?;
            context.ui.say(&format!("wrote {}", path.display()));
        }
        let format = match context.ui.form {
            Form::Json => Format::Json,
            Form::Text => self.format,
        };
        let held = scene.held(&plan).await?;
        let half_way = scene.store.under_way(&scene.environment).await;
        let half_way = half_way.map_err(|error| store_failure(&error))?.map(|change| {
            format!(
                "{} change {} stopped half way: gatewright apply continues it first",
                Ui::mark(Mark::Bad),
                change.number
            )
        });
        match format {
            Format::Text => {
                context.ui.result(&render::text(&plan));
                if let Some(words) = &half_way {
                    context.ui.line(words);
                }
            }
            Format::Json => context.ui.json(&render::json(&plan)),
            Format::Markdown => context.ui.result(&render::markdown(&plan)),
        }
        if let Some(words) = half_way.filter(|_| format != Format::Text) {
            context.ui.say(&words);
        }
        for environment in scene.undeclared().await? {
            context.ui.say(&undeclared(environment.as_str()));
        }
        Ok(match (plan.has_errors(), plan.is_empty()) {
            // Nothing is wrong with what is declared.
            (true, _) if held.is_none() => Exit::Wrong,
            (false, false) if self.exit_code && plan.allowed() => Exit::Differs,
            (_, false) if self.exit_code => Exit::Denied,
            _ => Exit::Done,
        })
    }
}

/// Keeps a plan that was shown, where there is a state to keep it in.
pub(crate) async fn keep(scene: &Scene, plan: &Made) -> Result<(), Failure> {
    let document = to_file(plan).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    let text = String::from_utf8_lossy(&document);
    let (environment, at) = (&scene.environment, SystemClock.now());
    let planned = planned(local_user(), plan);
    let kept = scene.store.keep_plan(&plan.id, environment, &text, planned, at).await;
    kept.map_err(|error| store_failure(&error))
}

/// Refuses names that no API has.
pub(crate) fn known_apis(scene: &Scene, only: &BTreeSet<ApiName>) -> Result<(), Failure> {
    match only.iter().find(|name| !scene.desired.apis.contains_key(*name)) {
        None => Ok(()),
        Some(name) => {
            let names: Vec<_> = scene.desired.apis.keys().map(ApiName::as_str).collect();
            Err(Failure::wrong(format!("no API of {} is called `{name}`", scene.environment))
                .coded(Code::UnknownName)
                .help(format!("declared are: {}", names.join(", "))))
        }
    }
}

/// `orders`, or `api/orders` as objects are called elsewhere.
pub(crate) fn api(text: &str) -> Result<ApiName, String> {
    ApiName::parse(text.strip_prefix("api/").unwrap_or(text)).map_err(|error| error.to_string())
}

fn write(path: &PathBuf, plan: &Made) -> Result<(), Failure> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
    };
    let bytes = to_file(plan).map_err(|error| broken(&error))?;
    fs::write(path, bytes).map_err(|error| broken(&error))
}
