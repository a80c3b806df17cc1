//! Digests: SHA-256 over canonical JSON, written `sha256:` and hexadecimal.

use std::{cmp::Ordering, fmt, fmt::Write, str::FromStr};

use aws_lc_rs::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// `sha256:…`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// The text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADigest {
    pub text: String,
}

const PREFIX: &str = "sha256:";

impl Digest {
    pub fn of_json(value: &Value) -> Self {
        Self::of_bytes(canonical_json(value).as_bytes())
    }

    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(bytes);
        Self::finish(context)
    }

    /// The digest of the files of a workspace or the objects of a target: names and contents, in
    /// the order of the names.
    pub fn of_named<'a>(things: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut things: Vec<_> = things.into_iter().collect();
        things.sort_unstable();
        let mut context = Context::new(&SHA256);
        for (name, content) in things {
            for part in [name.as_bytes(), content] {
                context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
                context.update(part);
            }
        }
        Self::finish(context)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn finish(context: Context) -> Self {
        let mut text = PREFIX.to_owned();
        for byte in context.finish().as_ref() {
            push_hex(&mut text, *byte);
        }
        Self(text)
    }

    /// Where a few bytes are enough to tell one from another.
    pub fn first_bytes(&self) -> [u8; 5] {
        let hex = self.0.get(PREFIX.len()..PREFIX.len() + 10).unwrap_or_default();
        let bits = u64::from_str_radix(hex, 16).unwrap_or_default();
        let [_, _, _, bytes @ ..] = bits.to_be_bytes();
        bytes
    }

    /// The first bits as letters and digits that cannot be taken for one another.
    pub fn short(&self) -> String {
        const SIGNS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let hex = self.0.get(PREFIX.len()..PREFIX.len() + 8).unwrap_or_default();
        let bits = u32::from_str_radix(hex, 16).unwrap_or_default();
        let sign = |place: u32| {
            let index = usize::try_from((bits >> (27 - 5 * place)) & 31).unwrap_or_default();
            SIGNS.get(index).copied().map_or('0', char::from)
        };
        (0..6).map(sign).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NotADigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a digest such as `sha256:…`", self.text)
    }
}

impl std::error::Error for NotADigest {}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.strip_prefix(PREFIX) {
            Some(rest) if rest.len() == 64 && rest.bytes().all(hex) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(NotADigest { text: text.to_owned() }),
        }
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

/// RFC 8785: no blanks, members ordered by UTF-16, one way to write each text. All numbers here are
/// whole, so the format's way of writing fractions is never needed.
pub fn canonical_json(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(text, item);
            }
            text.push(']');
        }
        Value::Object(members) => write_members(text, members),
    }
}

fn write_members(text: &mut String, members: &Map<String, Value>) {
    let mut ordered: Vec<_> = members.iter().collect();
    ordered.sort_by(|(one, _), (other, _)| by_utf16(one, other));
    text.push('{');
    for (index, (key, value)) in ordered.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_string(text, key);
        text.push(':');
        write_value(text, value);
    }
    text.push('}');
}

fn by_utf16(one: &str, other: &str) -> Ordering {
    // Among ASCII the two orders are one.
    if one.is_ascii() && other.is_ascii() {
        return one.cmp(other);
    }
    one.encode_utf16().cmp(other.encode_utf16())
}

fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for sign in string.chars() {
        match sign {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < '\u{20}' => {
                text.push_str("\\u00");
                push_hex(text, u8::try_from(control).unwrap_or_default());
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a `String` cannot fail.
    write!(text, "{byte:02x}").unwrap_or_default();
}

#[cfg(test)]
mod tests;
