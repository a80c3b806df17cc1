//! Why a Git host did not answer as it should, and whether asking again helps.

use std::fmt;

use gw_model::{code::Code, id::SecretName, secret::SecretRefusal};
use gw_plan::driver::Class;

/// Asked again after this long where nothing says when: something was under way.
const SOON_MS: u64 = 2_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostError {
    /// Nobody answers at the host, or not in time.
    Unreachable { host: String, because: String },
    /// The host answers that it cannot answer.
    Failing { host: String, status: u16 },
    /// It has been asked too often, and says when to come again.
    Busy { host: String, after_ms: u64 },
    /// It has not finished what is asked about.
    Unfinished { what: String },
    /// What was read in one answer had changed in the next.
    Moved { what: String },
    /// The answer is not what the host promises to answer.
    Garbled { what: String, because: String },
    /// The answer goes on beyond what is read.
    TooMuch { what: String },
    /// The secret store did not give the credential.
    Secret(SecretRefusal),
    /// The host does not take the credential.
    Credential { secret: SecretName, fault: CredentialFault },
    /// The credential is good and may too little; what is empty the host did not tell.
    Scope { secret: SecretName, what: String, needs: Vec<String>, has: Vec<String> },
    /// The credential's account may not do it.
    Denied { what: String, said: String },
    /// There is no such thing, or it is hidden from the credential.
    Missing { what: String },
    /// It is there, and it is not the declared one.
    Foreign { what: String, declared: String, found: String },
    /// The host does not take what was sent.
    Refused { what: String, status: u16, said: String },
}

/// What is wrong with a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialFault {
    /// It is an app password.
    AppPassword,
    /// It is an API token, which goes with the e-mail address of its owner.
    NeedsEmail,
    /// It is an access token, which goes alone.
    StandsAlone,
    /// No header can carry it: line breaks, spaces or no text at all.
    Unsendable,
    /// It is an access token, and those may not ask what an account may do.
    TellsNoPermissions,
    /// Wrong, expired or revoked, in the words of the host.
    Refused { said: String },
}

impl HostError {
    pub const fn class(&self) -> Class {
        match self {
            Self::Busy { after_ms, .. } => Class::Retry { after_ms: *after_ms },
            Self::Unfinished { .. } | Self::Moved { .. } => Class::Retry { after_ms: SOON_MS },
            // A page of a proxy or of somebody who repairs the host goes away again.
            Self::Unreachable { .. }
            | Self::Failing { .. }
            | Self::Garbled { .. }
            | Self::Secret(SecretRefusal::Unreachable { .. }) => Class::Wait,
            Self::TooMuch { .. }
            | Self::Secret(_)
            | Self::Credential { .. }
            | Self::Scope { .. }
            | Self::Denied { .. }
            | Self::Missing { .. }
            | Self::Foreign { .. }
            | Self::Refused { .. } => Class::Human,
        }
    }

    pub const fn code(&self) -> Code {
        match self.class() {
            Class::Retry { .. } | Class::Wait => Code::HostUnreachable,
            Class::Human => Code::HostDenied,
        }
    }

    /// The way out, where somebody has to go it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Credential { fault, .. } => match fault {
                CredentialFault::AppPassword => {
                    "app passwords ended in 2026: make an access token of the repository, or an API token".to_owned()
                }
                CredentialFault::NeedsEmail => {
                    "say whose API token it is, by the e-mail address of their account".to_owned()
                }
                CredentialFault::StandsAlone => {
                    "leave the e-mail address out: an access token belongs to nobody".to_owned()
                }
                CredentialFault::Unsendable => "put the token there, and nothing else".to_owned(),
                CredentialFault::TellsNoPermissions => {
                    "use the API token of an administrator of the repository, or an OAuth consumer with `repository:admin`".to_owned()
                }
                CredentialFault::Refused { .. } => {
                    "make a new one, and put it where this one is: it is read again by itself".to_owned()
                }
            },
            Self::Scope { needs, .. } if !needs.is_empty() => {
                format!("make one that has {} as well", list(needs))
            }
            Self::Missing { .. } => {
                "the host hides what a credential may not read: look whether it reaches the repository".to_owned()
            }
            Self::Foreign { .. } => {
                "if it was moved on purpose, declare its new ids under `source`".to_owned()
            }
            _ => return None,
        };
        Some(help)
    }
}

fn list(scopes: &[String]) -> String {
    let quoted: Vec<_> = scopes.iter().map(|scope| format!("`{scope}`")).collect();
    quoted.join(", ")
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { host, because } => write!(f, "{host} does not answer: {because}"),
            Self::Failing { host, status } => write!(f, "{host} has trouble: it answers {status}"),
            Self::Busy { host, after_ms } => {
                write!(f, "{host} was asked too often, and asks for {} s of rest", after_ms / 1000)
            }
            Self::Unfinished { what } => write!(f, "the host is still working on {what}"),
            Self::Moved { what } => write!(f, "{what} changed while it was read"),
            Self::Garbled { what, because } => {
                write!(f, "what the host says of {what} cannot be understood: {because}")
            }
            Self::TooMuch { what } => write!(f, "there is more of {what} than is read"),
            Self::Secret(refusal) => refusal.fmt(f),
            Self::Credential { secret, fault } => match fault {
                CredentialFault::AppPassword => {
                    write!(f, "the credential `{secret}` is an app password, which nobody takes")
                }
                CredentialFault::NeedsEmail => {
                    write!(f, "the credential `{secret}` is an API token without its owner")
                }
                CredentialFault::StandsAlone => {
                    write!(f, "the credential `{secret}` is an access token and has no owner")
                }
                CredentialFault::Unsendable => {
                    write!(f, "the credential `{secret}` is no token: it has spaces or line breaks")
                }
                CredentialFault::TellsNoPermissions => {
                    write!(f, "the credential `{secret}` may not ask what an account may do")
                }
                CredentialFault::Refused { said } => {
                    write!(f, "the credential `{secret}` is wrong, expired or revoked: {said}")
                }
            },
            Self::Scope { secret, what, needs, has } => {
                write!(f, "the credential `{secret}` does not reach {what}")?;
                match (needs.as_slice(), has.as_slice()) {
                    ([], _) => Ok(()),
                    (needs, []) => write!(f, ": it needs {}", list(needs)),
                    (needs, has) => write!(f, ": it needs {} and has {}", list(needs), list(has)),
                }
            }
            Self::Denied { what, said } => write!(f, "the host denies {what}: {said}"),
            Self::Missing { what } => write!(f, "the host knows nothing of {what}"),
            Self::Foreign { what, declared, found } => {
                write!(f, "{what} is `{found}`, and `{declared}` is declared")
            }
            Self::Refused { what, status, said } => {
                write!(f, "the host does not take {what} ({status}): {said}")
            }
        }
    }
}

impl std::error::Error for HostError {}
