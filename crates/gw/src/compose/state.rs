//! The state folder of a workspace on this machine: where it lies, its id and its keys.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use gw_control::{
    server::name_of,
    store::{StateLock, Store, StoreError},
};
use gw_model::{
    code::Code,
    id::{ApiName, EnvironmentName, TargetName, WorkspaceId},
    load::Declarations,
    workspace::Source,
};
use gw_policy::generation::{Expected, Generation, PublicKey, SigningKey};
use gw_proxy::served_before;

use crate::{
    commands::Context,
    compose::{Workspace, random},
    config::ServerFile,
    exit::{Exit, Failure},
};

/// The file of the id, from the root of the workspace.
pub(crate) const ID: &str = ".gatewright/id";
/// The file that makes a workspace a demo, from its root.
pub(crate) const DEMO: &str = ".gatewright/demo";
/// The private key, in the state folder.
const KEY: &str = "signing.key";
/// Its public half: all that a gateway needs to know of it.
const PUBLIC_KEY: &str = "signing.pub";

/// What a command has in mind with the state. Whoever only looks leaves no trace of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Look,
    Change,
}

/// Where the state lies, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) folder: PathBuf,
    pub(crate) workspace_id: WorkspaceId,
    /// The settings that were named, where they are not those of the folder.
    pub(super) settings: Option<PathBuf>,
}

/// The API of a demo workspace whose backend `dev` plays; `init --demo` wrote that down.
pub(crate) fn demo_api(folder: &Path) -> Option<ApiName> {
    let text = fs::read_to_string(folder.join(DEMO)).ok()?;
    ApiName::parse(text.trim()).ok()
}

/// Whether the folder of declarations has its id.
pub(crate) fn has_id(folder: &Path) -> bool {
    folder.join(ID).exists()
}

impl State {
    pub(crate) fn locate(context: Context<'_>, root: &Path) -> Result<Self, Failure> {
        Self::of(context, read_id(root)?)
    }

    /// The state of a workspace for whoever looks back. Where a server follows the workspace, it knows
    /// what happened: whoever named no state is told that this one does not.
    pub(crate) fn to_look_at(context: Context<'_>, workspace: &Workspace) -> Result<Self, Failure> {
        let state = Self::locate(context, workspace.folder.root())?;
        let is_named = context.surroundings.named_state(context.globals).is_some();
        let source = workspace.faultless().map(Declarations::source);
        let source = source.filter(|source| !is_named && !matches!(source, Source::Local {}));
        if let Some(source) = source {
            context.ui.say(&state.is_not_of(source, "and its ledger tells"));
        }
        Ok(state)
    }

    /// That what is known of a source is not known here, and who tells it.
    pub(super) fn is_not_of(&self, source: &Source, who: &str) -> String {
        format!(
            "this folder follows {}: what is in force there its server knows {who}; this is about the \
             state of this machine, `{}`",
            name_of(source),
            self.folder.display()
        )
    }

    /// The state of a workspace whose id is known.
    pub(crate) fn of(context: Context<'_>, workspace_id: WorkspaceId) -> Result<Self, Failure> {
        let named = context.surroundings.named_state(context.globals);
        let folder = match named {
            Some(folder) => folder,
            None => context
                .surroundings
                .state_home()
                .ok_or_else(|| {
                    Failure::wrong("there is no place for the state")
                        .coded(Code::NoStateFolder)
                        .help("name one with `--state DIR`")
                })?
                .join(workspace_id.as_str()),
        };
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        let settings = context.surroundings.named_config(None).map(Path::to_owned);
        Ok(Self { folder, workspace_id, settings })
    }

    /// The state of a server, by its settings.
    pub(crate) fn of_server(context: Context<'_>, file: &ServerFile) -> Result<Self, Failure> {
        let state = Self::of(context, file.workspace_id.clone())?;
        let named = context.surroundings.named_state(context.globals);
        let folder = named.or_else(|| file.state.clone()).unwrap_or(state.folder);
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Ok(Self { folder, settings: Some(file.path.clone()), ..state })
    }

    /// The state of a server that this one has to itself, by its settings.
    pub(crate) fn of_inner_server(&self, folder: &Path, file: &ServerFile) -> Self {
        let (folder, settings) = (folder.to_owned(), Some(file.path.clone()));
        Self { folder, settings, ..self.clone() }
    }

