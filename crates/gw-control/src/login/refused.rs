//! Why nobody was let in: a stable reason, words for whoever asked, words for the operator, a way out.
//!
//! Whoever asks learns what is wrong with what they sent, and nothing of what else is declared here.

use std::fmt;

use gw_model::code::Code;
use gw_net::client::FetchError;
use gw_policy::token::TokenRefusal;

/// Whose proof is not told apart from others, because nobody knows whose it is.
pub const UNKNOWN: &str = "unknown";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The token does not hold. The issuer stands here only if it is one that is declared.
    Token { issuer: Option<String>, why: TokenRefusal },
    /// The token holds, and its step is not one that may ask.
    Step { issuer: String, why: StepRefusal },
    /// The signed request to AWS does not hold.
    Aws(AwsRefusal),
    /// The proof was taken once already for something that writes.
    Used { issuer: String, what: Once },
    /// What is asked for cannot be read.
    Request(RequestFault),
}

/// What is wrong with the step of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepRefusal {
    /// A claim is missing, several, no UUID in braces, or a subject that names something else.
    Claim { claim: &'static str },
    /// Its workspace is not the declared one, whatever it is called now.
    Workspace { declared: String },
    /// Its repository is neither the declared one nor one of `repositories`.
    Repository { declared: Vec<String> },
}

/// What is wrong with a signed GetCallerIdentity request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AwsRefusal {
    /// No identity is declared that it could prove.
    NotDeclared,
    /// Not base64 of JSON with `url`, `headers` and `body`.
    Form,
    TooLong,
    /// It goes elsewhere than to one of `sts.hosts`.
    Host,
    /// Twice the same header, whatever its spelling.
    HeaderTwice,
    /// A header that is not sent on.
    Header,
    /// It asks for something else than GetCallerIdentity.
    Body,
    /// `Authorization` or `X-Amz-Date` is not as Signature Version 4 writes it.
    Signature,
    /// These headers must be among the signed ones.
    NotSigned {
        header: &'static str,
    },
    /// Signed for somebody else.
    Audience,
    /// Signed too long ago, or in the future.
    Date,
    /// STS does not take it.
    Denied {
        status: u16,
    },
    /// STS was not reached.
    Unreachable(FetchError),
    /// STS answered something that is not its answer.
    Garbled,
    Account,
    Arn,
}

/// What may be used once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Once {
    Step,
    Token,
    SignedRequest,
}

/// What is wrong with a request for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestFault {
    Missing {
        parameter: &'static str,
    },
    Twice {
        parameter: &'static str,
    },
    /// It would change what the request means, and is not known here.
    Unsupported {
        parameter: &'static str,
    },
    GrantType,
    TokenType,
    /// The words of `scope` are actions.
    Scope,
    /// `urn:gatewright:ENVIRONMENT`, or with `:PLAN` behind it.
    Resource,
}

