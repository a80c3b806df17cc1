//! Notices that a gateway serves something else than was written, and says it once.

use super::tell::{Told, What};
use crate::{
    commands::{
        Context,
        drift::{self, Drifted},
    },
    compose::Scene,
    ui::Mark,
};

/// What was seen, and what was told.
#[derive(Debug, Default)]
pub(super) struct Drift {
    seen: Vec<Drifted>,
    told: Vec<Drifted>,
}

impl Drift {
    /// Compares. What is seen for the first time may be a change that another terminal is making
    /// at this moment, so it is told when it is seen again.
    pub(super) async fn compare(&mut self, context: Context<'_>, scene: &Scene) {
        // A target or state that cannot be read now is compared the next time.
        let Ok(now) = drift::find(scene).await else { return };
        if now == self.seen && now != self.told {
            tell(Told(context.ui), &now);
            self.told.clone_from(&now);
        }
        self.seen = now;
    }
}

fn tell(told: Told<'_>, drifted: &[Drifted]) {
    if drifted.is_empty() {
        told.tell(What::Drift, Some(Mark::Good), "drift is gone");
        return;
    }
    for one in drifted {
        for words in one.words() {
            told.tell(What::Drift, Some(Mark::Warning), &format!("drift: {words}"));
        }
        told.tell(What::Drift, None, &format!("  {}", one.actor_words()));
    }
    told.tell(What::Drift, None, "  put it back: gatewright apply");
}
