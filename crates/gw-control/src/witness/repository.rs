//! A witness that is a branch of a Git repository, for nothing else: each checkpoint is a commit on top of
//! the one before it, so that whoever may read it can follow how the ledger grew.

use std::sync::Arc;

use gw_audit::folder::CHECKPOINT;
use gw_model::{
    clock::Clock,
    id::SecretName,
    load::Files as _,
    secret::{Redacted, SecretStore},
};
use tokio::sync::Mutex;

use super::{Pending, Unreached, Witness};
use crate::source::git::{
    Deposit, GitError, Repository, RepositorySettings, View, Wanted, address::Credential,
};

/// A branch elsewhere, with a credential that is for nothing else.
#[derive(Debug)]
pub struct WitnessRepository {
    pub settings: RepositorySettings,
    /// Of one ledger alone.
    pub branch: String,
    pub access: Access,
    pub clock: Arc<dyn Clock>,
    /// Opened when it is needed first; none until then.
    pub opened: Mutex<Option<Repository>>,
}

/// By what we are let in.
#[derive(Debug)]
pub enum Access {
    /// Over https: a user, and the secret that is the token.
    Token { user: String, token: SecretName, secrets: Arc<dyn SecretStore> },
    /// Over ssh.
    Key(Credential),
}

impl WitnessRepository {
    async fn credential(&self) -> Result<Credential, Unreached> {
        let (user, name, secrets) = match &self.access {
            Access::Token { user, token, secrets } => (user, token, secrets),
            Access::Key(credential) => return Ok(credential.clone()),
        };
        let secret = secrets.read(name).await.map_err(|refusal| self.unreached(&refusal))?;
        let text = std::str::from_utf8(secret.value.reveal());
        let text = text.map_err(|_| self.unreached(&format!("the secret `{name}` is no text")))?;
        let token = Redacted::new(text.trim().to_owned());
        Ok(Credential::Token { user: user.clone(), token })
    }

    async fn read(&self) -> Result<Option<Vec<u8>>, Unreached> {
        let credential = self.credential().await?;
        let mut opened = self.opened.lock().await;
        let fetched = self.open(&mut opened)?.fetch(&credential, &self.wanted()).await;
        let view = fetched.map_err(|error| self.unreached(&error))?.view;
        let branch = self.branch.clone();
        let left = Repository::look(&view, move |view| left(view, &branch)).await;
        left.map_err(|error| self.unreached(&error))
    }

    async fn write(&self, checkpoint: &[u8]) -> Result<(), Unreached> {
        let credential = self.credential().await?;
        let mut opened = self.opened.lock().await;
        let repository = self.open(&mut opened)?;
        let view = match repository.view() {
            Some(view) => view,
            None => {
                let fetched = repository.fetch(&credential, &self.wanted()).await;
                fetched.map_err(|error| self.unreached(&error))?.view
            }
        };
        let deposit = Deposit {
            branch: &self.branch,
            onto: view.branches().get(&self.branch).copied(),
            file: CHECKPOINT,
            bytes: checkpoint,
            message: "A checkpoint of the ledger",
            at: self.clock.now(),
        };
        let pushed = repository.push(&credential, &deposit).await;
        pushed.map_err(|error| self.unreached(&error))
    }

    fn wanted(&self) -> Wanted {
        Wanted::only(format!("refs/heads/{}", self.branch))
    }

    fn open<'a>(&self, opened: &'a mut Option<Repository>) -> Result<&'a Repository, Unreached> {
        let repository = match opened.take() {
            Some(repository) => repository,
            None => {
                let repository = Repository::open(self.settings.clone());
                repository.map_err(|error| self.unreached(&error))?
            }
        };
        Ok(opened.insert(repository))
    }

    fn unreached(&self, because: &impl ToString) -> Unreached {
        Unreached { witness: self.name(), because: because.to_string() }
    }
}

/// What the branch holds.
fn left(view: &View, branch: &str) -> Result<Option<Vec<u8>>, GitError> {
    let Some(head) = view.branches().get(branch) else { return Ok(None) };
    let tree = view.tree(head)?;
    if !tree.paths().iter().any(|path| path == CHECKPOINT) {
        // Somebody else wrote to the branch: that is no checkpoint of ours.
        return Ok(Some(vec![]));
    }
    let bytes = tree.read(CHECKPOINT);
    bytes.map(Some).map_err(|error| GitError::Broken { why: error.to_string() })
}

impl Witness for WitnessRepository {
    fn name(&self) -> String {
        format!("{} {}", self.settings.address, self.branch)
    }

    fn newest(&self) -> Pending<'_, Option<Vec<u8>>> {
        Box::pin(self.read())
    }

    fn leave<'a>(&'a self, checkpoint: &'a [u8]) -> Pending<'a, ()> {
        Box::pin(self.write(checkpoint))
    }
}
