//! Why something was not done, as it is answered: the one place where an error becomes a status.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gw_control::{
    answer::{Answer, End},
    approve::Why,
    stop::Stop,
    store::StoreError,
};
use gw_model::{code::Code, id::EnvironmentName, shape::nearest};
use gw_policy::change::ChangeDenial;

use crate::contract::Problem;

/// Why something was not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no token, or it is not one of ours, or its time is over.
    NotLetIn,
    /// Nobody can sign in by way of this server.
    NoLogin,
    /// The token is for something else.
    Scope {
        needs: &'static str,
    },
    /// The rules do not allow it.
    Denied(Box<ChangeDenial>),
    /// There is no such thing, or the one who asks may not see it: which, nobody is told.
    Unseen,
    /// No environment has this name, while others are there.
    NoEnvironment {
        name: EnvironmentName,
        seen: Vec<EnvironmentName>,
    },
    /// What is asked for cannot be read.
    Malformed {
        what: String,
        help: String,
    },
    /// The body is too large, or too slow.
    TooLarge,
    TooSlow,
    /// So many others ask that this one has to come again.
    Busy,
    /// It would not count, so nobody is told that it does.
    InVain {
        why: Why,
    },
    /// It holds no longer, or not yet.
    Conflict {
        what: String,
    },
    Webhook(Unwelcome),
    Stopped(Box<Answer>),
    Store(StoreError),
    /// A fault of this program.
    Fault,
}

/// Why a webhook is turned away, as far as its sender is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// No webhooks are taken here.
    NotTaken,
    Unsigned,
    Repository,
    Garbled,
}

/// What an answer says of a refusal.
struct Words {
    status: StatusCode,
    reason: &'static str,
    title: String,
    code: Option<String>,
    help: Option<String>,
}

const NOT_YOUR_OWN: &str = "somebody else whom the rules name approves it";
const LISTED: &str = "declare the person under `people`, with the subject that the issuer of their identity gives them";
const TOO_LARGE: &str = "the body is too large";
const TOO_SLOW: &str = "the body did not arrive in time";
const FAULT: &str = "a fault of this program";

impl Refusal {
    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::unknown(what, "see /openapi.json".to_owned())
    }

    /// Something has a name that nothing has.
    pub(crate) fn unknown(what: impl Into<String>, help: String) -> Self {
        Self::Malformed { what: what.into(), help }
    }

    fn words(self) -> Words {
        match self {
            Self::NotLetIn => Words {
                code: Some(Code::TokenOver.to_string()),
                ..plain(
                    StatusCode::UNAUTHORIZED,
                    "token",
                    "this needs a token of this server that is still good",
                    Some("exchange a proof for one: `POST /v1/token`, or `gatewright login`"),
                )
            },
            Self::NoLogin => plain(
                StatusCode::NOT_FOUND,
                "no-login",
                "this server names no application to sign in to",
                Some("give its settings `[identities.NAME.device]` for the identity of `login`"),
            ),
            Self::Scope { needs } => Words {
                help: Some(format!("ask for a token whose scope has `{needs}`")),
                ..plain(StatusCode::FORBIDDEN, "scope", "the token is not for this", None)
            },
            Self::Denied(denial) => Words {
                code: Some(Code::ChangeDenied.to_string()),
                help: Some(denial.cure),
                ..plain(StatusCode::FORBIDDEN, "denied", &denial.why, None)
            },
            Self::Unseen => plain(
                StatusCode::NOT_FOUND,
                "unseen",
                "there is no such thing, or you may not see it",
                None,
            ),
            Self::NoEnvironment { name, seen } => no_environment(&name, &seen),
            Self::Malformed { what, help } => {
                plain(StatusCode::BAD_REQUEST, "malformed", &what, Some(&help))
            }
            Self::TooLarge => plain(StatusCode::PAYLOAD_TOO_LARGE, "too-large", TOO_LARGE, None),
            Self::TooSlow => plain(StatusCode::REQUEST_TIMEOUT, "too-slow", TOO_SLOW, None),
            Self::Busy => plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many ask at once",
                Some("try again in a few seconds"),
            ),
            Self::InVain { why } => in_vain(&why),
            Self::Conflict { what } => plain(StatusCode::CONFLICT, "conflict", &what, None),
            Self::Webhook(unwelcome) => unwelcome.words(),
            Self::Stopped(answer) => Words {
                status: status_of(answer.end),
                reason: reason_of(answer.end),
                title: answer.text,
                code: answer.code,
                help: answer.help,
            },
            // What the state's trouble is, its owner learns; strangers do not.
            Self::Store(error) => Words {
                code: Some(error.code().to_string()),
                ..plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "state",
                    "the state cannot be used now, so nothing is done",
                    Some("try again; `gatewright doctor` on the server tells more"),
                )
            },
            Self::Fault => plain(StatusCode::INTERNAL_SERVER_ERROR, "fault", FAULT, None),
        }
    }
}

