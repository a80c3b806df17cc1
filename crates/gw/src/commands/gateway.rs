//! `gatewright gateway`.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use gw_model::{desired::Desired, environment::Target, id::TargetName};
use gw_proxy::{
    gateway::{Gateway as Running, StartError},
    settings::{AccessLog, Mode},
};
use serde::Serialize;

use super::Context;
use crate::{
    compose::{self, GatewayPlan, State, Workspace},
    config::{self, GatewayFile},
    exit::{Exit, Failure},
    ui::Form,
};

/// Runs the built-in gateway of an environment, until it is stopped.
///
/// It serves what was applied last and takes over what is applied meanwhile; with nothing applied
/// it refuses every call. How the process runs (certificates, ports of its own, trusted proxies)
/// stands in gatewright.toml of the state folder, never in the folder of the declarations.
///
/// SIGTERM ends it with 0, the keyboard (SIGINT) with 130; calls under way are answered first, for
/// at most 10 seconds.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Which target of the environment; not needed where it has only one.
    #[arg(long, value_parser = TargetName::parse)]
    target: Option<TargetName>,
    /// The settings of the process (else GATEWRIGHT_CONFIG, else gatewright.toml of the state).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Writes one line of JSON for each call to standard error.
    #[arg(long)]
    access_log: bool,
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    environment: String,
    target: String,
    listen: String,
    admin: Option<String>,
    generation: Option<u64>,
}

/// How long calls that are under way may still take when it stops.
const GRACE: Duration = Duration::from_secs(10);

/// Of calls that were allowed, one in so many is kept in the decision log; every refusal is.
const RECORD_ONE_IN: u32 = 100;

impl Gateway {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let environment = workspace.environment(context)?;
        let desired = workspace.desired(context, &environment)?;
        let state = State::locate(context, workspace.folder.root())?;
        let target = builtin_target(&desired, self.target.as_ref())?;
        let settings = compose::gateway_settings(GatewayPlan {
            workspace: &workspace,
            state: &state,
            desired: &desired,
            target: &target,
            file: read_settings(context, self.config.as_deref(), &workspace, &state)?,
            mode: Mode::Production { record_one_in: RECORD_ONE_IN },
            access_log: self
                .access_log
                .then(|| AccessLog { writer: Box::new(io::stderr()), one_in: 1 }),
            variables: config::variables(),
        })?;
        let stopped = config::interrupted();
        let gateway = Running::start(settings).map_err(|error| not_started(&error))?;
        let document = Document {
            schema: "gatewright.io/gateway/v1",
            environment: environment.to_string(),
            target: target.to_string(),
            listen: gateway.address().to_string(),
            admin: gateway.admin_address().map(|address| address.to_string()),
            generation: gateway.generation(),
        };
        match context.ui.form {
            Form::Json => context.ui.json(&document),
            Form::Text => tell(context, &document),
        }
        let stop = stopped.await;
        context.ui.say("stopping: calls under way are answered first");
        tokio::task::block_in_place(|| gateway.stop(GRACE));
        Ok(Exit::stopped(stop))
    }
}

/// How the process runs. A file that lies where it is not read is spoken of.
pub(crate) fn read_settings(
    context: Context<'_>,
    argument: Option<&Path>,
    workspace: &Workspace,
    state: &State,
) -> Result<GatewayFile, Failure> {
    let named = context.surroundings.named_config(argument);
    if let Some(told) = config::passed_over(named, workspace.folder.root()) {
        context.ui.say(&told);
    }
    GatewayFile::read(named, &state.folder)
}

fn tell(context: Context<'_>, document: &Document) {
    let Document { environment, target, listen, admin, generation, schema: _ } = document;
    context.ui.line(&format!("gateway {environment}/{target} listens at http://{listen}"));
    if let Some(admin) = admin {
        context.ui.line(&format!("health and metrics at http://{admin}"));
    }
    match generation {
        Some(number) => context.ui.say(&format!("serving generation {number}")),
        None => context.ui.say("nothing was applied yet: every call is refused"),
    }
}

/// The target that was named, or the only one that is built in.
pub(crate) fn builtin_target(
    desired: &Desired,
    named: Option<&TargetName>,
) -> Result<TargetName, Failure> {
    if let Some(name) = named {
        return Ok(name.clone());
    }
    let targets = desired.spec.targets.iter();
    let builtin: Vec<&TargetName> = targets
        .filter(|(_, target)| matches!(target, Target::Builtin(_)))
        .map(|(name, _)| name)
        .collect();
    match builtin.as_slice() {
        [only] => Ok((*only).clone()),
        [] => Err(Failure::wrong(format!(
            "environment `{}` has no built-in target",
            desired.environment
        ))),
        many => Err(Failure::wrong(format!(
            "environment `{}` has {} built-in targets",
            desired.environment,
            many.len()
        ))
        .help("name one with `--target`")),
    }
}

pub(crate) fn not_started(error: &StartError) -> Failure {
    let failure = Failure::new(Exit::Failed, error.to_string());
    match error {
        StartError::Listen { .. } => {
            failure.help("stop what listens there, or change `listen` of the target")
        }
        StartError::AlreadyRunning { .. } => {
            failure.help("one gateway for each target of a state folder is enough")
        }
        StartError::Folder { .. }
        | StartError::Tls(_)
        | StartError::Key { .. }
        | StartError::Random
        | StartError::Thread(_) => failure,
    }
}
