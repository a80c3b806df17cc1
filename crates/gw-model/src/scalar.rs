//! Small values with a written form of their own: `60s`, `100/1m`, `1MiB`, `GET`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Why a text is not such a value: what was expected, in the reader's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAValue {
    pub text: String,
    pub expected: &'static str,
}

impl fmt::Display for NotAValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not {}", self.text, self.expected)
    }
}

impl std::error::Error for NotAValue {}

/// Ties a type to its written form: `FromStr`, `Display` and serde say the same text.
macro_rules! written {
    ($($name:ident),+) => {$(
        impl TryFrom<String> for $name {
            type Error = NotAValue;
            fn try_from(text: String) -> Result<Self, NotAValue> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )+};
}

/// A length of time, `500ms`, `60s`, `5m`, `12h`, `30d`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period {
    ms: u64,
}

/// How many in which window: `100/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    pub count: u64,
    pub window: Period,
}

/// A number of bytes, `64KiB`, `1MiB`. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize {
    bytes: u64,
}

/// A method of HTTP that a declaration may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Trace,
}

written!(Period, Rate, ByteSize, Method);

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Period {
    /// Longer than anything that happens: never.
    pub const MAX: Self = Self { ms: u64::MAX };

    pub const fn from_ms(ms: u64) -> Option<Self> {
        if ms == 0 { None } else { Some(Self { ms }) }
    }

    /// So many times this length.
    const fn times(self, count: u64) -> Self {
        Self { ms: self.ms.saturating_mul(count) }
    }

    pub const SECOND: Self = Self { ms: 1_000 };
    pub const HALF_MINUTE: Self = Self::SECOND.times(30);
    pub const MINUTE: Self = Self::SECOND.times(60);
    pub const FIVE_MINUTES: Self = Self::MINUTE.times(5);
    pub const WEEK: Self = Self::MINUTE.times(60 * 24 * 7);

    pub const fn from_secs(secs: u32) -> Option<Self> {
        Self::from_ms(secs as u64 * 1_000)
    }

    pub const fn as_ms(self) -> u64 {
        self.ms
    }

    pub const fn as_duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.ms)
    }
}

/// A whole number without sign and without leading zero, then the rest.
fn leading_count(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    if number.starts_with('0') { None } else { Some((number.parse().ok()?, rest)) }
}

impl FromStr for Period {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let parse = || {
            let (count, unit) = leading_count(text)?;
            let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
            Self::from_ms(count.checked_mul(*ms)?)
        };
        let expected = "a length of time such as `500ms`, `60s`, `5m`, `12h` or `30d`";
        parse().ok_or_else(|| NotAValue { text: text.to_owned(), expected })
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, ms) =
            UNITS.iter().find(|(_, ms)| self.ms.is_multiple_of(*ms)).copied().unwrap_or(("ms", 1));
        write!(f, "{}{unit}", self.ms / ms)
    }
}

impl FromStr for Rate {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let parse = || {
            let (count, rest) = leading_count(text)?;
            let window: Period = rest.strip_prefix('/')?.parse().ok()?;
            (count > 0 && window.as_ms() >= 1_000).then_some(Self { count, window })
        };
        let expected = "a rate such as `100/1m` (COUNT/WINDOW, the window in s, m, h or d)";
        parse().ok_or_else(|| NotAValue { text: text.to_owned(), expected })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, self.window)
    }
}

impl ByteSize {
    pub const fn as_bytes(self) -> u64 {
        self.bytes
    }
}

impl FromStr for ByteSize {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let parse = || {
            let (count, unit) = leading_count(text)?;
            let size = match unit {
                "KiB" => 1024,
                "MiB" => 1024 * 1024,
                _ => return None,
            };
            Some(Self { bytes: count.checked_mul(size)? })
        };
        let expected = "a size such as `64KiB` or `1MiB`";
        parse().ok_or_else(|| NotAValue { text: text.to_owned(), expected })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes.is_multiple_of(1024 * 1024) {
            write!(f, "{}MiB", self.bytes / (1024 * 1024))
        } else {
            write!(f, "{}KiB", self.bytes / 1024)
        }
    }
}

impl Method {
    pub const ALL: [Self; 8] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Trace,
    ];

    /// Every method as it is written.
    pub const WORDS: [&'static str; 8] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
        }
    }
}

impl FromStr for Method {
    type Err = NotAValue;

    fn from_str(text: &str) -> Result<Self, NotAValue> {
        let expected = "one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";
        let known = Self::ALL.into_iter().find(|method| method.as_str() == text);
        known.ok_or_else(|| NotAValue { text: text.to_owned(), expected })
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
