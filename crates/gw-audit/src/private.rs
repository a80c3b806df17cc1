//! Personal data outside of the ledger: an entry holds only a salted hash, and a file of its own
//! beside the tiles holds salt and text. Deleting that file erases a person and no proof.

use std::{collections::BTreeSet, fmt, str};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    entry::{Act, Entry},
    folder::{self, Folder, ReadError},
    tree::Hash,
};

/// How many random bytes make a text unguessable from its hash.
pub const SALT_LEN: usize = 16;
/// The folder of what can be erased: a file for each text.
pub const PERSONAL: &str = "personal";

/// What a hash begins with wherever it stands.
const SALTED: &str = "salted:";
const SUFFIX: &str = ".json";

/// Whom entries name by a hash, and who of them was erased.
#[derive(Debug, Default)]
pub(crate) struct Named {
    named: BTreeSet<Private>,
    erased: BTreeSet<Private>,
}

/// Stands in an entry for a text about a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Private(String);

/// What a [`Private`] stands for: the content of its file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    pub hash: Private,
    pub salt: String,
    pub text: String,
}

impl Named {
    pub(crate) fn learn(&mut self, bytes: &[u8]) {
        // Most entries name nobody, and need not be read for that.
        if !str::from_utf8(bytes).is_ok_and(|text| text.contains(SALTED)) {
            return;
        }
        let Some(entry) = Entry::parse(bytes) else { return };
        match entry.event.act {
            Act::Erased => self.erased.extend(entry.people()),
            _ => self.named.extend(entry.people()),
        }
    }

    /// Those whose text is gone although no entry says that it was erased.
    pub(crate) fn missing(self, folder: &dyn Folder) -> Result<Vec<Private>, ReadError> {
        let there: BTreeSet<String> = folder::names(folder, PERSONAL)?.into_iter().collect();
        let kept = self.named.into_iter().filter(|hash| !self.erased.contains(hash));
        Ok(kept.filter(|hash| !there.contains(&hash.file())).collect())
    }
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

    /// Reads what a hash stands for; `None` where it was erased. What does not give the hash is
    /// nobody's.
    pub fn read(folder: &dyn Folder, hash: &Private) -> Result<Option<Self>, ReadError> {
        let path = hash.path();
        let bytes = match folder.read(&path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(because) => return Err(ReadError::Unreadable { path, because }),
        };
        let opened: Option<Self> = serde_json::from_slice(&bytes).ok();
        let opened = opened.filter(|opened| opened.hash == *hash && opened.holds());
        opened.map(Some).ok_or(ReadError::Damaged { path })
    }

    /// Checks every text that a ledger still has, and says how many there are.
    pub(crate) fn check_all(folder: &dyn Folder) -> Result<usize, ReadError> {
        let names = folder::names(folder, PERSONAL)?;
        for name in &names {
            let damaged = || ReadError::Damaged { path: format!("{PERSONAL}/{name}") };
            let hash = name.strip_suffix(SUFFIX).map(|hash| format!("{SALTED}{hash}"));
            let hash = hash.and_then(|hash| Private::parse(&hash)).ok_or_else(damaged)?;
            Self::read(folder, &hash)?;
        }
        Ok(names.len())
    }

    /// The bytes of its file.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl Private {
    /// Reads the one form that a salted hash has.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = URL_SAFE_NO_PAD.decode(text.strip_prefix(SALTED)?).ok()?;
        (hash.len() == Hash::LEN).then(|| Self(text.to_owned()))
    }

    /// The file of salt and text, below the folder of the ledger.
    pub fn path(&self) -> String {
        format!("{PERSONAL}/{}", self.file())
    }

    /// The name of that file.
    pub fn file(&self) -> String {
        format!("{}{SUFFIX}", self.0.trim_start_matches(SALTED))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hash(salt: &str, text: &str) -> Private {
    // A salt has no NUL, so no text can be read as the end of a salt.
    let hash = Hash::of(&[salt.as_bytes(), &[0], text.as_bytes()]);
    Private(format!("{SALTED}{}", URL_SAFE_NO_PAD.encode(hash.0)))
}

impl TryFrom<String> for Private {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("it is not a salted hash")
    }
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
