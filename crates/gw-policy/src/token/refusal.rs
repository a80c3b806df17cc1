//! Why a token was refused: a stable reason, words for the caller and words for the operator.
//!
//! Neither text repeats a byte of the token. The caller's says what to do about it; the operator's
//! adds what is declared.

use std::fmt;

use gw_model::workspace::Algorithm;

use crate::json::JsonFault;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Over 16 KiB.
    TooLong,
    /// Not three parts of base64url without padding.
    NotCompact,
    Encrypted,
    Unreadable {
        part: Part,
        fault: JsonFault,
    },
    /// `crit` or `b64` in the header.
    Critical,
    /// `none`, a shared secret, or no name of an algorithm.
    UnknownAlgorithm,
    /// An algorithm that is not declared for the issuer.
    Algorithm {
        used: Algorithm,
        declared: Vec<Algorithm>,
    },
    /// `kid` is not a text of 1 to 256 bytes.
    KeyId,
    /// `typ` says that it is not an access token.
    MediaType,
    NoIssuer,
    UnknownIssuer,
    /// No key of the issuer has ever been read, or the last ones are too old.
    NoKeys,
    /// `kid` is in no key of the issuer's set as it was last read.
    UnknownKey,
    /// The key is there, for another algorithm.
    OtherKey(Algorithm),
    /// No `kid`, and not exactly one key fits.
    KeyNotNamed(Algorithm),
    Signature,
    /// Signed by the issuer, but not for calling APIs.
    Purpose(Purpose),
    /// `cnf`: only the holder of a certain key may use it, and that is not checked here.
    Bound,
    Date {
        claim: &'static str,
    },
    NoExpiry,
    Time(Moment),
    Audience {
        accepted: Vec<String>,
    },
    Subject {
        claim: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Header,
    Claims,
}

/// What else an issuer signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// An ID token: it tells an application who signed in there.
    Identity,
    Refresh,
    /// A logout token or another security event.
    Event,
}

/// When the token is good, seen from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Expired { seconds: i64 },
    NotYet { seconds: i64 },
    IssuedLater { seconds: i64 },
}

