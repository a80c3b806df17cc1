//! What `gatewright login` keeps on this machine: for each server one file, which only its owner reads.
//!
//! It holds what the issuer gave and nothing that the server gave: tokens of the server live as long as
//! the command that asked for them.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::PathBuf,
};

use gw_model::{code::Code, secret::Redacted};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, serde::rfc3339};
use url::form_urlencoded;

use super::state::{PRIVATE, replace};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
};

/// The folder, in that of the user's state.
const FOLDER: &str = "sign-ins";
/// Whoever renews a sign-in holds it: a refresh token that is used twice ends a sign-in.
const LOCK: &str = "lock";
const SCHEMA: &str = "gatewright.io/sign-in/v1";

/// Where sign-ins are kept.
#[derive(Clone, Debug)]
pub(crate) struct SignIns {
    folder: PathBuf,
}

/// Somebody is signed in for a server.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    pub(crate) server: String,
    pub(crate) identity: String,
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) resource: Option<String>,
    pub(crate) access_token: Redacted<String>,
    /// None: the sign-in ends with its access token.
    pub(crate) refresh_token: Option<Redacted<String>>,
    /// None: the issuer does not say.
    pub(crate) expires_at: Option<OffsetDateTime>,
}

/// The turn of the one who renews, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _lock: File,
}

/// As it lies on the disk. It has no `Debug`: it holds what must not be seen.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    schema: String,
    server: String,
    identity: String,
    issuer: String,
    client_id: String,
    resource: Option<String>,
    access_token: String,
    refresh_token: Option<String>,
    #[serde(with = "rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
}

impl SignIns {
    pub(crate) fn of(context: Context<'_>) -> Result<Self, Failure> {
        let named = context.surroundings.named_state(context.globals);
        let home = named.or_else(|| context.surroundings.state_home()).ok_or_else(|| {
            Failure::wrong("there is no place to keep a sign-in")
                .coded(Code::NoStateFolder)
                .help("name one with `--state DIR`")
        })?;
        let folder = home.join(FOLDER);
        Ok(Self { folder: std::path::absolute(&folder).unwrap_or(folder) })
    }

    /// Who is signed in for a server. A file that others may read is not believed to be a secret.
    pub(crate) fn read(&self, server: &str) -> Result<Option<SignedIn>, Failure> {
        let path = self.path(server);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unusable(server, &error.to_string())),
        };
        let mode = fs::metadata(&path).map(|found| found.permissions().mode());
        if mode.map_or(true, |mode| mode & 0o077 != 0) {
            return Err(self.unusable(server, "others than you may read it"));
        }
        let document: Document = serde_json::from_slice(&bytes)
            .ok()
            .filter(|document: &Document| document.schema == SCHEMA && document.server == server)
            .ok_or_else(|| self.unusable(server, "it is not a sign-in for this server"))?;
        Ok(Some(document.into()))
    }

    pub(crate) fn keep(&self, signed_in: &SignedIn) -> Result<(), Failure> {
        let server = &signed_in.server;
        let unusable = |error: &io::Error| self.unusable(server, &error.to_string());
        let bytes = serde_json::to_vec(&Document::from(signed_in))
            .map_err(|error| self.unusable(server, &error.to_string()))?;
        self.make_folder().map_err(|error| unusable(&error))?;
        replace(&self.path(server), &bytes, PRIVATE).map_err(|error| unusable(&error))
    }

    pub(crate) fn forget(&self, server: &str) -> Result<(), Failure> {
        match fs::remove_file(self.path(server)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(self.unusable(server, &error.to_string()))
            }
            _ => Ok(()),
        }
    }

    /// Waits until nobody else renews a sign-in of this user.
    pub(crate) async fn turn(&self) -> Result<Turn, Failure> {
        let folder = self.clone();
        let taken = tokio::task::spawn_blocking(move || folder.take_turn()).await;
        match taken {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(error)) => Err(self.unusable(LOCK, &error.to_string())),
            Err(error) => Err(Failure::new(Exit::Failed, error.to_string())),
        }
    }

    fn take_turn(&self) -> io::Result<Turn> {
        self.make_folder()?;
        let path = self.folder.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(path)?;
        lock.lock()?;
        Ok(Turn { _lock: lock })
    }

    fn make_folder(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }

    /// One name for each address, which none that can be written leaves the folder by.
    pub(crate) fn path(&self, server: &str) -> PathBuf {
        let name: String = form_urlencoded::byte_serialize(server.as_bytes()).collect();
        self.folder.join(format!("{name}.json"))
    }

    fn unusable(&self, server: &str, why: &str) -> Failure {
        let path = self.path(server);
        Failure::new(Exit::Failed, format!("cannot use `{}`: {why}", path.display()))
            .coded(Code::StateUnreadable)
            .help("remove it and sign in again: `gatewright login`")
    }
}

impl SignedIn {
    /// Whether the access token is still good in a while. Where nobody says so, the server will.
    pub(crate) fn lasts(&self, now: OffsetDateTime, a_while: Duration) -> bool {
        self.expires_at.is_none_or(|end| now + a_while < end)
    }
}

impl From<Document> for SignedIn {
    fn from(document: Document) -> Self {
        Self {
            server: document.server,
            identity: document.identity,
            issuer: document.issuer,
            client_id: document.client_id,
            resource: document.resource,
            access_token: Redacted::new(document.access_token),
            refresh_token: document.refresh_token.map(Redacted::new),
            expires_at: document.expires_at,
        }
    }
}

impl From<&SignedIn> for Document {
    fn from(signed_in: &SignedIn) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            server: signed_in.server.clone(),
            identity: signed_in.identity.clone(),
            issuer: signed_in.issuer.clone(),
            client_id: signed_in.client_id.clone(),
            resource: signed_in.resource.clone(),
            access_token: signed_in.access_token.reveal().clone(),
            refresh_token: signed_in.refresh_token.as_ref().map(|it| it.reveal().clone()),
            expires_at: signed_in.expires_at,
        }
    }
}

#[cfg(test)]
mod tests;
