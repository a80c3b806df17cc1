//! `gatewright dev`.

mod bitbucket;
mod breakage;
mod drift;
mod parts;
mod session;
mod summary;
mod tell;
mod token;
mod watch;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use gw_model::{clock::Clock, code::Code, id::TargetName};
use gw_proxy::{
    gateway::Gateway as Running,
    settings::{Address, Mode, Supply},
};
use tokio::time::{MissedTickBehavior, interval};

use self::{
    parts::Parts,
    session::Session,
    tell::{Told, What},
    watch::Watch,
};
use super::{
    Context,
    gateway::{not_started, read_settings},
};
use crate::{
    compose::{self, GatewayStart, Purpose, Scene, State, SystemClock},
    config,
    exit::{Exit, Failure, Fault},
    ui::Mark,
};

/// Runs gateway, demo issuer and demo backend on this machine, until it is stopped.
///
/// Each saved state of the folder that is accepted becomes a change: applied, verified, recorded. A
/// state that is not accepted changes nothing: what runs stays, and the error is shown. A folder that
/// is wrong from the start runs nothing until a save mends it. Every two
/// seconds what the gateway serves is compared with what was written. SIGTERM ends it with 0, the
/// keyboard (SIGINT) with 130.
///
/// With `--with bitbucket` the repository is what counts, and no longer the folder: it is made from
/// the folder once, and goes on as it was left after each start. Its page, its people and their
/// password are for this machine only. Everything of it lies below `bitbucket` in the state folder; who
/// removes that begins anew.
#[derive(Debug, Args)]
pub(crate) struct Dev {
    #[command(subcommand)]
    command: Option<Command>,
    /// The port of the gateway, instead of the declared one.
    #[arg(long)]
    port: Option<u16>,
    /// Also runs an emulated Bitbucket with the folder's files as a repository, and the server that
    /// follows it: what is merged there is put in force, by the rules that it has for that.
    #[arg(long, value_name = "PART")]
    with: Option<With>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum With {
    Bitbucket,
}

#[derive(Debug, Subcommand)]
enum Command {
    Token(token::Token),
    Break(breakage::Break),
}

/// How often what is served is compared with what was written.
const COMPARE_EVERY: Duration = Duration::from_secs(2);

/// How long calls that are under way may still take when it stops.
const GRACE: Duration = Duration::from_secs(5);

impl Dev {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        match &self.command {
            None => match self.with {
                None => self.serve(context).await,
                Some(With::Bitbucket) => Box::pin(bitbucket::serve(context, self.port)).await,
            },
            Some(Command::Token(command)) => command.run(context).await,
            Some(Command::Break(command)) => command.run(context).await,
        }
    }

    async fn serve(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let root = compose::root(&context.globals.workspace)?;
        // From here on nothing that is saved is missed.
        let mut watch = Watch::start(&root).map_err(|error| {
            Failure::new(Exit::Failed, format!("the folder cannot be watched: {error}"))
        })?;
        let stopped = config::interrupted();
        tokio::pin!(stopped);
        let scene = tokio::select! {
            stop = &mut stopped => return Ok(Exit::stopped(stop)),
            scene = first(context, &mut watch) => scene?,
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let demo = compose::demo_api(&root);
        let parts = Parts::start(&scene.desired, demo.as_ref(), &clock).await?;
        let gateways = self.start_gateways(context, &scene)?;
        greet(Told(context.ui), &scene, &parts, &gateways);
        let standing = scene.state.standing();
        let mut session = Session::begin(context, scene).await;
        let mut compare = interval(COMPARE_EVERY);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ended = loop {
            tokio::select! {
                stop = &mut stopped => break Ok(Exit::stopped(stop)),
                () = watch.saved() => session.reload(context).await,
                _ = compare.tick() => {
                    if session.state().standing() != standing {
                        break Err(gone(session.state()));
                    }
                    session.compare(context).await;
                }
            }
        };
        context.ui.say("stopping");
        tokio::task::block_in_place(|| {
            for (_, gateway) in gateways {
                gateway.stop(GRACE);
            }
        });
        ended
    }

    /// Whether it runs until it is stopped.
    pub(super) fn serves(&self) -> bool {
        self.command.is_none()
    }

    /// One gateway for each target; every call is recorded.
    fn start_gateways(
        &self,
        context: Context<'_>,
        scene: &Scene,
    ) -> Result<Vec<(TargetName, Running)>, Failure> {
        let targets: Vec<&TargetName> = scene.desired.spec.targets.keys().collect();
        if self.port.is_some() && targets.len() > 1 {
            return Err(one_port());
        }
        let mut gateways = vec![];
        for target in targets {
            let declared = compose::declared_address(&scene.desired, target)?;
            let listen = match self.port {
                Some(port) => Address::At(SocketAddr::new(declared.ip(), port)),
                None => Address::Declared(declared),
            };
            let root = scene.workspace.folder.root();
            let folder = scene.state.target_folder(&scene.environment, target);
            let settings = compose::gateway_settings(GatewayStart {
                root,
                folder: folder.clone(),
                workspace_id: scene.state.workspace_id.clone(),
                environment: scene.environment.clone(),
                target: target.clone(),
                key: scene.state.verifying_key()?,
                supply: Supply::Folder(folder),
                listen,
                file: read_settings(context, None, root, &scene.state)?,
                mode: Mode::Development,
                access_log: None,
                variables: config::variables(),
            });
            context.ui.detail(&format!("starting the gateway of {target}"));
            let gateway = Running::start(settings).map_err(|error| not_started(&error))?;
            gateways.push((target.clone(), gateway));
        }
        Ok(gateways)
    }
}

/// The first state of the folder that can be read. What is wrong until then is shown, and mended by
/// a save.
async fn first(context: Context<'_>, watch: &mut Watch) -> Result<Scene, Failure> {
    loop {
        match Scene::open(context, Purpose::Change).await {
            Err(failure) if failure.fault == Fault::Declarations => {
                let words = "nothing runs yet: it starts with the first save that is right";
                session::refused(context, &failure, words);
                watch.saved().await;
            }
            opened => return opened,
        }
    }
}

fn one_port() -> Failure {
    Failure::wrong("`--port` names one port, and there are several targets")
        .help("declare `listen` of each target")
}

/// Without its state nothing that runs could be explained or changed, and a new one would have
/// another key: that is for whoever removed it to begin.
fn gone(state: &State) -> Failure {
    let folder = state.folder.display();
    Failure::new(Exit::Failed, format!("the state in `{folder}` was removed or replaced"))
        .coded(Code::StateUnreadable)
        .help("start `gatewright dev` again: it begins a new state")
}

/// What runs, and who may call what.
fn greet(told: Told<'_>, scene: &Scene, parts: &Parts, gateways: &[(TargetName, Running)]) {
    for (target, gateway) in gateways {
        let address = gateway.address();
        let host = match address.ip() {
            ip if ip.is_loopback() => "localhost".to_owned(),
            ip => ip.to_string(),
        };
        let name = if gateways.len() == 1 { String::new() } else { format!(" {target}") };
        told.tell(What::Started, None, &format!("gateway{name}  http://{host}:{}", address.port()));
    }
    if let Some(words) = parts.words() {
        told.tell(What::Started, None, words);
    }
    let (lines, more) = summary::lines(&scene.desired);
    for line in lines {
        told.tell(What::Access, None, &line);
    }
    if more > 0 {
        told.tell(What::Access, None, &format!("and {more} more APIs: gatewright can --matrix"));
    }
    for words in parts.missing() {
        told.tell(What::Missing, Some(Mark::Warning), &words);
    }
}
