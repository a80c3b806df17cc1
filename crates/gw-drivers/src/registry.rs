//! Which driver speaks to a target: chosen by the word that the environment uses.

use std::{path::PathBuf, sync::Arc};

use gw_model::{
    clock::Clock,
    code::Code,
    desired::Desired,
    diagnostic::{Diagnostic, Severity},
    environment::Target,
    id::{EnvironmentName, TargetName, WorkspaceId},
};
use gw_plan::driver::Driver;
use gw_policy::{check::endless_acceptances, generation::SigningKey};
use parking_lot::Mutex;

pub use crate::builtin::Overseer;
use crate::builtin::{self, Builtin, Place};

/// What drivers are made with.
#[derive(Clone, Debug)]
pub struct Registry {
    pub workspace_id: WorkspaceId,
    /// The state folder; each builtin target has a folder below it.
    pub state: PathBuf,
    pub key: Arc<SigningKey>,
    pub clock: Arc<dyn Clock>,
    pub overseer: Overseer,
}

impl Registry {
    /// A driver for the target, or what to tell whoever declared it. Does no I/O.
    pub fn open(
        &self,
        environment: &EnvironmentName,
        name: &TargetName,
        target: &Target,
    ) -> Result<Box<dyn Driver>, Box<Diagnostic>> {
        match target {
            Target::Builtin(settings) => {
                let place = Place {
                    folder: self.folder(environment, name),
                    workspace_id: self.workspace_id.clone(),
                    environment: environment.clone(),
                    target: name.clone(),
                    listen: settings.listen.clone(),
                    overseer: self.overseer,
                    seen: Mutex::default(),
                };
                Ok(Box::new(Builtin::new(place, Arc::clone(&self.key), Arc::clone(&self.clock))))
            }
            Target::Apim(_) => Err(unavailable(environment, name, "apim")),
            Target::Tyk(_) => Err(unavailable(environment, name, "tyk")),
        }
    }

    /// Where a builtin target keeps its generations and its socket.
    pub fn folder(&self, environment: &EnvironmentName, target: &TargetName) -> PathBuf {
        self.state.join("targets").join(environment.as_str()).join(target.as_str())
    }
}

/// What stands in the way of an environment, as a plan and the drivers of its targets would say it.
/// Asks nobody.
pub fn refusals(desired: &Desired) -> Vec<Diagnostic> {
    let mut found = endless_acceptances(desired);
    for (name, target) in &desired.spec.targets {
        match target {
            Target::Builtin(_) => found.extend(builtin::missing(desired, name, Overseer::User)),
            Target::Apim(_) => found.push(*unavailable(&desired.environment, name, "apim")),
            Target::Tyk(_) => found.push(*unavailable(&desired.environment, name, "tyk")),
        }
    }
    found.retain(|diagnostic| diagnostic.severity() == Severity::Error);
    found
}

fn unavailable(environment: &EnvironmentName, name: &TargetName, kind: &str) -> Box<Diagnostic> {
    let message = format!(
        "the target `{name}` of {environment} is of kind `{kind}`, which cannot be managed yet"
    );
    Box::new(
        Diagnostic::new(Code::TargetKindUnavailable, message)
            .help("use a `builtin` target, or wait for a version that has this driver"),
    )
}
