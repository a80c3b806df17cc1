//! Whether a commit carries the signature of somebody whose key is declared. A key that is not
//! declared proves nothing, whoever vouches for it.

mod reader;

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::{
    digest::{Algorithm as Digest, SHA256, SHA512, digest},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
        RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gw_model::{id::PersonName, workspace::Person};

use self::reader::Reader;
use super::objects::{Commit, Signature};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const BEGIN_OPENPGP: &str = "-----BEGIN PGP ";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
/// What a key signs for is part of the signature: one for e-mail or a file is none for a commit.
const NAMESPACE: &[u8] = b"git";
/// A security key says that somebody touched it.
const TOUCHED: u8 = 1;

/// A public key as OpenSSH writes it: `ssh-ed25519 AAAA… comment`.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The key as it stands in a signature.
    blob: Vec<u8>,
    key: Key,
}

#[derive(Clone, PartialEq, Eq)]
enum Key {
    Ed25519 { point: Vec<u8>, application: Option<Vec<u8>> },
    Ecdsa { curve: Curve, point: Vec<u8>, application: Option<Vec<u8>> },
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

/// Why a text is not a key that can be used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    NotAKey,
    OpenPgp,
    /// DSA, and what nobody knows.
    Algorithm,
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
    OpenPgp,
    Unreadable,
    /// Made for something else than commits.
    OtherPurpose,
    UnknownKey,
    /// Another commit was signed, or nobody touched the key.
    Wrong,
}

/// A signature of OpenSSH, taken apart.
struct Parts<'a> {
    key: &'a [u8],
    reserved: &'a [u8],
    digest_name: &'a [u8],
    signature: &'a [u8],
}

impl Standing {
    /// Compares the signature of a commit with the keys of everybody.
    pub fn of(commit: &Commit, people: &BTreeMap<PersonName, Person>) -> Self {
        let Some(Signature { text, signed }) = &commit.signature else { return Self::Unsigned };
        let blob = match unwrap(text) {
            Ok(blob) => blob,
            Err(unproven) => return Self::Unproven(unproven),
        };
        let parts = match Parts::read(&blob) {
            Ok(parts) => parts,
            Err(unproven) => return Self::Unproven(unproven),
        };
        let declared = people.iter().flat_map(|(name, person)| {
            person
                .signing_keys
                .iter()
                .filter_map(move |text| Some((name, SigningKey::parse(text).ok()?)))
        });
        let mut unproven = Unproven::UnknownKey;
        for (name, key) in declared.filter(|(_, key)| key.blob == parts.key) {
            match parts.verify(&key, signed) {
                Some(()) => return Self::By(name.clone()),
                None => unproven = Unproven::Wrong,
            }
        }
        Self::Unproven(unproven)
    }
}

/// The bytes within the armour.
fn unwrap(text: &str) -> Result<Vec<u8>, Unproven> {
    let text = text.trim();
    if text.starts_with(BEGIN_OPENPGP) {
        return Err(Unproven::OpenPgp);
    }
    let inner = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let inner: String = inner.ok_or(Unproven::Unreadable)?.split_ascii_whitespace().collect();
    STANDARD.decode(inner).map_err(|_| Unproven::Unreadable)
}

impl<'a> Parts<'a> {
    fn read(blob: &'a [u8]) -> Result<Self, Unproven> {
        let unreadable = Unproven::Unreadable;
        let rest = blob.strip_prefix(MAGIC).ok_or(unreadable)?;
        let mut reader = Reader::new(rest);
        if reader.number() != Some(VERSION) {
            return Err(unreadable);
        }
        let key = reader.text().ok_or(unreadable)?;
        let namespace = reader.text().ok_or(unreadable)?;
        let reserved = reader.text().ok_or(unreadable)?;
        let digest_name = reader.text().ok_or(unreadable)?;
        let signature = reader.text().ok_or(unreadable)?;
        if !reader.is_at_end() {
            return Err(unreadable);
        }
        if namespace != NAMESPACE {
            return Err(Unproven::OtherPurpose);
        }
        Ok(Self { key, reserved, digest_name, signature })
    }

    /// `Some` if the key made this signature of these bytes.
    fn verify(&self, key: &SigningKey, signed: &[u8]) -> Option<()> {
        let algorithm: &'static Digest = match self.digest_name {
            b"sha256" => &SHA256,
            b"sha512" => &SHA512,
            _ => return None,
        };
        let mut message = MAGIC.to_vec();
        let digest = digest(algorithm, signed);
        for part in [NAMESPACE, self.reserved, self.digest_name, digest.as_ref()] {
            message.extend(u32::try_from(part.len()).ok()?.to_be_bytes());
            message.extend(part);
        }
        let mut reader = Reader::new(self.signature);
        let (name, content) = (reader.text()?, reader.text()?);
        key.key.verify(name, content, reader, &message)
    }
}

