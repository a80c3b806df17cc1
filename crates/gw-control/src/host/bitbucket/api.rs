//! One request to the API, and what its answer means. Lists come in pages.

use std::sync::Arc;

use gw_model::{clock::Clock, id::SecretName, secret::SecretStore};
use gw_net::client::{Ask, Authorization, Client, FetchError, Method};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::Url;

use super::{
    Place,
    credential::{Credential, Keyring},
};
use crate::{
    host::{CredentialFault, Ending, HostError},
    source::git::address as git,
};

/// No answer is larger.
const MOST_BYTES: usize = 8 << 20;
/// No list has more pages.
const MOST_PAGES: usize = 40;
/// Rest where a busy host does not say how long.
pub(super) const REST_MS: u64 = 60_000;
/// No rest is longer, whatever the host says.
const LONGEST_REST_MS: u64 = 3_600_000;
/// As much as is repeated of what the host says.
const MOST_SIGNS: usize = 300;
/// The digits of a commit's full hash.
pub(super) const LONGEST: usize = 40;

#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    place: Place,
    keyring: Keyring,
    clock: Arc<dyn Clock>,
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A longer one than is read is an error: what is not known may matter.
    Whole,
    /// So many pages, whatever follows.
    Pages(usize),
}

/// An answer that says yes.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Deserialize)]
struct Page<T> {
    values: Vec<T>,
    next: Option<String>,
}

impl Api {
    pub(super) fn new(
        place: Place,
        client: Client,
        credential: Credential,
        secrets: Arc<dyn SecretStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { client, place, keyring: Keyring::new(credential, secrets), clock }
    }

    /// What git is let in by.
    pub(super) async fn for_git(&self) -> Result<git::Credential, HostError> {
        let tokens = &self.place.tokens;
        let proof = self.keyring.proof(&self.client, tokens, self.clock.now()).await?;
        Ok(proof.for_git())
    }

    /// What proves us and could not be renewed.
    pub(super) async fn renew(&self) -> Option<Ending> {
        self.keyring.renew(&self.client, &self.place.tokens, self.clock.now()).await
    }

    pub(super) fn secret(&self) -> &SecretName {
        self.keyring.secret()
    }

    pub(super) fn url(&self, path: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.place.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(super) async fn read<T: DeserializeOwned>(
        &self,
        url: &Url,
        what: &str,
    ) -> Result<T, HostError> {
        let answered = self.send(Method::Get, url, None, what).await?;
        match answered.status {
            202 => Err(HostError::Unfinished { what: what.to_owned() }),
            _ => decode(&answered.body, what),
        }
    }

    /// The values of a list, page by page. The next page is where the host says, but only there.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        url: Url,
        part: Part,
        what: &str,
    ) -> Result<Vec<T>, HostError> {
        self.list_until(url, part, |_| false, what).await
    }

    /// The values of an ordered list up to the page that has one that is far enough.
    pub(super) async fn list_until<T: DeserializeOwned>(
        &self,
        mut url: Url,
        part: Part,
        is_enough: impl Fn(&T) -> bool,
        what: &str,
    ) -> Result<Vec<T>, HostError> {
        let mut values = Vec::new();
        for _ in 0..part.pages() {
            let page: Page<T> = self.read(&url, what).await?;
            values.extend(page.values);
            let Some(next) = page.next else { return Ok(values) };
            if values.last().is_some_and(&is_enough) {
                return Ok(values);
            }
            url = self.next(&next, what)?;
        }
        match part {
            Part::Whole => Err(HostError::TooMuch { what: what.to_owned() }),
            Part::Pages(_) => Ok(values),
        }
    }

    fn next(&self, address: &str, what: &str) -> Result<Url, HostError> {
        let api = &self.place.api;
        let next = Url::parse(address).ok().filter(|next| {
            next.origin() == api.origin()
                && next.username().is_empty()
                && next.path().starts_with(&format!("{}/", api.path()))
        });
        let because = || "its next page is not a part of the API".to_owned();
        next.ok_or_else(|| HostError::Garbled { what: what.to_owned(), because: because() })
    }

