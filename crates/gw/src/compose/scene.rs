//! Everything that a command needs to work on one environment.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use gw_control::{
    asker::Asker,
    engine::{Drivers, Engine, EngineError, Facts, Measured, Wish, known_targets, state_of},
    server::{is_same, name_of},
    store::{StateLock, Store, StoreError},
};
use gw_drivers::registry::{Overseer, Registry};
use gw_model::{
    code::Code,
    desired::Desired,
    environment::{ChangeAction, Target},
    id::{ApiName, EnvironmentName, TargetName},
    workspace::Source,
};
use gw_plan::{
    digest::Digest,
    driver::{Driver, Served},
    plan::{Plan, Planned},
};
use gw_policy::{gateway::Unready, generation::SigningKey};

use super::{Purpose, State, SystemClock, Workspace, gateway_status};
use crate::{
    commands::Context,
    exit::{Exit, Failure, Fault},
};

/// One environment, with its state and its targets.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) workspace: Arc<Workspace>,
    pub(crate) environment: EnvironmentName,
    /// What is to hold: as the folder says, or what is in force where the folder says nothing.
    pub(crate) desired: Arc<Desired>,
    pub(crate) basis: Basis,
    /// The digest of the files that say so.
    source: Digest,
    pub(crate) state: State,
    pub(crate) store: Store,
    pub(crate) drivers: Drivers,
    /// Without a server it is always the user of this machine.
    asker: Asker,
}

/// Where it is known from what is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    /// The folder of declarations.
    Folder,
    /// The folder does not declare the environment any more: nothing is to hold there.
    Gone,
    /// The folder has errors: what is in force.
    InForce,
}

impl Scene {
    /// The environment as the folder declares it; an error of the folder is told.
    pub(crate) async fn open(context: Context<'_>, purpose: Purpose) -> Result<Self, Failure> {
        let opened = async {
            let opening = Opening::read(context, purpose).await?;
            let scene = opening.declared(context, context.globals.env.as_ref()).await?;
            scene.is_ours(context, purpose).await?;
            Ok(scene)
        };
        // Whoever only looks does not wonder.
        opened.await.map_err(|failure: Failure| match (failure.fault, purpose) {
            (Fault::Declarations, Purpose::Change) => failure.note("nothing was changed"),
            _ => failure,
        })
    }

    /// The environment for whoever speaks of what is in force: errors of the folder are told in one
    /// line and do not stand in the way.
    pub(crate) async fn in_force(context: Context<'_>, purpose: Purpose) -> Result<Self, Failure> {
        let opening = Opening::read(context, purpose).await?;
        if opening.workspace.faultless().is_some() {
            let scene = opening.declared(context, context.globals.env.as_ref()).await?;
            scene.is_ours(context, purpose).await?;
            return Ok(scene);
        }
        let known = opening.known().await?;
        let environment = match (&context.globals.env, known.as_slice()) {
            (Some(wanted), _) => wanted,
            (None, [only]) => only,
            (None, []) => return Err(opening.workspace.refuse_all(context)),
            (None, _) => return Err(several(&known)),
        };
        opening.stored(context, environment).await
    }

    /// Every environment, or the one that was named.
    pub(crate) async fn all(context: Context<'_>, purpose: Purpose) -> Result<Vec<Self>, Failure> {
        let opening = Opening::read(context, purpose).await?;
        let declared = opening.workspace.faultless();
        let names = match declared {
            Some(declared) => declared.environments().map(|(name, _)| name.clone()).collect(),
            None => opening.known().await?,
        };
        if context.globals.env.is_some() || names.len() < 2 {
            return Ok(vec![Self::in_force(context, purpose).await?]);
        }
        let mut scenes = vec![];
        for name in &names {
            let scene = match declared {
                Some(_) => opening.declared(context, Some(name)).await?,
                None => opening.stored(context, name).await?,
            };
            scene.is_ours(context, purpose).await?;
            scenes.push(scene);
        }
        Ok(scenes)
    }

