//! `gatewright.toml`: how processes run on this machine. Secrets are files, never values.

use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use gw_control::source::git::address::Address;
use gw_model::{
    code::Code,
    id::{IdentityName, SecretName},
    leak::{self, Look},
    secret::Redacted,
    shape::nearest,
};
use gw_net::tls::{Pem, TlsRefusal};
use gw_proxy::read_file;
use serde::Deserialize;
use toml::Spanned;

use super::server::{
    self, SecretsFrom, WrittenBitbucket, WrittenChannel, WrittenCredential, WrittenIdentity,
    WrittenNetwork, WrittenOwner, WrittenSecrets, WrittenSts,
};
use crate::exit::Failure;

/// The settings of one gateway process, read and checked.
#[derive(Debug, Default)]
pub(crate) struct GatewayFile {
    /// Health and metrics over TCP.
    pub(crate) admin: Option<SocketAddr>,
    /// How callers reach this gateway; the issuer of its assertions.
    pub(crate) public_url: Option<String>,
    pub(crate) tls: Option<Pem>,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// Certificate authorities that upstreams may have beside those of the machine, as PEM.
    pub(crate) upstream_authorities: Vec<u8>,
}

/// Where a listener's certificate with its chain lies, and its key.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    certificate: PathBuf,
    key: PathBuf,
}

/// Where else the newest checkpoint of the ledger is kept.
#[derive(Debug)]
pub(crate) struct WitnessFile {
    pub(crate) place: WitnessPlace,
    /// So long others may wait for it.
    pub(crate) patience: Duration,
}

#[derive(Debug)]
pub(crate) enum WitnessPlace {
    Folder(PathBuf),
    /// A branch of a repository.
    Repository {
        address: Address,
        access: WitnessAccess,
        secrets: SecretsFrom,
        /// Hosts and addresses beyond public ones that may be reached.
        allow: Vec<String>,
    },
}

#[derive(Debug)]
pub(crate) enum WitnessAccess {
    Token { user: String, token: SecretName },
    Key { private_key: PathBuf, known_hosts: PathBuf },
}

