//! Webhooks of Bitbucket Cloud: whether one is genuine, and what it hints at.
//!
//! There is no unsigned mode. What a genuine one says is still only a hint: facts are read from the
//! host. Whether it came before, its key tells whoever remembers.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::hmac;
use gw_model::secret::Redacted;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;

/// The header has GitHub's old name and a newer digest.
pub const SIGNATURE: &str = "x-hub-signature";
pub const EVENT: &str = "x-event-key";

/// A larger body is refused before anything is done with it. Bitbucket sends a quarter of this.
pub const MOST_BYTES: usize = 1 << 20;

const PREFIX: &str = "sha256=";
/// The digits of a signature.
const DIGITS: usize = 64;

/// Secrets that sign. While one replaces another both are in force.
#[derive(Debug)]
pub struct Keys {
    in_force: Vec<hmac::Key>,
    /// Not accepted any more; by these a sender is recognised who was forgotten in a rotation.
    retired: Vec<hmac::Key>,
}

/// No secret is in force, or one is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSecret;

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Each line, also where a name comes twice.
    pub headers: &'a [(&'a str, &'a [u8])],
    pub body: &'a [u8],
}

/// What a genuine delivery hints at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub class: Class,
    pub pull_request: Option<u64>,
    /// What was written, where the class is [`Class::Comment`].
    pub comment: Option<u64>,
    /// The HMAC of the raw body: the same for the same body and nothing else.
    pub replay_key: [u8; 32],
    /// Which of the secrets in force it was signed with, by their order.
    pub key: usize,
}

/// As far as a body decides it. Bitbucket's bodies do not tell created from updated, nor given from
/// taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Push,
    PullRequestOpen,
    PullRequestMerged,
    PullRequestDeclined,
    Approval,
    Comment,
    Status,
}

/// Why a delivery is not genuine, or not for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    TooLarge,
    NoSignature,
    /// More than one signature: which is meant would be a guess.
    Signatures,
    /// It is not `sha256=` and 64 digits in lower case.
    SignatureForm,
    /// No secret in force made this signature of this body.
    Signature,
    /// Genuine, and not what Bitbucket sends.
    Garbled,
    /// Genuine, and about another repository.
    Repository,
    /// Genuine, and of no class that means anything here.
    Class,
    /// The header, which is not signed, says something else than the body.
    Header,
}

/// Why a signature is wrong, for those who look after the server. The sender is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was made with a secret that is not in force any more.
    RetiredSecret,
    /// The body was written anew on its way: the same JSON, or without its ends, is signed.
    AlteredBody,
    /// Another secret, or another body: nobody can tell.
    Unknown,
}

#[derive(Deserialize)]
struct Body {
    repository: RepositoryPart,
    push: Option<IgnoredAny>,
    pullrequest: Option<PullRequestPart>,
    approval: Option<IgnoredAny>,
    changes_request: Option<IgnoredAny>,
    comment: Option<CommentPart>,
    commit_status: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct RepositoryPart {
    uuid: String,
}

#[derive(Deserialize)]
struct PullRequestPart {
    id: u64,
    state: String,
}

#[derive(Deserialize)]
struct CommentPart {
    id: u64,
}

impl Keys {
    pub fn parse(
        in_force: &[Redacted<Vec<u8>>],
        retired: &[Redacted<Vec<u8>>],
    ) -> Result<Self, NoSecret> {
        if in_force.is_empty() || in_force.iter().any(|secret| secret.reveal().is_empty()) {
            return Err(NoSecret);
        }
        let key = |secret: &Redacted<Vec<u8>>| hmac::Key::new(hmac::HMAC_SHA256, secret.reveal());
        Ok(Self {
            in_force: in_force.iter().map(key).collect(),
            retired: retired.iter().map(key).collect(),
        })
    }
}

/// Reads a delivery about the repository of this UUID. Nothing of the body is looked at before its
/// signature holds.
pub fn read(delivery: &Delivery<'_>, keys: &Keys, repository: &str) -> Result<Event, Refused> {
    if delivery.body.len() > MOST_BYTES {
        return Err(Refused::TooLarge);
    }
    let signature = signature(delivery)?;
    // Each key is tried: how long it takes tells nothing about which one holds.
    let holds = |key: &hmac::Key| hmac::verify(key, delivery.body, &signature).is_ok();
    let held = keys.in_force.iter().enumerate().filter(|(_, key)| holds(key));
    let held: Vec<usize> = held.map(|(number, _)| number).collect();
    let key = held.first().copied().ok_or(Refused::Signature)?;
    let body: Body = serde_json::from_slice(delivery.body).map_err(|_| Refused::Garbled)?;
    if !body.repository.uuid.eq_ignore_ascii_case(repository) {
        return Err(Refused::Repository);
    }
    let class = body.class()?;
    let mut named = delivery.values(EVENT);
    match (named.next(), named.next()) {
        (Some(name), None) if class.events().iter().any(|event| event.as_bytes() == name) => {}
        _ => return Err(Refused::Header),
    }
    Ok(Event {
        class,
        pull_request: body.pullrequest.map(|it| it.id),
        comment: body.comment.map(|it| it.id),
        replay_key: signature,
        key,
    })
}

/// What went wrong with a signature that does not hold. It costs more than refusing does: for a few
/// deliveries that somebody looks at, not for each.
pub fn cause(delivery: &Delivery<'_>, keys: &Keys) -> Cause {
    let Ok(signature) = signature(delivery) else { return Cause::Unknown };
    let is_of = |keys: &[hmac::Key], body: &[u8]| {
        keys.iter().any(|key| hmac::verify(key, body, &signature).is_ok())
    };
    if delivery.body.len() > MOST_BYTES {
        return Cause::Unknown;
    }
    if is_of(&keys.retired, delivery.body) {
        return Cause::RetiredSecret;
    }
    let text: Option<Value> = serde_json::from_slice(delivery.body).ok();
    let compact = text.map(|text| text.to_string());
    let spaced = compact.as_deref().map(spaced);
    let trimmed = delivery.body.trim_ascii();
    let with_end = [trimmed, b"\n"].concat();
    let bodies = [Some(trimmed), Some(&with_end[..])].into_iter();
    let bodies =
        bodies.chain([compact.as_deref(), spaced.as_deref()].map(|it| it.map(str::as_bytes)));
    if bodies.flatten().any(|body| is_of(&keys.in_force, body)) {
        return Cause::AlteredBody;
    }
    Cause::Unknown
}

/// The one signature.
fn signature(delivery: &Delivery<'_>) -> Result<[u8; 32], Refused> {
    let mut values = delivery.values(SIGNATURE);
    let value = values.next().filter(|value| !value.is_empty()).ok_or(Refused::NoSignature)?;
    if values.next().is_some() {
        return Err(Refused::Signatures);
    }
    let digits = value.strip_prefix(PREFIX.as_bytes()).filter(|it| it.len() == DIGITS);
    let digits = digits.ok_or(Refused::SignatureForm)?;
    let mut signature = [0; DIGITS / 2];
    for (byte, pair) in signature.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return Err(Refused::SignatureForm),
            };
            *byte = *byte << 4 | value;
        }
    }
    Ok(signature)
}

