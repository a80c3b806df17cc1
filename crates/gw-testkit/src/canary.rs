//! Secrets that are planted so that they can be looked for, in every form that bytes take on their way:
//! as they are, in hex, in an address, in JSON, in base64 wherever it begins, in UTF-16, compressed.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use aws_lc_rs::digest::{SHA512, digest};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use zlib_rs::{Inflate, InflateFlush, Status};

/// What is shorter stands anywhere by chance.
const SHORTEST: usize = 6;
/// Of something that is compressed no more is looked at: what is larger is a bomb.
const MOST_INFLATED: usize = 16 << 20;

/// How a secret was written where it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    Raw,
    Hex,
    Address,
    Json,
    Base64,
    Utf16,
}

/// Where a secret stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which one it is, in the order in which they were given.
    pub secret: usize,
    pub form: Form,
    /// In bytes that are compressed.
    pub compressed: bool,
}

/// Secrets in all of their forms.
pub struct Canaries {
    /// By the first bytes of each.
    needles: BTreeMap<[u8; 4], Vec<Needle>>,
    /// Which three bytes any of them begins with.
    begins: Vec<u64>,
}

/// A form of a secret.
struct Needle {
    bytes: Vec<u8>,
    secret: usize,
    form: Form,
}

impl Canaries {
    pub fn of(secrets: &[impl AsRef<str>]) -> Self {
        let mut made = Self { needles: BTreeMap::new(), begins: vec![0; 1 << 18] };
        for (secret, text) in secrets.iter().enumerate() {
            for (form, bytes) in forms(text.as_ref()) {
                made.add(Needle { bytes, secret, form });
            }
        }
        made
    }

    fn add(&mut self, needle: Needle) {
        let first = needle.bytes.first_chunk::<4>().copied();
        let Some(first) = first.filter(|_| needle.bytes.len() >= SHORTEST) else { return };
        let (word, bit) = place(first);
        if let Some(word) = self.begins.get_mut(word) {
            *word |= bit;
        }
        self.needles.entry(first).or_default().push(needle);
    }

    /// Every one that stands in these bytes, each as often as it does.
    pub fn find(&self, bytes: &[u8]) -> Vec<Sighting> {
        let mut found = self.stand_in(bytes, false);
        for inflated in compressed(bytes) {
            found.extend(self.stand_in(&inflated, true));
        }
        found
    }

    fn stand_in(&self, bytes: &[u8], compressed: bool) -> Vec<Sighting> {
        let mut found = vec![];
        for (at, window) in bytes.array_windows::<4>().enumerate() {
            let (word, bit) = place(*window);
            if self.begins.get(word).is_none_or(|word| word & bit == 0) {
                continue;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            for Needle { bytes, secret, form } in self.needles.get(window).into_iter().flatten() {
                if rest.starts_with(bytes) {
                    found.push(Sighting { secret: *secret, form: *form, compressed });
                }
            }
        }
        found
    }
}

impl fmt::Debug for Canaries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Canaries")
    }
}

/// The bit that stands for the first three of these bytes.
fn place([one, two, three, _]: [u8; 4]) -> (usize, u64) {
    let number = usize::from(one) << 16 | usize::from(two) << 8 | usize::from(three);
    (number / 64, 1 << (number % 64))
}

/// So many secrets, each another one, of the shapes that secrets have.
pub fn varied(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| {
            let noise = digest(&SHA512, &number.to_be_bytes());
            let text = URL_SAFE_NO_PAD.encode(noise);
            let (one, two) = text.split_at(40);
            let digits: String = noise.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            match number % 10 {
                0 => one.to_owned(),
                1 => digits.chars().take(40).collect(),
                2 => format!("ATATT3xFfGF0{text}={}", digits.split_at(8).0.to_uppercase()),
                3 => format!("eyJhbGciOiJFUzI1NiJ9.{one}.{two}"),
                4 => format!("p\"{} ä\\ß{{{}}} <&>/+%=?", one.split_at(6).0, one.split_at(30).1),
                5 => format!("-----BEGIN PRIVATE KEY-----\n{one}\n{two}\n"),
                6 => format!("AKIA{}", digits.to_uppercase().split_at(16).0),
                7 => format!("{}-4{}", digits.split_at(8).0, digits.split_at(100).1),
                8 => format!("user-{}:{two}", digits.split_at(6).0),
                _ => text.repeat(6),
            }
        })
        .collect()
}