    /// Asks, and once more where the credential had been replaced in the meantime.
    pub(super) async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
        what: &str,
    ) -> Result<Answered, HostError> {
        let tokens = &self.place.tokens;
        let proof = self.keyring.proof(&self.client, tokens, self.clock.now()).await?;
        let (authorization, asked) = (proof.authorization(), (method, url, body));
        let refused = match self.attempt(asked, authorization, what).await {
            Err(refused @ HostError::Credential { .. }) => refused,
            other => return other,
        };
        self.keyring.forget(&proof).await;
        let fresh = self.keyring.proof(&self.client, tokens, self.clock.now()).await?;
        if fresh.is(&proof) {
            return Err(refused);
        }
        self.attempt(asked, fresh.authorization(), what).await
    }

    async fn attempt(
        &self,
        (method, url, body): (Method, &Url, Option<&Value>),
        authorization: Authorization<'_>,
        what: &str,
    ) -> Result<Answered, HostError> {
        let json = [("accept", "application/json"), ("content-type", "application/json")];
        let headers = if body.is_some() { &json[..] } else { &json[..1] };
        let body = body.map(|body| body.to_string().into_bytes());
        let ask = Ask { method, authorization: Some(authorization), headers, body };
        let answer = self.client.ask(url, ask).await.map_err(|error| unread(url, what, error))?;
        let status = answer.status();
        let rest_ms = answer.header("retry-after").map(|text| rest_ms(text, self.clock.now()));
        let body = answer.body(MOST_BYTES).await.map_err(|error| unread(url, what, error))?;
        if (200..300).contains(&status) {
            return Ok(Answered { status, body });
        }
        Err(self.refusal(url, status, rest_ms, Said::read(&body, authorization), what))
    }

    fn refusal(
        &self,
        url: &Url,
        status: u16,
        rest_ms: Option<u64>,
        Said { message: said, needs, has }: Said,
        what: &str,
    ) -> HostError {
        let (host, what) = (host(url), what.to_owned());
        let secret = self.keyring.secret().clone();
        match (status, rest_ms) {
            (429, rest_ms) => HostError::Busy { host, after_ms: rest_ms.unwrap_or(REST_MS) },
            (503, Some(after_ms)) => HostError::Busy { host, after_ms },
            (500..=599, _) => HostError::Failing { host, status },
            (401, _) => {
                let fault = if said.to_lowercase().contains("app password") {
                    CredentialFault::AppPassword
                } else {
                    CredentialFault::Refused { said }
                };
                HostError::Credential { secret, fault }
            }
            (403, _) if !needs.is_empty() => HostError::Scope { secret, what, needs, has },
            (403, _) => HostError::Denied { what, said },
            (404 | 410, _) => HostError::Missing { what },
            (408, _) => HostError::Unreachable { host, because: said },
            _ => HostError::Refused { what, status, said },
        }
    }

    /// A refusal to tell permissions, which some credentials get always.
    pub(super) fn without_permissions(&self, error: HostError) -> HostError {
        match error {
            HostError::Denied { .. } if self.keyring.is_access_token() => HostError::Credential {
                secret: self.keyring.secret().clone(),
                fault: CredentialFault::TellsNoPermissions,
            },
            other => other,
        }
    }
}

impl Part {
    const fn pages(self) -> usize {
        match self {
            Self::Whole => MOST_PAGES,
            Self::Pages(pages) => pages,
        }
    }
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, HostError> {
    serde_json::from_slice(body).map_err(|error| {
        let because = match error.classify() {
            serde_json::error::Category::Data => words(&error.to_string()),
            _ => "it is no JSON".to_owned(),
        };
        HostError::Garbled { what: what.to_owned(), because }
    })
}

/// Told instead of words that may not be told.
const ECHO: &str = "it repeats our credential, so its words are not told";

/// What the host says of its own refusal.
#[derive(Debug, Default)]
struct Said {
    message: String,
    needs: Vec<String>,
    has: Vec<String>,
}

impl Said {
    /// A host may repeat by what we proved who we are: then nothing of what it says is told.
    fn read(body: &[u8], proof: Authorization<'_>) -> Self {
        let whole: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = whole.get("error").unwrap_or(&Value::Null);
        let message = error.get("message").and_then(Value::as_str);
        let fields = error.get("fields").and_then(Value::as_object);
        let fields = fields.map(|fields| serde_json::to_string(fields).unwrap_or_default());
        let message = [message, fields.as_deref()].into_iter().flatten();
        let message = message.collect::<Vec<_>>().join(": ");
        let scopes = |name: &str| -> Vec<&str> {
            let list = error.get("detail").and_then(|detail| detail.get(name));
            let list = list.and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).take(20).collect()
        };
        let (needs, has) = (scopes("required"), scopes("granted"));
        let mut all = [message.as_str()].into_iter().chain(needs.clone()).chain(has.clone());
        // Before it is cut, so that no part of it is left.
        if all.any(|text| proof.stands_in(text)) {
            return Self { message: ECHO.to_owned(), ..Self::default() };
        }
        let message = if message.is_empty() { "without a reason" } else { &message };
        let all = |texts: Vec<&str>| texts.into_iter().map(words).collect();
        Self { message: words(message), needs: all(needs), has: all(has) }
    }
}

/// Foreign text on one line, cut where it is long.
pub(super) fn words(text: &str) -> String {
    let plain = |sign: char| if sign.is_control() { ' ' } else { sign };
    text.chars().take(MOST_SIGNS).map(plain).collect()
}

fn rest_ms(text: &str, now: OffsetDateTime) -> u64 {
    let seconds = text.trim().parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1000));
    let until = || {
        let rest = OffsetDateTime::parse(text.trim(), &Rfc2822).ok()? - now;
        Some(u64::try_from(rest.whole_milliseconds()).unwrap_or_default())
    };
    seconds.or_else(until).unwrap_or(REST_MS).min(LONGEST_REST_MS)
}

pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

pub(super) fn unread(url: &Url, what: &str, error: FetchError) -> HostError {
    match error {
        FetchError::TooLong { .. } => HostError::TooMuch { what: what.to_owned() },
        other => HostError::Unreachable { host: host(url), because: other.to_string() },
    }
}