fn plain(status: StatusCode, reason: &'static str, title: &str, help: Option<&str>) -> Words {
    let (title, help) = (title.to_owned(), help.map(str::to_owned));
    Words { status, reason, title, code: None, help }
}

fn in_vain(why: &Why) -> Words {
    let (why, help) = match why {
        Why::Author => ("you made what is changed, or asked for it".to_owned(), NOT_YOUR_OWN),
        Why::Unlisted => ("you are not one person under `people`".to_owned(), LISTED),
        Why::NoAsker => ("who asks for it is not one person under `people`".to_owned(), LISTED),
        why => (format!("whoever you are {why}"), "ask whom a rule for `approve` names"),
    };
    let title = format!("your approval would not count: {why}");
    plain(StatusCode::FORBIDDEN, "in-vain", &title, Some(help))
}

fn no_environment(name: &EnvironmentName, seen: &[EnvironmentName]) -> Words {
    let seen: Vec<&str> = seen.iter().map(EnvironmentName::as_str).collect();
    let title = format!("there is no environment `{name}`");
    let near = nearest(name.as_str(), seen.iter().copied());
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Words {
        code: Some(Code::NoEnvironment.to_string()),
        help: Some(format!("declared are: {}{near}", seen.join(", "))),
        ..plain(StatusCode::UNPROCESSABLE_ENTITY, "no-environment", &title, None)
    }
}

impl Unwelcome {
    fn words(self) -> Words {
        match self {
            Self::NotTaken => plain(
                StatusCode::NOT_FOUND,
                "no-webhooks",
                "no webhooks are taken here",
                Some("give the server the webhook's secret"),
            ),
            // Which part of the signature is wrong would help whoever guesses.
            Self::Unsigned => plain(
                StatusCode::UNAUTHORIZED,
                "signature",
                "the signature does not hold",
                Some("give the webhook the secret that the server has"),
            ),
            Self::Repository => plain(
                StatusCode::FORBIDDEN,
                "repository",
                "it is about another repository",
                Some("each repository has a server of its own"),
            ),
            Self::Garbled => plain(
                StatusCode::BAD_REQUEST,
                "garbled",
                "it is not what this webhook is for",
                Some("choose events of pushes and pull requests only"),
            ),
        }
    }
}

const fn status_of(end: End) -> StatusCode {
    match end {
        End::Done => StatusCode::OK,
        End::Failed | End::Unproven => StatusCode::INTERNAL_SERVER_ERROR,
        End::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
        End::Denied => StatusCode::FORBIDDEN,
        End::Differs | End::Half => StatusCode::CONFLICT,
        End::Unreachable => StatusCode::BAD_GATEWAY,
    }
}

const fn reason_of(end: End) -> &'static str {
    match end {
        End::Done => "done",
        End::Failed => "failed",
        End::Wrong => "wrong",
        End::Denied => "denied",
        End::Differs => "differs",
        End::Half => "half",
        End::Unreachable => "unreachable",
        End::Unproven => "unproven",
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let is_for_token = matches!(self, Self::NotLetIn);
        let is_for_later = matches!(self, Self::Busy | Self::Store(_));
        let Words { status, reason, title, code, help } = self.words();
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title,
            status: status.as_u16(),
            reason: reason.to_owned(),
            code,
            help,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if is_for_token {
            let scheme = HeaderValue::from_static("Bearer realm=\"gatewright\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if is_for_later {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if matches!(status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // What is left of the body is not waited for.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Store(error) => Self::Store(error),
            stop => Self::Stopped(Box::new(Answer::from(&stop))),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
