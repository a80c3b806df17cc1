//! `gatewright rollback`.

use std::{collections::BTreeSet, time::Instant};

use clap::Args;
use gw_control::engine::{ApplyResult, Facts, Measured, RolledBack, Wish};
use gw_model::environment::ChangeAction;
use gw_plan::{
    plan::{Baseline, EffectMoved, Plan},
    render,
};

use super::{
    Context,
    apply::{conclude, refused, tell},
    steps::Steps,
};
use crate::{
    compose::{Purpose, Scene},
    exit::{Exit, Failure},
    ui::{Form, Input},
};

/// Goes back to the state that an earlier change left.
///
/// The state that is left is held: it is not applied again until another one was, unless it only
/// takes away from callers. Secrets are not restored; their names mean what the store holds today.
#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// The number of the change whose state comes back; `history` lists them.
    #[arg(long, value_name = "NUMBER")]
    pub(super) to: u64,
    /// Why; it stands in the history.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
}

impl Rollback {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let mut scene = Scene::in_force(context, Purpose::Change).await?;
        let told = |error| Failure::from(&error);
        let (declared, source) = scene.engine().state_of(self.to).await.map_err(told)?;
        scene.reach(context, &declared)?;
        let engine = scene.engine();
        let (only, facts) = (BTreeSet::new(), Facts::default());
        let action = ChangeAction::Rollback;
        let (only, facts, measured) = (&only, &facts, Measured::InForce);
        let wish = Wish { declared: &declared, source, only, action, facts, measured };
        let shown = engine.plan(wish.clone()).await.map_err(told)?;
        if shown.plan.allowed() && !shown.plan.is_empty() {
            match (context.ui.form, context.ui.input) {
                (Form::Json, _) => context.ui.json(&render::json(&shown.plan)),
                (Form::Text, Input::Never) => context.ui.say(&render::first_line(&shown.plan)),
                (Form::Text, _) => context.ui.alarm(&render::for_callers(&shown.plan)),
            }
            self.confirm(context, &scene).await?;
        }
        // Nobody waits for the answer of a person: what others did meanwhile is seen now.
        let lock = scene.lock().await?;
        let planned = engine.plan(wish).await.map_err(told)?;
        unmoved(&shown.plan, &planned.plan)?;
        let begun = Instant::now();
        let steps = Steps::begin(context, &scene);
        let rolled = engine.rollback(&planned, self.to, self.reason.clone(), &steps).await;
        drop(lock);
        let RolledBack { left, result } =
            rolled.map_err(|error| refused(context, &planned, &error))?;
        let exit = match result {
            ApplyResult::Nothing => {
                let text = format!("the state of change {} is in force already", self.to);
                tell(context, &scene, None, "nothing", None, &text);
                Exit::Done
            }
            result => conclude(context, &scene, result, begun).await,
        };
        if let Some(left) = left {
            context.ui.say(&format!(
                "the state of change {left} is held in {}: it is not applied again until another \
                 one was, unless it only takes away from callers",
                scene.environment
            ));
        }
        Ok(exit)
    }

    /// Whoever sits at the terminal says once more what is changed. Who cannot be asked has to say
    /// so beforehand.
    async fn confirm(&self, context: Context<'_>, scene: &Scene) -> Result<(), Failure> {
        if context.ui.input == Input::Never {
            return Ok(());
        }
        let question = format!("Type the environment name to go on: {}\n> ", scene.environment);
        match context.ui.ask(&question).await {
            Some(answer) if answer == scene.environment.as_str() => Ok(()),
            Some(_) => Err(Failure::new(Exit::Interrupted, "not confirmed; nothing was changed")),
            None => Err(Failure::wrong("nobody is there to confirm it; nothing was changed")
                .help("say that nobody is to be asked: `--no-input`")),
        }
    }
}

/// What was shown is done on the ground on which it was shown, or not at all.
fn unmoved(shown: &Plan, now: &Plan) -> Result<(), Failure> {
    let moved = match (shown.compared_with, now.compared_with) {
        (before, Some(Baseline { change, .. })) if before != now.compared_with => {
            format!("change {change} took effect meanwhile")
        }
        _ if shown.digests.plan != now.digests.plan => "the target moved meanwhile".to_owned(),
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::Differs, format!("what was shown is not what would be done: {moved}"))
        .coded(EffectMoved::CODE)
        .note("nothing was written")
        .help("run the same command again: it shows what it would do now"))
}