    /// From now on nobody else changes this state.
    pub(crate) fn take_lock(&self) -> Result<StateLock, Failure> {
        StateLock::take(&self.folder).map_err(|error| store_failure(&error))
    }

    /// The state where something was ever written down.
    pub(crate) async fn open_existing(
        &self,
        context: Context<'_>,
    ) -> Result<Option<Store>, Failure> {
        match Store::exists(&self.folder) {
            true => context.stores.open(self).await.map(Some),
            false => self.was_never_there().map(|()| None),
        }
    }

    /// Where a target's generations lie, and all that its gateway keeps for itself.
    pub(crate) fn target_folder(&self, at: &EnvironmentName, target: &TargetName) -> PathBuf {
        self.folder.join("targets").join(at.as_str()).join(target.as_str())
    }

    /// Whether there is a state at this moment, and which: another one has another number.
    pub(crate) fn standing(&self) -> Option<u64> {
        fs::metadata(self.folder.join("state.db")).ok().map(|found| found.ino())
    }

    /// The built-in targets that something is in force on, of this environment or of all.
    pub(crate) fn in_force(
        &self,
        at: Option<&EnvironmentName>,
    ) -> Vec<(EnvironmentName, TargetName)> {
        self.targets(at, |folder| folder.join("current").exists())
    }

    /// The built-in targets that a gateway of this state ever served, of this environment or of all.
    pub(crate) fn served(
        &self,
        at: Option<&EnvironmentName>,
    ) -> Vec<(EnvironmentName, TargetName)> {
        self.targets(at, served_before)
    }

    fn targets(
        &self,
        at: Option<&EnvironmentName>,
        of: impl Fn(&Path) -> bool,
    ) -> Vec<(EnvironmentName, TargetName)> {
        let folders = self.target_folders(at).into_iter().filter(|folder| of(folder));
        folders
            .filter_map(|folder| {
                let environment = folder.parent()?.file_name()?.to_str()?;
                let target = folder.file_name()?.to_str()?;
                Some((EnvironmentName::parse(environment).ok()?, TargetName::parse(target).ok()?))
            })
            .collect()
    }

    /// A generation of a target, where it is still kept and its signature holds.
    pub(crate) fn generation(
        &self,
        at: &EnvironmentName,
        target: &TargetName,
        number: u64,
    ) -> Result<Generation, String> {
        let folder = self.target_folder(at, target).join("generations");
        let file =
            fs::read(folder.join(format!("{number:012}.json"))).map_err(|error| {
                match error.kind() {
                    io::ErrorKind::NotFound => "it is not kept any more".to_owned(),
                    _ => error.to_string(),
                }
            })?;
        let key = self.key_for(Purpose::Look).map_err(|failure| failure.message)?.public();
        let expected =
            Expected { workspace_id: &self.workspace_id, environment: at, target, last_seen: None };
        Generation::open(&file, &key, &expected).map_err(|refusal| refusal.to_string())
    }

