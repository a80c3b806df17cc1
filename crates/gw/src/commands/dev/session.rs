//! What is in force while `dev` runs: one accepted state after another.

use std::{collections::BTreeSet, pin::Pin};

use gw_control::{
    apply::{Executed, Listener, News},
    engine::{Applied, ApplyResult, Former},
};
use gw_model::environment::ChangeAction;
use gw_plan::{plan::Planned, render};

use super::{
    drift::Drift,
    tell::{Told, What},
};
use crate::{
    commands::{
        Context,
        apply::{refused as not_done, superseded},
    },
    compose::{Purpose, Scene, State},
    exit::Failure,
    ui::{Form, Mark},
};

#[derive(Debug)]
pub(super) struct Session {
    /// The last state of the folder that could be read.
    scene: Scene,
    drift: Drift,
}

/// Says nothing of single steps.
#[derive(Debug)]
struct Silent;

impl Listener for Silent {
    fn hear<'a>(&'a self, _news: &'a News<'a>) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }
}

impl Session {
    /// Puts the folder in force as it is. Where that is refused, what was in force stays.
    pub(super) async fn begin(context: Context<'_>, scene: Scene) -> Self {
        let mut session = Self { scene, drift: Drift::default() };
        session.apply(context).await;
        session
    }

    /// Takes the folder as it was saved, if it can be read and may be applied.
    pub(super) async fn reload(&mut self, context: Context<'_>) {
        match Scene::open(context, Purpose::Change).await {
            Ok(scene) => {
                self.scene = scene;
                self.apply(context).await;
            }
            Err(failure) => stays(context, &failure),
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.scene.state
    }

    /// Looks whether what is served is still what was written.
    pub(super) async fn compare(&mut self, context: Context<'_>) {
        self.drift.compare(context, &self.scene).await;
    }

    async fn apply(&mut self, context: Context<'_>) {
        if let Err(failure) = self.try_apply(context).await {
            match self.scene.store.under_way(&self.scene.environment).await {
                Ok(Some(change)) => {
                    let number = change.number;
                    let words =
                        format!("change {number} stopped half way; save again to go on with it");
                    refused(context, &failure, &words);
                }
                Ok(None) | Err(_) => stays(context, &failure),
            }
        }
        self.scene.state.publish(context.ui, &self.scene.store).await;
    }

    async fn plan(&self) -> Result<Planned, Failure> {
        let planned = self.scene.plan(&BTreeSet::new(), ChangeAction::Apply).await;
        planned.map_err(|error| Failure::from(&error))
    }

    async fn try_apply(&mut self, context: Context<'_>) -> Result<(), Failure> {
        let _lock = self.scene.lock().await?;
        let engine = self.scene.engine();
        let mut planned = self.plan().await?;
        let former = engine.make_way(&planned, &Silent).await;
        match former.map_err(|error| not_done(context, &planned, &error))? {
            Former::None => {}
            Former::Resumed(applied) => {
                tell(Told(context.ui), &applied);
                planned = self.plan().await?;
            }
            Former::Superseded(number) => {
                Told(context.ui).tell(What::Planned, None, &superseded(number));
                planned = self.plan().await?;
            }
        }
        if !planned.plan.is_empty() && planned.plan.compared_with.is_some() {
            Told(context.ui).tell(What::Planned, None, &render::first_line(&planned.plan));
        }
        let outcome = engine.apply(&planned, &Silent).await;
        match outcome.map_err(|error| not_done(context, &planned, &error))? {
            ApplyResult::Nothing => {
                let words = "nothing changes: this is in force and verified";
                Told(context.ui).tell(What::Applied, None, words);
            }
            ApplyResult::Proved(applied) | ApplyResult::Changed(applied) => {
                tell(Told(context.ui), &applied);
            }
        }
        Ok(())
    }
}

fn tell(told: Told<'_>, applied: &Applied) {
    let Applied { number, executed, before: _ } = applied;
    match executed {
        Executed::Verified => {
            let words = format!("change {number} applied and verified");
            told.tell(What::Applied, Some(Mark::Good), &words);
        }
        Executed::Hindered(hindrances) => {
            let words = format!(
                "change {number} applied; its rules are verified, but calls fail: {}",
                hindrances.join("; ")
            );
            told.tell(What::Applied, Some(Mark::Warning), &words);
        }
        Executed::Unproven(reason) => {
            let words = format!("change {number} applied, not verified: {reason}");
            told.tell(What::Unproven, Some(Mark::Warning), &words);
        }
    }
}

fn stays(context: Context<'_>, failure: &Failure) {
    refused(context, failure, "the running configuration stays; save again to try again");
}

/// Tells what is wrong with a saved state, and what comes of that.
pub(super) fn refused(context: Context<'_>, failure: &Failure, words: &str) {
    context.ui.failure(failure);
    match context.ui.form {
        Form::Json => Told(context.ui).tell(What::Refused, None, words),
        Form::Text => context.ui.alarm(words),
    }
}
