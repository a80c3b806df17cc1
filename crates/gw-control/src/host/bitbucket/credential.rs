//! How this program proves itself to Bitbucket: every kind of token that works there.

use std::sync::Arc;

use gw_model::{
    id::SecretName,
    secret::{Redacted, SecretStore},
};
use gw_net::client::{Ask, Authorization, Client, Method};
use serde::Deserialize;
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use tokio::sync::Mutex;
use url::Url;

use super::api::{REST_MS, host, unread, words};
use crate::{
    host::{CredentialFault, Ending, HostError},
    source::git::address as git,
};

/// A token of a consumer is renewed so long before it ends, or a tenth of its life if that is more.
const BEFORE_END: Duration = Duration::minutes(1);
/// No answer with a token is larger.
const MOST_BYTES: usize = 64 << 10;
/// How API tokens, access tokens and app passwords begin.
const API_TOKEN: &str = "ATATT";
const ACCESS_TOKEN: &str = "ATCTT";
const APP_PASSWORD: &str = "ATBB";

/// The users that git gives with an API token and with every other one.
const GIT_API_TOKEN: &str = "x-bitbucket-api-token-auth";
const GIT_TOKEN: &str = "x-token-auth";

/// Which credential, by the name of its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Of a person, who is named by the e-mail address of the account.
    ApiToken { email: String, token: SecretName },
    /// Of a repository, a project or a workspace.
    AccessToken { token: SecretName },
    /// Of an OAuth consumer, which gets tokens for an hour by it.
    Consumer { key: String, secret: SecretName },
}

/// Holds what proves us, until it is refused or about to end.
#[derive(Debug)]
pub(super) struct Keyring {
    credential: Credential,
    secrets: Arc<dyn SecretStore>,
    held: Mutex<Option<Arc<Proof>>>,
}

/// What goes with a request.
#[derive(Debug)]
pub(super) struct Proof {
    email: Option<String>,
    token: Redacted<String>,
    life: Option<Life>,
}

#[derive(Clone, Copy, Debug)]
struct Life {
    renewed: OffsetDateTime,
    ends: OffsetDateTime,
}

/// What a consumer gets.
#[derive(Deserialize)]
struct Grant {
    access_token: String,
    expires_in: u32,
}

impl Grant {
    fn is_sendable(&self) -> bool {
        let token = &self.access_token;
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl Credential {
    pub const fn secret(&self) -> &SecretName {
        match self {
            Self::ApiToken { token: secret, .. }
            | Self::AccessToken { token: secret }
            | Self::Consumer { secret, .. } => secret,
        }
    }

    /// What a look at it tells: no request is needed to learn that it cannot work.
    fn fault(&self, value: &str) -> Option<CredentialFault> {
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Some(CredentialFault::Unsendable);
        }
        match self {
            _ if value.starts_with(APP_PASSWORD) => Some(CredentialFault::AppPassword),
            Self::AccessToken { .. } if value.starts_with(API_TOKEN) => {
                Some(CredentialFault::NeedsEmail)
            }
            Self::ApiToken { .. } if value.starts_with(ACCESS_TOKEN) => {
                Some(CredentialFault::StandsAlone)
            }
            Self::ApiToken { .. } | Self::AccessToken { .. } | Self::Consumer { .. } => None,
        }
    }
}

impl Keyring {
    pub(super) fn new(credential: Credential, secrets: Arc<dyn SecretStore>) -> Self {
        Self { credential, secrets, held: Mutex::default() }
    }

    pub(super) const fn secret(&self) -> &SecretName {
        self.credential.secret()
    }

    pub(super) const fn is_access_token(&self) -> bool {
        matches!(self.credential, Credential::AccessToken { .. })
    }

    /// What proves us now. Of many that ask at once, one fetches it.
    pub(super) async fn proof(
        &self,
        client: &Client,
        tokens: &Url,
        now: OffsetDateTime,
    ) -> Result<Arc<Proof>, HostError> {
        let mut held = self.held.lock().await;
        if let Some(proof) = held.as_ref().filter(|proof| proof.is_fresh(now)) {
            self.secrets.used(self.secret());
            return Ok(Arc::clone(proof));
        }
        match self.fetch(client, tokens, now).await {
            Ok(proof) => Ok(Arc::clone(held.insert(Arc::new(proof)))),
            // What still holds is used to its end.
            Err(error) => held.clone().filter(|proof| proof.holds(now)).ok_or(error),
        }
    }