    /// Every folder of a target that there is, of this environment or of all: a gateway ran there, or
    /// something was applied.
    pub(crate) fn target_folders(&self, at: Option<&EnvironmentName>) -> Vec<PathBuf> {
        let inside = |folder: PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).filter(|path| path.is_dir())
        };
        let targets = self.folder.join("targets");
        let mut folders: Vec<PathBuf> = match at {
            Some(environment) => inside(targets.join(environment.as_str())).collect(),
            None => inside(targets).flat_map(inside).collect(),
        };
        folders.sort();
        folders
    }

    /// The state for whoever only reads: where nothing was ever written down, nothing is made.
    pub(crate) async fn open_for(
        &self,
        context: Context<'_>,
        purpose: Purpose,
    ) -> Result<Store, Failure> {
        match (purpose, self.open_existing(context).await?) {
            (_, Some(store)) => Ok(store),
            (Purpose::Change, None) => context.stores.open(self).await,
            (Purpose::Look, None) => {
                let key = self.blank_ledger_key()?;
                Store::blank(key).await.map_err(|error| store_failure(&error))
            }
        }
    }

    /// The key for a purpose. Where there is none yet, a look is content with one that nobody keeps:
    /// nothing was signed before, so there is nothing that it would have to fit.
    pub(crate) fn key_for(&self, purpose: Purpose) -> Result<SigningKey, Failure> {
        let is_new = !self.folder.join(KEY).exists() && !self.folder.join(PUBLIC_KEY).exists();
        if purpose == Purpose::Look && is_new {
            let seed = random().ok_or_else(no_random)?;
            return SigningKey::from_seed(&seed).map_err(|_| no_random());
        }
        self.signing_key()
    }

    /// The key that signs what gateways of this state serve; made on first use.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, Failure> {
        let path = self.folder.join(KEY);
        if path.exists() {
            return read_key(&path);
        }
        if self.folder.join(PUBLIC_KEY).exists() {
            return Err(missing_key(&path));
        }
        self.make_key(&path).map_err(|error| unusable(&path, &error))?;
        // Whoever was first made it: a gateway and a command that start together use one key.
        let key = read_key(&path)?;
        self.tell_public(&key.public())?;
        Ok(key)
    }

    fn make_key(&self, path: &Path) -> io::Result<()> {
        let unusable = || io::Error::other("no key could be made");
        let seed = random().ok_or_else(unusable)?;
        let key = SigningKey::from_seed(&seed).map_err(|_| unusable())?;
        let pkcs8 = key.to_pkcs8().map_err(|_| unusable())?;
        self.make_folder()?;
        place(path, &pkcs8, PRIVATE)
    }

    /// Makes the folder, which only its owner may enter.
    pub(super) fn make_folder(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// The key to check by. A gateway never reads the private half, except where the public one was
    /// not written down yet.
    pub(crate) fn verifying_key(&self) -> Result<PublicKey, Failure> {
        let path = self.folder.join(PUBLIC_KEY);
        match fs::read_to_string(&path) {
            Ok(text) => PublicKey::parse(&text).map_err(|_| not_a_key(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = self.signing_key()?.public();
                self.tell_public(&key)?;
                Ok(key)
            }
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    fn tell_public(&self, key: &PublicKey) -> Result<(), Failure> {
        let path = self.folder.join(PUBLIC_KEY);
        let placed = place(&path, format!("{key}\n").as_bytes(), PUBLIC);
        placed.map_err(|error| unusable(&path, &error))
    }
}

fn read_key(path: &Path) -> Result<SigningKey, Failure> {
    let pkcs8 = fs::read(path).map_err(|error| unusable(path, &error))?;
    SigningKey::parse(&pkcs8).map_err(|_| not_a_key(path))
}

pub(super) fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("cannot use `{}`: {error}", path.display()))
        .coded(Code::StateUnreadable)
}

fn not_a_key(path: &Path) -> Failure {
    without_key(format!("`{}` is not a signing key", path.display()))
}

fn missing_key(path: &Path) -> Failure {
    without_key(format!("`{}` is missing", path.display()))
}

fn without_key(words: String) -> Failure {
    Failure::new(Exit::Failed, words)
        .coded(Code::StateUnreadable)
        .help("restore it from a backup; without it gateways refuse what is applied")
}

pub(crate) fn store_failure(error: &StoreError) -> Failure {
    Failure::from(error)
}

pub(crate) fn no_random() -> Failure {
    Failure::new(Exit::Failed, "this machine gives no random numbers")
}

fn read_id(root: &Path) -> Result<WorkspaceId, Failure> {
    let path = root.join(ID);
    let text = fs::read_to_string(&path).map_err(|_| {
        Failure::wrong("this workspace has no id")
            .coded(Code::NoWorkspaceId)
            .note(format!("`{}` cannot be read", path.display()))
            .help("run `gatewright init --id` once, and commit the file")
    })?;
    WorkspaceId::parse(text.trim()).map_err(|error| {
        Failure::wrong(error.to_string())
            .coded(Code::NoWorkspaceId)
            .note(format!("it stands in `{}`", path.display()))
            .help("restore the file from Git")
    })
}

pub(super) const PRIVATE: u32 = 0o600;
pub(super) const PUBLIC: u32 = 0o644;

/// Puts a file in the place of another: whole or not at all.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&draft)?;
    let replaced = file.write_all(bytes).and_then(|()| file.sync_all());
    replaced.and_then(|()| fs::rename(&draft, path))
}

/// Puts a file where none is: whole or not at all, and never over another. One that stands there is
/// somebody else's of the same moment, and stays.
pub(super) fn place(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&draft)?;
    let placed = file
        .write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    match placed {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        placed => placed,
    }
}

#[cfg(test)]
mod tests;
