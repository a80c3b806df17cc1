//! Which gateway is started: from the state alone where something was applied. Only where nothing was
//! does the folder of declarations say what is to be served one day.
//!
//! A snapshot is what somebody delivers. It says what is served, and never which gateway this is: the
//! command line does, or what this state served before.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gw_model::{
    desired::Desired,
    environment::Target,
    id::{EnvironmentName, TargetName},
};
use gw_policy::{
    gateway::LISTEN,
    generation::{Generation, PublicKey},
};
use gw_proxy::{
    read_file,
    settings::{Address, Supply},
};

use super::Gateway;
use crate::{
    commands::Context,
    compose::{self, State, Workspace},
    exit::Failure,
};

#[derive(Debug)]
pub(super) struct Choice {
    pub(super) state: State,
    pub(super) environment: EnvironmentName,
    pub(super) target: TargetName,
    /// Where it keeps what is its own, in its state.
    pub(super) folder: PathBuf,
    pub(super) key: PublicKey,
    pub(super) supply: Supply,
    pub(super) listen: Address,
}

impl Choice {
    pub(super) fn make(
        command: &Gateway,
        context: Context<'_>,
        root: &Path,
    ) -> Result<Self, Failure> {
        if let Some(path) = &command.snapshot {
            return Self::of_snapshot(command, context, root, path);
        }
        let state = State::locate(context, root)?;
        let mut standing = state.in_force(context.globals.env.as_ref());
        standing.retain(|(_, target)| command.target.as_ref().is_none_or(|it| it == target));
        let (environment, target, otherwise) = match standing.as_slice() {
            [(environment, target)] => (environment.clone(), target.clone(), LISTEN),
            [] => {
                let workspace = Workspace::read(root)?;
                let environment = workspace.environment(context, context.globals.env.as_ref())?;
                let desired = workspace.desired(context, &environment)?;
                let target = builtin_target(&desired, command.target.as_ref())?;
                let otherwise = compose::declared_address(&desired, &target)?;
                (environment, target, otherwise)
            }
            many => {
                let names =
                    many.iter().map(|(environment, target)| format!("{environment}/{target}"));
                let names: Vec<String> = names.collect();
                return Err(Failure::wrong("several targets were applied here")
                    .help(format!("name one with `--env` and `--target`: {}", names.join(", "))));
            }
        };
        let folder = state.target_folder(&environment, &target);
        Ok(Self {
            folder: folder.clone(),
            key: state.verifying_key()?,
            state,
            environment,
            target,
            supply: Supply::Folder(folder),
            listen: Address::AsServed { otherwise },
        })
    }

    fn of_snapshot(
        command: &Gateway,
        context: Context<'_>,
        root: &Path,
        path: &Path,
    ) -> Result<Self, Failure> {
        let key = match &command.key {
            Some(file) => read_key(file)?,
            None => State::locate(context, root)
                .and_then(|state| state.verifying_key())
                .map_err(|failure| failure.help("or name the key of the snapshot with `--key`"))?,
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let generation = read_snapshot(&path, &key)?;
        let state = State::of(context, generation.workspace_id)?;
        let (environment, target) = (generation.environment, generation.target);
        expect(command, context, &state, &environment, &target)?;
        let folder = state.target_folder(&environment, &target);
        let supply = if path.is_dir() { Supply::Folder(path) } else { Supply::File(path) };
        let listen = Address::AsServed { otherwise: LISTEN };
        Ok(Self { state, environment, target, folder, key, supply, listen })
    }
}

/// Refuses the snapshot of another gateway. The rules of a laxer environment are well signed too.
fn expect(
    command: &Gateway,
    context: Context<'_>,
    state: &State,
    environment: &EnvironmentName,
    target: &TargetName,
) -> Result<(), Failure> {
    let named = (context.globals.env.as_ref(), command.target.as_ref());
    let made_for = format!("the snapshot was made for {environment}/{target}");
    if named.0.is_some_and(|it| it != environment) || named.1.is_some_and(|it| it != target) {
        return Err(Failure::wrong(made_for));
    }
    let mut served = state.served(named.0);
    served.retain(|(_, it)| named.1.is_none_or(|named| named == it));
    match served.as_slice() {
        [] => context
            .ui
            .alarm("no memory of what was served before: any signed generation is believed once"),
        [only] if (&only.0, &only.1) == (environment, target) => {}
        served => {
            let names =
                served.iter().map(|(environment, target)| format!("{environment}/{target}"));
            let names = names.collect::<Vec<_>>().join(", ");
            let it = format!("--env {environment} --target {target}");
            return Err(Failure::wrong(format!("{made_for}, and this state served {names}"))
                .help(format!("say that it is meant: `{it}`"))
                .help("or give that gateway a state of its own: `--state DIR`"));
        }
    }
    Ok(())
}

fn read_key(file: &Path) -> Result<PublicKey, Failure> {
    let refuse = |why: String| Failure::wrong(format!("`{}` {why}", file.display()));
    let bytes = read_file(file).map_err(|error| refuse(format!("cannot be read: {error}")))?;
    let key = str::from_utf8(&bytes).ok().and_then(|text| PublicKey::parse(text).ok());
    key.ok_or_else(|| refuse("is not the public half of a signing key".to_owned()))
}

/// What a snapshot says of itself: of a folder, one that is signed is enough, whichever is served.
fn read_snapshot(path: &Path, key: &PublicKey) -> Result<Generation, Failure> {
    let refuse = |why: String| {
        Failure::wrong(format!("`{}` is no snapshot: {why}", path.display()))
            .help("name a file of `generations/` in a target's folder, or that folder")
    };
    let read = |file: &Path| {
        let bytes = read_file(file).map_err(|error| error.to_string())?;
        Generation::verify(&bytes, key).map_err(|refusal| refusal.to_string())
    };
    if !path.is_dir() {
        return read(path).map_err(refuse);
    }
    let entries = fs::read_dir(path.join("generations"));
    let entries = entries.map_err(|error| refuse(format!("`generations` {error}")))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|it| Some(it.ok()?.path())).collect();
    files.sort();
    let mut why = "it holds no generation".to_owned();
    for file in files.into_iter().rev() {
        match read(&file) {
            Ok(generation) => return Ok(generation),
            Err(error) => why = error,
        }
    }
    Err(refuse(why))
}

/// The target that was named, or the only one that is built in.
fn builtin_target(desired: &Desired, named: Option<&TargetName>) -> Result<TargetName, Failure> {
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
