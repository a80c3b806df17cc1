//! The public keys of one issuer, read from the JWK set that it publishes.
//!
//! A set comes from the network, so a key that could weaken verification is left out and named, and
//! the rest is used. Keys are taken apart here, once, so that verifying with them is cheap.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::signature::{
    self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use gw_model::workspace::Algorithm;

use crate::json::{JsonFault, Limits, Object, Value};

/// A larger set is refused whole.
pub const SET_BYTES: usize = 256 * 1024;
pub const SET_KEYS: usize = 100;
/// Longer names of keys are refused, in a set and in a token.
pub const KEY_ID_BYTES: usize = 256;

const SET_LIMITS: Limits = Limits { bytes: SET_BYTES, depth: 8, values: 16_384 };
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// The usable keys of one set.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<SkippedKey>,
}

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// One for each algorithm that this key may be used with.
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

/// A key of the set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedKey {
    /// Its place in the set, from 0.
    pub place: usize,
    pub id: Option<String>,
    pub reason: SkipReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipReason {
    NotAnObject,
    /// A secret that signs as well as it verifies never comes from a URL.
    Symmetric,
    /// Whoever reads the set could sign.
    Private,
    UnknownType,
    UnknownAlgorithm,
    /// `use` or `key_ops` say that it does not verify signatures.
    OtherUse,
    BadKeyId,
    /// Another key has the same name, and nobody can tell which one is meant.
    DuplicateKeyId,
    Weak,
    Malformed,
}

/// Why a whole set was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySetRefusal {
    Unreadable(JsonFault),
    NoKeys,
    TooManyKeys(usize),
    NoneUsable(Vec<SkippedKey>),
}

/// Why no key of the set could be chosen for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The token names a key that the set does not have.
    Unknown,
    /// The key with that name is not for this algorithm.
    OtherAlgorithm,
    /// The token names no key, and not exactly one fits.
    NotOne,
}

impl KeySet {
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetRefusal> {
        let set = Object::parse(bytes, SET_LIMITS).map_err(KeySetRefusal::Unreadable)?;
        let listed = set.get("keys").and_then(Value::list).ok_or(KeySetRefusal::NoKeys)?;
        if listed.len() > SET_KEYS {
            return Err(KeySetRefusal::TooManyKeys(listed.len()));
        }
        let mut named = BTreeMap::<&str, usize>::new();
        for id in listed.iter().filter_map(key_id) {
            *named.entry(id).or_default() += 1;
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (place, value) in listed.iter().enumerate() {
            let id = key_id(value);
            let shared = id.and_then(|id| named.get(id)).is_some_and(|count| *count > 1);
            let key = if shared { Err(SkipReason::DuplicateKeyId) } else { Key::parse(value) };
            match key {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    let id = id.filter(|id| id.len() <= KEY_ID_BYTES).map(str::to_owned);
                    skipped.push(SkippedKey { place, id, reason });
                }
            }
        }
        if keys.is_empty() {
            return Err(KeySetRefusal::NoneUsable(skipped));
        }
        Ok(Self { keys, skipped })
    }

    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The one key that a token means: by exact name, or the only one that fits.
    pub(crate) fn choose(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<&ParsedPublicKey, NoKey> {
        let Some(id) = id else {
            let mut fitting = self.keys.iter().filter_map(|key| key.verifier(algorithm));
            let only = fitting.next().ok_or(NoKey::NotOne)?;
            return if fitting.next().is_none() { Ok(only) } else { Err(NoKey::NotOne) };
        };
        let named = self.keys.iter().find(|key| key.id.as_deref() == Some(id));
        named.ok_or(NoKey::Unknown)?.verifier(algorithm).ok_or(NoKey::OtherAlgorithm)
    }
}

/// Equal sets verify the same tokens; what was skipped does not count.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let parts = |key: &Self| {
            let verifiers = key.verifiers.iter();
            verifiers.map(|(name, key)| (*name, key.as_ref().to_vec())).collect::<Vec<_>>()
        };
        self.id == other.id && parts(self) == parts(other)
    }
}

impl Key {
    fn parse(value: &Value) -> Result<Self, SkipReason> {
        let jwk = value.object().ok_or(SkipReason::NotAnObject)?;
        let kind = jwk.get("kty").and_then(Value::text).ok_or(SkipReason::UnknownType)?;
        if kind == "oct" || jwk.has("k") {
            return Err(SkipReason::Symmetric);
        }
        if ["d", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|member| jwk.has(member)) {
            return Err(SkipReason::Private);
        }
        if !verifies(jwk) {
            return Err(SkipReason::OtherUse);
        }
        let id = match jwk.get("kid") {
            None => None,
            Some(id) => {
                let id = id.text().filter(|id| (1..=KEY_ID_BYTES).contains(&id.len()));
                Some(id.ok_or(SkipReason::BadKeyId)?.to_owned())
            }
        };
        let mut verifiers = match kind {
            "RSA" => rsa(jwk)?,
            "EC" => elliptic(jwk)?,
            "OKP" => edwards(jwk)?,
            _ => return Err(SkipReason::UnknownType),
        };
        if let Some(named) = jwk.get("alg") {
            let named = named.text().and_then(algorithm).ok_or(SkipReason::UnknownAlgorithm)?;
            verifiers.retain(|(algorithm, _)| *algorithm == named);
            if verifiers.is_empty() {
                return Err(SkipReason::UnknownAlgorithm);
            }
        }
        Ok(Self { id, verifiers })
    }

    fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        self.verifiers.iter().find(|(known, _)| *known == algorithm).map(|(_, key)| key)
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnObject => "it is not a JSON object",
            Self::Symmetric => "it is a symmetric key",
            Self::Private => "it is a private key; whoever reads the set can sign with it",
            Self::UnknownType => "its `kty` or `crv` is not one that is supported",
            Self::UnknownAlgorithm => "its `alg` is not supported or does not fit its `kty`",
            Self::OtherUse => "its `use` or `key_ops` say that it does not verify signatures",
            Self::BadKeyId => "its `kid` is not a text of 1 to 256 bytes",
            Self::DuplicateKeyId => "another key has the same `kid`",
            Self::Weak => "it is an RSA key of less than 2048 bits, or of more than 8192",
            Self::Malformed => "its numbers are not a key",
        })
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "key `{}` is not used: {}", id.escape_debug(), self.reason),
            None => write!(f, "key number {} is not used: {}", self.place + 1, self.reason),
        }
    }
}

impl fmt::Display for KeySetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(fault) => write!(f, "the key set {fault}"),
            Self::NoKeys => f.write_str("the key set has no list `keys`"),
            Self::TooManyKeys(count) => {
                write!(f, "the key set has {count} keys; at most {SET_KEYS} are read")
            }
            Self::NoneUsable(skipped) => {
                f.write_str("the key set has no key that can be used")?;
                skipped.iter().try_for_each(|key| write!(f, "; {key}"))
            }
        }
    }
}

impl std::error::Error for KeySetRefusal {}

fn key_id(value: &Value) -> Option<&str> {
    value.object()?.get("kid")?.text()
}

/// The algorithm of that name, if it is one that we verify: never `none`, never a shared secret.
pub(crate) fn algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::Rs256,
        "RS384" => Algorithm::Rs384,
        "RS512" => Algorithm::Rs512,
        "PS256" => Algorithm::Ps256,
        "PS384" => Algorithm::Ps384,
        "PS512" => Algorithm::Ps512,
        "ES256" => Algorithm::Es256,
        "ES384" => Algorithm::Es384,
        "ES512" => Algorithm::Es512,
        "EdDSA" => Algorithm::EdDsa,
        _ => return None,
    })
}

/// Whether the key says of itself that it may verify; saying nothing is saying yes.
fn verifies(jwk: &Object) -> bool {
    let used = jwk.get("use").is_none_or(|value| value.text() == Some("sig"));
    let listed = |value: &Value| {
        value.list().is_some_and(|uses| uses.iter().any(|one| one.text() == Some("verify")))
    };
    used && jwk.get("key_ops").is_none_or(listed)
}

fn octets(jwk: &Object, member: &str) -> Result<Vec<u8>, SkipReason> {
    let text = jwk.get(member).and_then(Value::text).ok_or(SkipReason::Malformed)?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| SkipReason::Malformed)
}

type Verifiers = Vec<(Algorithm, ParsedPublicKey)>;

fn rsa(jwk: &Object) -> Result<Verifiers, SkipReason> {
    const USES: [(Algorithm, &RsaParameters); 6] = [
        (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
        (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
        (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
    ];
    let (modulus, exponent) = (octets(jwk, "n")?, octets(jwk, "e")?);
    let modulus = without_zeros(&modulus);
    let leading = modulus.first().ok_or(SkipReason::Malformed)?;
    let bits = modulus.len() * 8 - usize::try_from(leading.leading_zeros()).unwrap_or(0);
    if !RSA_BITS.contains(&bits) {
        return Err(SkipReason::Weak);
    }
    let exponent = without_zeros(&exponent);
    if !is_odd(modulus) || !is_odd(exponent) || exponent.len() > 4 || exponent == [1] {
        return Err(SkipReason::Malformed);
    }
    let components = RsaPublicKeyComponents { n: modulus, e: exponent };
    let parse = |(algorithm, parameters)| {
        let key = components.to_parsed_public_key(parameters);
        key.map(|key| (algorithm, key)).map_err(|_| SkipReason::Malformed)
    };
    USES.into_iter().map(parse).collect()
}

fn elliptic(jwk: &Object) -> Result<Verifiers, SkipReason> {
    let (algorithm, verification, length): (_, &'static EcdsaVerificationAlgorithm, _) =
        match jwk.get("crv").and_then(Value::text) {
            Some("P-256") => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
            Some("P-384") => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
            Some("P-521") => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(SkipReason::UnknownType),
        };
    let (x, y) = (octets(jwk, "x")?, octets(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(SkipReason::Malformed);
    }
    const UNCOMPRESSED: u8 = 4;
    let point = [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat();
    let key = ParsedPublicKey::new(verification, point).map_err(|_| SkipReason::Malformed)?;
    Ok(vec![(algorithm, key)])
}

fn edwards(jwk: &Object) -> Result<Verifiers, SkipReason> {
    if jwk.get("crv").and_then(Value::text) != Some("Ed25519") {
        return Err(SkipReason::UnknownType);
    }
    let point = octets(jwk, "x")?;
    if point.len() != 32 {
        return Err(SkipReason::Malformed);
    }
    let key = ParsedPublicKey::new(&signature::ED25519, point);
    Ok(vec![(Algorithm::EdDsa, key.map_err(|_| SkipReason::Malformed)?)])
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|byte| byte & 1 == 1)
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}
