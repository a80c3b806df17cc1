//! One type per name, parsed once: a value of one of these is well formed.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAName {
    pub text: String,
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a name: use 1 to 63 of a-z, 0-9 and `-`, with a letter or digit at both ends",
            self.text
        )
    }
}

impl std::error::Error for NotAName {}

/// Whether the text may name something: the form that Kubernetes gives to names.
pub fn is_name(text: &str) -> bool {
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(inside)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-')
}

macro_rules! names {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn parse(text: &str) -> Result<Self, NotAName> {
                if is_name(text) { Ok(Self(text.to_owned())) } else { Err(NotAName { text: text.to_owned() }) }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NotAName;
            fn from_str(text: &str) -> Result<Self, NotAName> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NotAName;
            fn try_from(text: String) -> Result<Self, NotAName> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

names! {
    /// `Workspace.metadata.name`.
    WorkspaceName;
    /// `Environment.metadata.name`.
    EnvironmentName;
    /// `Api.metadata.name`.
    ApiName;
    /// A key of `Environment.spec.targets`.
    TargetName;
    /// A key of `Workspace.spec.identities`, or one of the reserved `local` and `server`.
    IdentityName;
    /// A key of `Workspace.spec.people`.
    PersonName;
    /// A key of `Workspace.spec.teams`.
    TeamName;
    /// The name of a secret. Its value never stands in a declaration.
    SecretName;
}

impl IdentityName {
    /// The user of this machine, proved by owning the state folder.
    pub const LOCAL: &str = "local";
    /// Gatewright acting by itself.
    pub const SERVER: &str = "server";

    pub fn local() -> Self {
        Self(Self::LOCAL.to_owned())
    }

    pub fn server() -> Self {
        Self(Self::SERVER.to_owned())
    }
}

/// The random id of a workspace: the owner mark on targets and the name of the local state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkspaceId(String);

impl WorkspaceId {
    /// Takes 26 characters of a-z and 2-7: 128 random bits in lower-case base 32.
    pub fn parse(text: &str) -> Result<Self, NotAnId> {
        let known = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
        if text.len() == 26 && text.bytes().all(known) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAnId { text: text.to_owned() })
        }
    }

    pub fn from_random(bits: [u8; 16]) -> Self {
        const SIGNS: [char; 32] = [
            'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
            'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
        ];
        let number = u128::from_be_bytes(bits);
        let sign = |place: u32| {
            let index = usize::try_from((number >> (5 * place)) & 31).unwrap_or_default();
            SIGNS.get(index).copied().unwrap_or('a')
        };
        Self((0..26).rev().map(sign).collect())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a workspace id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAnId {
    pub text: String,
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a workspace id: 26 characters of a-z and 2-7", self.text)
    }
}

impl std::error::Error for NotAnId {}

impl TryFrom<String> for WorkspaceId {
    type Error = NotAnId;
    fn try_from(text: String) -> Result<Self, NotAnId> {
        Self::parse(&text)
    }
}

impl From<WorkspaceId> for String {
    fn from(id: WorkspaceId) -> Self {
        id.0
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
