//! The only place where an error becomes a status, and words for a caller.
//!
//! A caller learns what to do differently. What is wrong inside is for the operator: it goes to the
//! decision log under the id that the caller is given.

use std::time::Duration;

use gw_model::{api::Per, scalar::ByteSize};
use gw_policy::{
    decision::{DecisionId, Problem, Reason},
    denial::Denial,
    gateway::{PROBE, PROBE_DETAIL},
    route::PathRefusal,
    token::{Moment, TokenRefusal},
};
use http::{
    HeaderMap, Response, StatusCode,
    header::{
        CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER,
        WWW_AUTHENTICATE,
    },
};
use serde::Serialize;

use crate::{
    credential::NotReady,
    stage::limit::{Exhausted, Quota},
    upstream::UpstreamFault,
    wire::{body::ResponseBody, head::Malformed},
};

/// Why a call was not sent on, or brought no answer.
#[derive(Debug)]
pub(crate) enum Refusal {
    Malformed(Malformed),
    Path(PathRefusal),
    Overloaded,
    NoSnapshot,
    NoRoute,
    MethodNotListed,
    SeveralTokens,
    Token(TokenRefusal),
    Certificate,
    Denied(Box<Denial>),
    Limited(Exhausted),
    BodyTooLarge { allowed: u64 },
    BodyTooSlow,
    Credential(NotReady),
    Upstream(UpstreamFault),
    UpstreamTimeout(Duration),
    UpstreamInvalid(&'static str),
    Internal(&'static str),
}

/// Which decision an answer is of: what a viewer looks up.
pub(crate) const DECISION: HeaderName = HeaderName::from_static("gatewright-decision");

/// A problem with its type: a stable name made of the title, which says no more than the title.
#[derive(Serialize)]
struct Typed<'a> {
    r#type: String,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl Refusal {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Malformed(_) => Reason::RequestRefused,
            Self::Path(_) => Reason::PathRefused,
            Self::Overloaded => Reason::Overloaded,
            Self::NoSnapshot => Reason::NoSnapshot,
            Self::NoRoute => Reason::NoRoute,
            Self::MethodNotListed => Reason::MethodNotListed,
            Self::SeveralTokens => Reason::TokenRefused,
            Self::Token(refusal) => token_reason(refusal),
            Self::Certificate => Reason::CertificateRefused,
            Self::Denied(denial) => denial.reason,
            Self::Limited(_) => Reason::Limit,
            Self::BodyTooLarge { .. } => Reason::BodyTooLarge,
            Self::BodyTooSlow => Reason::RequestTimeout,
            Self::Credential(_) => Reason::SecretUnavailable,
            Self::Upstream(_) => Reason::UpstreamUnreachable,
            Self::UpstreamTimeout(_) => Reason::UpstreamTimeout,
            Self::UpstreamInvalid(_) => Reason::UpstreamInvalid,
            Self::Internal(_) => Reason::Internal,
        }
    }

    /// Which of the refusals of one reason it is: a word of this program, of which there are few.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(malformed) => malformed.why(),
            Self::Path(refusal) => refusal.as_str(),
            Self::SeveralTokens => "several-tokens",
            Self::Token(refusal) => refusal.reason(),
            Self::Upstream(fault) => fault.kind(),
            Self::UpstreamInvalid(what) | Self::Internal(what) => what,
            Self::Overloaded
            | Self::NoSnapshot
            | Self::NoRoute
            | Self::MethodNotListed
            | Self::Certificate
            | Self::Denied(_)
            | Self::Limited(_)
            | Self::BodyTooLarge { .. }
            | Self::BodyTooSlow
            | Self::Credential(_)
            | Self::UpstreamTimeout(_) => "",
        }
    }

    /// In the caller's words.
    fn why(&self) -> Option<String> {
        match self {
            Self::Malformed(malformed) => Some(malformed.why().to_owned()),
            Self::Path(refusal) => Some(refusal.to_string()),
            Self::SeveralTokens => Some("the request has more than one Authorization".to_owned()),
            Self::Token(refusal) => Some(refusal.to_string()),
            Self::Certificate => Some("no authority known here vouches for it".to_owned()),
            Self::Denied(denial) => Some(denial.why.clone()).filter(|why| !why.is_empty()),
            Self::Limited(Exhausted { rate, per, .. }) => {
                let whose = match per {
                    Per::Caller => "per caller",
                    Per::Api => "for all callers together",
                    Per::Ip => "per address",
                };
                Some(format!("the limit is {rate} {whose}"))
            }
            Self::BodyTooLarge { allowed } => {
                let size = allowed_size(*allowed);
                Some(format!("the body may have {size} at most"))
            }
            Self::BodyTooSlow => Some("the body comes too slowly".to_owned()),
            Self::Overloaded
            | Self::NoSnapshot
            | Self::NoRoute
            | Self::MethodNotListed
            | Self::Credential(_)
            | Self::Upstream(_)
            | Self::UpstreamTimeout(_)
            | Self::UpstreamInvalid(_)
            | Self::Internal(_) => None,
        }
    }

    fn needs(&self) -> Option<String> {
        match self {
            Self::Denied(denial) => denial.needs.clone(),
            _ => None,
        }
    }

    /// In the operator's words.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::Malformed(malformed) => Some(malformed.why().to_owned()),
            Self::Path(refusal) => Some(refusal.to_string()),
            Self::Token(refusal) => Some(format!("{} ({})", refusal.operator(), refusal.reason())),
            Self::Credential(not_ready) => Some(not_ready.to_string()),
            Self::Upstream(fault) => Some(fault.why()),
            Self::UpstreamTimeout(after) => Some(format!("no answer within {after:?}")),
            Self::UpstreamInvalid(what) | Self::Internal(what) => Some((*what).to_owned()),
            Self::SeveralTokens | Self::Certificate | Self::Limited(_) => self.why(),
            Self::BodyTooLarge { .. } | Self::BodyTooSlow => self.why(),
            Self::Overloaded => {
                Some("a call is under way on every connection that there is room for".to_owned())
            }
            Self::NoSnapshot | Self::NoRoute | Self::MethodNotListed | Self::Denied(_) => None,
        }
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        // The connection was one too many.
        if matches!(self, Self::Overloaded) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self {
            // Bytes whose end is not clear must not be read as the next request.
            Self::Malformed(_) | Self::BodyTooLarge { .. } | Self::BodyTooSlow => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Limited(exhausted) => add_exhausted(exhausted, headers),
            Self::Token(refusal) if self.reason().status() == 401 => {
                // The words hold no quotation mark and no byte of the token.
                let text =
                    format!(r#"Bearer error="invalid_token", error_description="{refusal}""#);
                let value = HeaderValue::try_from(text.replace('`', "'"));
                let plain = HeaderValue::from_static(r#"Bearer error="invalid_token""#);
                headers.insert(WWW_AUTHENTICATE, value.unwrap_or(plain));
            }
            _ if self.reason().status() == 401 => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ if self.reason().status() == 503 => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            _ => {}
        }
    }
}

