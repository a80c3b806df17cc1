//! A person signs in on another device (RFC 8628): this side shows a code and asks until it is entered.
//!
//! It knows nothing of what the tokens are for, and keeps none. What was given it also renews, and has
//! taken back.

use std::{fmt, time::Duration};

use gw_model::{clock::Clock, secret::Redacted};
use gw_net::client::{Ask, Client, FetchError, Method, is_loopback};
use serde::Deserialize;
use time::OffsetDateTime;
use url::{Url, form_urlencoded};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const RENEWAL: &str = "refresh_token";
const DOCUMENT_BYTES: usize = 128 * 1024;
const ANSWER_BYTES: usize = 64 * 1024;
/// Where the issuer does not say how often it wants to be asked.
const INTERVAL_S: u64 = 5;
/// So much longer is waited each time the issuer finds it too often.
const SLOWER_S: u64 = 5;
/// Longer than any of these is a mistake.
const LONGEST_S: u64 = 60 * 60;

/// What a server has people sign in to: an application that is known at the issuer and has no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    pub client_id: String,
    pub scope: String,
    /// Whom the tokens are for, where the issuer knows several (RFC 8707).
    pub resource: Option<String>,
}

/// An issuer that people sign in at, and the application that they sign in to.
#[derive(Clone, Debug)]
pub struct SignIn {
    client: Client,
    client_id: String,
    codes: Url,
    tokens: Url,
    /// None: this issuer takes nothing back.
    revocations: Option<Url>,
}

/// A sign-in that waits for its person.
#[derive(Clone, Debug)]
pub struct Started {
    /// What the person enters.
    pub user_code: String,
    /// Where.
    pub address: Url,
    /// The same with the code in it, to be clicked.
    pub address_with_code: Option<Url>,
    pub expires_at: OffsetDateTime,
    device_code: Redacted<String>,
    interval_s: u64,
}

/// What the issuer gave.
#[derive(Clone, Debug)]
pub struct SignedIn {
    pub access_token: Redacted<String>,
    pub refresh_token: Option<Redacted<String>>,
    /// How long the access token is good. None: the issuer does not say.
    pub life: Option<Duration>,
}

/// Why nobody signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSignedIn {
    Unreachable(FetchError),
    /// Its document is not its own, or it names no addresses for this.
    NotOffered,
    /// It answers otherwise than RFC 8628 says.
    Garbled,
    /// The person said no.
    Denied,
    /// Nobody entered the code in time.
    Expired,
    /// The issuer does not want this application, or not for this.
    Refused {
        error: String,
    },
}

/// What an answer at the token endpoint means.
#[derive(Debug)]
enum Polled {
    Waiting,
    TooOften,
    SignedIn(SignedIn),
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    device_authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    revocation_endpoint: Option<String>,
}

#[derive(Deserialize)]
struct Codes {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct OAuthError {
    error: String,
}

impl SignIn {
    /// Asks the issuer where people sign in.
    pub async fn find(issuer: &str, client_id: &str, client: Client) -> Result<Self, NotSignedIn> {
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let place = Url::parse(&place).map_err(|_| NotSignedIn::NotOffered)?;
        let bytes = client.get(&place, DOCUMENT_BYTES).await.map_err(NotSignedIn::Unreachable)?;
        let document: Document =
            serde_json::from_slice(&bytes).map_err(|_| NotSignedIn::NotOffered)?;
        if document.issuer != issuer {
            return Err(NotSignedIn::NotOffered);
        }
        let safe = |text: Option<String>| text.and_then(|text| safe(&text, &place));
        let codes = safe(document.device_authorization_endpoint).ok_or(NotSignedIn::NotOffered)?;
        let tokens = safe(document.token_endpoint).ok_or(NotSignedIn::NotOffered)?;
        let revocations = safe(document.revocation_endpoint);
        Ok(Self { client, client_id: client_id.to_owned(), codes, tokens, revocations })
    }