    /// Refuses a state that others look after: what is in force there, and whether it is served, is not
    /// known by these declarations, and nothing of it is this folder's to change.
    async fn is_ours(&self, context: Context<'_>, purpose: Purpose) -> Result<(), Failure> {
        let told = |error: StoreError| Failure::from(&error);
        let change = self.store.in_force(&self.environment).await.map_err(told)?;
        let former = match &change {
            Some(_) => self.former().await?,
            None => None,
        };
        let by_server = change.is_some_and(|change| change.begun.commit.is_some());
        let source = &self.desired.source;
        let is_other = former.is_some_and(|former| !is_same(&former.source, source));
        let follows = format!("this folder follows {}", name_of(source));
        let folder = self.state.folder.display();
        if is_other || (by_server && purpose == Purpose::Change) {
            let whose = if by_server { "of a server" } else { "of another folder" };
            return Err(Failure::new(Exit::Denied, format!("the state here is {whose}"))
                .coded(Code::SourceForeign)
                .note(format!("it lies in `{folder}`; {follows}"))
                .help("ask the server that follows it: `--server URL`, or GATEWRIGHT_SERVER")
                .help("to try something out, with a state of its own: `--state DIR`"));
        }
        if purpose == Purpose::Look && !matches!(source, Source::Local {}) {
            context.ui.say(&self.state.is_not_of(source, "(`--server URL`)"));
        }
        Ok(())
    }

    /// Environments that the folder does not declare any more, and where something is in force.
    pub(crate) async fn undeclared(&self) -> Result<Vec<EnvironmentName>, Failure> {
        let told = |error: StoreError| Failure::from(&error);
        let mut undeclared = vec![];
        if self.basis == Basis::InForce {
            return Ok(undeclared);
        }
        for environment in self.store.environments().await.map_err(told)? {
            let is_left = !self.store.written_targets(&environment).await.map_err(told)?.is_empty();
            if is_left && !self.workspace.declared.declares(&environment) {
                undeclared.push(environment);
            }
        }
        Ok(undeclared)
    }

    /// Adds whoever speaks to the targets of another state of the environment.
    pub(crate) fn reach(&mut self, context: Context<'_>, desired: &Desired) -> Result<(), Failure> {
        let mut missing = desired.spec.targets.clone();
        missing.retain(|name, _| !self.drivers.contains_key(name));
        let key = self.state.key_for(Purpose::Change)?;
        let (workspace, state) = (&self.workspace, &self.state);
        let more = drivers(context, workspace, state, key, &self.environment, &missing)?;
        self.drivers.extend(more);
        Ok(())
    }

    pub(crate) fn engine(&self) -> Engine<'_> {
        Engine {
            asker: &self.asker,
            owners: None,
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
    ) -> Result<Planned, EngineError> {
        let source = self.source.clone();
        let facts = &Facts::default();
        let (declared, measured) = (&self.desired, Measured::InForce);
        self.engine().plan(Wish { declared, source, only, action, facts, measured }).await
    }

    /// The change that was rolled back, where a plan would bring its state again.
    pub(crate) async fn held(&self, plan: &Plan) -> Result<Option<u64>, Failure> {
        self.engine().held(plan).await.map_err(|error| Failure::from(&error))
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

    /// What is in force, whatever the folder says.
    pub(crate) async fn former(&self) -> Result<Option<Arc<Desired>>, Failure> {
        Ok(stored(&self.store, &self.environment).await?.map(|(desired, _)| desired))
    }

    /// The APIs that running gateways have no credential for.
    pub(crate) async fn unready(&self) -> Vec<Unready> {
        let mut unready = vec![];
        for target in self.drivers.keys() {
            let folder = self.state.target_folder(&self.environment, target);
            // One that does not run is told elsewhere.
            let status = gateway_status(&folder).await;
            unready.extend(status.map(|status| status.unready).unwrap_or_default());
        }
        unready
    }

    /// From now on nobody else changes this state. One that was set back is not changed.
    pub(crate) async fn lock(&self) -> Result<StateLock, Failure> {
        let lock = self.state.take_lock()?;
        self.state.agrees(&self.store).await?;
        self.state.is_witnessed(&self.store).await?;
        Ok(lock)
    }
}

/// What is read before an environment is chosen.
struct Opening {
    workspace: Arc<Workspace>,
    state: State,
    store: Store,
    purpose: Purpose,
}

impl Opening {
    async fn read(context: Context<'_>, purpose: Purpose) -> Result<Self, Failure> {
        let workspace = Arc::new(Workspace::read(&context.globals.workspace)?);
        let is_whole = workspace.faultless().is_some();
        let state = match State::locate(context, workspace.folder.root()) {
            Err(_) if !is_whole => return Err(workspace.refuse_all(context)),
            located => located?,
        };
        context.ui.detail(&format!("state: {}", state.folder.display()));
        let store = match state.open_existing(context).await? {
            Some(store) => store,
            // Nothing is begun because of a folder that says nothing.
            None if !is_whole => return Err(workspace.refuse_all(context)),
            None => state.open_for(context, purpose).await?,
        };
        Ok(Self { workspace, state, store, purpose })
    }

