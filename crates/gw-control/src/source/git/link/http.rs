//! Git over https: a question and an answer at a time. No redirect is followed.

use std::time::Duration;

use bytes::Bytes;
use gw_net::client::{Answer, Ask, Authorization, Client, Method};
use url::Url;

use super::Service;
use crate::source::git::{
    address::{Address, Credential},
    failure::GitError,
};

/// Some hosts tell Git from browsers by this.
const AGENT: (&str, &str) = ("user-agent", concat!("git/gatewright-", env!("CARGO_PKG_VERSION")));
const VERSION: (&str, &str) = ("git-protocol", "version=2");

#[derive(Debug)]
pub(in crate::source::git) struct Http<'a> {
    client: &'a Client,
    address: &'a Address,
    credential: &'a Credential,
    service: Service,
    answer: Answer,
}

impl<'a> Http<'a> {
    pub(super) async fn open(
        client: &'a Client,
        address: &'a Address,
        credential: &'a Credential,
        service: Service,
    ) -> Result<Self, GitError> {
        let mut url = below(address, "info/refs");
        url.set_query(Some(&format!("service={}", service.name())));
        let headers = [AGENT, VERSION];
        let authorization = shown(credential);
        let ask = Ask { authorization, headers: &headers, ..Ask::default() };
        let answer = client.ask(&url, ask).await?;
        judge(&answer, &kind(service, "advertisement"))?;
        Ok(Self { client, address, credential, service, answer })
    }

    pub(super) async fn ask(&mut self, request: Vec<u8>) -> Result<(), GitError> {
        let url = below(self.address, self.service.name());
        let (request_kind, result) = (kind(self.service, "request"), kind(self.service, "result"));
        let headers = [AGENT, VERSION, ("content-type", &request_kind), ("accept", &result)];
        let (method, authorization) = (Method::Post, shown(self.credential));
        let ask = Ask { method, authorization, headers: &headers, body: Some(request) };
        self.answer = self.client.ask(&url, ask).await?;
        judge(&self.answer, &result)
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, GitError> {
        Ok(self.answer.chunk().await?)
    }
}

/// The media type of a part of the conversation.
fn kind(service: Service, part: &str) -> String {
    format!("application/x-{}-{part}", service.name())
}

fn below(address: &Address, path: &str) -> Url {
    let mut url = address.url.clone();
    url.set_path(&format!("{}/{path}", url.path().trim_end_matches('/')));
    url
}

fn shown(credential: &Credential) -> Option<Authorization<'_>> {
    match credential {
        Credential::Token { user, token } => Some(Authorization::Basic { user, password: token }),
        Credential::None | Credential::Key { .. } => None,
    }
}

/// What the head of an answer says.
fn judge(answer: &Answer, wanted: &str) -> Result<(), GitError> {
    match answer.status() {
        200 if answer.header("content-type") == Some(wanted) => Ok(()),
        200 => Err(GitError::NotGit { why: "it answers something else than Git asks for" }),
        status @ (401 | 403) => Err(GitError::Denied { why: format!("it answers {status}") }),
        404 | 410 => Err(GitError::Missing),
        429 => {
            let seconds = answer.header("retry-after").and_then(|it| it.trim().parse().ok());
            Err(GitError::Busy { after: seconds.map(Duration::from_secs) })
        }
        300..=399 => Err(GitError::Moved { to: answer.header("location").and_then(elsewhere) }),
        status @ (500..=599 | 408) => Err(GitError::Unavailable { status }),
        _ => Err(GitError::NotGit { why: "it does not answer as a Git host does" }),
    }
}

/// Where we are sent, without what nobody should see.
fn elsewhere(location: &str) -> Option<String> {
    let mut url = Url::parse(location).ok()?;
    url.set_query(None);
    url.set_fragment(None);
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url.to_string())
}