/// Every form of a secret, none twice.
fn forms(secret: &str) -> Vec<(Form, Vec<u8>)> {
    let bytes = secret.as_bytes();
    let hex = |digit: fn(&u8) -> String| bytes.iter().map(digit).collect::<String>();
    let mut all = vec![
        (Form::Raw, bytes.to_vec()),
        (Form::Hex, hex(|byte| format!("{byte:02x}")).into_bytes()),
        (Form::Hex, hex(|byte| format!("{byte:02X}")).into_bytes()),
        (Form::Utf16, secret.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        (Form::Utf16, secret.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    ];
    all.extend(addresses(bytes).map(|text| (Form::Address, text)));
    all.extend(json(secret).map(|text| (Form::Json, text.into_bytes())));
    all.extend((0..3).flat_map(|at| base64(bytes, at)).map(|text| (Form::Base64, text)));
    let mut once: Vec<(Form, Vec<u8>)> = vec![];
    for (form, bytes) in all {
        if !once.iter().any(|(_, known)| *known == bytes) {
            once.push((form, bytes));
        }
    }
    once
}

/// With `%`, in either case of its digits, and as in a form.
fn addresses(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = move |blank: &str, escape: fn(u8) -> String| {
        let parts = bytes.iter().map(|byte| match byte {
            byte if plain(*byte) => char::from(*byte).to_string(),
            b' ' => blank.to_owned(),
            byte => escape(*byte),
        });
        parts.collect::<String>().into_bytes()
    };
    let upper: fn(u8) -> String = |byte| format!("%{byte:02X}");
    [escaped("%20", upper), escaped("%20", |byte| format!("%{byte:02x}")), escaped("+", upper)]
        .into_iter()
}

/// As it stands between quotes: as most write it, and with everything escaped that may be.
fn json(secret: &str) -> impl Iterator<Item = String> {
    let usual = serde_json::Value::from(secret).to_string();
    let usual = usual.trim_matches('"').to_owned();
    let escaped = usual.chars().map(|sign| match sign {
        '/' => "\\/".to_owned(),
        sign if sign.is_ascii() => sign.to_string(),
        sign => sign.encode_utf16(&mut [0; 2]).iter().map(|it| format!("\\u{it:04x}")).collect(),
    });
    let escaped = escaped.collect();
    [usual, escaped].into_iter()
}

/// What of it stands there wherever it begins among other bytes, so many after a whole group.
fn base64(bytes: &[u8], at: usize) -> [Vec<u8>; 2] {
    let shifted = [&vec![0; at], bytes].concat();
    // Signs that other bytes have a part in are not its own.
    let begin = (at * 8).div_ceil(6);
    let end = shifted.len() * 8 / 6;
    let own = |text: String| text.as_bytes().get(begin..end).unwrap_or_default().to_vec();
    [own(STANDARD.encode(&shifted)), own(URL_SAFE_NO_PAD.encode(&shifted))]
}

/// Everything in there that is compressed, as gzip or as zlib, and can be read.
fn compressed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let begins =
        |window: &[u8; 2]| matches!(window, [0x1f, 0x8b] | [0x78, 0x01 | 0x5e | 0x9c | 0xda]);
    let places = bytes.array_windows::<2>().enumerate();
    let places = places.filter(move |(_, window)| begins(window));
    places.filter_map(|(at, _)| inflate(bytes.get(at..)?))
}

fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    // Whichever of the two headers there is.
    let mut stream = Inflate::new(true, 32 + 15);
    let (mut all, mut buffer) = (vec![], vec![0; 1 << 14]);
    loop {
        let (read, written) = (stream.total_in(), stream.total_out());
        let rest = bytes.get(usize::try_from(read).ok()?..)?;
        let status = stream.decompress(rest, &mut buffer, InflateFlush::NoFlush).ok();
        let count = usize::try_from(stream.total_out() - written).ok()?;
        all.extend(buffer.iter().take(count));
        let stands = stream.total_in() == read && count == 0;
        if stands || status != Some(Status::Ok) || all.len() > MOST_INFLATED {
            // What could be read before it ended too early may be enough.
            return (!all.is_empty()).then_some(all);
        }
    }
}
