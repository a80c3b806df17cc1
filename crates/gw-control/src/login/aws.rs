//! AWS IAM: a GetCallerIdentity request that somebody signed and handed in instead of sending it.
//!
//! It is sent to an STS host of the settings and nowhere else, and what STS answers says who signed it.
//! A header of ours must be among the signed ones, so that a request that was signed for somebody else is
//! worth nothing here. The signature itself, STS checks; everything around it is checked before.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use gw_model::{id::IdentityName, workspace::Identity};
use gw_net::client::{Ask, Client, Method};
use gw_policy::principal::Principal;
use serde::Deserialize;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use url::Url;

use self::{answer::Answered, request::Checked};
use super::refused::AwsRefusal;

/// A longer request is not one: the longest part is the token of a session.
const LONGEST: usize = 8 * 1024;
const ANSWER_BYTES: usize = 16 * 1024;
/// So many are sent on at once; whoever comes more waits.
const AT_ONCE: usize = 8;
/// STS is asked where a process is, and each region has a host of its own.
const GLOBAL: &str = "https://sts.amazonaws.com/";

/// A request as its signer would have sent it: `POST` to this address.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRequest {
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// One declared identity.
#[derive(Clone, Debug)]
struct Declared {
    audience: String,
    accounts: Vec<String>,
    arns: Vec<String>,
}

/// The identities that AWS principals prove, and where AWS is asked.
#[derive(Debug)]
pub(super) struct Aws {
    identities: BTreeMap<IdentityName, Declared>,
    hosts: Vec<Url>,
    room: Semaphore,
}

/// Who signed, as every identity that it is.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) principals: Vec<Principal>,
    /// What is used up where something is written.
    pub(super) signature: String,
    /// Unix seconds after which STS does not take it any more.
    pub(super) until: i64,
}

impl SignedRequest {
    /// From the text of a `subject_token`: base64 of JSON.
    pub fn parse(text: &str) -> Result<Self, AwsRefusal> {
        if text.len() > LONGEST {
            return Err(AwsRefusal::TooLong);
        }
        let bytes = BASE64.decode(text).map_err(|_| AwsRefusal::Form)?;
        serde_json::from_slice(&bytes).map_err(|_| AwsRefusal::Form)
    }
}

impl Aws {
    pub(super) fn of(identities: &BTreeMap<IdentityName, Identity>, hosts: &[Url]) -> Self {
        let mut declared = BTreeMap::new();
        for (name, identity) in identities {
            if let Identity::AwsIam { audience, accounts, arns } = identity {
                let (audience, accounts, arns) = (audience.clone(), accounts.clone(), arns.clone());
                declared.insert(name.clone(), Declared { audience, accounts, arns });
            }
        }
        let hosts = match hosts {
            [] => Url::parse(GLOBAL).into_iter().collect(),
            hosts => hosts.to_vec(),
        };
        Self { identities: declared, hosts, room: Semaphore::new(AT_ONCE) }
    }

    pub(super) async fn verify(
        &self,
        request: &SignedRequest,
        client: &Client,
        now: OffsetDateTime,
    ) -> Result<Signed, AwsRefusal> {
        if self.identities.is_empty() {
            return Err(AwsRefusal::NotDeclared);
        }
        let checked = request::check(request, &self.hosts, now)?;
        let meant = |it: &&Declared| it.audience == checked.audience;
        if !self.identities.values().any(|it| meant(&it)) {
            return Err(AwsRefusal::Audience);
        }
        let answered = self.ask(&checked, client).await?;
        let principals = self.principals(&checked, &answered)?;
        let Checked { signature, until, .. } = checked;
        Ok(Signed { principals, signature: signature.to_owned(), until })
    }

    async fn ask(&self, checked: &Checked<'_>, client: &Client) -> Result<Answered, AwsRefusal> {
        // The room is never closed.
        let _place = self.room.acquire().await.map_err(|_| AwsRefusal::Garbled)?;
        let ask = Ask {
            method: Method::Post,
            authorization: None,
            headers: &checked.headers,
            body: Some(checked.body.as_bytes().to_vec()),
        };
        let answer = client.ask(checked.host, ask).await.map_err(AwsRefusal::Unreachable)?;
        match answer.status() {
            200 => {}
            status @ 500.. => {
                return Err(AwsRefusal::Unreachable(gw_net::client::FetchError::Status(status)));
            }
            status => return Err(AwsRefusal::Denied { status }),
        }
        let body = answer.body(ANSWER_BYTES).await.map_err(AwsRefusal::Unreachable)?;
        Answered::parse(&body).ok_or(AwsRefusal::Garbled)
    }

    fn principals(
        &self,
        checked: &Checked<'_>,
        answered: &Answered,
    ) -> Result<Vec<Principal>, AwsRefusal> {
        let mut nearest = AwsRefusal::Account;
        let mut principals = vec![];
        let meant = self.identities.iter().filter(|(_, it)| it.audience == checked.audience);
        for (name, declared) in meant {
            if !declared.accounts.contains(&answered.account) {
                continue;
            }
            let fits = |pattern: &String| fits(pattern, &answered.arn);
            if !declared.arns.is_empty() && !declared.arns.iter().any(fits) {
                nearest = AwsRefusal::Arn;
                continue;
            }
            principals.push(answered.principal(name.clone(), checked.until));
        }
        if principals.is_empty() { Err(nearest) } else { Ok(principals) }
    }
}

/// Whether an ARN fits a pattern: `*` is any part of a name, never across `:` or `/`.
fn fits(pattern: &str, arn: &str) -> bool {
    const BETWEEN: [char; 2] = [':', '/'];
    let same = pattern.split(BETWEEN).count() == arn.split(BETWEEN).count()
        && pattern.matches(BETWEEN).eq(arn.matches(BETWEEN));
    same && pattern
        .split(BETWEEN)
        .zip(arn.split(BETWEEN))
        .all(|(pattern, part)| is_like(pattern, part))
}

/// Whether a text is the pattern with something in the place of each star.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = left.split_once(piece) else { return false };
        left = after;
    }
    left.ends_with(last)
}

/// What is signed proves who signed it for a quarter of an hour, so it is in no log.
impl std::fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignedRequest")
    }
}