pub(crate) const NAME: &str = "gatewright.toml";
/// What others wait for a witness where nothing is said.
const PATIENCE_MIN: u64 = 60;
/// As whom Bitbucket lets an access token in over https.
const TOKEN_USER: &str = "x-token-auth";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Written {
    gateway: WrittenGateway,
    pub(super) tls: Option<WrittenTls>,
    pub(super) witness: Option<WrittenWitness>,
    pub(super) listen: Option<SocketAddr>,
    pub(super) address: Option<String>,
    pub(super) workspace: Option<String>,
    pub(super) state: Option<PathBuf>,
    pub(super) owners: Vec<Spanned<WrittenOwner>>,
    pub(super) identities: BTreeMap<IdentityName, WrittenIdentity>,
    #[serde(rename = "testIssuer")]
    pub(super) test_issuer: Option<u16>,
    pub(super) login: Option<IdentityName>,
    pub(super) bitbucket: Option<WrittenBitbucket>,
    pub(super) secrets: Option<WrittenSecrets>,
    pub(super) credentials: BTreeMap<SecretName, WrittenCredential>,
    pub(super) network: WrittenNetwork,
    pub(super) sts: WrittenSts,
    pub(super) notify: BTreeMap<String, WrittenChannel>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenWitness {
    folder: Option<PathBuf>,
    repository: Option<String>,
    user: Option<String>,
    pub(super) token: Option<SecretName>,
    key: Option<PathBuf>,
    known_hosts: Option<PathBuf>,
    patience_min: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WrittenGateway {
    admin: Option<SocketAddr>,
    public_url: Option<String>,
    threads: Option<NonZeroUsize>,
    trusted_proxies: Vec<IpAddr>,
    upstream_authorities: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenTls {
    certificate: PathBuf,
    key: PathBuf,
}

impl WrittenTls {
    pub(super) fn below(self, folder: &Path) -> TlsFiles {
        TlsFiles { certificate: folder.join(self.certificate), key: folder.join(self.key) }
    }
}

impl TlsFiles {
    pub(crate) fn read(&self) -> Result<Pem, Failure> {
        Ok(Pem { chain: read(&self.certificate)?, key: Redacted::new(read(&self.key)?) })
    }

    /// What is wrong with what they hold.
    pub(crate) fn refuse(&self, refusal: TlsRefusal) -> Failure {
        let file = match refusal {
            TlsRefusal::NoCertificate => &self.certificate,
            TlsRefusal::NoKey | TlsRefusal::KeyAndCertificateDiffer | TlsRefusal::Provider => {
                &self.key
            }
        };
        Failure::wrong(format!("`{}`: {refusal}", file.display())).coded(Code::SettingsWrong)
    }
}

impl Written {
    /// The file that was named, or the usual one where there is one.
    fn find(named: Option<&Path>, state: &Path) -> Result<Option<(PathBuf, Self)>, Failure> {
        let usual = state.join(NAME);
        let path = match named {
            Some(path) => path.to_owned(),
            None if usual.exists() => usual,
            None => return Ok(None),
        };
        Self::read(&path).map(|(_, written)| Some((path, written)))
    }

    /// The text of a file, and what it says.
    pub(super) fn read(path: &Path) -> Result<(String, Self), Failure> {
        let text = String::from_utf8(read(path)?)
            .map_err(|_| unreadable(path, &io::ErrorKind::InvalidData.into()))?;
        // Before anything that could repeat a line of it.
        if let Some((line, kind)) = pasted_secret(&text) {
            return Err(Failure::wrong(format!("{kind} stands in the settings"))
                .coded(Code::Secret)
                .note(format!("{}:{line}, not shown", path.display()))
                .help("settings name files that hold secrets, never secrets themselves")
                .help("whoever could read this file knows it now: replace it"));
        }
        let written = parse(&text).map_err(|(line, message)| {
            let (message, help) =
                in_words(&message, text.lines().nth(line - 1).unwrap_or_default());
            let failure = Failure::wrong(message)
                .coded(Code::SettingsWrong)
                .note(format!("{}:{line}", path.display()));
            match help {
                Some(help) => failure.help(help),
                None => failure,
            }
        })?;
        Ok((text, written))
    }
}

impl WitnessFile {
    /// The witness that the settings name, if they name one.
    pub(crate) fn read(named: Option<&Path>, state: &Path) -> Result<Option<Self>, Failure> {
        let Some((path, written)) = Written::find(named, state)? else { return Ok(None) };
        let Some(witness) = written.witness else { return Ok(None) };
        let minutes = witness.patience_min.map_or(PATIENCE_MIN, u64::from);
        let folder = path.parent().unwrap_or(state);
        let wrong = |words: &str| {
            Failure::wrong(words).coded(Code::SettingsWrong).note(path.display().to_string())
        };
        let place = match (&witness.folder, &witness.repository) {
            (Some(below), None) if witness.is_folder_alone() => {
                WitnessPlace::Folder(folder.join(below))
            }
            (None, Some(address)) => WitnessPlace::Repository {
                address: Address::parse(address)
                    .map_err(|error| wrong(&format!("`witness.repository`: {error}")))?,
                access: witness.access(folder).ok_or_else(|| {
                    wrong("`witness` says not by what it is let in")
                        .help("over https name `token`, over ssh `key` and `knownHosts`")
                })?,
                secrets: server::secrets_from(folder, written.secrets)
                    .ok_or_else(|| wrong("`secrets` has `files` or `variables`"))?,
                allow: written.network.allow,
            },
            _ => {
                return Err(wrong(
                    "`witness` has `folder`, or `repository` and what lets in there",
                ));
            }
        };
        Ok(Some(Self { place, patience: Duration::from_secs(minutes * 60) }))
    }
}

impl WrittenWitness {
    fn is_folder_alone(&self) -> bool {
        self.user.is_none() && self.token.is_none() && self.key.is_none()
    }

    /// One way in, and all of it.
    fn access(&self, folder: &Path) -> Option<WitnessAccess> {
        match (&self.token, &self.key, &self.known_hosts) {
            (Some(token), None, None) => Some(WitnessAccess::Token {
                user: self.user.clone().unwrap_or_else(|| TOKEN_USER.to_owned()),
                token: token.clone(),
            }),
            (None, Some(key), Some(known)) if self.user.is_none() => Some(WitnessAccess::Key {
                private_key: folder.join(key),
                known_hosts: folder.join(known),
            }),
            _ => None,
        }
    }
}

impl GatewayFile {
    /// Reads the file that was named, or `gatewright.toml` of the state folder where there is one.
    /// Never that of the declarations: whoever proposes a change to them would also say how the
    /// process runs that serves them.
    pub(crate) fn read(named: Option<&Path>, state: &Path) -> Result<Self, Failure> {
        let Some((path, written)) = Written::find(named, state)? else {
            return Ok(Self::default());
        };
        let folder = path.parent().unwrap_or(state);
        let bytes = |file: &Path| read(&folder.join(file));
        let tls = written.tls.map(|tls| tls.below(folder).read()).transpose()?;
        let authorities = written.gateway.upstream_authorities;
        Ok(Self {
            admin: written.gateway.admin,
            public_url: written.gateway.public_url,
            tls,
            threads: written.gateway.threads,
            trusted_proxies: written.gateway.trusted_proxies,
            upstream_authorities: match authorities {
                Some(file) => bytes(&file)?,
                None => vec![],
            },
        })
    }
}

/// What to tell a user whose settings lie among the declarations, where nobody reads them.
pub(crate) fn passed_over(named: Option<&Path>, workspace: &Path) -> Option<String> {
    let path = workspace.join(NAME);
    let same = |named: &Path| fs::canonicalize(named).ok() == fs::canonicalize(&path).ok();
    let unread = path.exists() && !named.is_some_and(same);
    unread.then(|| {
        format!(
            "`{}` is not read: settings of a process do not come from the declarations; name it \
             with `--config`, or move it to the state folder",
            path.display()
        )
    })
}

/// A line with the value of a secret in it, and what kind of secret; looked for as in declarations.
pub(crate) fn pasted_secret(text: &str) -> Option<(usize, &'static str)> {
    let kind = |line: &str| leak::find(line, Look::Everything).map(|leak| leak.kind);
    (1..).zip(text.lines()).find_map(|(number, line)| Some((number, kind(line)?)))
}

/// The settings, or the line and what is wrong there.
fn parse(text: &str) -> Result<Written, (usize, String)> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        (before.matches('\n').count() + 1, error.message().to_owned())
    })
}

/// What the reader of TOML says, shorter, and what helps. Nothing of a value is repeated.
fn in_words(message: &str, line: &str) -> (String, Option<String>) {
    if message.starts_with("unknown ")
        && let Some((unknown, known)) = message.split_once(", expected ")
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let written = unknown.split('`').nth(1).unwrap_or_default();
        if !known.is_empty() {
            let help = match nearest(written, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here are: {}", known.join(", ")),
            };
            return (unknown.to_owned(), Some(help));
        }
    }
    let bare = line.split_once('=').filter(|(_, value)| {
        let first = value.trim_start().chars().next();
        first.is_some_and(|first| !matches!(first, '"' | '\'' | '[' | '{'))
    });
    let help = bare.map(|(key, _)| format!("a text stands in quotes: `{} = \"…\"`", key.trim()));
    (message.to_owned(), help.filter(|_| !message.starts_with("invalid type")))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    read_file(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::wrong(format!("cannot read `{}`: {error}", path.display())).coded(Code::SettingsWrong)
}

#[cfg(test)]
mod tests;
