//! Texts that look like credentials. What is found is never repeated anywhere: callers tell the
//! place and the kind.

use std::ops::Range;

/// What was found where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// What it looks like, such as "an AWS access key".
    pub kind: &'static str,
    /// Bytes of the text.
    pub at: Range<usize>,
}

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Known prefixes only: for texts that are full of digests and samples.
    Prefixes,
    /// Also whatever is too random to be a word.
    Everything,
}

/// Prefix, what it is, how many characters follow at least.
const PREFIXES: &[(&str, &str, usize)] = &[
    ("AKIA", "an AWS access key", 16),
    ("ASIA", "an AWS access key", 16),
    ("AIza", "a Google API key", 30),
    ("ya29.", "a Google access token", 20),
    ("ghp_", "a GitHub token", 30),
    ("gho_", "a GitHub token", 30),
    ("ghu_", "a GitHub token", 30),
    ("ghs_", "a GitHub token", 30),
    ("ghr_", "a GitHub token", 30),
    ("github_pat_", "a GitHub token", 30),
    ("glpat-", "a GitLab token", 16),
    ("ATBB", "a Bitbucket app password", 24),
    ("ATCTT3x", "an Atlassian access token", 24),
    ("ATATT3x", "an Atlassian access token", 24),
    ("xoxb-", "a Slack token", 16),
    ("xoxp-", "a Slack token", 16),
    ("xoxa-", "a Slack token", 16),
    ("sk_live_", "a Stripe key", 16),
    ("rk_live_", "a Stripe key", 16),
    ("sk-ant-", "an API key", 20),
    ("sk-proj-", "an API key", 20),
    ("hvs.", "a Vault token", 20),
    ("dop_v1_", "a DigitalOcean token", 32),
    ("npm_", "an npm token", 30),
    ("pypi-", "a PyPI token", 30),
    ("SG.", "a SendGrid key", 40),
    ("AccountKey=", "an Azure storage key", 40),
    ("SharedAccessKey=", "an Azure access key", 30),
    ("AGE-SECRET-KEY-1", "an age key", 40),
];

/// How random a text without known prefix must be, in bits for each character.
const BITS_PER_CHARACTER: f64 = 3.7;
/// Whatever is shorter is no credential: most texts of declarations are never looked at closely.
const SHORTEST: usize = 12;
const RANDOM_LENGTH: usize = 24;
const HEXADECIMAL_LENGTH: usize = 32;
/// How far a look goes from one place, so that a text made of beginnings costs no square.
const LOOK_BYTES: usize = 512;

/// The first credential of a text.
pub fn find(text: &str, look: Look) -> Option<Leak> {
    if text.len() < SHORTEST {
        return None;
    }
    find_private_key(text)
        .or_else(|| find_web_token(text))
        .or_else(|| find_prefix(text))
        .or_else(|| find_password_in_url(text))
        .or_else(|| if look == Look::Everything { find_random(text) } else { None })
}

/// A whole text that stands where a name belongs: hexadecimal keys are valid names as well.
pub fn is_no_name(text: &str) -> bool {
    let bare = text.replace('-', "");
    let hexadecimal = bare.len() >= HEXADECIMAL_LENGTH
        && bare.bytes().all(|byte| byte.is_ascii_hexdigit())
        && bare.bytes().any(|byte| byte.is_ascii_digit());
    hexadecimal || find(text, Look::Everything).is_some()
}

fn find_private_key(text: &str) -> Option<Leak> {
    let begin = text.find("-----BEGIN ")?;
    let header: &str = text.get(begin..)?.lines().next()?;
    header.contains("PRIVATE KEY").then_some(Leak { kind: "a private key", at: begin..text.len() })
}

/// Three parts of base64url, the first of them a JSON object.
fn find_web_token(text: &str) -> Option<Leak> {
    words(text, |byte| is_base64(byte) || byte == b'.').find_map(|at| {
        let word = text.get(at.clone())?;
        let parts: Vec<&str> = word.split('.').collect();
        let [head, body, signature] = parts.as_slice() else { return None };
        let signed = head.starts_with("eyJ") && body.starts_with("eyJ") && signature.len() >= 20;
        signed.then_some(Leak { kind: "a signed token", at })
    })
}

