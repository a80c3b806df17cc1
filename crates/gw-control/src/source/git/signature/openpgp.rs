//! Signatures of OpenPGP (RFC 9580, and RFC 4880 before it), as `gpg` makes them: version 4, over what
//! SHA-2 sums up.
//!
//! Who declares a key vouches for it, so names and the web of trust mean nothing here. What the key says
//! of itself counts: which of its parts sign, until when, and that it is revoked. What a key signed
//! before its end stays signed; whoever wants to be rid of it takes it out of `people`.

mod packet;

use std::fmt;

use aws_lc_rs::{
    digest::{Algorithm as Digest, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest},
    signature::{
        ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
        RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
    },
};

use self::packet::{Packet, large, packets, part, unwrap};
use super::{KeyError, Unproven, curve::Curve, padded, reader::Reader};

pub(super) const BEGIN: &str = "-----BEGIN PGP ";

const SIGNATURE: u8 = 2;
const KEY: u8 = 6;
const NAME: u8 = 13;
const SUBKEY: u8 = 14;
const PICTURE: u8 = 17;
const VERSION: u8 = 4;

/// What a signature is of.
const OF_BYTES: u8 = 0x00;
const OF_NAME: std::ops::RangeInclusive<u8> = 0x10..=0x13;
const OF_SUBKEY: u8 = 0x18;
const OF_ITS_KEY: u8 = 0x19;
const OF_KEY: u8 = 0x1f;
const REVOKES_KEY: u8 = 0x20;
const REVOKES_SUBKEY: u8 = 0x28;

/// That a key is for signing.
const SIGNS: u8 = 0x02;

/// A public key block: those of its keys that may sign.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    keys: Vec<Key>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    fingerprint: Vec<u8>,
    /// The packet, as signatures are over it.
    body: Vec<u8>,
    created: u32,
    /// In force before this second.
    until: Option<u32>,
    algorithm: u8,
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Ecdsa { curve: Curve, point: Vec<u8> },
    Ed25519 { point: Vec<u8> },
}

/// One signature, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Made {
    kind: u8,
    algorithm: u8,
    hash: Hash,
    /// What of the signature itself is signed.
    signed: Vec<u8>,
    /// The first bytes of the digest.
    left: [u8; 2],
    numbers: Vec<u8>,
    said: Said,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

/// What a signature says beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Said {
    created: Option<u32>,
    /// Seconds after its own time.
    ends: Option<u32>,
    /// Seconds after the time of the key.
    key_ends: Option<u32>,
    flags: Option<u8>,
    /// The end of the fingerprint of the key, or all of it. Anybody may write it: it finds a key and
    /// proves nothing.
    by: Option<Vec<u8>>,
    /// The signature by which a subkey says whose it is.
    back: Option<Vec<u8>>,
}

impl Made {
    pub(super) fn read(text: &str) -> Result<Self, Unproven> {
        let bytes = unwrap(text, "SIGNATURE").ok_or(Unproven::Unreadable)?;
        let packets = packets(&bytes).ok_or(Unproven::Unreadable)?;
        let [Packet { tag: SIGNATURE, body }] = packets[..] else {
            return Err(Unproven::Unreadable);
        };
        let made = Self::of(body).ok_or(Unproven::Unreadable)?;
        if made.kind == OF_BYTES { Ok(made) } else { Err(Unproven::OtherPurpose) }
    }

    fn of(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        if reader.byte()? != VERSION {
            return None;
        }
        let (kind, algorithm, hash) = (reader.byte()?, reader.byte()?, Hash::of(reader.byte()?)?);
        let length = usize::from(reader.short()?);
        let mut said = Said::default();
        said.hear(reader.take(length)?)?;
        let signed = body.get(..body.len() - reader.rest().len())?.to_vec();
        let length = usize::from(reader.short()?);
        said.hear_unsigned(reader.take(length)?)?;
        let left = [reader.byte()?, reader.byte()?];
        let numbers = reader.rest().to_vec();
        Some(Self { kind, algorithm, hash, signed, left, numbers, said })
    }

