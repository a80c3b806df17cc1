//! Raw settings to checked settings, once. The name of every environment variable is here.

mod file;
mod server;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use gw_model::secret::Redacted;
use rustix::process::{Resource, Rlimit, setrlimit};

pub(crate) use self::{
    file::{
        GatewayFile, NAME as SETTINGS, TlsFiles, WitnessAccess, WitnessFile, WitnessPlace,
        passed_over, pasted_secret,
    },
    server::{BitbucketFile, SecretsFrom, ServerFile},
};
use crate::{
    commands::Globals,
    ui::{Colour, Form, Input, Talk, Ui},
};

/// Where the state of this machine lies.
const STATE: &str = "GATEWRIGHT_STATE";
/// The settings of a gateway process.
const CONFIG: &str = "GATEWRIGHT_CONFIG";
/// The server that does the work.
const SERVER: &str = "GATEWRIGHT_SERVER";
/// A file with a token that shows who asks a server.
pub(crate) const TOKEN_FILE: &str = "GATEWRIGHT_TOKEN_FILE";
/// What Bitbucket gives a step with `oidc: true`, and which commit it builds.
const STEP_TOKEN: &str = "BITBUCKET_STEP_OIDC_TOKEN";
const STEP_COMMIT: &str = "BITBUCKET_COMMIT";
/// The user's folder for state, by the XDG base directory specification.
const XDG_STATE_HOME: &str = "XDG_STATE_HOME";
const HOME: &str = "HOME";
/// Any text in it: no colour.
const NO_COLOR: &str = "NO_COLOR";

/// What the environment of the process says.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    state: Option<PathBuf>,
    state_home: Option<PathBuf>,
    config: Option<PathBuf>,
    colour: Colour,
}

impl Surroundings {
    pub(crate) fn read() -> Self {
        // A variable that is set to nothing counts as not set, as XDG says.
        let filled = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let folder = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        let home = filled(HOME).and_then(folder);
        Self {
            state: filled(STATE).map(PathBuf::from),
            state_home: filled(XDG_STATE_HOME)
                .and_then(folder)
                .or_else(|| home.map(|home| home.join(".local/state"))),
            config: filled(CONFIG).map(PathBuf::from),
            colour: if filled(NO_COLOR).is_some() { Colour::Never } else { Colour::Auto },
        }
    }

    /// The folder that was named for the state of this one run.
    pub(crate) fn named_state(&self, globals: &Globals) -> Option<PathBuf> {
        globals.state.clone().or_else(|| self.state.clone())
    }

    /// The file of settings that was named, by an argument or by the surroundings.
    pub(crate) fn named_config<'a>(&'a self, argument: Option<&'a Path>) -> Option<&'a Path> {
        argument.or(self.config.as_deref())
    }

    /// The user's folder for the state of all workspaces.
    pub(crate) fn state_home(&self) -> Option<PathBuf> {
        self.state_home.as_ref().map(|home| home.join("gatewright"))
    }
}

pub(crate) fn ui(globals: &Globals, surroundings: &Surroundings) -> Ui {
    let talk = match (globals.quiet, globals.verbose) {
        (true, _) => Talk::Quiet,
        (false, false) => Talk::Normal,
        (false, true) => Talk::Detailed,
    };
    let form = if globals.json { Form::Json } else { Form::Text };
    let input = if globals.no_input { Input::Never } else { Input::Ask };
    let colour = if globals.no_color { Colour::Never } else { surroundings.colour };
    Ui::new(talk, form, input, colour)
}

/// For arguments that are none: of them only the form counts.
pub(crate) fn ui_of_refusal(surroundings: &Surroundings) -> Ui {
    let form = match env::args_os().any(|argument| argument == "--json") {
        true => Form::Json,
        false => Form::Text,
    };
    Ui::new(Talk::Normal, form, Input::Never, surroundings.colour)
}

/// The server that was named beside the arguments.
pub(crate) fn server() -> Option<String> {
    text(SERVER)
}

/// The file that shows who asks.
pub(crate) fn proof_file() -> Option<PathBuf> {
    text(TOKEN_FILE).map(PathBuf::from)
}

/// What shows which step of a pipeline asks.
pub(crate) fn step_token() -> Option<Redacted<String>> {
    text(STEP_TOKEN).map(Redacted::new)
}

/// The commit that the pipeline builds.
pub(crate) fn pipeline_commit() -> Option<String> {
    text(STEP_COMMIT)
}

fn text(name: &str) -> Option<String> {
    env::var_os(name)?.into_string().ok().filter(|text| !text.is_empty())
}

/// A process that dies leaves no copy of its memory: secrets may be in it.
pub(crate) fn leave_no_core() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Whoever may not lower a limit has one that is low already.
    setrlimit(Resource::Core, none).unwrap_or_default();
}

/// Every variable, for stores of secrets that are variables. They cannot be printed.
pub(crate) fn variables() -> BTreeMap<String, Redacted<String>> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, Redacted::new(value.into_string().ok()?)))
    };
    env::vars_os().filter_map(text).collect()
}

/// How somebody asked the program to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At the keyboard, by SIGINT.
    Keyboard,
    /// By SIGTERM: whoever supervises it wants it to end.
    Supervisor,
}

/// Waits for somebody to stop the program, by keyboard or by signal. From the call on, not only from
/// the first wait, a signal ends nothing by itself.
pub(crate) fn interrupted() -> impl Future<Output = Stop> {
    use tokio::signal::unix::{SignalKind, signal};

    let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        // Without a handler nothing can interrupt but the system itself.
        let (Ok(mut keyboard), Ok(mut end)) = handlers else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = keyboard.recv() => Stop::Keyboard,
            _ = end.recv() => Stop::Supervisor,
        }
    }
}
