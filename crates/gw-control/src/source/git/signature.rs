//! Whether a commit carries the signature of somebody whose key is declared. A key that is not
//! declared proves nothing, whoever vouches for it.

mod curve;
mod openpgp;
mod reader;
mod ssh;

use std::{collections::BTreeMap, fmt};

use gw_model::{id::PersonName, workspace::Person};

use super::objects::{Commit, Signature};

/// A public key as it is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SigningKey {
    /// `ssh-ed25519 AAAA… comment`
    Ssh(ssh::Key),
    /// `-----BEGIN PGP PUBLIC KEY BLOCK-----`
    OpenPgp(openpgp::Certificate),
}

/// Why a text is not a key that can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    NotAKey,
    /// DSA, and what nobody knows.
    Algorithm,
    /// Of OpenPGP: nothing in it may sign.
    NoneSigns,
}

/// What is known of the signature of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    Unsigned,
    /// By a key that this person declares.
    By(PersonName),
    /// By a key that nobody declares, or not at all what it claims to be.
    Unproven(Unproven),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    Unreadable,
    /// Made for something else than commits.
    OtherPurpose,
    UnknownKey,
    /// Another commit was signed, nobody touched the key, or it was not in force.
    Wrong,
}

/// A signature, taken apart.
enum Made {
    Ssh(Vec<u8>),
    OpenPgp(openpgp::Made),
}

impl Standing {
    /// Compares the signature of a commit with the keys of everybody.
    pub fn of(commit: &Commit, people: &BTreeMap<PersonName, Person>) -> Self {
        let Some(Signature { text, signed }) = &commit.signature else { return Self::Unsigned };
        let made = match Made::read(text) {
            Ok(made) => made,
            Err(unproven) => return Self::Unproven(unproven),
        };
        let mut unproven = Unproven::UnknownKey;
        for (name, person) in people {
            let keys = person.signing_keys.iter().filter_map(|text| SigningKey::parse(text).ok());
            for proven in keys.filter_map(|key| made.verify(&key, signed)) {
                if proven {
                    return Self::By(name.clone());
                }
                unproven = Unproven::Wrong;
            }
        }
        Self::Unproven(unproven)
    }
}

impl Made {
    fn read(text: &str) -> Result<Self, Unproven> {
        if text.trim_start().starts_with(openpgp::BEGIN) {
            return openpgp::Made::read(text).map(Self::OpenPgp);
        }
        let blob = ssh::unwrap(text)?;
        ssh::Parts::read(&blob)?;
        Ok(Self::Ssh(blob))
    }

    /// Whether this key made it of these bytes; none: it says that another key did.
    fn verify(&self, key: &SigningKey, signed: &[u8]) -> Option<bool> {
        match (self, key) {
            (Self::Ssh(blob), SigningKey::Ssh(key)) => {
                let parts = ssh::Parts::read(blob).ok()?;
                key.is_named(&parts).then(|| parts.verify(key, signed).is_some())
            }
            (Self::OpenPgp(made), SigningKey::OpenPgp(certificate)) => {
                certificate.verify(made, signed)
            }
            (Self::Ssh(_), SigningKey::OpenPgp(_)) | (Self::OpenPgp(_), SigningKey::Ssh(_)) => None,
        }
    }
}

impl SigningKey {
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        match text.trim_start().starts_with(openpgp::BEGIN) {
            true => openpgp::Certificate::parse(text).map(Self::OpenPgp),
            false => ssh::Key::parse(text).map(Self::Ssh),
        }
    }
}

/// A number of any length as one of so many bytes.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let mut padded = vec![0; length.checked_sub(digits.len())?];
    padded.extend(digits);
    Some(padded)
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKey => "it is not one public key of OpenSSH or OpenPGP",
            Self::Algorithm => "it is a key of an algorithm that is not used here",
            Self::NoneSigns => {
                "nothing in it may sign: it is revoked, not made for signing, or vouched for by SHA-1"
            }
        })
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "its signature cannot be read",
            Self::OtherPurpose => "its signature was made for something else than commits",
            Self::UnknownKey => "the key that signed it is declared by nobody",
            Self::Wrong => "its signature is of something else, or by a key that was not in force",
        })
    }
}

impl std::error::Error for KeyError {}
