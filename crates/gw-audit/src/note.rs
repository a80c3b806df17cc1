//! Text with signatures under it: C2SP signed-note, with Ed25519 keys only.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};

use crate::tree::Hash;

/// The largest note that is read. Sixteen signatures of any kind fit in.
pub const MAX_BYTES: usize = 128 * 1024;

/// What a signature line begins with.
const DASH: &str = "\u{2014} ";
/// What a private key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";
/// The type byte of an Ed25519 signature.
const ED25519_TYPE: u8 = 1;

/// A name and the public key that answers to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verifier {
    name: String,
    key: [u8; 32],
}

/// A name and the private key that signs for it.
#[derive(Debug)]
pub struct Signer {
    verifier: Verifier,
    pair: Ed25519KeyPair,
}

/// A note as it was read. Nothing of it may be believed before [`Note::signed_by`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signature {
    name: String,
    key_id: [u8; 4],
    bytes: Vec<u8>,
}

/// Why bytes are not a note, or text not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    TooLarge,
    NotText,
    Unsigned,
    SignatureLine,
    KeyName,
    Key,
}

impl Verifier {
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, Malformed> {
        let fit = !name.is_empty()
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+');
        let name = name.to_owned();
        if fit { Ok(Self { name, key }) } else { Err(Malformed::KeyName) }
    }

    /// Reads `NAME+HEX+BASE64`.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed::Key);
        };
        let decoded = STANDARD.decode(key).map_err(|_| Malformed::Key)?;
        let key = match decoded.split_first() {
            Some((&ED25519_TYPE, key)) => key.try_into().map_err(|_| Malformed::Key)?,
            _ => return Err(Malformed::Key),
        };
        let verifier = Self::new(name, key)?;
        if hex(verifier.key_id()) == id { Ok(verifier) } else { Err(Malformed::Key) }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> [u8; 4] {
        let hash = Hash::of(&[self.name.as_bytes(), b"\n", &[ED25519_TYPE], &self.key]);
        let [a, b, c, d, ..] = hash.0;
        [a, b, c, d]
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.key).verify(text.as_bytes(), signature).is_ok()
    }
}

impl Signer {
    /// A key of 32 bytes that were drawn at random.
    pub fn new(name: &str, seed: &[u8; 32]) -> Result<Self, Malformed> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Malformed::Key)?;
        let key = pair.public_key().as_ref().try_into().map_err(|_| Malformed::Key)?;
        Ok(Self { verifier: Verifier::new(name, key)?, pair })
    }

    /// Reads what [`Self::written`] wrote: `PRIVATE+KEY+NAME+HEX+BASE64`, as Go's note tools do.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut parts = text.strip_prefix(PRIVATE).ok_or(Malformed::Key)?.splitn(3, '+');
        let (Some(name), Some(id), Some(seed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Malformed::Key);
        };
        let decoded = STANDARD.decode(seed).map_err(|_| Malformed::Key)?;
        let signer = match decoded.split_first() {
            Some((&ED25519_TYPE, seed)) => {
                Self::new(name, seed.try_into().map_err(|_| Malformed::Key)?)?
            }
            _ => return Err(Malformed::Key),
        };
        if hex(signer.verifier.key_id()) == id { Ok(signer) } else { Err(Malformed::Key) }
    }

    /// The text of a file that holds the private key.
    pub fn written(name: &str, seed: &[u8; 32]) -> Result<String, Malformed> {
        let signer = Self::new(name, seed)?;
        let key: Vec<u8> = [ED25519_TYPE].iter().chain(seed).copied().collect();
        let (id, key) = (hex(signer.verifier.key_id()), STANDARD.encode(key));
        Ok(format!("{PRIVATE}{name}+{id}+{key}"))
    }

    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}

impl Note {
    /// Signs a text that ends in a newline.
    pub fn sign(text: String, signers: &[&Signer]) -> Self {
        let sign = |signer: &&Signer| Signature {
            name: signer.verifier.name.clone(),
            key_id: signer.verifier.key_id(),
            bytes: signer.pair.sign(text.as_bytes()).as_ref().to_vec(),
        };
        let signatures = signers.iter().map(sign).collect();
        Self { text, signatures }
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed::TooLarge);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| Malformed::NotText)?;
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(Malformed::NotText);
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or(Malformed::Unsigned)?;
        let lines = lines.strip_suffix('\n').ok_or(Malformed::SignatureLine)?;
        let signatures = lines.split('\n').map(Signature::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether this key signed it, and every line that claims to be this key's holds.
    pub fn signed_by(&self, verifier: &Verifier) -> bool {
        let id = verifier.key_id();
        let mut claimed = self
            .signatures
            .iter()
            .filter(|line| line.name == verifier.name && line.key_id == id)
            .peekable();
        claimed.peek().is_some() && claimed.all(|line| verifier.verifies(&self.text, &line.bytes))
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self, Malformed> {
        let parts = line.strip_prefix(DASH).and_then(|line| line.split_once(' '));
        let (name, signature) = parts.ok_or(Malformed::SignatureLine)?;
        let decoded = STANDARD.decode(signature).map_err(|_| Malformed::SignatureLine)?;
        let (key_id, bytes) = decoded.split_first_chunk().ok_or(Malformed::SignatureLine)?;
        Ok(Self { name: name.to_owned(), key_id: *key_id, bytes: bytes.to_vec() })
    }
}

fn hex(bytes: [u8; 4]) -> String {
    format!("{:08x}", u32::from_be_bytes(bytes))
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<u8> = [ED25519_TYPE].into_iter().chain(self.key).collect();
        write!(f, "{}+{}+{}", self.name, hex(self.key_id()), STANDARD.encode(key))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, key_id, bytes } in &self.signatures {
            let signature: Vec<u8> = key_id.iter().chain(bytes).copied().collect();
            writeln!(f, "{DASH}{name} {}", STANDARD.encode(signature))?;
        }
        Ok(())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "it is larger than any note",
            Self::NotText => "it is not plain text",
            Self::Unsigned => "it has no signature",
            Self::SignatureLine => "it has a line below the text that is no signature",
            Self::KeyName => "a key's name has neither spaces nor `+`",
            Self::Key => "it is not an Ed25519 key of the form `name+hash+key`",
        })
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests;