    /// Begins a sign-in. The resource is whom the tokens are for, where the issuer knows several.
    pub async fn start(
        &self,
        scope: &str,
        resource: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Started, NotSignedIn> {
        let mut fields = vec![("client_id", self.client_id.as_str()), ("scope", scope)];
        fields.extend(resource.map(|resource| ("resource", resource)));
        let (status, body) = self.post(&self.codes, &fields).await?;
        let codes: Codes = match status {
            200 => serde_json::from_slice(&body).map_err(|_| NotSignedIn::Garbled)?,
            _ => return Err(refused(&body)),
        };
        let address = safe(&codes.verification_uri, &self.codes).ok_or(NotSignedIn::Garbled)?;
        let with_code = codes.verification_uri_complete;
        let life_s = codes.expires_in.min(LONGEST_S);
        Ok(Started {
            user_code: codes.user_code,
            address,
            address_with_code: with_code.and_then(|text| safe(&text, &self.codes)),
            expires_at: clock.now() + Duration::from_secs(life_s),
            device_code: Redacted::new(codes.device_code),
            interval_s: codes.interval.unwrap_or(INTERVAL_S).clamp(1, LONGEST_S),
        })
    }

    /// Asks until the person has decided, as often as the issuer likes. Whoever calls says how time is
    /// passed.
    pub async fn wait(
        &self,
        started: &Started,
        resource: Option<&str>,
        clock: &dyn Clock,
        pause: impl AsyncFn(Duration),
    ) -> Result<SignedIn, NotSignedIn> {
        let mut interval_s = started.interval_s;
        let mut fields = vec![
            ("grant_type", GRANT),
            ("client_id", self.client_id.as_str()),
            ("device_code", started.device_code.reveal()),
        ];
        fields.extend(resource.map(|resource| ("resource", resource)));
        loop {
            pause(Duration::from_secs(interval_s)).await;
            if clock.now() >= started.expires_at {
                return Err(NotSignedIn::Expired);
            }
            let polled = match self.post(&self.tokens, &fields).await {
                Ok((status, body)) => Polled::read(status, &body)?,
                // RFC 8628: a time-out means to ask more slowly, and nothing else.
                Err(NotSignedIn::Unreachable(FetchError::Timeout)) => Polled::TooOften,
                Err(error) => return Err(error),
            };
            match polled {
                Polled::SignedIn(tokens) => return Ok(tokens),
                Polled::Waiting => {}
                Polled::TooOften => interval_s = slower(interval_s),
            }
        }
    }

    /// A new access token for the one that ends, where the issuer gave a refresh token with it.
    pub async fn renew(
        &self,
        refresh_token: &Redacted<String>,
        resource: Option<&str>,
    ) -> Result<SignedIn, NotSignedIn> {
        let mut fields = vec![
            ("grant_type", RENEWAL),
            ("client_id", self.client_id.as_str()),
            ("refresh_token", refresh_token.reveal()),
        ];
        fields.extend(resource.map(|resource| ("resource", resource)));
        let (status, body) = self.post(&self.tokens, &fields).await?;
        match Polled::read(status, &body)? {
            Polled::SignedIn(renewed) => Ok(renewed),
            Polled::Waiting | Polled::TooOften => Err(NotSignedIn::Garbled),
        }
    }

    /// Has a refresh token taken back (RFC 7009), and with it whatever it would still give.
    pub async fn revoke(&self, refresh_token: &Redacted<String>) -> Result<(), NotSignedIn> {
        let Some(place) = &self.revocations else { return Ok(()) };
        let fields = [
            ("client_id", self.client_id.as_str()),
            ("token", refresh_token.reveal()),
            ("token_type_hint", RENEWAL),
        ];
        let (status, body) = self.post(place, &fields).await?;
        if status == 200 { Ok(()) } else { Err(refused(&body)) }
    }

    async fn post(
        &self,
        url: &Url,
        fields: &[(&str, &str)],
    ) -> Result<(u16, Vec<u8>), NotSignedIn> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let ask = Ask {
            method: Method::Post,
            authorization: None,
            headers: &[
                ("content-type", "application/x-www-form-urlencoded"),
                ("accept", "application/json"),
            ],
            body: Some(body.into_bytes()),
        };
        let answer = self.client.ask(url, ask).await.map_err(NotSignedIn::Unreachable)?;
        let status = answer.status();
        let body = answer.body(ANSWER_BYTES).await.map_err(NotSignedIn::Unreachable)?;
        Ok((status, body))
    }
}

impl Polled {
    fn read(status: u16, body: &[u8]) -> Result<Self, NotSignedIn> {
        if status == 200 {
            let tokens: Tokens = serde_json::from_slice(body).map_err(|_| NotSignedIn::Garbled)?;
            return Ok(Self::SignedIn(SignedIn {
                access_token: Redacted::new(tokens.access_token),
                refresh_token: tokens.refresh_token.map(Redacted::new),
                life: tokens.expires_in.map(Duration::from_secs),
            }));
        }
        match refused(body) {
            NotSignedIn::Refused { error } => match error.as_str() {
                "authorization_pending" => Ok(Self::Waiting),
                "slow_down" => Ok(Self::TooOften),
                "access_denied" => Err(NotSignedIn::Denied),
                "expired_token" => Err(NotSignedIn::Expired),
                _ => Err(NotSignedIn::Refused { error }),
            },
            other => Err(other),
        }
    }
}

fn slower(interval_s: u64) -> u64 {
    interval_s.saturating_add(SLOWER_S).min(LONGEST_S)
}

/// The error of an answer: one word of a few, so that nothing of the issuer's own reaches a terminal.
fn refused(body: &[u8]) -> NotSignedIn {
    let read: Option<OAuthError> = serde_json::from_slice(body).ok();
    let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    match read.map(|read| read.error) {
        Some(error) if error.len() <= 64 && error.bytes().all(word) => {
            NotSignedIn::Refused { error }
        }
        _ => NotSignedIn::Garbled,
    }
}

/// An address that is as safe as the issuer's own.
fn safe(text: &str, issuer: &Url) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let local = issuer.scheme() == "http" && url.scheme() == "http" && is_loopback(&url);
    (url.scheme() == "https" || local).then_some(url)
}

impl fmt::Display for NotSignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the issuer could not be asked: {why}"),
            Self::NotOffered => f.write_str("the issuer offers no sign-in by device"),
            Self::Garbled => f.write_str("the issuer answers otherwise than RFC 8628 says"),
            Self::Denied => f.write_str("the sign-in was denied"),
            Self::Expired => f.write_str("nobody entered the code in time"),
            Self::Refused { error } => write!(f, "the issuer refuses the sign-in: `{error}`"),
        }
    }
}

impl std::error::Error for NotSignedIn {}

#[cfg(test)]
mod tests;
