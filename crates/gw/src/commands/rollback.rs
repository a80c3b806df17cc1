//! `gatewright rollback`.

use std::{collections::BTreeSet, time::Instant};

use clap::Args;
use gw_control::local::Wish;
use gw_model::environment::ChangeAction;
use gw_plan::render;

use super::{
    Context,
    apply::{conclude, refused},
    steps::Steps,
};
use crate::{
    compose::{self, Purpose, Scene},
    exit::{Exit, Failure},
    ui::{Form, Input},
};

/// Goes back to the state that an earlier change left.
///
/// The state that is left is held: it is not applied again until another one was. Secrets are not
/// restored; their names mean what the store holds today.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The number of the change whose state comes back; `history` lists them.
    #[arg(long, value_name = "NUMBER")]
    to: u64,
    /// Why; it stands in the history.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let scene = Scene::open(context, Purpose::Change).await?;
        let lock = scene.lock()?;
        let local = scene.local();
        let told = |error| compose::failure(&error);
        let (declared, source) = local.state_of(self.to).await.map_err(told)?;
        let only = BTreeSet::new();
        let wish =
            Wish { declared: &declared, source, only: &only, action: ChangeAction::Rollback };
        let planned = local.plan(wish).await.map_err(told)?;
        if context.ui.form == Form::Text {
            context.ui.say(&render::first_line(&planned.plan));
        }
        if planned.plan.allowed() && !planned.plan.is_empty() {
            self.confirm(context, &scene)?;
        }
        let begun = Instant::now();
        let steps = Steps { ui: context.ui };
        let outcome = local.rollback(&planned, self.to, self.reason.clone(), &steps).await;
        drop(lock);
        let outcome = outcome.map_err(|error| refused(context, &planned, &error))?;
        let exit = conclude(context, &scene, outcome, begun);
        context.ui.say(&format!(
            "the state that was left is held in {}: it is not applied again until another one was",
            scene.environment
        ));
        Ok(exit)
    }

    /// Whoever sits at the terminal says once more what is changed.
    fn confirm(&self, context: Context<'_>, scene: &Scene) -> Result<(), Failure> {
        if context.ui.input == Input::Never {
            return Ok(());
        }
        let question = format!("Type the environment name to go on: {}\n> ", scene.environment);
        match context.ui.ask(&question) {
            None => Ok(()),
            Some(answer) if answer == scene.environment.as_str() => Ok(()),
            Some(_) => Err(Failure::new(Exit::Interrupted, "not confirmed; nothing was changed")),
        }
    }
}
