//! Notices that a gateway serves something else than was written, and says it once.

use std::collections::BTreeSet;

use gw_model::environment::ChangeAction;
use gw_plan::{
    difference::{Difference, Drift as Drifted, leaves},
    plan::Plan,
};
use serde_json::Value;

use crate::{
    commands::Context,
    compose::Scene,
    ui::{Mark, Ui},
};

/// What was seen, and what was told.
#[derive(Debug, Default)]
pub(super) struct Drift {
    seen: Vec<Difference>,
    told: Vec<Difference>,
}

impl Drift {
    /// Compares. What is seen for the first time may be a change that another terminal is making
    /// at this moment, so it is told when it is seen again.
    pub(super) async fn compare(&mut self, context: Context<'_>, scene: &Scene) {
        // A target or state that cannot be read now is compared the next time.
        let Ok(planned) = scene.plan(&BTreeSet::new(), ChangeAction::Apply).await else { return };
        let now = drifted(&planned.plan);
        if now == self.seen && now != self.told {
            tell(context.ui, &now);
            for difference in &now {
                tell_actor(context.ui, scene, difference).await;
            }
            self.told.clone_from(&now);
        }
        self.seen = now;
    }
}

fn drifted(plan: &Plan) -> Vec<Difference> {
    let all = plan.targets.iter().flat_map(|target| &target.differences);
    all.filter(|difference| difference.drift != Drifted::None).cloned().collect()
}

fn tell(ui: &Ui, differences: &[Difference]) {
    if differences.is_empty() {
        ui.line(&format!("{} drift is gone", Ui::mark(Mark::Good)));
        return;
    }
    for difference in differences {
        for words in words(difference) {
            ui.line(&format!("{} drift: {words}", Ui::mark(Mark::Warning)));
        }
    }
    ui.line("  put it back: gatewright apply");
}

async fn tell_actor(ui: &Ui, scene: &Scene, difference: &Difference) {
    for driver in scene.drivers.values() {
        match driver.actor(difference).await {
            Ok(Some(actor)) => ui.line(&format!("  by {} ({})", actor.name, actor.source)),
            // Whoever did it did not go through Gatewright, so nothing names them.
            Ok(None) | Err(_) => ui.line("  by: unknown, not through Gatewright"),
        }
    }
}

/// What differs, each place in a line.
fn words(difference: &Difference) -> Vec<String> {
    let key = &difference.key;
    match (difference.drift, &difference.written, &difference.live) {
        (Drifted::Changed, Some(written), Some(live)) => leaves(written, live)
            .into_iter()
            .map(|leaf| {
                let (path, before, after) =
                    (leaf.path, said(leaf.before.as_ref()), said(leaf.after.as_ref()));
                format!("{key} · {path}: written {before}, live {after}")
            })
            .collect(),
        (Drifted::Added, ..) => vec![format!("{key} is served and was never written")],
        (Drifted::Removed, ..) => vec![format!("{key} was written and is not served")],
        (Drifted::Changed | Drifted::None, ..) => vec![format!("{key} differs")],
    }
}

fn said(value: Option<&Value>) -> String {
    match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    }
}
