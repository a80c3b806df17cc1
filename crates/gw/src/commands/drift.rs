//! `gatewright drift`.

use std::collections::BTreeSet;

use clap::{Args, Subcommand};
use gw_model::{clock::Clock, environment::ChangeAction};
use gw_plan::{
    difference::{Difference, Drift as Kind, in_words},
    driver::{Actor, Driver},
    plan::Plan,
};
use serde::Serialize;
use serde_json::Value;

use super::{Context, no_server, status};
use crate::{
    compose::{Purpose, Scene, SystemClock, store_failure},
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::{clock_text, count},
};

/// Compares what targets serve with what was last written to them.
///
/// Without `--env` it looks at every environment; with `--json` each is a document on its own line.
#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// Exits with 4 where something differs.
    #[arg(long)]
    pub(super) exit_code: bool,
    #[command(subcommand)]
    pub(super) deed: Option<Deed>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Deed {
    Accept(Accept),
}

/// Leaves a difference as it is for a while, or proposes it as a change, by a rule for `acceptDrift`.
/// Only a server does that.
///
/// What is left ends before its day where something else differs, or where a change is made. What is
/// proposed is a branch that says what the target holds, and a pull request like any other.
#[derive(Debug, Args)]
pub(super) struct Accept {
    /// The difference, as `drift` calls it: `dr-7Q2M0K`.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// The last day: `2027-03-01`.
    #[arg(long, value_name = "DATE", required_unless_present = "as_branch")]
    pub(super) until: Option<String>,
    /// Proposes it instead: a branch and a pull request.
    #[arg(long, conflicts_with = "until")]
    pub(super) as_branch: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    environment: &'a str,
    drifted: &'a [Drifted],
}

/// One object that somebody else changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drifted {
    target: String,
    object: String,
    kind: Kind,
    /// None: the target does not know.
    actor: Option<Actor>,
    settings: Vec<Setting>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
struct Setting {
    path: String,
    written: Option<Value>,
    live: Option<Value>,
}

impl Drifted {
    /// What differs, each place in a line.
    pub(crate) fn words(&self) -> Vec<String> {
        let object = &self.object;
        if self.kind == Kind::Changed && !self.settings.is_empty() {
            let setting = |Setting { path, written, live }: &Setting| {
                let (written, live) = (in_words(written.as_ref()), in_words(live.as_ref()));
                format!("{object} · {path}: written {written}, live {live}")
            };
            return self.settings.iter().map(setting).collect();
        }
        vec![match self.kind {
            Kind::Added => format!("{object} is served and was never written"),
            Kind::Removed => format!("{object} was written and is not served"),
            Kind::Changed | Kind::None => format!("{object} differs"),
        }]
    }

    /// Whoever did it did not go through Gatewright, so only the target may know.
    pub(crate) fn actor_words(&self) -> String {
        match &self.actor {
            Some(Actor { name, source, at }) => {
                format!("by {name} ({source}) at {}", clock_text(*at))
            }
            None => "by: unknown, not through Gatewright".to_owned(),
        }
    }
}

impl Drift {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        if self.deed.is_some() {
            return Err(no_server());
        }
        let mut differs = false;
        for scene in &Scene::all(context, Purpose::Look).await? {
            let drifted = find(scene).await?;
            differs |= !drifted.is_empty();
            match context.ui.form {
                Form::Json => context.ui.json(&Document {
                    schema: "gatewright.io/drift/v1",
                    environment: scene.environment.as_str(),
                    drifted: &drifted,
                }),
                Form::Text => context.ui.result(&report(scene, &drifted).await?),
            }
        }
        Ok(if self.exit_code && differs { Exit::Differs } else { Exit::Done })
    }
}

async fn report(scene: &Scene, drifted: &[Drifted]) -> Result<String, Failure> {
    let in_force = scene.store.in_force(&scene.environment).await;
    if in_force.map_err(|error| store_failure(&error))?.is_none() {
        return Ok(format!("{scene}: nothing was applied yet, so nothing can differ\n"));
    }
    let mut text = text(scene, drifted);
    for stale in status::refused(scene).await {
        text.push_str(&format!("  {} {stale}\n", Ui::mark(Mark::Bad)));
    }
    for place in scene.unserved().await {
        let mark = Ui::mark(Mark::Warning);
        text.push_str(&format!(
            "  {mark} {place} does not run: compared was what it would serve\n"
        ));
    }
    Ok(text)
}

/// Everything on the targets that is not as it was written.
pub(crate) async fn find(scene: &Scene) -> Result<Vec<Drifted>, Failure> {
    of(scene, &look(scene).await?).await
}

/// The plan of whoever only looks.
pub(crate) async fn look(scene: &Scene) -> Result<Plan, Failure> {
    let planned = scene.plan(&BTreeSet::new(), ChangeAction::View).await;
    Ok(planned.map_err(|error| Failure::from(&error))?.plan)
}

/// What a plan found that is not as it was written.
pub(crate) async fn of(scene: &Scene, plan: &Plan) -> Result<Vec<Drifted>, Failure> {
    if plan.compared_with.is_none() {
        return Ok(vec![]);
    }
    let mut drifted = vec![];
    for part in &plan.targets {
        let Some(driver) = scene.drivers.get(&part.target) else { continue };
        for difference in &part.differences {
            if difference.drift == Kind::None {
                continue;
            }
            drifted.push(Drifted {
                target: part.target.to_string(),
                object: difference.key.to_string(),
                kind: difference.drift,
                actor: actor(driver.as_ref(), difference).await,
                settings: settings(difference),
            });
        }
    }
    Ok(drifted)
}

async fn actor(driver: &dyn Driver, difference: &Difference) -> Option<Actor> {
    driver.actor(difference).await.ok().flatten()
}

fn settings(difference: &Difference) -> Vec<Setting> {
    let found = difference.drifted.iter().cloned();
    found.map(|leaf| Setting { path: leaf.path, written: leaf.before, live: leaf.after }).collect()
}

/// The report for people.
pub(crate) fn text(scene: &Scene, drifted: &[Drifted]) -> String {
    let at = clock_text(SystemClock.now());
    if drifted.is_empty() {
        return format!("{scene}: nothing differs from what was written · read {at}\n");
    }
    let verb = if drifted.len() == 1 { "differs" } else { "differ" };
    let objects = count(drifted.len(), "object");
    let mut text = format!("{scene}: {objects} {verb} · read {at}\n");
    for one in drifted {
        for words in one.words() {
            text.push_str(&format!("  {}  {words}\n", one.target));
        }
        text.push_str(&format!("      {}\n", one.actor_words()));
    }
    text.push_str(&format!("  put it back   gatewright apply --env {}\n", scene.environment));
    text
}
