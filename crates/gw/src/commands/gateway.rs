//! `gatewright gateway`.

mod choice;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use gw_model::id::TargetName;
use gw_policy::gateway::Refused;
use gw_proxy::{
    gateway::{Gateway as Running, StartError},
    settings::{AccessLog, Mode},
};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use self::choice::Choice;
use super::Context;
use crate::{
    compose::{self, GatewayStart, State},
    config::{self, GatewayFile},
    exit::{Exit, Failure},
    ui::Form,
};

/// Runs the built-in gateway of an environment, until it is stopped.
///
/// It serves what was applied last, at the address that was applied, and takes over what is applied
/// meanwhile; declarations that were not applied change nothing. Where the newest state cannot be
/// served it serves the newest good one before it and says so; with nothing applied it refuses every
/// call. How the process runs (certificates, ports of its own, trusted proxies) stands in
/// gatewright.toml of the state folder, never in the folder of the declarations.
///
/// SIGTERM ends it with 0, the keyboard (SIGINT) with 130; calls under way are answered first, for
/// at most 10 seconds.
#[derive(Debug, Args)]
pub(crate) struct Gateway {
    /// Which target of the environment; not needed where it has only one.
    #[arg(long, value_parser = TargetName::parse)]
    target: Option<TargetName>,
    /// Serves a signed snapshot: a generation's file, or a target's folder copied from a state. It
    /// is only read; what the gateway keeps for itself lies in its own state.
    #[arg(long, value_name = "FILE|DIR")]
    snapshot: Option<PathBuf>,
    /// The key to check the snapshot by: `signing.pub` of the state that signed it (else of this
    /// state).
    #[arg(long, value_name = "FILE", requires = "snapshot")]
    key: Option<PathBuf>,
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
    /// The newest generation that it was given and does not serve.
    refused: Option<Refused>,
}

/// How long calls that are under way may still take when it stops.
const GRACE: Duration = Duration::from_secs(10);

/// Of calls that were allowed, one in so many is kept in the decision log; every refusal is.
const RECORD_ONE_IN: u32 = 100;

/// How often it is looked whether another generation is served, or was refused.
const LOOK: Duration = Duration::from_secs(1);

impl Gateway {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let root = compose::root(&context.globals.workspace)?;
        let choice = Choice::make(self, context, &root)?;
        let Choice { state, environment, target, folder, key, supply, listen } = choice;
        let settings = compose::gateway_settings(GatewayStart {
            root: &root,
            folder,
            workspace_id: state.workspace_id.clone(),
            environment: environment.clone(),
            target: target.clone(),
            key,
            supply,
            listen,
            file: read_settings(context, self.config.as_deref(), &root, &state)?,
            mode: Mode::Production { record_one_in: RECORD_ONE_IN },
            access_log: self
                .access_log
                .then(|| AccessLog { writer: Box::new(io::stderr()), one_in: 1 }),
            variables: config::variables(),
        });
        let stopped = config::interrupted();
        let gateway = Running::start(settings).map_err(|error| not_started(&error))?;
        let document = Document {
            schema: "gatewright.io/gateway/v1",
            environment: environment.to_string(),
            target: target.to_string(),
            listen: gateway.address().to_string(),
            admin: gateway.admin_address().map(|address| address.to_string()),
            generation: gateway.generation(),
            refused: gateway.refused(),
        };
        match context.ui.form {
            Form::Json => context.ui.json(&document),
            Form::Text => tell(context, &document),
        }
        let stop = {
            tokio::pin!(stopped);
            let Document { generation, refused, .. } = document;
            let mut told = Told { generation, refused };
            let mut look = interval(LOOK);
            look.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    stop = &mut stopped => {
                        told.look(context, &gateway);
                        break stop;
                    }
                    _tick = look.tick() => told.look(context, &gateway),
                }
            }
        };
        context.ui.say("stopping: calls under way are answered first");
        tokio::task::block_in_place(|| gateway.stop(GRACE));
        Ok(Exit::stopped(stop))
    }
}

/// How the process runs. A file that lies where it is not read is spoken of.
pub(crate) fn read_settings(
    context: Context<'_>,
    argument: Option<&Path>,
    root: &Path,
    state: &State,
) -> Result<GatewayFile, Failure> {
    let named = context.surroundings.named_config(argument);
    if let Some(told) = config::passed_over(named, root) {
        context.ui.say(&told);
    }
    GatewayFile::read(named, &state.folder)
}

/// What was told of what is served.
struct Told {
    generation: Option<u64>,
    refused: Option<Refused>,
}

impl Told {
    /// Says once that another generation is served, or that one is not served, and which one is.
    fn look(&mut self, context: Context<'_>, gateway: &Running) {
        let now = Self { generation: gateway.generation(), refused: gateway.refused() };
        match (&now.refused, now.generation) {
            (Some(refused), serving) if now.refused != self.refused => {
                context.ui.alarm(&refusal(serving, refused));
            }
            (_, Some(number)) if now.generation != self.generation => {
                context.ui.say(&format!("serving generation {number}"));
            }
            _ => {}
        }
        *self = now;
    }
}

fn refusal(serving: Option<u64>, refused: &Refused) -> String {
    let Refused { number, because } = refused;
    let what =
        number.map_or_else(|| "what is in force".to_owned(), |it| format!("generation {it}"));
    match serving {
        Some(serving) => format!(
            "{what} cannot be served: {because}\nserving generation {serving}, the last good one"
        ),
        None => format!(
            "{what} cannot be served: {because}\nno good one lies before it: every call is refused"
        ),
    }
}

fn tell(context: Context<'_>, document: &Document) {
    let Document { environment, target, listen, admin, generation, refused, schema: _ } = document;
    context.ui.line(&format!("gateway {environment}/{target} listens at http://{listen}"));
    if let Some(admin) = admin {
        context.ui.line(&format!("health and metrics at http://{admin}"));
    }
    match (generation, refused) {
        (_, Some(refused)) => context.ui.alarm(&refusal(*generation, refused)),
        (Some(number), None) => context.ui.say(&format!("serving generation {number}")),
        (None, None) => context.ui.say("nothing was applied yet: every call is refused"),
    }
}

pub(crate) fn not_started(error: &StartError) -> Failure {
    let failure = Failure::new(Exit::Failed, error.to_string());
    match error {
        StartError::Listen { .. } => {
            failure.help("stop what listens there, or change `listen` of the target")
        }
        StartError::NoAddress(_) => {
            failure.help("write an address and a port, such as 127.0.0.1:8080, and apply")
        }
        StartError::AlreadyRunning { .. } => {
            failure.help("one gateway for each target of a state folder is enough")
        }
        StartError::OpenFiles { .. } => {
            failure.help("raise the limit (`ulimit -n`), or set fewer `threads` in gatewright.toml")
        }
        StartError::Folder { .. }
        | StartError::Tls(_)
        | StartError::Key { .. }
        | StartError::Random
        | StartError::Thread(_) => failure,
    }
}
