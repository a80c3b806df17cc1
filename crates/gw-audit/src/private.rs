//! Personal data outside of the ledger: an entry holds only a salted hash, and a file beside the
//! ledger holds salt and text. Deleting a line of that file erases a person and no proof.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::tree::Hash;

/// How many random bytes make a text unguessable from its hash.
pub const SALT_LEN: usize = 16;

/// Stands in an entry for a text about a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Private(String);

/// What a [`Private`] stands for: a line of the file beside the ledger.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub hash: Private,
    pub salt: String,
    pub text: String,
}

impl Opened {
    /// Hides a text behind a salt that was drawn at random.
    pub fn new(text: &str, salt: [u8; SALT_LEN]) -> Self {
        let salt = URL_SAFE_NO_PAD.encode(salt);
        Self { hash: hash(&salt, text), salt, text: text.to_owned() }
    }

    /// Whether salt and text give the hash.
    pub fn holds(&self) -> bool {
        self.hash == hash(&self.salt, &self.text)
    }
}

impl Private {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hash(salt: &str, text: &str) -> Private {
    // A salt has no NUL, so no text can be read as the end of a salt.
    let hash = Hash::of(&[salt.as_bytes(), &[0], text.as_bytes()]);
    Private(format!("salted:{}", URL_SAFE_NO_PAD.encode(hash.0)))
}

impl fmt::Display for Private {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is about a person, so it is in no log.
impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opened({})", self.hash)
    }
}

#[cfg(test)]
mod tests;