impl Key {
    /// The name of the algorithm and its signature, what a security key adds behind it, and the
    /// message.
    fn verify(&self, name: &[u8], content: &[u8], rest: Reader<'_>, message: &[u8]) -> Option<()> {
        if let Self::Rsa { modulus, exponent } = self {
            let parameters: &RsaParameters = match name {
                b"rsa-sha2-256" => &RSA_PKCS1_2048_8192_SHA256,
                b"rsa-sha2-512" => &RSA_PKCS1_2048_8192_SHA512,
                // The oldest one is over SHA-1.
                _ => return None,
            };
            let key = RsaPublicKeyComponents { n: modulus, e: exponent };
            return rest.is_at_end().then(|| key.verify(parameters, message, content).ok())?;
        }
        if name != self.name() {
            return None;
        }
        let message = match self.application() {
            Some(application) => touched(application, rest, message)?,
            None if rest.is_at_end() => message.to_vec(),
            None => return None,
        };
        let verify =
            |algorithm: &'static dyn VerificationAlgorithm, point: &[u8], content: &[u8]| {
                UnparsedPublicKey::new(algorithm, point).verify(&message, content).ok()
            };
        match self {
            Self::Ed25519 { point, .. } => verify(&ED25519, point, content),
            Self::Ecdsa { curve, point, .. } => {
                let mut numbers = Reader::new(content);
                let (r, s) = (numbers.text()?, numbers.text()?);
                let fixed = [padded(r, curve.length())?, padded(s, curve.length())?].concat();
                numbers.is_at_end().then(|| verify(curve.algorithm(), point, &fixed))?
            }
            Self::Rsa { .. } => None,
        }
    }

    const fn name(&self) -> &'static [u8] {
        match self {
            Self::Ed25519 { application: None, .. } => b"ssh-ed25519",
            Self::Ed25519 { application: Some(_), .. } => b"sk-ssh-ed25519@openssh.com",
            Self::Ecdsa { application: Some(_), .. } => b"sk-ecdsa-sha2-nistp256@openssh.com",
            Self::Ecdsa { curve: Curve::P256, .. } => b"ecdsa-sha2-nistp256",
            Self::Ecdsa { curve: Curve::P384, .. } => b"ecdsa-sha2-nistp384",
            Self::Ecdsa { curve: Curve::P521, .. } => b"ecdsa-sha2-nistp521",
            Self::Rsa { .. } => b"ssh-rsa",
        }
    }

    fn application(&self) -> Option<&[u8]> {
        match self {
            Self::Ed25519 { application, .. } | Self::Ecdsa { application, .. } => {
                application.as_deref()
            }
            Self::Rsa { .. } => None,
        }
    }
}

/// What a security key signs: where it is used, that it was touched, how often it was used.
fn touched(application: &[u8], mut rest: Reader<'_>, message: &[u8]) -> Option<Vec<u8>> {
    let (flags, counter) = (rest.byte()?, rest.number()?);
    if flags & TOUCHED == 0 || !rest.is_at_end() {
        return None;
    }
    let (place, message) = (digest(&SHA256, application), digest(&SHA256, message));
    let counter = counter.to_be_bytes();
    Some([place.as_ref(), &[flags], &counter, message.as_ref()].concat())
}

/// A number of any length as one of so many bytes.
fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..)?;
    let mut padded = vec![0; length.checked_sub(digits.len())?];
    padded.extend(digits);
    Some(padded)
}

impl Curve {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::P256 => b"nistp256",
            Self::P384 => b"nistp384",
            Self::P521 => b"nistp521",
        }
    }

    const fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_FIXED,
            Self::P384 => &ECDSA_P384_SHA384_FIXED,
            Self::P521 => &ECDSA_P521_SHA512_FIXED,
        }
    }
}

impl SigningKey {
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.trim_start().starts_with(BEGIN_OPENPGP) {
            return Err(KeyError::OpenPgp);
        }
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(blob)) = (words.next(), words.next()) else {
            return Err(KeyError::NotAKey);
        };
        let blob = STANDARD.decode(blob).map_err(|_| KeyError::NotAKey)?;
        let mut reader = Reader::new(&blob);
        if reader.text() != Some(name.as_bytes()) {
            return Err(KeyError::NotAKey);
        }
        let key = Self::read(name, &mut reader)?.ok_or(KeyError::NotAKey)?;
        if !reader.is_at_end() {
            return Err(KeyError::NotAKey);
        }
        Ok(Self { blob, key })
    }

    fn read(name: &str, reader: &mut Reader<'_>) -> Result<Option<Key>, KeyError> {
        let curve = match name {
            "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => None,
            "ssh-rsa" => return Ok(read_rsa(reader)),
            "ecdsa-sha2-nistp256" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some(Curve::P256),
            "ecdsa-sha2-nistp384" => Some(Curve::P384),
            "ecdsa-sha2-nistp521" => Some(Curve::P521),
            _ => return Err(KeyError::Algorithm),
        };
        if let Some(curve) = curve
            && reader.text() != Some(curve.name())
        {
            return Ok(None);
        }
        let Some(point) = reader.text().map(<[u8]>::to_vec) else { return Ok(None) };
        let application = match name.starts_with("sk-").then(|| reader.text()) {
            Some(None) => return Ok(None),
            Some(Some(application)) => Some(application.to_vec()),
            None => None,
        };
        Ok(Some(match curve {
            Some(curve) => Key::Ecdsa { curve, point, application },
            None => Key::Ed25519 { point, application },
        }))
    }
}

fn read_rsa(reader: &mut Reader<'_>) -> Option<Key> {
    let (exponent, modulus) = (reader.text()?, reader.text()?);
    let digits = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    Some(Key::Rsa { modulus: digits(modulus), exponent: digits(exponent) })
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.blob))
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKey => "it is not a public key as OpenSSH writes it",
            Self::OpenPgp => "keys of OpenPGP are not read yet; sign with a key of SSH",
            Self::Algorithm => "it is a key of an algorithm that is not used here",
        })
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenPgp => "it is signed with OpenPGP, which is not read yet",
            Self::Unreadable => "its signature cannot be read",
            Self::OtherPurpose => "its signature was made for something else than commits",
            Self::UnknownKey => "the key that signed it is declared by nobody",
            Self::Wrong => "its signature is of something else",
        })
    }
}

impl std::error::Error for KeyError {}

#[cfg(test)]
mod tests;
