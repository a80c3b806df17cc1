//! Signatures of OpenSSH, as `ssh-keygen -Y sign` makes them.

use std::fmt;

use aws_lc_rs::{
    digest::{Algorithm as Digest, SHA256, SHA512, digest},
    signature::{
        ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512, RsaParameters,
        RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{KeyError, Unproven, curve::Curve, padded, reader::Reader};

pub(super) const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
const END: &str = "-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;
/// What a key signs for is part of the signature: one for e-mail or a file is none for a commit.
const NAMESPACE: &[u8] = b"git";
/// A security key says that somebody touched it.
const TOUCHED: u8 = 1;

/// A public key as OpenSSH writes it: `ssh-ed25519 AAAA… comment`.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// The key as it stands in a signature.
    blob: Vec<u8>,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Ed25519 { point: Vec<u8>, application: Option<Vec<u8>> },
    Ecdsa { curve: Curve, point: Vec<u8>, application: Option<Vec<u8>> },
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

/// A signature, taken apart.
pub(super) struct Parts<'a> {
    key: &'a [u8],
    reserved: &'a [u8],
    digest_name: &'a [u8],
    signature: &'a [u8],
}

/// The bytes within the armour.
pub(super) fn unwrap(text: &str) -> Result<Vec<u8>, Unproven> {
    let text = text.trim();
    let inner = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let inner: String = inner.ok_or(Unproven::Unreadable)?.split_ascii_whitespace().collect();
    STANDARD.decode(inner).map_err(|_| Unproven::Unreadable)
}

impl<'a> Parts<'a> {
    pub(super) fn read(blob: &'a [u8]) -> Result<Self, Unproven> {
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
    pub(super) fn verify(&self, key: &Key, signed: &[u8]) -> Option<()> {
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
        key.material.verify(name, content, reader, &message)
    }
}

impl Material {
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

const fn name_of(curve: Curve) -> &'static [u8] {
    match curve {
        Curve::P256 => b"nistp256",
        Curve::P384 => b"nistp384",
        Curve::P521 => b"nistp521",
    }
}

impl Key {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(name), Some(blob)) = (words.next(), words.next()) else {
            return Err(KeyError::NotAKey);
        };
        let blob = STANDARD.decode(blob).map_err(|_| KeyError::NotAKey)?;
        let mut reader = Reader::new(&blob);
        if reader.text() != Some(name.as_bytes()) {
            return Err(KeyError::NotAKey);
        }
        let material = Self::read(name, &mut reader)?.ok_or(KeyError::NotAKey)?;
        if !reader.is_at_end() {
            return Err(KeyError::NotAKey);
        }
        Ok(Self { blob, material })
    }

    /// Whether a signature says that it is by this key.
    pub(super) fn is_named(&self, parts: &Parts<'_>) -> bool {
        self.blob == parts.key
    }

    fn read(name: &str, reader: &mut Reader<'_>) -> Result<Option<Material>, KeyError> {
        let curve = match name {
            "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => None,
            "ssh-rsa" => return Ok(read_rsa(reader)),
            "ecdsa-sha2-nistp256" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some(Curve::P256),
            "ecdsa-sha2-nistp384" => Some(Curve::P384),
            "ecdsa-sha2-nistp521" => Some(Curve::P521),
            _ => return Err(KeyError::Algorithm),
        };
        if let Some(curve) = curve
            && reader.text() != Some(name_of(curve))
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
            Some(curve) => Material::Ecdsa { curve, point, application },
            None => Material::Ed25519 { point, application },
        }))
    }
}

fn read_rsa(reader: &mut Reader<'_>) -> Option<Material> {
    let (exponent, modulus) = (reader.text()?, reader.text()?);
    let digits = |number: &[u8]| number.iter().copied().skip_while(|byte| *byte == 0).collect();
    Some(Material::Rsa { modulus: digits(modulus), exponent: digits(exponent) })
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(&self.blob))
    }
}

#[cfg(test)]
mod tests;
