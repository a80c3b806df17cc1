//! The command line: one file per command, and what all of them share.

mod apply;
mod approve;
mod audit;
mod can;
mod check;
mod completion;
mod course;
mod dev;
mod doctor;
mod drift;
mod explain;
mod gateway;
mod history;
mod init;
mod login;
mod logout;
mod manual;
mod plan;
mod remote;
mod rollback;
mod serve;
mod show;
mod status;
mod steps;
mod test;
mod told;
mod version;
mod whoami;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use gw_model::{code::Code, id::EnvironmentName, scalar::Period};

use self::course::Course;
use crate::{
    compose::Stores,
    config::{self, Surroundings},
    exit::{Exit, Failure},
    ui::Ui,
};

/// Who may call your APIs: declared in files, checked, planned, applied, verified.
///
/// Reads a folder of declarations, says what a change does to callers before it is made, makes it
/// on the gateways that the folder names, and proves that they serve it.
#[derive(Debug, Parser)]
#[command(name = "gatewright", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "For every command")]
pub(crate) struct Globals {
    /// The folder of declarations.
    #[arg(short, long, global = true, value_name = "DIR", default_value = ".")]
    pub(crate) workspace: PathBuf,
    /// The environment. Not needed where the folder has only one.
    #[arg(short, long, global = true, value_name = "NAME", value_parser = EnvironmentName::parse)]
    pub(crate) env: Option<EnvironmentName>,
    /// The Gatewright server that does the work (else GATEWRIGHT_SERVER, else this machine does it).
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Where the state of this machine lies (else GATEWRIGHT_STATE, else the user's state folder).
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Gives up after this long, for example 30s.
    #[arg(long, global = true, value_name = "TIME")]
    timeout: Option<Period>,
    /// Prints JSON for machines: one document, or one event per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Prints results only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Prints more of what is done.
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Prints without colour (as NO_COLOR does).
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// Never asks; what would need an answer goes on or fails.
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Init),
    Check(check::Check),
    Show(show::Show),
    Can(can::Can),
    Plan(plan::Plan),
    Apply(apply::Apply),
    Status(status::Status),
    History(history::History),
    Rollback(rollback::Rollback),
    Test(test::Test),
    Approve(approve::Approve),
    Drift(drift::Drift),
    Explain(explain::Explain),
    Audit(audit::Audit),
    Gateway(gateway::Gateway),
    Serve(serve::Serve),
    Dev(dev::Dev),
    Doctor(doctor::Doctor),
    Completion(completion::Completion),
    Version(version::Version),
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    #[command(hide = true)]
    Manual(manual::Manual),
}

/// What a command is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) ui: &'a Ui,
    pub(crate) globals: &'a Globals,
    pub(crate) surroundings: &'a Surroundings,
    pub(crate) stores: &'a Stores,
    pub(crate) course: &'a Course,
}

/// Runs one command to its end, to its timeout, or until somebody stops it.
pub(crate) fn run(
    ui: &Ui,
    arguments: &Arguments,
    surroundings: &Surroundings,
) -> Result<Exit, Failure> {
    let globals = &arguments.globals;
    // One thread works, one keeps the terminal alive meanwhile.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no threads to work with: {error}")))?;
    let stores = Stores::default();
    let course = Course::default();
    let context = Context { ui, globals, surroundings, stores: &stores, course: &course };
    let ended = runtime.block_on(async {
        let ended = bounded(&arguments.command, context, globals.timeout).await;
        stores.close(ui).await;
        ended
    });
    runtime.shutdown_background();
    ended
}

async fn bounded(
    command: &Command,
    context: Context<'_>,
    timeout: Option<Period>,
) -> Result<Exit, Failure> {
    let work = async {
        let Some(limit) = timeout else { return command.start(context).await };
        let run = tokio::time::timeout(limit.as_duration(), command.start(context));
        if let Ok(ended) = run.await {
            return ended;
        }
        let failure = Failure::new(Exit::Unreachable, format!("not done within {limit}"))
            .help("give it longer with `--timeout`, or look with `-v` where it waits");
        Err(match command.changes() {
            true => failure.note(context.course.left().await),
            false => failure,
        })
    };
    if command.stops_by_itself() {
        return work.await;
    }
    tokio::select! {
        ended = work => ended,
        stop = config::interrupted() => {
            if command.changes() {
                context.ui.say(&format!("interrupted; {}", context.course.left().await));
            }
            Ok(Exit::unfinished(stop))
        }
    }
}

fn no_server() -> Failure {
    Failure::wrong("only a server does that, and none is named")
        .coded(Code::NoServer)
        .help("name one with `--server URL`, or GATEWRIGHT_SERVER")
}

impl Command {
    /// Whether it answers what is under way before it stops, so that nobody may cut it off.
    fn stops_by_itself(&self) -> bool {
        match self {
            Self::Gateway(_) | Self::Serve(_) => true,
            Self::Dev(command) => command.serves(),
            Self::Status(command) => command.serves(),
            _ => false,
        }
    }

    /// Whether somebody who stops it asks what it left.
    fn changes(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Rollback(_))
    }

    /// Here, or by a server where one is named.
    async fn start(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let named = context.globals.server.clone();
        if let (Some(_), Self::Status(command)) = (&named, self)
            && command.serves()
        {
            return Err(Failure::wrong("`--watch` follows what this machine holds")
                .help("leave out `--watch`, or `--server`"));
        }
        // Who names a server for all commands means those that can ask one.
        let named = named.or_else(|| config::server().filter(|_| remote::is_for_a_server(self)));
        match named.filter(|_| !self.stops_by_itself()) {
            // The largest command makes the future of all as large as its own: it goes on the heap.
            Some(server) => Box::pin(remote::run(self, context, &server)).await,
            None => Box::pin(self.run(context)).await,
        }
    }

    async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        match self {
            Self::Init(command) => command.run(context),
            Self::Check(command) => command.run(context),
            Self::Show(command) => command.run(context).await,
            Self::Can(command) => command.run(context).await,
            Self::Plan(command) => command.run(context).await,
            Self::Apply(command) => command.run(context).await,
            Self::Status(command) => command.run(context).await,
            Self::History(command) => command.run(context).await,
            Self::Rollback(command) => command.run(context).await,
            Self::Test(command) => command.run(context).await,
            Self::Drift(command) => command.run(context).await,
            Self::Explain(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
            Self::Gateway(command) => command.run(context).await,
            Self::Serve(command) => command.run(context).await,
            Self::Approve(_) | Self::Login(_) | Self::Logout(_) | Self::Whoami(_) => {
                Err(no_server())
            }
            Self::Dev(command) => Box::pin(command.run(context)).await,
            Self::Doctor(command) => command.run(context).await,
            Self::Completion(command) => command.run(context),
            Self::Version(command) => command.run(context),
            Self::Manual(command) => command.run(context),
        }
    }
}