    /// Every environment that anything was ever done to.
    async fn known(&self) -> Result<Vec<EnvironmentName>, Failure> {
        self.store.environments().await.map_err(|error| Failure::from(&error))
    }

    /// As the folder declares it.
    async fn declared(
        &self,
        context: Context<'_>,
        wanted: Option<&EnvironmentName>,
    ) -> Result<Scene, Failure> {
        self.workspace.declared(context)?;
        if let Some(wanted) = wanted
            && !self.workspace.declared.declares(wanted)
            && let Some((desired, source)) = vacated(&self.store, wanted).await?
        {
            return self.build(context, desired, source, Basis::Gone).await;
        }
        let environment = self.workspace.environment(context, wanted)?;
        let desired = self.workspace.desired(context, &environment)?;
        let source = self.workspace.declared.digest.clone();
        self.build(context, desired, source, Basis::Folder).await
    }

    /// As it is in force.
    async fn stored(
        &self,
        context: Context<'_>,
        environment: &EnvironmentName,
    ) -> Result<Scene, Failure> {
        let Some((desired, source)) = stored(&self.store, environment).await? else {
            return Err(self.workspace.refuse_all(context));
        };
        context.ui.say("the folder has errors: what is told is what is in force");
        self.build(context, desired, source, Basis::InForce).await
    }

    async fn build(
        &self,
        context: Context<'_>,
        desired: Arc<Desired>,
        source: Digest,
        basis: Basis,
    ) -> Result<Scene, Failure> {
        let Self { workspace, state, store, purpose } = self;
        let environment = desired.environment.clone();
        let targets = known_targets(store, &environment, &desired).await;
        let targets = targets.map_err(|error| Failure::from(&error))?;
        let key = state.key_for(*purpose)?;
        let drivers = drivers(context, workspace, state, key, &environment, &targets)?;
        Ok(Scene {
            workspace: Arc::clone(workspace),
            environment,
            desired,
            basis,
            source,
            state: state.clone(),
            store: store.clone(),
            drivers,
            asker: Asker::local(),
        })
    }
}

/// What is in force in an environment, and the digest of the files that said so.
async fn stored(
    store: &Store,
    environment: &EnvironmentName,
) -> Result<Option<(Arc<Desired>, Digest)>, Failure> {
    let change = store.in_force(environment).await.map_err(|error| Failure::from(&error))?;
    let Some(change) = change else { return Ok(None) };
    state_of(store, environment, change.number)
        .await
        .map(Some)
        .map_err(|error| Failure::from(&error))
}

/// An environment that the folder does not declare any more, and where something of ours is left:
/// nothing is to hold there.
async fn vacated(
    store: &Store,
    environment: &EnvironmentName,
) -> Result<Option<(Arc<Desired>, Digest)>, Failure> {
    let written = store.written_targets(environment).await;
    if written.map_err(|error| Failure::from(&error))?.is_empty() {
        return Ok(None);
    }
    let Some((former, source)) = stored(store, environment).await? else { return Ok(None) };
    let mut desired = Desired::clone(&former);
    desired.spec.targets.clear();
    desired.apis.clear();
    Ok(Some((Arc::new(desired), source)))
}

fn several(known: &[EnvironmentName]) -> Failure {
    let names: Vec<&str> = known.iter().map(EnvironmentName::as_str).collect();
    Failure::wrong("there are several environments")
        .help(format!("name one with `--env`: {}", names.join(", ")))
}

/// Whoever speaks to the targets of an environment.
fn drivers(
    context: Context<'_>,
    workspace: &Workspace,
    state: &State,
    key: SigningKey,
    environment: &EnvironmentName,
    targets: &BTreeMap<TargetName, Target>,
) -> Result<Drivers, Failure> {
    let registry = Registry {
        workspace_id: state.workspace_id.clone(),
        state: state.folder.clone(),
        key: Arc::new(key),
        clock: Arc::new(SystemClock),
        overseer: Overseer::User,
    };
    let mut drivers = Drivers::new();
    for (name, target) in targets {
        let driver: Box<dyn Driver> = registry
            .open(environment, name, target)
            .map_err(|found| workspace.refuse(context, std::slice::from_ref(&*found)))?;
        drivers.insert(name.clone(), driver);
    }
    Ok(drivers)
}

impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} · {}", self.desired.workspace, self.environment)
    }
}
