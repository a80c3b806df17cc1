//! The one way in which JSON is not YAML: a character outside of the first plane may be written as
//! two escapes, `\ud83d\ude00`, where YAML wants `\U0001F600`. Python writes every emoji so.

use std::borrow::Cow;

/// The text with such pairs as YAML writes them. Only the columns behind a pair on the same line
/// move, by two. A half of a pair stays as it is and is refused by whoever reads the text.
pub(super) fn join_surrogates(text: &str) -> Cow<'_, str> {
    let looks_like_json = text.trim_start().starts_with(['{', '[']);
    if !looks_like_json || !text.contains("\\ud") && !text.contains("\\uD") {
        return Cow::Borrowed(text);
    }
    let mut joined = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, escape)) = rest.find('\\').and_then(|at| rest.split_at_checked(at)) {
        joined.push_str(before);
        if let Some((sign, behind)) = pair(escape) {
            joined.push_str(&format!("\\U{:08X}", u32::from(sign)));
            rest = behind;
            continue;
        }
        // The escaped sign goes along, so that the second half of `\\` begins nothing.
        let length = escape.chars().take(2).map(char::len_utf8).sum();
        let (kept, behind) = escape.split_at_checked(length).unwrap_or((escape, ""));
        joined.push_str(kept);
        rest = behind;
    }
    joined.push_str(rest);
    Cow::Owned(joined)
}

/// The character that two escapes at the beginning of a text make, and what comes behind them.
fn pair(text: &str) -> Option<(char, &str)> {
    let (high, rest) = unit(text)?;
    let (low, rest) = unit(rest)?;
    let sign = char::decode_utf16([high, low]).next()?.ok()?;
    (u32::from(sign) > 0xffff).then_some((sign, rest))
}

fn unit(text: &str) -> Option<(u16, &str)> {
    let (digits, rest) = text.strip_prefix("\\u")?.split_at_checked(4)?;
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let unit = u16::from_str_radix(digits, 16).ok().filter(|_| hexadecimal)?;
    Some((unit, rest))
}
