//! Where a repository is, and by what we are let in.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use gw_model::secret::Redacted;
use gw_net::client::is_loopback;
use url::Url;

/// Where to fetch from, parsed once: `https`, `ssh`, or `http` to this machine.
#[derive(Clone, Debug)]
pub struct Address {
    pub(super) url: Url,
}

/// What is shown to the Git host.
#[derive(Clone, Debug)]
pub enum Credential {
    /// Nothing: everybody may read it.
    None,
    /// User and token, over http.
    Token { user: String, token: Redacted<String> },
    /// A private key in a file, and the keys of the host, over ssh.
    Key { private_key: PathBuf, known_hosts: PathBuf },
}

/// Why something is not an address of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    NotAUrl,
    /// Neither `https` nor `ssh`, nor `http` to this machine.
    Scheme,
    /// A credential in an address is seen by everybody who sees the address.
    Credential,
    /// A query, a fragment, or a sign that somebody would read otherwise.
    Path,
    Host,
    /// The credential belongs to another way of reaching a repository.
    OtherCredential,
    /// A path that `ssh` would read as something else.
    KeyPath {
        path: PathBuf,
    },
}

impl Address {
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(|_| AddressError::NotAUrl)?;
        let user_may_stand = match url.scheme() {
            "https" => false,
            "http" if is_loopback(&url) => false,
            "ssh" => true,
            _ => return Err(AddressError::Scheme),
        };
        if url.password().is_some() || !user_may_stand && !url.username().is_empty() {
            return Err(AddressError::Credential);
        }
        let plain = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
        };
        if !plain(url.username()) || url.username().starts_with('-') {
            return Err(AddressError::Credential);
        }
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || host.starts_with('-') {
            return Err(AddressError::Host);
        }
        // What stands here is said to a shell on the other side, so it is only what no shell reads.
        let mut segments = url.path().split('/').skip(1);
        let is_plain = |it: &str| !it.is_empty() && !it.starts_with('-') && it != "..";
        if url.query().is_some()
            || url.fragment().is_some()
            || url.path().len() < 2
            || !segments.all(|it| is_plain(it) && plain(it))
        {
            return Err(AddressError::Path);
        }
        Ok(Self { url })
    }

    pub(super) fn is_ssh(&self) -> bool {
        self.url.scheme() == "ssh"
    }

    /// Whether this credential can be shown there.
    pub(super) fn admits(&self, credential: &Credential) -> Result<(), AddressError> {
        match (credential, self.is_ssh()) {
            (Credential::Token { .. } | Credential::None, false) => Ok(()),
            (Credential::Key { private_key, known_hosts }, true) => {
                named_plainly(private_key)?;
                named_plainly(known_hosts)
            }
            (Credential::None | Credential::Token { .. }, true)
            | (Credential::Key { .. }, false) => Err(AddressError::OtherCredential),
        }
    }
}

/// `ssh` fills in what follows a `%` or `$`, and takes what follows a space for another file.
fn named_plainly(path: &Path) -> Result<(), AddressError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._+@".contains(&byte);
    match path.to_str() {
        Some(text) if path.is_absolute() && text.bytes().all(plain) => Ok(()),
        _ => Err(AddressError::KeyPath { path: path.to_owned() }),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str("the address of the repository is not a URL"),
            Self::Scheme => f.write_str(
                "a repository is fetched over `https` or `ssh`, and over `http` only from this machine",
            ),
            Self::Credential => {
                f.write_str("the address of a repository holds no password and no token")
            }
            Self::Path => f.write_str(
                "the path of a repository is made of letters, digits and `-`, `.`, `_`, `~`, and \
                 nothing in it begins with a dash",
            ),
            Self::Host => f.write_str("the address names no host"),
            Self::OtherCredential => {
                f.write_str("`https` is asked with a token, and `ssh` with a key and the host's keys")
            }
            Self::KeyPath { path } => write!(
                f,
                "`{}` cannot be told to `ssh`: it takes a whole path of letters, digits and `/-._+@`",
                path.display()
            ),
        }
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests;
