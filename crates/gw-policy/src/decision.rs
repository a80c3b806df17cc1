//! What is remembered about a call, what the caller is told, and what `explain` prints.

use std::{collections::BTreeSet, fmt, net::IpAddr};

use gw_model::{
    id::{ApiName, EnvironmentName, IdentityName, TargetName},
    source::Origin,
    terminal::line,
};
use serde::{Deserialize, Serialize};
use time::{OffsetDateTime, macros::format_description};

use crate::{
    denial::{Candidate, PolicyHit},
    principal::ClaimSet,
};

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal $status:literal $title:literal;)+) => {
        /// Why a call ended as it did. The codes are stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+
        }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable word, `not_granted`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The status that a caller sees; 0 where the upstream's own is passed on.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),+ }
            }

            /// What a caller may know, in two or three words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

reasons! {
    /// A rule grants it, and it was sent on. A 404 with this reason is the upstream's own.
    Granted = "granted" 0 "Granted";
    /// A browser asked what it may ask; `cors` answers that.
    Preflight = "preflight" 204 "Preflight";

    /// The request is not one that every server reads in the same way.
    RequestRefused = "request_refused" 400 "Bad request";
    /// The path is not in normal form.
    PathRefused = "path_refused" 400 "Bad path";
    /// The request head is larger than the gateway reads.
    HeadTooLarge = "head_too_large" 431 "Request head too large";
    /// The caller took too long.
    RequestTimeout = "request_timeout" 408 "Request took too long";

    /// No API lists this path.
    NoRoute = "no_route" 404 "Not found";
    /// The path is listed, this method is not. Callers see the same as for `no_route`.
    MethodNotListed = "method_not_listed" 404 "Not found";

    /// Nobody in particular asks, and the operation is not public.
    NotSignedIn = "not_signed_in" 401 "Not signed in";
    /// The token was good once.
    TokenExpired = "token_expired" 401 "Token expired";
    /// The token says that it holds only later.
    TokenNotYetValid = "token_not_yet_valid" 401 "Token not valid yet";
    /// Not a token, or one with a wrong signature, type, algorithm or header.
    TokenRefused = "token_refused" 401 "Token refused";
    /// Signed by an issuer that this gateway does not trust.
    TokenIssuer = "token_issuer" 401 "Token refused";
    /// Meant for somebody else.
    TokenAudience = "token_audience" 401 "Token refused";
    /// The issuer's keys cannot be had, so nothing can be verified.
    KeysUnavailable = "keys_unavailable" 503 "Cannot verify tokens now";
    /// Not a certificate of the authorities that the identity names.
    CertificateRefused = "certificate_refused" 401 "Certificate refused";

    /// No rule grants it to this caller.
    NotGranted = "not_granted" 403 "Not allowed";
    /// A policy takes it away.
    ForbiddenByPolicy = "forbidden_by_policy" 403 "Not allowed";
    /// A policy or condition could not be evaluated, so the call is refused.
    PolicyError = "policy_error" 403 "Not allowed";
    /// The gateway has nothing valid to decide by.
    NoSnapshot = "no_snapshot" 503 "Not ready";

    /// More callers than there is room for.
    Overloaded = "overloaded" 503 "Too busy";
    /// More calls than the limit lets through.
    Limit = "limit" 429 "Too many requests";
    /// More bytes than `maxBody`.
    BodyTooLarge = "body_too_large" 413 "Body too large";

    /// No connection to the upstream.
    UpstreamUnreachable = "upstream_unreachable" 502 "Backend cannot be reached";
    /// No answer within the time of `upstream.timeout`.
    UpstreamTimeout = "upstream_timeout" 504 "Backend took too long";
    /// The upstream's answer is not one that may be passed on.
    UpstreamInvalid = "upstream_invalid" 502 "Backend answered badly";
    /// The secret for the upstream cannot be had.
    SecretUnavailable = "secret_unavailable" 503 "Backend credential missing";

    /// The caller went away before the answer.
    CallerGone = "caller_gone" 499 "Caller gone";
    /// The gateway is going away.
    ShuttingDown = "shutting_down" 503 "Shutting down";
    /// A mistake in the gateway itself.
    Internal = "internal" 500 "Internal error";
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The id of one decision, `d-` and 18 characters: the time first, so that ids sort by it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DecisionId([u8; ID_BYTES]);

/// A text is not the id of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotADecision;

/// Crockford's base 32: no letter that can be read as another.
const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

const TIME_SIGNS: usize = 10;
const RANDOM_SIGNS: usize = 8;
const ID_BYTES: usize = PREFIX.len() + TIME_SIGNS + RANDOM_SIGNS;
const PREFIX: &str = "d-";

impl DecisionId {
    /// 48 bits of time and 40 of chance.
    pub fn new(unix_ms: u64, random: [u8; 5]) -> Self {
        let chance = random.iter().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let mut text = [0; ID_BYTES];
        let time = (0..TIME_SIGNS).rev().map(|place| sign(unix_ms, place));
        let chance = (0..RANDOM_SIGNS).rev().map(|place| sign(chance, place));
        for (to, from) in text.iter_mut().zip(PREFIX.bytes().chain(time).chain(chance)) {
            *to = from;
        }
        Self(text)
    }

    pub fn parse(text: &str) -> Result<Self, NotADecision> {
        let rest = text.strip_prefix(PREFIX).ok_or(NotADecision)?;
        if !rest.bytes().all(|byte| SIGNS.contains(&byte)) {
            return Err(NotADecision);
        }
        text.as_bytes().try_into().map(Self).map_err(|_| NotADecision)
    }

    pub fn as_str(&self) -> &str {
        // All of it is ASCII, by the two that make one.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The time that is in it, to the millisecond.
    pub fn unix_ms(&self) -> u64 {
        let time = self.0.iter().skip(PREFIX.len()).take(TIME_SIGNS);
        let places = time.filter_map(|byte| SIGNS.iter().position(|sign| sign == byte));
        places.fold(0, |sum, place| (sum << 5) | u64::try_from(place).unwrap_or_default())
    }
}

/// Of a number in base 32: the last has place 0.
fn sign(number: u64, place: usize) -> u8 {
    let index = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
    SIGNS.get(index).copied().unwrap_or(b'0')
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecisionId({self})")
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for NotADecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the id of a decision: `d-` and 18 letters or digits")
    }
}

impl std::error::Error for NotADecision {}

impl TryFrom<String> for DecisionId {
    type Error = NotADecision;
    fn try_from(text: String) -> Result<Self, NotADecision> {
        Self::parse(&text)
    }
}

impl From<DecisionId> for String {
    fn from(id: DecisionId) -> Self {
        id.as_str().to_owned()
    }
}

/// One call, as the decision log keeps it. No query, no header, no body, no token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    pub id: DecisionId,
    pub at_ms: u64,
    pub environment: EnvironmentName,
    pub target: TargetName,
    /// Which generation decided.
    pub generation: Option<u64>,
    pub client: Option<IpAddr>,
    pub method: String,
    pub host: String,
    /// In normal form where it has one.
    pub path: String,
    pub reason: Reason,
    /// What the caller was answered.
    pub status: u16,
    /// More about the reason, in the operator's words.
    pub detail: Option<String>,
    pub who: Vec<Asker>,
    /// The claims that the decision could turn on: what of them the callers held stands in `who`.
    #[serde(default)]
    pub looked_at: BTreeSet<String>,
    pub operation: Option<Asked>,
    /// The rule that granted.
    pub grant: Option<Origin>,
    pub candidates: Vec<Candidate>,
    pub policies: Vec<PolicyHit>,
    pub cure: Option<String>,
    /// What the upstream answered.
    pub upstream_status: Option<u16>,
    pub took_us: u64,
    /// How many equal calls this record stands for, where the log groups them.
    pub count: u64,
}