impl Refused {
    /// Stable: the ledger, metrics and tests know it by this name.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Token { why, .. } => why.reason(),
            Self::Step { why, .. } => why.reason(),
            Self::Aws(why) => why.reason(),
            Self::Used { what: Once::Step, .. } => "step-used",
            Self::Used { what: Once::Token, .. } => "token-used",
            Self::Used { what: Once::SignedRequest, .. } => "aws-used",
            Self::Request(fault) => fault.reason(),
        }
    }

    pub const fn code(&self) -> Code {
        match self {
            Self::Token { why: TokenRefusal::NoKeys, .. }
            | Self::Aws(AwsRefusal::Unreachable(_) | AwsRefusal::Garbled) => Code::ProofUnchecked,
            Self::Token { .. } => Code::TokenNotTaken,
            Self::Step { .. } => Code::StepNotDeclared,
            Self::Aws(_) => Code::AwsNotTaken,
            Self::Used { .. } => Code::ProofUsed,
            Self::Request(_) => Code::TokenRequest,
        }
    }

    /// The error that RFC 6749 and RFC 8693 have for it.
    pub const fn error(&self) -> &'static str {
        match self {
            Self::Request(RequestFault::GrantType) => "unsupported_grant_type",
            Self::Request(RequestFault::Scope) => "invalid_scope",
            Self::Request(RequestFault::Resource) => "invalid_target",
            Self::Token { why: TokenRefusal::NoKeys, .. }
            | Self::Aws(AwsRefusal::Unreachable(_) | AwsRefusal::Garbled) => {
                "temporarily_unavailable"
            }
            _ => "invalid_request",
        }
    }

    /// Whose proof it was, as far as that is one of the few that are declared.
    pub fn source(&self) -> &str {
        match self {
            Self::Token { issuer, .. } => issuer.as_deref().unwrap_or(UNKNOWN),
            Self::Step { issuer, .. } | Self::Used { issuer, .. } => issuer,
            Self::Aws(_) => "aws",
            Self::Request(_) => UNKNOWN,
        }
    }

    /// For whoever runs the server: what the one who asked is told, and what is declared.
    pub fn operator(&self) -> String {
        match self {
            Self::Token { why, .. } => why.operator(),
            Self::Step { why: StepRefusal::Workspace { declared }, .. } => {
                format!("{self}: its `workspaceUuid` is not `{declared}`")
            }
            Self::Step { why: StepRefusal::Repository { declared }, .. } => {
                let declared = declared.join("`, `");
                format!("{self}: its `repositoryUuid` is none of `{declared}`")
            }
            Self::Aws(AwsRefusal::Audience) => {
                format!("{self}: the signed audience is that of no identity")
            }
            Self::Aws(AwsRefusal::Account) => {
                format!("{self}: its account is in `accounts` of no identity")
            }
            Self::Aws(AwsRefusal::Arn) => format!("{self}: `arns` of no identity fit it"),
            Self::Aws(AwsRefusal::Unreachable(why)) => format!("{self}: {why}"),
            Self::Step { .. } | Self::Aws(_) | Self::Used { .. } | Self::Request(_) => {
                self.to_string()
            }
        }
    }

    /// What helps.
    pub const fn cure(&self) -> &'static str {
        match self {
            Self::Token { why, .. } => cure_of_token(why),
            Self::Step { why: StepRefusal::Claim { .. }, .. } => {
                "hand in the token of the step as it is, from BITBUCKET_STEP_OIDC_TOKEN"
            }
            Self::Step { .. } => {
                "run it in the declared repository, or declare this one by its UUID under \
                 `repositories` of the identity"
            }
            Self::Aws(why) => cure_of_aws(why),
            Self::Used { what: Once::Step, .. } => {
                "go on with the token that the step got the first time, or run the step again: a \
                 step gets one token that writes"
            }
            Self::Used { .. } => "prove it anew: each proof gives one token that writes",
            Self::Request(fault) => fault.cure(),
        }
    }
}

const fn cure_of_token(why: &TokenRefusal) -> &'static str {
    match why {
        TokenRefusal::NoKeys => "try again; `gatewright doctor` tells whether the issuer answers",
        TokenRefusal::UnknownIssuer | TokenRefusal::NoIssuer => {
            "ask an issuer that is declared under `identities`"
        }
        TokenRefusal::Audience { .. } => "ask the issuer for a token with the declared audience",
        TokenRefusal::Purpose(_) => "hand in an access token",
        TokenRefusal::Time(_) => "ask the issuer for a new token; look at the clock",
        _ => "ask the issuer for a new token and hand it in as it is",
    }
}

const fn cure_of_aws(why: &AwsRefusal) -> &'static str {
    match why {
        AwsRefusal::Unreachable(_) | AwsRefusal::Garbled => "try again",
        AwsRefusal::NotSigned { .. } | AwsRefusal::Audience => {
            "sign the header `x-gatewright-audience` with the declared audience as its value"
        }
        AwsRefusal::Host => "sign the request for one of `sts.hosts` of the server",
        AwsRefusal::Date | AwsRefusal::Denied { .. } => "sign it anew with credentials of now",
        AwsRefusal::NotDeclared | AwsRefusal::Account | AwsRefusal::Arn => {
            "declare the account and the ARN under an `awsIam` identity"
        }
        _ => "sign a POST of `Action=GetCallerIdentity&Version=2011-06-15` and nothing beside it",
    }
}

impl StepRefusal {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Claim { .. } => "step-claim",
            Self::Workspace { .. } => "step-workspace",
            Self::Repository { .. } => "step-repository",
        }
    }
}

