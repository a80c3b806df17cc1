//! A signature over bytes, in the compact form of RFC 7515, as strict as that allows.
//!
//! It knows nothing of claims. The key comes from the issuer's set and the algorithm from what is
//! declared; the header only names which of them the sender means. `jku`, `x5u`, `x5c` and `jwk`
//! are never looked at: no key and no address is ever taken from a token.

#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gw_model::workspace::Algorithm;

use crate::{
    json::{Limits, Object},
    keys::{self, KEY_ID_BYTES, KeySet, NoKey},
    token::{Part, TokenRefusal},
};

/// A longer token is refused before any work.
pub(crate) const TOKEN_BYTES: usize = 16 * 1024;

const HEADER_LIMITS: Limits = Limits { bytes: 8 * 1024, depth: 8, values: 128 };

/// A signed text taken apart. Nobody has proved anything yet.
#[derive(Debug)]
pub(crate) struct Jws<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// The media type that the sender gives, in lower case and without `application/`.
    pub(crate) media_type: Option<String>,
    pub(crate) payload: Vec<u8>,
    /// Header and payload as they were sent: what is signed.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, TokenRefusal> {
        if text.len() > TOKEN_BYTES {
            return Err(TokenRefusal::TooLong);
        }
        // Five parts are an encrypted token: it could be anything inside, so it is never opened.
        if text.bytes().filter(|byte| *byte == b'.').count() == 4 {
            return Err(TokenRefusal::Encrypted);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(TokenRefusal::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenRefusal::NotCompact)?;
        let (header, payload, signature) =
            (decoded(header)?, decoded(payload)?, decoded(signature)?);
        let header = Object::parse(&header, HEADER_LIMITS)
            .map_err(|fault| TokenRefusal::Unreadable { part: Part::Header, fault })?;
        // Both change what the other parts mean; understanding neither, only refusing is safe.
        if header.has("crit") || header.has("b64") {
            return Err(TokenRefusal::Critical);
        }
        Ok(Self {
            algorithm: algorithm(&header)?,
            key_id: key_id(&header)?,
            media_type: media_type(&header)?,
            payload,
            signed,
            signature,
        })
    }

    /// Whether the one key that is meant made this signature.
    pub(crate) fn verify(&self, keys: &KeySet) -> Result<(), TokenRefusal> {
        let key = keys.choose(self.key_id.as_deref(), self.algorithm).map_err(|no| match no {
            NoKey::Unknown => TokenRefusal::UnknownKey,
            NoKey::OtherAlgorithm => TokenRefusal::OtherKey(self.algorithm),
            NoKey::NotOne => TokenRefusal::KeyNotNamed(self.algorithm),
        })?;
        key.verify_sig(self.signed.as_bytes(), &self.signature).map_err(|_| TokenRefusal::Signature)
    }
}

fn decoded(part: &str) -> Result<Vec<u8>, TokenRefusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenRefusal::NotCompact)
}

fn algorithm(header: &Object) -> Result<Algorithm, TokenRefusal> {
    let name = header.get("alg").and_then(|name| name.text());
    name.and_then(keys::algorithm).ok_or(TokenRefusal::UnknownAlgorithm)
}

fn key_id(header: &Object) -> Result<Option<String>, TokenRefusal> {
    let Some(id) = header.get("kid") else { return Ok(None) };
    let id = id.text().filter(|id| (1..=KEY_ID_BYTES).contains(&id.len()));
    id.map(|id| Some(id.to_owned())).ok_or(TokenRefusal::KeyId)
}

fn media_type(header: &Object) -> Result<Option<String>, TokenRefusal> {
    let Some(name) = header.get("typ") else { return Ok(None) };
    let name = name.text().ok_or(TokenRefusal::MediaType)?.to_ascii_lowercase();
    Ok(Some(name.strip_prefix("application/").unwrap_or(&name).to_owned()))
}
