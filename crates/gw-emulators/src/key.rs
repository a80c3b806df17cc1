//! A signing key, its public form, and the compact form of what it signs.

use aws_lc_rs::{
    digest,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
}

impl Algorithm {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Key {
    id: String,
    public: Value,
    secret: Secret,
}

#[derive(Debug)]
enum Secret {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
}

impl Key {
    /// `None` when the system gives no randomness.
    pub(crate) fn generate(algorithm: Algorithm) -> Option<Self> {
        let (secret, mut public) = match algorithm {
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).ok()?;
                // PKCS #1: a sequence of the modulus and the exponent.
                let (numbers, _) = der_element(pair.public_key().as_ref())?;
                let (n, numbers) = der_element(numbers)?;
                let (e, _) = der_element(numbers)?;
                let n = n.strip_prefix(&[0]).unwrap_or(n);
                let public = json!({ "kty": "RSA", "n": encode(n), "e": encode(e) });
                (Secret::Rsa(pair), public)
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).ok()?;
                // The sign 04, then 32 bytes of each coordinate.
                let (x, y) = pair.public_key().as_ref().get(1..)?.split_at_checked(32)?;
                let public = json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) });
                (Secret::Ec(pair), public)
            }
        };
        let digest = digest::digest(&digest::SHA256, public.to_string().as_bytes());
        let id = encode(digest.as_ref().get(..12)?);
        let fields = public.as_object_mut()?;
        fields.insert("kid".to_owned(), json!(id));
        fields.insert("use".to_owned(), json!("sig"));
        fields.insert("alg".to_owned(), json!(algorithm));
        Some(Self { id, public, secret })
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Rsa(_) => Algorithm::Rs256,
            Secret::Ec(_) => Algorithm::Es256,
        }
    }

    /// The key as a key set carries it.
    pub(crate) fn public(&self) -> Value {
        self.public.clone()
    }

    /// The payload as a compact token of this type.
    pub(crate) fn sign(&self, kind: &str, payload: &Value) -> Option<String> {
        let header = json!({ "alg": self.algorithm().as_str(), "typ": kind, "kid": self.id });
        let signed = format!("{}.{}", part(&header), part(payload));
        let random = SystemRandom::new();
        let signature = match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).ok()?;
                signature
            }
            Secret::Ec(pair) => pair.sign(&random, signed.as_bytes()).ok()?.as_ref().to_vec(),
        };
        Some(format!("{signed}.{}", encode(&signature)))
    }
}

/// The content of the first DER element, and what follows it.
fn der_element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_, first], rest) = der.split_first_chunk::<2>()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
    };
    rest.split_at_checked(length)
}

fn part(value: &Value) -> String {
    encode(value.to_string().as_bytes())
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