impl AwsRefusal {
    const fn reason(&self) -> &'static str {
        match self {
            Self::NotDeclared => "aws-not-declared",
            Self::Form => "aws-form",
            Self::TooLong => "aws-too-long",
            Self::Host => "aws-host",
            Self::HeaderTwice => "aws-header-twice",
            Self::Header => "aws-header",
            Self::Body => "aws-body",
            Self::Signature => "aws-signature-malformed",
            Self::NotSigned { .. } => "aws-header-not-signed",
            Self::Audience => "aws-audience",
            Self::Date => "aws-date",
            Self::Denied { .. } => "aws-denied",
            Self::Unreachable(_) => "aws-unreachable",
            Self::Garbled => "aws-answer",
            Self::Account => "aws-account",
            Self::Arn => "aws-arn",
        }
    }
}

impl RequestFault {
    const fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "request-incomplete",
            Self::Twice { .. } => "request-parameter-twice",
            Self::Unsupported { .. } => "request-unsupported",
            Self::GrantType => "request-grant-type",
            Self::TokenType => "request-token-type",
            Self::Scope => "request-scope",
            Self::Resource => "request-resource",
        }
    }

    const fn cure(&self) -> &'static str {
        match self {
            Self::GrantType => "send `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`",
            Self::TokenType => {
                "say what the token is: `urn:ietf:params:oauth:token-type:jwt` or `…:access_token`, \
                 or `urn:gatewright:token-type:aws-request`"
            }
            Self::Scope => "name actions as they stand under `changes`, such as `plan apply`",
            Self::Resource => {
                "write `urn:gatewright:ENVIRONMENT` or `urn:gatewright:ENVIRONMENT:PLAN`; `urn:gatewright` \
                 alone where there is one environment"
            }
            Self::Missing { .. } | Self::Twice { .. } | Self::Unsupported { .. } => {
                "send the parameters of RFC 8693 that docs/login.md lists, each once"
            }
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token { why, .. } => why.fmt(f),
            Self::Step { why: StepRefusal::Claim { claim }, .. } => {
                write!(f, "the `{claim}` of the step's token is not as Bitbucket writes it")
            }
            // Which of the two it is would tell what is declared here.
            Self::Step { .. } => f.write_str("this pipeline is not one that may ask here"),
            Self::Aws(why) => why.fmt(f),
            Self::Used { what: Once::Step, .. } => {
                f.write_str("this step had its token that writes already")
            }
            Self::Used { what: Once::Token, .. } => {
                f.write_str("this token was exchanged already for one that writes")
            }
            Self::Used { what: Once::SignedRequest, .. } => {
                f.write_str("this signed request was exchanged already for a token that writes")
            }
            Self::Request(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for AwsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDeclared | Self::Account | Self::Arn => {
                f.write_str("this AWS principal is not one that may ask here")
            }
            Self::Form => f.write_str("the signed request cannot be read"),
            Self::TooLong => f.write_str("the signed request is longer than 8 KiB"),
            Self::Host => f.write_str("the signed request is not for an STS host of this server"),
            Self::HeaderTwice => f.write_str("the signed request has a header twice"),
            Self::Header => f.write_str("the signed request has a header that is not sent on"),
            Self::Body => f.write_str("the signed request is not a GetCallerIdentity"),
            Self::Signature => {
                f.write_str("the signed request is not signed as Signature Version 4 asks")
            }
            Self::NotSigned { header } => {
                write!(f, "the header `{header}` is not among the signed ones")
            }
            Self::Audience => f.write_str("the request is not signed for this server"),
            Self::Date => f.write_str("the request was not signed within the last 15 minutes"),
            Self::Denied { status } => write!(f, "AWS does not take the signed request ({status})"),
            Self::Unreachable(_) => f.write_str("AWS could not be asked"),
            Self::Garbled => f.write_str("AWS gave no answer that can be read"),
        }
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { parameter } => write!(f, "`{parameter}` is missing"),
            Self::Twice { parameter } => write!(f, "`{parameter}` stands twice"),
            Self::Unsupported { parameter } => write!(f, "`{parameter}` is not supported"),
            Self::GrantType => f.write_str("the `grant_type` is not that of a token exchange"),
            Self::TokenType => f.write_str("the token type is not one that is taken here"),
            Self::Scope => f.write_str("`scope` names something that is no action"),
            Self::Resource => f.write_str("`resource` names no environment"),
        }
    }
}

impl std::error::Error for Refused {}