/// Who asked, with those claims that the decision could turn on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asker {
    pub identity: IdentityName,
    pub issuer: String,
    pub subject: String,
    /// Unix seconds.
    pub expires_at: Option<i64>,
    #[serde(default)]
    pub claims: ClaimSet,
    /// Claims of which values are missing here, because there were too many or they were too long.
    #[serde(default)]
    pub cut: BTreeSet<String>,
}

/// What was asked for, where the path is one that an API lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub api: ApiName,
    pub operation: String,
    pub owner: Option<String>,
}

/// What a refused caller is told: the body of an answer of type `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub title: String,
    pub status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs: Option<String>,
    pub decision: DecisionId,
}

impl Problem {
    pub const CONTENT_TYPE: &str = "application/problem+json";

    pub fn new(reason: Reason, decision: DecisionId) -> Self {
        let (title, status) = (reason.title().to_owned(), reason.status());
        Self { title, status, why: None, needs: None, decision }
    }
}

/// The text of `explain`. Callers choose parts of it, so it is written by [`line`] alone.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.reason {
            Reason::Granted | Reason::Preflight => "ALLOWED",
            Reason::NoRoute | Reason::MethodNotListed => "NOT FOUND",
            _ if self.is_refusal() => "DENIED ",
            _ => "FAILED ",
        };
        let (status, environment) = (self.status, &self.environment);
        let at = clock_text(self.at_ms);
        line(
            f,
            format_args!(
                "{outcome} {} {} → {status} · {environment} · {at}",
                self.method, self.path
            ),
        )?;
        self.write_who(f)?;
        write_asked(f, self.reason, self.operation.as_ref())?;
        self.write_why(f)?;
        write_candidates(f, &self.candidates)?;
        if let Some(cure) = &self.cure {
            line(f, format_args!("  cure      {cure}"))?;
        }
        if self.count > 1 {
            line(f, format_args!("  count     {} equal calls", self.count))?;
        }
        Ok(())
    }
}