    /// Whether a key made it of these bytes.
    fn is_by(&self, key: &Key, of: &[&[u8]]) -> bool {
        let Ok(length) = u32::try_from(self.signed.len()) else { return false };
        let mut message = of.concat();
        message.extend(&self.signed);
        message.extend([VERSION, 0xff]);
        message.extend(length.to_be_bytes());
        let sum = digest(self.hash.digest(), &message);
        self.algorithm == key.algorithm
            && sum.as_ref().starts_with(&self.left)
            && key.material.verify(self, &message, sum.as_ref()).is_some()
    }
}

impl Said {
    /// What is signed with the rest. Whoever made it may say that what is not understood makes it void.
    fn hear(&mut self, parts: &[u8]) -> Option<()> {
        let mut reader = Reader::new(parts);
        while !reader.is_at_end() {
            let (kind, value) = part(&mut reader)?.split_first()?;
            let number = || Some(u32::from_be_bytes(value.try_into().ok()?));
            match kind & 0x7f {
                2 => self.created = Some(number()?),
                3 => self.ends = Some(number()?),
                9 => self.key_ends = Some(number()?),
                27 => self.flags = Some(value.first().copied().unwrap_or_default()),
                other => {
                    let is_heard = self.hear_hint(other, value);
                    // Preferences and the like mean nothing for what is signed.
                    let is_harmless = matches!(other, 4 | 7 | 11 | 21..=26 | 28 | 30 | 34);
                    if kind & 0x80 != 0 && !is_heard && !is_harmless {
                        return None;
                    }
                }
            }
        }
        Some(())
    }

    /// What anybody may have added.
    fn hear_unsigned(&mut self, parts: &[u8]) -> Option<()> {
        let mut reader = Reader::new(parts);
        while !reader.is_at_end() {
            let (kind, value) = part(&mut reader)?.split_first()?;
            self.hear_hint(kind & 0x7f, value);
        }
        Some(())
    }

    fn hear_hint(&mut self, kind: u8, value: &[u8]) -> bool {
        match (kind, value.split_first()) {
            (16, _) if self.by.is_none() => self.by = Some(value.to_vec()),
            (33, Some((&VERSION, fingerprint))) => self.by = Some(fingerprint.to_vec()),
            (32, _) => self.back = Some(value.to_vec()),
            (16, _) => {}
            _ => return false,
        }
        true
    }
}

impl Certificate {
    pub(super) fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = unwrap(text, "PUBLIC KEY BLOCK").ok_or(KeyError::NotAKey)?;
        let packets = packets(&bytes).ok_or(KeyError::NotAKey)?;
        let Some((Packet { tag: KEY, body }, rest)) = packets.split_first() else {
            return Err(KeyError::NotAKey);
        };
        // Two keys in one text would be two people.
        if rest.iter().any(|packet| packet.tag == KEY) {
            return Err(KeyError::NotAKey);
        }
        let primary = Key::of(body).ok_or(KeyError::Algorithm)?;
        let keys = primary.in_force(rest).ok_or(KeyError::NoneSigns)?;
        if keys.is_empty() { Err(KeyError::NoneSigns) } else { Ok(Self { keys }) }
    }

    /// Whether one of its keys made a signature of these bytes; none: it says that another one did.
    pub(super) fn verify(&self, made: &Made, of: &[u8]) -> Option<bool> {
        let by = made.said.by.as_deref();
        let is_named =
            |key: &&Key| by.is_none_or(|by| !by.is_empty() && key.fingerprint.ends_with(by));
        let mut named = self.keys.iter().filter(is_named).peekable();
        named.peek()?;
        // What ends by its own word is no proof of what lasts.
        if made.said.ends.is_some_and(|seconds| seconds > 0) {
            return Some(false);
        }
        Some(named.any(|key| key.is_in_force(made.said.created) && made.is_by(key, &[of])))
    }
}