impl TokenRefusal {
    /// Stable: records, metrics and tests know it by this name.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLong => "token-too-long",
            Self::NotCompact => "token-malformed",
            Self::Encrypted => "token-encrypted",
            Self::Unreadable { fault: JsonFault::Duplicate, .. } => "token-duplicate-member",
            Self::Unreadable { .. } => "token-unreadable",
            Self::Critical => "token-critical-header",
            Self::UnknownAlgorithm => "token-algorithm-unknown",
            Self::Algorithm { .. } => "token-algorithm-not-declared",
            Self::KeyId => "token-key-id-malformed",
            Self::MediaType => "token-type",
            Self::NoIssuer => "token-issuer-missing",
            Self::UnknownIssuer => "token-issuer-unknown",
            Self::NoKeys => "issuer-keys-missing",
            Self::UnknownKey => "token-key-unknown",
            Self::OtherKey(_) => "token-key-other-algorithm",
            Self::KeyNotNamed(_) => "token-key-not-named",
            Self::Signature => "token-signature",
            Self::Purpose(_) => "token-purpose",
            Self::Bound => "token-bound",
            Self::Date { .. } => "token-date-malformed",
            Self::NoExpiry => "token-expiry-missing",
            Self::Time(Moment::Expired { .. }) => "token-expired",
            Self::Time(Moment::NotYet { .. }) => "token-not-yet-valid",
            Self::Time(Moment::IssuedLater { .. }) => "token-issued-in-future",
            Self::Audience { .. } => "token-audience",
            Self::Subject { .. } => "token-subject-missing",
        }
    }

    /// Whether newer keys of the issuer could change the answer.
    pub const fn wants_newer_keys(&self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeys)
    }

    /// For whoever runs the gateway: the caller's words, and what the declaration asks for.
    pub fn operator(&self) -> String {
        match self {
            Self::Algorithm { used, declared } => {
                format!("{self}: it uses {}, declared are {}", name(*used), names(declared))
            }
            Self::Audience { accepted } => {
                format!("{self}: `aud` must hold one of `{}`", accepted.join("`, `"))
            }
            Self::Subject { claim } => {
                format!("{self}: `subject: {claim}` must name a claim that is a text")
            }
            Self::OtherKey(algorithm) | Self::KeyNotNamed(algorithm) => {
                format!("{self}: the algorithm is {}", name(*algorithm))
            }
            Self::UnknownIssuer => format!("{self}: no identity has its `iss` as `issuer`"),
            Self::UnknownKey => format!("{self}: its `kid` is not in the issuer's key set"),
            Self::Purpose(Purpose::Identity) => {
                format!("{self}: ask the issuer for an access token with the API's audience")
            }
            Self::TooLong
            | Self::NotCompact
            | Self::Encrypted
            | Self::Unreadable { .. }
            | Self::Critical
            | Self::UnknownAlgorithm
            | Self::KeyId
            | Self::MediaType
            | Self::NoIssuer
            | Self::NoKeys
            | Self::Signature
            | Self::Purpose(Purpose::Refresh | Purpose::Event)
            | Self::Bound
            | Self::Date { .. }
            | Self::NoExpiry
            | Self::Time(_) => self.to_string(),
        }
    }

    /// How much of an identity held before this refusal: the largest is the nearest miss.
    pub(super) const fn progress(&self) -> u8 {
        match self {
            Self::Algorithm { .. } => 0,
            Self::Audience { .. } => 1,
            Self::Subject { .. } => 3,
            _ => 2,
        }
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("the token is longer than 16 KiB"),
            Self::NotCompact => f.write_str("the token is not a signed JWT in compact form"),
            Self::Encrypted => f.write_str("the token is encrypted; only signed ones are read"),
            Self::Unreadable { part: Part::Header, fault } => {
                write!(f, "the header of the token {fault}")
            }
            Self::Unreadable { part: Part::Claims, fault } => {
                write!(f, "the content of the token {fault}")
            }
            Self::Critical => f.write_str("the token asks for an extension that is not supported"),
            Self::UnknownAlgorithm => {
                f.write_str("the token is not signed with an algorithm that is supported")
            }
            Self::Algorithm { .. } => {
                f.write_str("the token is signed with an algorithm that is not accepted here")
            }
            Self::KeyId => f.write_str("the `kid` of the token is not a text of 1 to 256 bytes"),
            Self::MediaType => f.write_str("the `typ` of the token is not that of an access token"),
            Self::NoIssuer => f.write_str("the token does not say who issued it"),
            Self::UnknownIssuer => f.write_str("the issuer of the token is not trusted here"),
            Self::NoKeys => f.write_str("the keys of the token's issuer are not available"),
            Self::UnknownKey => f.write_str("the token names a key that its issuer does not have"),
            Self::OtherKey(_) => {
                f.write_str("the key that the token names is not for its algorithm")
            }
            Self::KeyNotNamed(_) => {
                f.write_str("the token names no key, and its issuer does not have exactly one")
            }
            Self::Signature => f.write_str("the signature of the token is wrong"),
            Self::Purpose(Purpose::Identity) => {
                f.write_str("the token is an ID token, which is not for calling APIs")
            }
            Self::Purpose(Purpose::Refresh) => {
                f.write_str("the token is a refresh token, which is not for calling APIs")
            }
            Self::Purpose(Purpose::Event) => {
                f.write_str("the token reports an event; it is not for calling APIs")
            }
            Self::Bound => {
                f.write_str("the token is bound to a key of its holder, which is not supported")
            }
            Self::Date { claim } => {
                write!(f, "the `{claim}` of the token is not a whole number of seconds")
            }
            Self::NoExpiry => f.write_str("the token does not say when it expires"),
            Self::Time(moment) => moment.fmt(f),
            Self::Audience { .. } => f.write_str("the token is not meant for this API"),
            Self::Subject { .. } => f.write_str("the token does not say who its bearer is"),
        }
    }
}

impl std::error::Error for TokenRefusal {}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { seconds } => write!(f, "the token expired {} ago", span(*seconds)),
            Self::NotYet { seconds } => {
                write!(f, "the token becomes valid in {}", span(*seconds))
            }
            Self::IssuedLater { seconds } => {
                write!(f, "the token says it was issued {} from now", span(*seconds))
            }
        }
    }
}

/// A length of time as people say it, never longer than it is.
fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

fn names(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(|one| name(*one)).collect::<Vec<_>>().join(", ")
}

const fn name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256 => "RS256",
        Algorithm::Rs384 => "RS384",
        Algorithm::Rs512 => "RS512",
        Algorithm::Ps256 => "PS256",
        Algorithm::Ps384 => "PS384",
        Algorithm::Ps512 => "PS512",
        Algorithm::Es256 => "ES256",
        Algorithm::Es384 => "ES384",
        Algorithm::Es512 => "ES512",
        Algorithm::EdDsa => "EdDSA",
    }
}
