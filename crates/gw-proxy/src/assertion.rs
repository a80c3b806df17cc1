//! Tells a backend who called: a short token that the gateway signs, and the key to check it with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gw_policy::principal::Principal;
use http::{
    Response,
    header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
};
use serde::Serialize;
use serde_json::json;

use crate::wire::body::ResponseBody;

/// Where backends find the public key.
pub(crate) const JWKS_PATH: &str = "/.well-known/gatewright/jwks.json";
/// A backend may keep the keys for this long.
const JWKS_SECONDS: u32 = 300;
/// How long a token is good: the call that it came with, and clocks that differ.
const GOOD_SECONDS: i64 = 60;

/// Claims that the gateway sets itself; those of a caller under these names are left out.
const RESERVED: [&str; 10] =
    ["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "identity", "issuer", "decision"];

/// Signs assertions with ES256.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    random: SystemRandom,
    /// `{"alg":…}.` encoded once.
    header: String,
    issuer: String,
    jwks: String,
}

/// The claims of one assertion. Those of the caller stand beside ours, always as lists: a text in
/// which a backend looks for a word would also match a part of another word.
#[derive(Serialize)]
struct Body<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    identity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    decision: &'a str,
    #[serde(flatten)]
    claims: BTreeMap<&'a str, &'a BTreeSet<String>>,
}

/// The key of a signer cannot be read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotASigningKey;

impl Signer {
    /// A new key in the form that [`Signer::parse`] reads.
    pub(crate) fn generate() -> Result<Vec<u8>, NotASigningKey> {
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map(|document| document.as_ref().to_vec())
            .map_err(|_| NotASigningKey)
    }

    pub(crate) fn parse(pkcs8: &[u8], issuer: &str) -> Result<Self, NotASigningKey> {
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| NotASigningKey)?;
        // An uncompressed point: a mark, then both coordinates.
        let point = key.public_key().as_ref();
        let (x, y) = match (point.first(), point.get(1..33), point.get(33..65)) {
            (Some(4), Some(x), Some(y)) => (encode(x), encode(y)),
            _ => return Err(NotASigningKey),
        };
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let id = encode(digest(&SHA256, thumbprint.as_bytes()).as_ref());
        let header = json!({ "alg": "ES256", "kid": id, "typ": "JWT" }).to_string();
        let public = json!({
            "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": id, "alg": "ES256", "use": "sig"
        });
        Ok(Self {
            key,
            random: SystemRandom::new(),
            header: encode(header.as_bytes()),
            issuer: issuer.to_owned(),
            jwks: json!({ "keys": [public] }).to_string(),
        })
    }

    /// The answer to a backend that fetches the key.
    pub(crate) fn answer(&self) -> Response<ResponseBody> {
        let mut response = Response::new(ResponseBody::whole(self.jwks.clone()));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        if let Ok(age) = HeaderValue::try_from(format!("public, max-age={JWKS_SECONDS}")) {
            headers.insert(CACHE_CONTROL, age);
        }
        response
    }

    /// What a backend learns: which identity, whose subject, with which claims, by which decision.
    pub(crate) fn assert(
        &self,
        audience: &str,
        caller: Option<&Principal>,
        decision: &str,
        now: i64,
    ) -> Result<HeaderValue, NotASigningKey> {
        let held = caller.into_iter().flat_map(|caller| &caller.claims);
        let claims = held
            .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
            .map(|(name, values)| (name.as_str(), values))
            .collect();
        let body = Body {
            iss: &self.issuer,
            aud: audience,
            sub: caller.map_or("anyone", |caller| &caller.subject),
            identity: caller.map_or("public", |caller| caller.identity.as_str()),
            issuer: caller.map(|caller| caller.issuer.as_str()),
            iat: now,
            exp: now.saturating_add(GOOD_SECONDS),
            jti: decision,
            decision,
            claims,
        };
        let body = serde_json::to_vec(&body).map_err(|_| NotASigningKey)?;
        let mut token = format!("{}.{}", self.header, encode(&body));
        let signature =
            self.key.sign(&self.random, token.as_bytes()).map_err(|_| NotASigningKey)?;
        token.push('.');
        token.push_str(&encode(signature.as_ref()));
        let mut value = HeaderValue::try_from(token).map_err(|_| NotASigningKey)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl fmt::Display for NotASigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this is not a P-256 key to sign with")
    }
}

impl std::error::Error for NotASigningKey {}