impl Key {
    fn of(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        if reader.byte()? != VERSION {
            return None;
        }
        let (created, algorithm) = (reader.number()?, reader.byte()?);
        let material = Material::read(algorithm, &mut reader)?;
        let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &framed(body)?).as_ref().to_vec();
        let body = body.to_vec();
        Some(Self { fingerprint, body, created, until: None, algorithm, material })
    }

    /// It and its subkeys, as far as they may sign. None: it is revoked, or never says what it is for.
    fn in_force(mut self, rest: &[Packet<'_>]) -> Option<Vec<Self>> {
        let own = framed(&self.body)?;
        // Markers and the like stand between nothing.
        let means =
            |packet: &&Packet<'_>| matches!(packet.tag, SIGNATURE | NAME | PICTURE | SUBKEY);
        let rest: Vec<&Packet<'_>> = rest.iter().filter(means).collect();
        // Wherever it stands: whoever declares a key with a word that it is revoked is believed.
        if rest.iter().any(|it| it.tag == SIGNATURE && kind_of(it) == Some(REVOKES_KEY)) {
            return None;
        }
        // What it says of itself by its names, and without any.
        let (mut newest, mut subkeys): (Option<Said>, Vec<Self>) = (None, vec![]);
        let mut rest = rest.into_iter().peekable();
        let mut of = Packet { tag: KEY, body: &[] };
        while let Some(packet) = rest.next() {
            match packet.tag {
                SIGNATURE => {
                    let Some(made) = Made::of(packet.body) else { continue };
                    let name = framed_name(of)?;
                    let is_own = match made.kind {
                        OF_KEY => made.is_by(&self, &[&own]),
                        kind if OF_NAME.contains(&kind) => made.is_by(&self, &[&own, &name]),
                        _ => false,
                    };
                    if is_own && newest.as_ref().is_none_or(|it| it.created <= made.said.created) {
                        newest = Some(made.said);
                    }
                }
                NAME | PICTURE => of = *packet,
                SUBKEY => {
                    let mut about = vec![];
                    while let Some(next) = rest.next_if(|next| next.tag == SIGNATURE) {
                        about.push(next);
                    }
                    let subkey = Self::of(packet.body);
                    subkeys.extend(subkey.and_then(|subkey| subkey.bound(&self, &own, &about)));
                }
                _ => {}
            }
        }
        let said = newest?;
        let signs = said.flags.is_none_or(|flags| flags & SIGNS != 0);
        self.end(&said);
        for subkey in &mut subkeys {
            subkey.until = earlier(subkey.until, self.until);
        }
        if signs {
            subkeys.push(self);
        }
        Some(subkeys)
    }

    /// The subkey, where the key says that it signs, it says that it is of the key, and nobody revoked it.
    fn bound(mut self, primary: &Self, own: &[u8], about: &[&Packet<'_>]) -> Option<Self> {
        let frame = framed(&self.body)?;
        let both: [&[u8]; 2] = [own, &frame];
        if about.iter().any(|packet| kind_of(packet) == Some(REVOKES_SUBKEY)) {
            return None;
        }
        let made = about.iter().filter_map(|packet| Made::of(packet.body));
        let of_key = made.filter(|it| it.kind == OF_SUBKEY && it.is_by(primary, &both));
        let newest = of_key.max_by_key(|it| it.said.created)?;
        if newest.said.flags? & SIGNS == 0 {
            return None;
        }
        let back = Made::of(newest.said.back.as_ref()?)?;
        if back.kind != OF_ITS_KEY || !back.is_by(&self, &both) {
            return None;
        }
        self.end(&newest.said);
        Some(self)
    }

    /// Ends it where the signature about it says so, or ends itself.
    fn end(&mut self, said: &Said) {
        // Nought means never.
        let after = |since: Option<u32>, seconds: Option<u32>| {
            since.zip(seconds.filter(|seconds| *seconds > 0)).map(|(at, it)| at.saturating_add(it))
        };
        self.until =
            earlier(after(Some(self.created), said.key_ends), after(said.created, said.ends));
    }

    fn is_in_force(&self, at: Option<u32>) -> bool {
        at.is_some_and(|at| at >= self.created && self.until.is_none_or(|until| at < until))
    }
}

impl Material {
    fn read(algorithm: u8, reader: &mut Reader<'_>) -> Option<Self> {
        match algorithm {
            1 | 3 => {
                let (modulus, exponent) = (large(reader)?.to_vec(), large(reader)?.to_vec());
                Some(Self::Rsa { modulus, exponent })
            }
            19 => {
                let curve = curve_of(read_name(reader)?)?;
                Some(Self::Ecdsa { curve, point: large(reader)?.to_vec() })
            }
            22 => {
                let is_known = read_name(reader)? == ED25519_NAME;
                let point = large(reader)?.strip_prefix(&[0x40])?.to_vec();
                is_known.then_some(Self::Ed25519 { point })
            }
            27 => Some(Self::Ed25519 { point: reader.take(32)?.to_vec() }),
            _ => None,
        }
    }

    fn verify(&self, made: &Made, message: &[u8], sum: &[u8]) -> Option<()> {
        let mut numbers = Reader::new(&made.numbers);
        match self {
            Self::Rsa { modulus, exponent } => {
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                let number = padded(large(&mut numbers)?, modulus.len())?;
                key.verify(made.hash.of_rsa(), message, &number).ok()?;
            }
            Self::Ecdsa { curve, point } => {
                let length = curve.length();
                let mut number = || padded(large(&mut numbers)?, length);
                let fixed = [number()?, number()?].concat();
                if made.hash != Hash::of_curve(*curve) {
                    return None;
                }
                UnparsedPublicKey::new(curve.algorithm(), point).verify(message, &fixed).ok()?;
            }
            Self::Ed25519 { point } => {
                let fixed = match made.algorithm {
                    27 => numbers.take(64)?.to_vec(),
                    _ => [padded(large(&mut numbers)?, 32)?, padded(large(&mut numbers)?, 32)?]
                        .concat(),
                };
                UnparsedPublicKey::new(&ED25519, point).verify(sum, &fixed).ok()?;
            }
        }
        numbers.is_at_end().then_some(())
    }
}

fn curve_of(name: &[u8]) -> Option<Curve> {
    match name {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => Some(Curve::P256),
        [0x2b, 0x81, 0x04, 0x00, 0x22] => Some(Curve::P384),
        [0x2b, 0x81, 0x04, 0x00, 0x23] => Some(Curve::P521),
        _ => None,
    }
}

impl Hash {
    /// SHA-1 and what is older prove nothing any more.
    const fn of(number: u8) -> Option<Self> {
        match number {
            8 => Some(Self::Sha256),
            9 => Some(Self::Sha384),
            10 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Of the strength of a curve: what is signed with another one is not read.
    const fn of_curve(curve: Curve) -> Self {
        match curve {
            Curve::P256 => Self::Sha256,
            Curve::P384 => Self::Sha384,
            Curve::P521 => Self::Sha512,
        }
    }

    fn digest(self) -> &'static Digest {
        match self {
            Self::Sha256 => &SHA256,
            Self::Sha384 => &SHA384,
            Self::Sha512 => &SHA512,
        }
    }

    fn of_rsa(self) -> &'static RsaParameters {
        match self {
            Self::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
        }
    }
}

/// Ed25519 as keys before RFC 9580 name it.
const ED25519_NAME: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

fn read_name<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = usize::from(reader.byte()?);
    reader.take(length)
}

/// A key as signatures are over it.
fn framed(body: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(body.len()).ok()?.to_be_bytes();
    Some([&[0x99], &length[..], body].concat())
}

/// A name or a picture as signatures are over it.
fn framed_name(packet: Packet<'_>) -> Option<Vec<u8>> {
    let head = match packet.tag {
        NAME => 0xb4,
        PICTURE => 0xd1,
        _ => return Some(vec![]),
    };
    let length = u32::try_from(packet.body.len()).ok()?.to_be_bytes();
    Some([&[head], &length[..], packet.body].concat())
}

/// What a signature is of, also one that proves nothing.
fn kind_of(packet: &Packet<'_>) -> Option<u8> {
    packet.body.get(1).copied()
}

fn earlier(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    one.into_iter().chain(other).min()
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.fingerprint)).finish()
    }
}

#[cfg(test)]
mod tests;