    /// Renews what is about to end, and says what ends where that fails.
    pub(super) async fn renew(
        &self,
        client: &Client,
        tokens: &Url,
        now: OffsetDateTime,
    ) -> Option<Ending> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|proof| proof.is_fresh(now)) {
            return None;
        }
        let error = match self.fetch(client, tokens, now).await {
            Ok(proof) => {
                *held = Some(Arc::new(proof));
                return None;
            }
            Err(error) => error,
        };
        let life = held.as_ref().and_then(|proof| proof.life);
        let at = life.map_or(now, |life| life.ends);
        Some(Ending { secret: self.secret().clone(), at, trouble: Some(error) })
    }

    /// Forgets a proof that was refused, unless another has taken its place.
    pub(super) async fn forget(&self, refused: &Arc<Proof>) {
        self.held.lock().await.take_if(|held| Arc::ptr_eq(held, refused));
    }

    async fn fetch(
        &self,
        client: &Client,
        tokens: &Url,
        now: OffsetDateTime,
    ) -> Result<Proof, HostError> {
        let value = self.read().await?;
        match &self.credential {
            Credential::ApiToken { email, .. } => {
                Ok(Proof { email: Some(email.clone()), token: value, life: None })
            }
            Credential::AccessToken { .. } => Ok(Proof { email: None, token: value, life: None }),
            Credential::Consumer { key, secret } => {
                let grant = grant(client, tokens, (key, &value), secret).await?;
                Ok(Proof::of(grant, now))
            }
        }
    }

    async fn read(&self) -> Result<Redacted<String>, HostError> {
        let name = self.secret();
        let secret = self.secrets.read(name).await.map_err(HostError::Secret)?;
        let fault = |fault| HostError::Credential { secret: name.clone(), fault };
        let text = std::str::from_utf8(secret.value.reveal()).map(str::trim_end);
        let text = text.map_err(|_| fault(CredentialFault::Unsendable))?;
        match self.credential.fault(text) {
            Some(found) => Err(fault(found)),
            None => Ok(Redacted::new(text.to_owned())),
        }
    }
}

/// Asks for a token by the client credentials grant.
async fn grant(
    client: &Client,
    tokens: &Url,
    (user, password): (&str, &Redacted<String>),
    secret: &SecretName,
) -> Result<Grant, HostError> {
    let what = "a token for the consumer";
    let ask = Ask {
        method: Method::Post,
        authorization: Some(Authorization::Basic { user, password }),
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: Some(b"grant_type=client_credentials".to_vec()),
    };
    let answer = client.ask(tokens, ask).await.map_err(|error| unread(tokens, what, error))?;
    let status = answer.status();
    let body = answer.body(MOST_BYTES).await.map_err(|error| unread(tokens, what, error))?;
    match status {
        // What is wrong with the answer is not told: a token may stand in it.
        200 => serde_json::from_slice(&body).ok().filter(Grant::is_sendable).ok_or_else(|| {
            let because = "it is no answer with a token".to_owned();
            HostError::Garbled { what: what.to_owned(), because }
        }),
        429 => Err(HostError::Busy { host: host(tokens), after_ms: REST_MS }),
        400..=499 if status != 408 => {
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said = said.get("error_description").and_then(Value::as_str);
            let said = words(said.unwrap_or("without a reason"));
            let fault = CredentialFault::Refused { said };
            Err(HostError::Credential { secret: secret.clone(), fault })
        }
        _ => Err(HostError::Failing { host: host(tokens), status }),
    }
}

impl Proof {
    fn of(grant: Grant, now: OffsetDateTime) -> Self {
        let life = Duration::seconds(i64::from(grant.expires_in));
        let tenth: Duration = life / 10;
        let (ends, spare) = (now + life, tenth.max(BEFORE_END));
        let life = Some(Life { renewed: ends - spare, ends });
        Self { email: None, token: Redacted::new(grant.access_token), life }
    }

    fn is_fresh(&self, now: OffsetDateTime) -> bool {
        self.life.is_none_or(|life| now < life.renewed)
    }

    fn holds(&self, now: OffsetDateTime) -> bool {
        self.life.is_none_or(|life| now < life.ends)
    }

    /// Whether it would prove us in the same way.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.token.reveal() == other.token.reveal()
    }

    /// The same for git, which knows whose token it is by the name of its user.
    pub(super) fn for_git(&self) -> git::Credential {
        let user = if self.email.is_some() { GIT_API_TOKEN } else { GIT_TOKEN };
        git::Credential::Token { user: user.to_owned(), token: self.token.clone() }
    }

    pub(super) fn authorization(&self) -> Authorization<'_> {
        match &self.email {
            Some(email) => Authorization::Basic { user: email, password: &self.token },
            None => Authorization::Bearer(&self.token),
        }
    }
}
