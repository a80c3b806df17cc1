//! Makes tokens with keys of its own: good ones, and every kind that must be refused.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use serde_json::{Value, json};

/// A key pair and the name under which its public half is published.
#[derive(Debug)]
pub struct Signer {
    id: String,
    pair: Pair,
}

#[derive(Debug)]
enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl Signer {
    pub fn es256(id: &str) -> Self {
        let scheme = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        Self::new(id, Pair::Es256(EcdsaKeyPair::generate(scheme).expect("a key is made")))
    }

    pub fn rs256(id: &str) -> Self {
        Self::new(id, Pair::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key is made")))
    }

    pub fn eddsa(id: &str) -> Self {
        Self::new(id, Pair::EdDsa(Ed25519KeyPair::generate().expect("a key is made")))
    }

    fn new(id: &str, pair: Pair) -> Self {
        Self { id: id.to_owned(), pair }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn algorithm(&self) -> &'static str {
        match &self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
            Pair::EdDsa(_) => "EdDSA",
        }
    }

    /// The public half, as an issuer publishes it.
    pub fn jwk(&self) -> Value {
        let text = |bytes: Option<&[u8]>| BASE64.encode(bytes.expect("the key has that part"));
        match &self.pair {
            Pair::Es256(pair) => {
                let point = pair.public_key().as_ref();
                let (x, y) = (text(point.get(1..33)), text(point.get(33..)));
                json!({"kty": "EC", "crv": "P-256", "kid": self.id, "x": x, "y": y})
            }
            Pair::Rs256(pair) => {
                // DER of a 2048-bit key: nine bytes, the modulus, two bytes, the exponent.
                let der = pair.public_key().as_ref();
                let (n, e) = (text(der.get(9..265)), text(der.get(267..)));
                json!({"kty": "RSA", "kid": self.id, "n": n, "e": e})
            }
            Pair::EdDsa(pair) => {
                let x = text(Some(pair.public_key().as_ref()));
                json!({"kty": "OKP", "crv": "Ed25519", "kid": self.id, "x": x})
            }
        }
    }

    /// The public half of an RSA key as PKCS#1 DER.
    pub fn public_der(&self) -> &[u8] {
        match &self.pair {
            Pair::Es256(pair) => pair.public_key().as_ref(),
            Pair::Rs256(pair) => pair.public_key().as_ref(),
            Pair::EdDsa(pair) => pair.public_key().as_ref(),
        }
    }

    pub fn header(&self) -> Value {
        json!({"alg": self.algorithm(), "kid": self.id})
    }

    pub fn token(&self, claims: &Value) -> String {
        self.write(&self.header().to_string(), &claims.to_string())
    }

    /// Signs header and claims exactly as they are written.
    pub fn write(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
        format!("{signed}.{}", BASE64.encode(self.sign(signed.as_bytes())))
    }

    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&random, bytes).expect("the key signs").as_ref().to_vec()
            }
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let scheme = &signature::RSA_PKCS1_SHA256;
                pair.sign(scheme, &random, bytes, &mut signature).expect("the key signs");
                signature
            }
            Pair::EdDsa(pair) => pair.sign(bytes).as_ref().to_vec(),
        }
    }
}

/// Changes the third part of a token.
pub fn with_signature(token: &str, signature: &[u8]) -> String {
    let (signed, _) = token.rsplit_once('.').expect("a token has three parts");
    format!("{signed}.{}", BASE64.encode(signature))
}

/// The third part of a token, as bytes.
pub fn signature_of(token: &str) -> Vec<u8> {
    let (_, signature) = token.rsplit_once('.').expect("a token has three parts");
    BASE64.decode(signature).expect("a token is base64url")
}
