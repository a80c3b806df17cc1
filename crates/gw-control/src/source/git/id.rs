//! The names of objects.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The whole name of a commit, or of any other object: 40 digits, or 64 in a repository of SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ObjectId {
    format: Format,
    /// Zeros behind the name where it is a short one.
    bytes: [u8; 32],
}

/// What a repository names its objects by.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    #[default]
    Sha1,
    Sha256,
}

/// It is not the whole name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnId;

impl ObjectId {
    pub const fn format(&self) -> Format {
        self.format
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.format.length()).unwrap_or_default()
    }
}

impl Format {
    const ALL: [Self; 2] = [Self::Sha1, Self::Sha256];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

impl FromStr for ObjectId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let format = Format::ALL.into_iter().find(|it| 2 * it.length() == text.len());
        let format = format.ok_or(NotAnId)?;
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let [high, low] = digits else { return Err(NotAnId) };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        // Nothing but zeros stands for no object.
        if bytes == [0; 32] { Err(NotAnId) } else { Ok(Self { format, bytes }) }
    }
}

/// Git writes small letters only.
const fn digit(sign: u8) -> Result<u8, NotAnId> {
    match sign {
        b'0'..=b'9' => Ok(sign - b'0'),
        b'a'..=b'f' => Ok(sign - b'a' + 10),
        _ => Err(NotAnId),
    }
}

impl FromStr for Format {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(())
    }
}

impl TryFrom<&[u8]> for ObjectId {
    type Error = NotAnId;

    fn try_from(name: &[u8]) -> Result<Self, NotAnId> {
        let format = Format::ALL.into_iter().find(|it| it.length() == name.len());
        let format = format.ok_or(NotAnId)?;
        let mut bytes = [0; 32];
        bytes.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        Ok(Self { format, bytes })
    }
}

impl TryFrom<String> for ObjectId {
    type Error = NotAnId;

    fn try_from(text: String) -> Result<Self, NotAnId> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for NotAnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not the whole name of an object of Git")
    }
}

impl std::error::Error for NotAnId {}

#[cfg(test)]
mod tests;
