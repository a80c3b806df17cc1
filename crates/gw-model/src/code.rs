//! Every code that a person may meet. Codes are stable: none is ever used for something else.

use std::{fmt, str::FromStr};

use crate::diagnostic::Severity;

macro_rules! codes {
    ($($name:ident = $number:literal $severity:ident $title:literal, $explain:literal;)+) => {
        /// A stable code, `GW1101`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$name),+];

            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number),+ }
            }

            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),+ }
            }

            /// What it is about, in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }

            /// The long story: why this is refused, and how it is mended.
            pub const fn explain(self) -> &'static str {
                match self { $(Self::$name => $explain),+ }
            }
        }
    };
}

codes! {
    // GW10xx: the bytes of a document. GW11xx: its fields.

    UnknownField = 1101 Error "unknown field",
        "A field that the format does not have. Nothing is ever dropped in silence, so a misspelt \
         field is refused rather than ignored. The message suggests the nearest known name.";

    // GW12xx: OpenAPI documents and what refers to them.

    // GW13xx: rules, Cedar files and access.

    // GW14xx: what is allowed and worth a warning.

    // GW15xx: secrets.

    // GW16xx: the workspace as a whole, its files and its id.

    // GW2xxx: what a target can and cannot do.

    // GW3xxx: changes and the state of targets.

    // GW4xxx: identities.

    // GW6xxx: source and Git host.

    // GW7xxx: settings, state store, the gateway as a process.
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GW{:04}", self.number())
    }
}

/// There is no such code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchCode;

impl FromStr for Code {
    type Err = NoSuchCode;

    fn from_str(text: &str) -> Result<Self, NoSuchCode> {
        Self::ALL.iter().copied().find(|code| code.to_string() == text).ok_or(NoSuchCode)
    }
}