impl Record {
    /// What every record holds, before anything is known of the call.
    pub fn blank(
        id: DecisionId,
        environment: EnvironmentName,
        target: TargetName,
        reason: Reason,
    ) -> Self {
        Self {
            at_ms: id.unix_ms(),
            id,
            environment,
            target,
            generation: None,
            client: None,
            method: String::new(),
            host: String::new(),
            path: String::new(),
            reason,
            status: reason.status(),
            detail: None,
            who: vec![],
            looked_at: BTreeSet::new(),
            operation: None,
            grant: None,
            candidates: vec![],
            policies: vec![],
            cure: None,
            upstream_status: None,
            took_us: 0,
            count: 1,
        }
    }

    /// Whether the gateway itself said no, rather than failed.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, 400..=498)
    }

    fn write_who(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.who.is_empty() {
            // Who calls is asked only where an operation answers.
            let who = match self.reason {
                Reason::RequestRefused
                | Reason::PathRefused
                | Reason::HeadTooLarge
                | Reason::NoRoute
                | Reason::MethodNotListed => "not looked at",
                _ => "nobody signed in",
            };
            line(f, format_args!("  who       {who}"))?;
        }
        for Asker { identity, issuer, subject, expires_at, claims: _, cut: _ } in &self.who {
            let until = expires_at
                .and_then(|at| u64::try_from(at).ok())
                .map(|at| format!(", token good until {}", clock_text(at * 1000)))
                .unwrap_or_default();
            let by = format_args!("by identity \"{identity}\" ({issuer}){until}");
            line(f, format_args!("  who       {subject} {by}"))?;
        }
        Ok(())
    }

    fn write_why(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocked = match self.reason {
            Reason::Granted => {
                if let Some(grant) = &self.grant {
                    line(f, format_args!("  granted   by {grant}"))?;
                }
                if let Some(status) = self.upstream_status {
                    line(f, format_args!("  answered  {status} by the upstream itself"))?;
                }
                return Ok(());
            }
            Reason::Preflight => {
                return line(f, format_args!("  granted   a preflight, answered by `cors`"));
            }
            Reason::NoRoute => "no API lists this path",
            Reason::MethodNotListed => "the path is listed, this method is not",
            Reason::NotSignedIn => "nobody is signed in, and the operation is not public",
            Reason::NotGranted => "no rule grants it",
            Reason::ForbiddenByPolicy => "a policy takes it away",
            Reason::PolicyError => "a policy could not be evaluated, so the call is refused",
            Reason::Limit => "more calls than the limit lets through",
            other => other.title(),
        };
        let detail = self.detail.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
        line(f, format_args!("  blocked   {blocked}{detail}"))?;
        write_policies(f, &self.policies)
    }
}

/// The operation that was asked for; beside it where the path is listed and the method is not.
pub(crate) fn write_asked(
    f: &mut fmt::Formatter<'_>,
    reason: Reason,
    asked: Option<&Asked>,
) -> fmt::Result {
    let Some(Asked { api, operation, owner }) = asked else { return Ok(()) };
    let owner = owner.as_ref().map(|owner| format!(" (owner {owner})")).unwrap_or_default();
    match reason {
        Reason::MethodNotListed => {
            line(f, format_args!("  beside    {api}/{operation}{owner}, which has the same path"))
        }
        _ => line(f, format_args!("  asked     call {api}/{operation}{owner}")),
    }
}

pub(crate) fn write_policies(f: &mut fmt::Formatter<'_>, policies: &[PolicyHit]) -> fmt::Result {
    for policy in policies {
        let PolicyHit { id: _, source, reason, error } = policy;
        let id = policy.own_id().map(|id| format!("   {id}")).unwrap_or_default();
        line(f, format_args!("  ✘ policy  {source}{id}"))?;
        if let Some(reason) = reason {
            line(f, format_args!("            \"{reason}\""))?;
        }
        if let Some(error) = error {
            line(f, format_args!("            could not be evaluated: {error}"))?;
        }
    }
    Ok(())
}

pub(crate) fn write_candidates(
    f: &mut fmt::Formatter<'_>,
    candidates: &[Candidate],
) -> fmt::Result {
    let rules: Vec<_> = candidates.iter().map(|candidate| candidate.rule.to_string()).collect();
    let width = rules.iter().map(|rule| rule.chars().count()).max().unwrap_or_default();
    for (index, (rule, candidate)) in rules.iter().zip(candidates).enumerate() {
        let head = if index == 0 { "nearest" } else { "" };
        line(f, format_args!("  {head:<9} {rule:<width$}   {candidate}"))?;
    }
    Ok(())
}

/// `09:58:03Z` of that day; ids and JSON carry the full time.
fn clock_text(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1000).unwrap_or_default();
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|at| {
            at.format(format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z")).ok()
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
