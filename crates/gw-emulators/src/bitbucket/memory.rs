//! What is there, kept in one file from one start to the next.
//!
//! It is replaced whole after everything that may have changed it, and before anybody hears of that. What
//! it does not keep is on its way: letters of webhooks, faults, the keys of pipelines.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Host,
    access::Credential,
    landing,
    objects::{GitError, Objects, folder_of},
    state::{Account, AccountKind, Names, Repository, Workspace, World},
};
use crate::serving::StartError;

/// Beside the repositories. Whoever may read it may act as everybody in it.
const NAME: &str = "bitbucket.json";
/// Who pushed what nobody wrote down.
const UNKNOWN: &str = "unknown";
const ONLY_OWNER: u32 = 0o600;

#[derive(Debug)]
pub(super) struct Memory {
    folder: PathBuf,
}

#[derive(Serialize)]
struct Written<'a> {
    accounts: &'a [Account],
    workspaces: &'a [Workspace],
    repositories: &'a [Repository],
    credentials: &'a [Credential],
}

#[derive(Deserialize)]
struct Read {
    accounts: Vec<Account>,
    workspaces: Vec<Workspace>,
    repositories: Vec<Repository>,
    credentials: Vec<Credential>,
}

impl Memory {
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(NAME)
    }

    /// What was written last; `None` where nothing ever was.
    pub(super) fn read(&self) -> Result<Option<World>, StartError> {
        let unreadable = |why: String| StartError::Memory { file: self.file(), why };
        let text = match fs::read(self.file()) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error.to_string())),
        };
        let read = serde_json::from_slice(&text);
        let Read { accounts, workspaces, mut repositories, credentials } =
            read.map_err(|error| unreadable(error.to_string()))?;
        for repository in &mut repositories {
            repository.objects = Objects::at(folder_of(&self.folder, &repository.uuid));
        }
        let names = Names::draw().ok_or(StartError::Keys)?;
        Ok(Some(World { names, accounts, workspaces, repositories, credentials }))
    }

    fn write(&self, world: &World) -> io::Result<()> {
        let World { names: _, accounts, workspaces, repositories, credentials } = world;
        let text =
            serde_json::to_vec(&Written { accounts, workspaces, repositories, credentials })?;
        let draft = self.folder.join(format!("{NAME}.new"));
        let mut options = File::options();
        let mut file =
            options.write(true).create(true).truncate(true).mode(ONLY_OWNER).open(&draft)?;
        file.write_all(&text)?;
        fs::rename(&draft, self.file())
    }
}

impl Host {
    /// Takes in what git has and was not written down: whoever pushed it was cut off, and who that was
    /// is not known any more.
    pub(super) fn catch_up(&self) -> Result<(), StartError> {
        let unreadable = |error: GitError| StartError::Memory {
            file: self.folder.clone(),
            why: error.to_string(),
        };
        let now = self.clock.now();
        let mut world = self.world.lock();
        let all = world
            .repositories
            .iter()
            .map(|it| (it.uuid.clone(), it.objects.clone(), it.refs.clone()));
        for (uuid, objects, refs) in all.collect::<Vec<_>>() {
            if objects.refs().map_err(unreadable)? != refs {
                let somebody = world.add_account(AccountKind::Team, UNKNOWN, now);
                landing::notice(self, &mut world, &uuid, &somebody, now).map_err(unreadable)?;
            }
        }
        Ok(())
    }

    /// Writes everything down, if it is to be remembered.
    pub(super) fn remember(&self) -> io::Result<()> {
        let memory = self.memory.lock();
        let Some(memory) = memory.as_ref() else { return Ok(()) };
        memory.write(&self.world.lock())
    }
}

/// A secret as the file has it, and nothing else ever does.
pub(super) mod secret {
    use gw_model::secret::Redacted;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        secret: &Redacted<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(secret.reveal())
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Redacted<String>, D::Error> {
        String::deserialize(from).map(Redacted::new)
    }
}

/// The same where there may be none.
pub(super) mod secret_if_any {
    use gw_model::secret::Redacted;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "whoever writes a member hands it over like this")]
    pub(in super::super) fn serialize<S: Serializer>(
        secret: &Option<Redacted<String>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(|secret| secret.reveal()).serialize(to)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Redacted<String>>, D::Error> {
        Option::<String>::deserialize(from).map(|secret| secret.map(Redacted::new))
    }
}

#[cfg(test)]
mod tests;