/// The answer to a call that was refused.
pub(crate) fn refuse(refusal: &Refusal, decision: &DecisionId) -> Response<ResponseBody> {
    let reason = refusal.reason();
    let mut problem = Problem::new(reason, decision.clone());
    problem.why = refusal.why();
    problem.needs = refusal.needs();
    let slug = problem.title.to_ascii_lowercase().replace(' ', "-");
    let typed = Typed { r#type: format!("urn:gatewright:problem:{slug}"), problem: &problem };
    // A problem holds texts and a number, which always have a written form.
    let body = serde_json::to_vec(&typed).unwrap_or_default();
    let mut response = Response::new(ResponseBody::whole(body));
    *response.status_mut() =
        StatusCode::from_u16(reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(Problem::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    refusal.add_headers(headers);
    response
}

/// That a call may be sent on, to whoever asked only that.
pub(crate) fn nothing() -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Tells whoever proves a change what became of the call: a backend's answer may look like any.
pub(crate) fn confide(reason: Reason, refusal: Option<&Refusal>, headers: &mut HeaderMap) {
    headers.insert(PROBE, HeaderValue::from_static(reason.code()));
    let detail = refusal.and_then(Refusal::detail);
    match detail.and_then(|detail| HeaderValue::from_bytes(detail.as_bytes()).ok()) {
        Some(detail) => headers.insert(PROBE_DETAIL, detail),
        None => headers.remove(PROBE_DETAIL),
    };
}

/// Tells a caller how much of the tightest limit is left.
pub(crate) fn add_quota(quota: &Quota, headers: &mut HeaderMap) {
    let Quota { rate, remaining, reset_ms } = quota;
    add_rate(rate.count, rate.window.as_ms(), *remaining, *reset_ms, headers);
}

fn add_exhausted(exhausted: &Exhausted, headers: &mut HeaderMap) {
    let Exhausted { rate, retry_after_ms, .. } = exhausted;
    headers.insert(RETRY_AFTER, HeaderValue::from(retry_after_ms.div_ceil(1_000).max(1)));
    add_rate(rate.count, rate.window.as_ms(), 0, *retry_after_ms, headers);
}

fn add_rate(count: u64, window_ms: u64, remaining: u64, reset_ms: u64, headers: &mut HeaderMap) {
    let (window, reset) = (window_ms.div_ceil(1_000), reset_ms.div_ceil(1_000));
    let lines = [
        ("ratelimit-policy", format!("\"limit\";q={count};w={window}")),
        ("ratelimit", format!("\"limit\";r={remaining};t={reset}")),
    ];
    for (name, text) in lines {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

fn allowed_size(bytes: u64) -> String {
    match bytes {
        0 => "0 bytes".to_owned(),
        bytes if bytes.is_multiple_of(1024) => {
            let text = format!("{}KiB", bytes / 1024);
            text.parse::<ByteSize>().map_or(text, |size| size.to_string())
        }
        bytes => format!("{bytes} bytes"),
    }
}

const fn token_reason(refusal: &TokenRefusal) -> Reason {
    match refusal {
        TokenRefusal::Time(Moment::Expired { .. }) => Reason::TokenExpired,
        TokenRefusal::Time(Moment::NotYet { .. } | Moment::IssuedLater { .. }) => {
            Reason::TokenNotYetValid
        }
        TokenRefusal::UnknownIssuer => Reason::TokenIssuer,
        TokenRefusal::Audience { .. } => Reason::TokenAudience,
        TokenRefusal::NoKeys => Reason::KeysUnavailable,
        _ => Reason::TokenRefused,
    }
}

#[cfg(test)]
mod tests;
