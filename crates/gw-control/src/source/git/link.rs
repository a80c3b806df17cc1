//! The way to a Git host: https, or the `ssh` of the system. It carries bytes and knows nothing of
//! what they mean, save how a host says that it will not speak with us.

mod http;
mod ssh;

use bytes::Bytes;
use gw_net::{address::Reach, client::Client};

use self::{http::Http, ssh::Ssh};
use super::{
    address::{Address, Credential},
    failure::GitError,
};

/// What a way is made of.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    pub(super) client: &'a Client,
    /// Where `ssh` may go to; the client knows it for itself.
    pub(super) reach: &'a Reach,
    pub(super) ssh: &'a std::path::Path,
}

/// What is asked of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Fetch,
    Push,
}

#[derive(Debug)]
pub(super) enum Link<'a> {
    Http(Http<'a>),
    Ssh(Ssh),
}

impl Service {
    /// The program of the other side.
    const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "git-upload-pack",
            Self::Push => "git-receive-pack",
        }
    }
}

impl<'a> Link<'a> {
    /// Goes there; the host begins with what the repository holds.
    pub(super) async fn open(
        ways: &Ways<'a>,
        address: &'a Address,
        credential: &'a Credential,
        service: Service,
    ) -> Result<Self, GitError> {
        address.admits(credential)?;
        Ok(match credential {
            Credential::Key { private_key, known_hosts } => {
                Self::Ssh(Ssh::open(ways, address, private_key, known_hosts, service).await?)
            }
            Credential::None | Credential::Token { .. } => {
                Self::Http(Http::open(ways.client, address, credential, service).await?)
            }
        })
    }

    /// Whether each question stands for itself; a program ends after a pack.
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Sends a request; what is read afterwards is its answer.
    pub(super) async fn ask(&mut self, request: Vec<u8>) -> Result<(), GitError> {
        match self {
            Self::Http(http) => http.ask(request).await,
            Self::Ssh(ssh) => ssh.ask(&request).await,
        }
    }

    /// The next bytes; `None` is the end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, GitError> {
        match self {
            Self::Http(http) => http.chunk().await,
            Self::Ssh(ssh) => ssh.chunk().await,
        }
    }
}
