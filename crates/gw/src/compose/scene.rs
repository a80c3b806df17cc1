//! Everything that a command needs to work on one environment.

use std::{collections::BTreeSet, fmt, sync::Arc};

use gw_control::{
    local::{Drivers, Local, LocalError, Wish},
    store::{StateLock, Store},
};
use gw_drivers::registry::Registry;
use gw_model::{
    desired::Desired,
    environment::ChangeAction,
    id::{ApiName, EnvironmentName},
};
use gw_plan::{
    driver::{Driver, Served},
    plan::{Plan, Planned},
};
use gw_policy::generation::SigningKey;

use super::{Purpose, State, SystemClock, Workspace, store_failure};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
};

/// One environment of the folder of declarations, with its state and its targets.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) workspace: Workspace,
    pub(crate) environment: EnvironmentName,
    pub(crate) desired: Arc<Desired>,
    pub(crate) state: State,
    pub(crate) store: Store,
    pub(crate) drivers: Drivers,
}

impl Scene {
    pub(crate) async fn open(context: Context<'_>, purpose: Purpose) -> Result<Self, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let environment = workspace.environment(context)?;
        let desired = workspace.desired(context, &environment)?;
        let state = State::locate(context, workspace.folder.root())?;
        context.ui.detail(&format!("state: {}", state.folder.display()));
        let store = state.open_for(purpose).await?;
        let key = state.key_for(purpose)?;
        let drivers = drivers(context, &workspace, &state, key, &desired)?;
        Ok(Self { workspace, environment, desired, state, store, drivers })
    }

    pub(crate) fn local(&self) -> Local<'_> {
        Local {
            store: &self.store,
            clock: &SystemClock,
            drivers: &self.drivers,
            workspace_id: &self.state.workspace_id,
            environment: &self.environment,
        }
    }

    /// What would have to be done for the folder to be in force.
    pub(crate) async fn plan(
        &self,
        only: &BTreeSet<ApiName>,
        action: ChangeAction,
    ) -> Result<Planned, LocalError> {
        let source = self.workspace.source_digest();
        self.local().plan(Wish { declared: &self.desired, source, only, action }).await
    }

    /// The change that was rolled back, where a plan would bring its state again.
    pub(crate) async fn held(&self, plan: &Plan) -> Result<Option<u64>, Failure> {
        let effect = plan.digests.effect.total();
        let held = self.store.held(&self.environment, effect.as_str()).await;
        Ok(held.map_err(|error| store_failure(&error))?.filter(|_| !plan.is_empty()))
    }

    /// Where no gateway runs, so that what is compared is what one would serve.
    pub(crate) async fn unserved(&self) -> Vec<String> {
        let mut places = vec![];
        for driver in self.drivers.values() {
            // A target that cannot be observed at all is told by whoever needs it.
            if driver.observe().await.is_ok_and(|observed| observed.served == Served::Stored) {
                places.push(driver.place());
            }
        }
        places
    }

    /// From now on nobody else changes this state.
    pub(crate) fn lock(&self) -> Result<StateLock, Failure> {
        StateLock::take(&self.state.folder).map_err(|error| {
            store_failure(&error).help("wait until the other one ends, or stop it")
        })
    }
}

/// Whoever speaks to the targets of an environment.
fn drivers(
    context: Context<'_>,
    workspace: &Workspace,
    state: &State,
    key: SigningKey,
    desired: &Desired,
) -> Result<Drivers, Failure> {
    let registry = Registry {
        workspace_id: state.workspace_id.clone(),
        state: state.folder.clone(),
        key: Arc::new(key),
        clock: Arc::new(SystemClock),
    };
    let mut drivers = Drivers::new();
    for (name, target) in &desired.spec.targets {
        let driver: Box<dyn Driver> = registry
            .open(&desired.environment, name, target)
            .map_err(|found| workspace.refuse(context, std::slice::from_ref(&*found)))?;
        drivers.insert(name.clone(), driver);
    }
    Ok(drivers)
}

/// What a refusal of the engine means for whoever asked.
pub(crate) fn failure(error: &LocalError) -> Failure {
    use gw_control::apply::{Halt, Reach};
    use gw_plan::driver::TargetError;

    let target_exit = |error: &TargetError| match error {
        TargetError::Unreachable { .. } | TargetError::Busy { .. } => Exit::Unreachable,
        TargetError::Moved { .. } => Exit::Differs,
        TargetError::Foreign { .. } => Exit::Denied,
        TargetError::Refused { .. }
        | TargetError::Differs { .. }
        | TargetError::Misbehaves { .. }
        | TargetError::Broken { .. } => Exit::Failed,
    };
    let again = "run the same command again to continue";
    let told = match error {
        LocalError::Store(_) | LocalError::Halt(Halt::Store(_)) => {
            Failure::new(Exit::Failed, error.to_string())
        }
        LocalError::Target(reason) | LocalError::Halt(Halt::NotBegun(reason)) => {
            Failure::new(target_exit(reason), error.to_string())
                .note("nothing was written")
                .help(reason.help())
        }
        LocalError::OnlyBuiltin { .. }
        | LocalError::Errors
        | LocalError::Halt(Halt::NoDriver(_)) => {
            Failure::wrong(error.to_string()).note("nothing was written")
        }
        LocalError::Denied(denial) => Failure::new(Exit::Denied, error.to_string())
            .note("nothing was written")
            .help(denial.cure.clone()),
        LocalError::Held { .. } => Failure::new(Exit::Denied, error.to_string())
            .note("nothing was written")
            .help("change the declarations, then apply"),
        LocalError::HalfWay { .. } => {
            Failure::new(Exit::Half, error.to_string()).help("`gatewright apply` continues it")
        }
        LocalError::NoChange { .. } => {
            Failure::wrong(error.to_string()).help("`gatewright history` lists them")
        }
        LocalError::Halt(Halt::HalfWay { reach, error: reason, .. }) => {
            let seen = match reach {
                Reach::Former => "callers still meet the former state",
                Reach::New => "callers may meet the new state already",
            };
            let failure = Failure::new(Exit::Half, error.to_string()).note(seen);
            match reach {
                Reach::Former => {
                    failure.help(again).help("or give it up: `gatewright apply --abandon`")
                }
                Reach::New => failure.help(again).help(reason.help()),
            }
        }
        LocalError::Halt(Halt::TooLate) => Failure::new(Exit::Half, error.to_string()).help(again),
    };
    match error.code() {
        Some(code) => told.coded(code),
        None => told,
    }
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.desired.workspace, self.environment)
    }
}
