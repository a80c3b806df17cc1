//! How far a command came that changes an environment, for whoever stops it before its end.

use gw_control::store::Store;
use gw_model::id::EnvironmentName;
use parking_lot::Mutex;

use crate::compose::Scene;

/// Begins with the first step that may write anything.
#[derive(Debug, Default)]
pub(crate) struct Course(Mutex<Option<(Store, EnvironmentName)>>);

impl Course {
    pub(super) fn begin(&self, scene: &Scene) {
        *self.0.lock() = Some((scene.store.clone(), scene.environment.clone()));
    }

    /// What is left of it, as the journal says.
    pub(super) async fn left(&self) -> String {
        let begun = self.0.lock().clone();
        let Some((store, environment)) = begun else {
            return "nothing was changed".to_owned();
        };
        match store.under_way(&environment).await {
            Ok(Some(change)) => {
                format!("change {} had begun, and goes on with `gatewright apply`", change.number)
            }
            Ok(None) => "no change is left half way".to_owned(),
            Err(_) => "a change that had begun goes on with `gatewright apply`".to_owned(),
        }
    }
}
