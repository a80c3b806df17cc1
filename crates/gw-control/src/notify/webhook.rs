//! Webhooks, signed as Standard Webhooks says: a receiver knows who sent it, that nothing of it was
//! altered, and when.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use gw_model::{
    clock::Clock,
    environment::Channel,
    id::SecretName,
    secret::{Redacted, SecretStore},
};
use gw_net::client::{Answer, Ask, Client, FetchError, Method};
use url::Url;

use super::{Notification, Notifier, NotifyError, Pending};

/// Between one try and the next.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(30)];
/// A receiver that wants more time is given up.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const PREFIX: &str = "whsec_";
/// How long a key is, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where one channel leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub url: Url,
    /// The secrets that sign, each by itself: two while one replaces the other.
    pub secrets: Vec<SecretName>,
}

/// The webhooks of a server.
#[derive(Debug)]
pub struct Webhooks {
    client: Client,
    clock: Arc<dyn Clock>,
    secrets: Arc<dyn SecretStore>,
    channels: BTreeMap<String, Webhook>,
    pauses: Vec<Duration>,
}

impl Webhooks {
    pub fn new(
        client: Client,
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn SecretStore>,
        channels: BTreeMap<String, Webhook>,
    ) -> Self {
        Self { client, clock, secrets, channels, pauses: PAUSES.to_vec() }
    }

    /// With other pauses, and so with another number of tries.
    #[must_use]
    pub fn pausing(self, pauses: Vec<Duration>) -> Self {
        Self { pauses, ..self }
    }

    async fn post(&self, name: &str, notification: &Notification) -> Result<(), NotifyError> {
        let webhook = self.channels.get(name);
        let webhook = webhook.ok_or_else(|| NotifyError::NoChannel { name: name.to_owned() })?;
        let mut keys = vec![];
        for secret in &webhook.secrets {
            let held = self.secrets.read(secret).await.map_err(NotifyError::Secret)?;
            let key = Key::parse(&held.value);
            keys.push(key.ok_or_else(|| NotifyError::Key { name: secret.to_string() })?);
        }
        if keys.is_empty() {
            // There is no unsigned mode.
            return Err(NotifyError::Key { name: name.to_owned() });
        }
        let (id, body) = (notification.id(), notification.to_json().to_string().into_bytes());
        let mut pauses = self.pauses.iter();
        loop {
            let answered = self.attempt(&webhook.url, &keys, &id, &body).await;
            let (error, wanted) = match judge(name, answered) {
                Verdict::Taken => return Ok(()),
                Verdict::Final(error) => return Err(error),
                Verdict::Again(error, wanted) => (error, wanted),
            };
            let Some(pause) = pauses.next() else { return Err(error) };
            let pause = wanted.unwrap_or_default().max(*pause);
            if pause > LONGEST_PAUSE {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Signed anew each time: a receiver refuses what is old.
    async fn attempt(
        &self,
        url: &Url,
        keys: &[Key],
        id: &str,
        body: &[u8],
    ) -> Result<Answer, FetchError> {
        let timestamp = self.clock.now().unix_timestamp().to_string();
        let signatures: Vec<String> =
            keys.iter().map(|key| key.sign(id, &timestamp, body)).collect();
        let signatures = signatures.join(" ");
        let headers = &[
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", timestamp.as_str()),
            ("webhook-signature", signatures.as_str()),
        ];
        let body = Some(body.to_vec());
        self.client.ask(url, Ask { method: Method::Post, headers, body, authorization: None }).await
    }
}

impl Notifier for Webhooks {
    fn send<'a>(&'a self, channel: &'a Channel, notification: &'a Notification) -> Pending<'a> {
        Box::pin(async move {
            match channel {
                Channel::Webhook(name) => self.post(name, notification).await,
                Channel::Email(name) => Err(NotifyError::NoChannel { name: name.clone() }),
            }
        })
    }
}

/// What an attempt led to.
enum Verdict {
    Taken,
    Final(NotifyError),
    /// With the pause that the receiver wants.
    Again(NotifyError, Option<Duration>),
}

fn judge(channel: &str, answered: Result<Answer, FetchError>) -> Verdict {
    let channel = channel.to_owned();
    let answer = match answered {
        Ok(answer) => answer,
        Err(because @ (FetchError::Timeout | FetchError::Connection(_))) => {
            return Verdict::Again(NotifyError::Unreached { channel, because }, None);
        }
        Err(because) => return Verdict::Final(NotifyError::Unreached { channel, because }),
    };
    let status = answer.status();
    let refused = NotifyError::Refused { channel, status };
    match status {
        200..=299 => Verdict::Taken,
        408 | 425 | 429 | 500..=599 => {
            let wanted = answer.header("retry-after").and_then(|text| text.parse().ok());
            Verdict::Again(refused, wanted.map(Duration::from_secs))
        }
        _ => Verdict::Final(refused),
    }
}

/// A key that signs.
struct Key(hmac::Key);

impl Key {
    fn parse(secret: &Redacted<Vec<u8>>) -> Option<Self> {
        let text = std::str::from_utf8(secret.reveal()).ok()?.trim_end();
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        KEY_BYTES.contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            context.update(part);
        }
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests;