fn find_prefix(text: &str) -> Option<Leak> {
    PREFIXES.iter().find_map(|(prefix, kind, least)| {
        text.match_indices(prefix).find_map(|(begin, _)| {
            let before = text.get(..begin)?.bytes().next_back();
            if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
                return None;
            }
            let behind = text.get(begin + prefix.len()..)?;
            let length = |most: usize| {
                let bytes = behind.bytes().take(most);
                bytes.take_while(|byte| is_base64(*byte) || *byte == b'.').count()
            };
            let key = behind.get(..length(LOOK_BYTES))?;
            let sample = key.contains("EXAMPLE") || distinct(key) <= 4;
            (key.len() >= *least && !sample).then(|| {
                let end = begin + prefix.len() + length(usize::MAX);
                Leak { kind, at: begin..end }
            })
        })
    })
}

/// `https://user:password@host`.
fn find_password_in_url(text: &str) -> Option<Leak> {
    let scheme = text.find("://")? + 3;
    let authority = text.get(scheme..)?.split(['/', '?', '#', ' ', '"', '\'', '<', '\n']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let begin = scheme + user.len() - password.len();
    (!password.is_empty() && !password.starts_with(['$', '{']))
        .then_some(Leak { kind: "a password in a URL", at: begin..begin + password.len() })
}

fn find_random(text: &str) -> Option<Leak> {
    words(text, is_base64).find_map(|at| {
        let word = text.get(at.clone())?;
        let hexadecimal = word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let random = if hexadecimal {
            word.len() >= HEXADECIMAL_LENGTH && distinct(word) >= 8
        } else {
            word.len() >= RANDOM_LENGTH && mixes_kinds(word) && bits(word) >= BITS_PER_CHARACTER
        };
        (random && !is_identifier(text, &at)).then_some(Leak { kind: "a random key", at })
    })
}

/// UUIDs, digests with their name in front, and parts of URLs, paths and resource ids are random and
/// public.
fn is_identifier(text: &str, at: &Range<usize>) -> bool {
    let word = text.get(at.clone()).unwrap_or_default();
    let before = tail(text.get(..at.start).unwrap_or_default());
    let spaced = before.rsplit([' ', '\n', '"', '\'', '=', '(']).next().unwrap_or_default();
    let in_path = spaced.contains('/') || word.starts_with('/') || word.matches('/').count() >= 2;
    in_path || spaced.ends_with("sha256:") || spaced.ends_with("sha512:") || is_uuid(word)
}

/// The end of a text, as far as one look goes.
fn tail(text: &str) -> &str {
    let wanted = text.len().saturating_sub(LOOK_BYTES);
    let begin = (wanted..=text.len()).find(|at| text.is_char_boundary(*at));
    begin.and_then(|at| text.get(at..)).unwrap_or_default()
}

fn is_uuid(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Small and capital letters with digits scattered among them: what generators make and people do
/// not write.
fn mixes_kinds(word: &str) -> bool {
    let changes = word
        .as_bytes()
        .iter()
        .zip(word.as_bytes().iter().skip(1))
        .filter(|(one, two)| kind_of(**one) != kind_of(**two))
        .count();
    let has = |kind: fn(&u8) -> bool| word.as_bytes().iter().any(kind);
    let groups_of_digits =
        word.split(|sign: char| !sign.is_ascii_digit()).filter(|group| !group.is_empty());
    groups_of_digits.count() >= 3
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && changes * 4 >= word.len()
}

fn kind_of(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

fn words(text: &str, inside: impl Fn(u8) -> bool) -> impl Iterator<Item = Range<usize>> {
    let mut bytes = text.bytes().enumerate().peekable();
    std::iter::from_fn(move || {
        let begin = bytes.by_ref().find(|(_, byte)| inside(*byte))?.0;
        let mut end = begin + 1;
        while bytes.next_if(|(_, byte)| inside(*byte)).is_some() {
            end += 1;
        }
        Some(begin..end)
    })
}

fn distinct(word: &str) -> usize {
    counts(word).iter().filter(|count| **count > 0).count()
}

/// Shannon's measure of the characters of a word.
fn bits(word: &str) -> f64 {
    let length = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    let shares = counts(word).into_iter().filter(|count| *count > 0);
    shares.map(|count| f64::from(count) / length).map(|share| -share * share.log2()).sum()
}

fn counts(word: &str) -> [u32; 256] {
    let mut counts = [0_u32; 256];
    for byte in word.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests;