/// Compact JSON as other programs write it: a space behind each comma and colon outside of texts.
fn spaced(compact: &str) -> String {
    let (mut spaced, mut in_text, mut escaped) =
        (String::with_capacity(compact.len()), false, false);
    for sign in compact.chars() {
        spaced.push(sign);
        match sign {
            _ if escaped => escaped = false,
            '\\' if in_text => escaped = true,
            '"' => in_text = !in_text,
            ',' | ':' if !in_text => spaced.push(' '),
            _ => {}
        }
    }
    spaced
}

impl<'a> Delivery<'a> {
    fn values(&self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value)
    }
}

impl Body {
    /// What is in the body decides, and two things in one body decide nothing.
    fn class(&self) -> Result<Class, Refused> {
        let verdict = self.approval.is_some() || self.changes_request.is_some();
        match (&self.pullrequest, &self.comment) {
            _ if self.push.is_some() && self.commit_status.is_some() => Err(Refused::Class),
            (None, None) if self.push.is_some() && !verdict => Ok(Class::Push),
            (None, None) if self.commit_status.is_some() && !verdict => Ok(Class::Status),
            _ if self.push.is_some() || self.commit_status.is_some() => Err(Refused::Class),
            (Some(_), Some(_)) if !verdict => Ok(Class::Comment),
            (Some(_), None) if verdict => Ok(Class::Approval),
            (Some(pull_request), None) => match pull_request.state.as_str() {
                "OPEN" => Ok(Class::PullRequestOpen),
                "MERGED" => Ok(Class::PullRequestMerged),
                "DECLINED" => Ok(Class::PullRequestDeclined),
                _ => Err(Refused::Class),
            },
            (None, _) | (Some(_), Some(_)) => Err(Refused::Class),
        }
    }
}

impl Class {
    /// The word by which rules name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequestOpen => "pull-request-open",
            Self::PullRequestMerged => "pull-request-merged",
            Self::PullRequestDeclined => "pull-request-declined",
            Self::Approval => "approval",
            Self::Comment => "comment",
            Self::Status => "status",
        }
    }

    /// What the header may say beside such a body.
    const fn events(self) -> &'static [&'static str] {
        match self {
            Self::Push => &["repo:push"],
            Self::PullRequestOpen => {
                &["pullrequest:created", "pullrequest:updated", "pullrequest:push"]
            }
            Self::PullRequestMerged => &["pullrequest:fulfilled"],
            Self::PullRequestDeclined => &["pullrequest:rejected"],
            Self::Approval => &[
                "pullrequest:approved",
                "pullrequest:unapproved",
                "pullrequest:changes_request_created",
                "pullrequest:changes_request_removed",
            ],
            Self::Comment => &[
                "pullrequest:comment_created",
                "pullrequest:comment_updated",
                "pullrequest:comment_deleted",
                "pullrequest:comment_resolved",
                "pullrequest:comment_reopened",
            ],
            Self::Status => &["repo:commit_status_created", "repo:commit_status_updated"],
        }
    }
}

/// For the records of whoever looks after the server.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is larger than any that Bitbucket sends",
            Self::NoSignature => "there is no signature: the webhook has no secret",
            Self::Signatures => "there is more than one signature",
            Self::SignatureForm => "the signature is not `sha256=` and 64 digits in lower case",
            Self::Signature => "no secret in force made this signature of this body",
            Self::Garbled => "the body is not what Bitbucket sends",
            Self::Repository => "it is about another repository",
            Self::Class => "it is of no class that means anything here",
            Self::Header => "`X-Event-Key` says something else than the body",
        })
    }
}

impl std::error::Error for Refused {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RetiredSecret => "it was signed with a former version of the secret",
            Self::AlteredBody => "the body was written anew on its way, and is signed as it was",
            Self::Unknown => "it was signed with another secret, or the body was altered",
        })
    }
}

impl fmt::Display for NoSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no secret is in force, or one is empty")
    }
}

impl std::error::Error for NoSecret {}
