//! The Ed25519 key of a workspace's state. Its secret half is made from bytes that are handed in.

use std::fmt;

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Signs generations. Cannot be printed.
pub struct SigningKey(Ed25519KeyPair);

/// Checks generations. Its written form is `ed25519:` and the base64 of its 32 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// The bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRefusal;

const PREFIX: &str = "ed25519:";

impl SigningKey {
    /// Makes a key out of 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyRefusal> {
        Ed25519KeyPair::from_seed_unchecked(seed).map(Self).map_err(|_| KeyRefusal)
    }

    /// Reads what [`SigningKey::to_pkcs8`] wrote.
    pub fn parse(pkcs8: &[u8]) -> Result<Self, KeyRefusal> {
        Ed25519KeyPair::from_pkcs8(pkcs8).map(Self).map_err(|_| KeyRefusal)
    }

    /// The secret half itself: whoever calls this answers for where it goes.
    pub fn to_pkcs8(&self) -> Result<Vec<u8>, KeyRefusal> {
        self.0.to_pkcs8().map(|document| document.as_ref().to_vec()).map_err(|_| KeyRefusal)
    }

    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(self.0.public_key().as_ref()) {
            *to = *from;
        }
        PublicKey(bytes)
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl PublicKey {
    pub fn parse(text: &str) -> Result<Self, KeyRefusal> {
        let encoded = text.trim_end().strip_prefix(PREFIX).ok_or(KeyRefusal)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| KeyRefusal)?;
        bytes.try_into().map(Self).map_err(|_| KeyRefusal)
    }

    /// A short name for messages: the first eight bytes of its SHA-256, in hexadecimal.
    pub fn id(&self) -> String {
        let hash = digest(&SHA256, &self.0);
        hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public().id())
    }
}

impl fmt::Display for KeyRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these bytes are not an Ed25519 key")
    }
}

impl std::error::Error for KeyRefusal {}
