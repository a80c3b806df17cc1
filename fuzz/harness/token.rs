//! Any bytes as a bearer token and as a set of keys.

use gw_policy::{keys::KeySet, token::Unverified};

/// Nothing panics; what is refused says so without a byte of the token.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        assert!(!keys.is_empty());
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(token) = Unverified::parse(text) {
        assert!(token.issuer().len() < text.len());
    }
}
