//! Changes single values in a text that people wrote, and nothing else of it: no comment, no order and
//! no quotation mark beside them.

use std::ops::Range;

use serde_json::Value as Json;

use crate::{
    document::{Limits, Node, Value, parse},
    source::{Position, Sources, Span},
};

/// A value that is to be another one. Its path is as the declaration writes it: `limits[0].rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change<'a> {
    pub path: &'a str,
    /// None: it is a new element of a list.
    pub before: Option<&'a Json>,
    /// None: it is to be gone, which no text is edited for.
    pub after: Option<&'a Json>,
}

/// The text does not say what is to be changed, or not in one word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPlace {
    pub path: String,
}

/// The text with these changes below `spec` of one declaration; none: it has no such declaration.
pub fn edited(
    text: &str,
    kind: &str,
    name: &str,
    changes: &[Change<'_>],
) -> Result<Option<String>, NoPlace> {
    let mut text = text.to_owned();
    for change in changes {
        let nowhere = || NoPlace { path: change.path.to_owned() };
        let Some(spec) = spec(&text, kind, name) else { return Ok(None) };
        let place = place(&text, &spec, change).ok_or_else(nowhere)?;
        let written = place.write(&text);
        // Whatever a parser makes of it, it has to be this.
        let after = self::spec(&written, kind, name).ok_or_else(nowhere)?;
        let holds = find(&after, &place.path).is_some_and(|node| is(node, change.after));
        text = if holds { written } else { return Err(nowhere()) };
    }
    Ok(Some(text))
}

/// Where a value comes to stand, in bytes.
struct Place {
    path: String,
    range: Range<usize>,
    text: String,
}

impl Place {
    fn write(&self, text: &str) -> String {
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        [part(0..self.range.start), &self.text, part(self.range.end..text.len())].concat()
    }
}

fn spec(text: &str, kind: &str, name: &str) -> Option<Node> {
    let file = Sources::default().add("", "");
    let documents = parse(text, file, &Limits::DECLARATION).ok()?;
    let is_meant = |node: &Node| {
        let word = |keys: &[&str]| node.at(keys).and_then(Node::as_text);
        word(&["kind"]) == Some(kind) && word(&["metadata", "name"]) == Some(name)
    };
    documents.into_iter().find(is_meant)?.at(&["spec"]).cloned()
}

fn place(text: &str, spec: &Node, change: &Change<'_>) -> Option<Place> {
    let after = scalar(change.after?)?;
    let Some(before) = change.before else { return added(text, spec, change.path, &after) };
    let at = find(spec, change.path).filter(|node| is(node, Some(before)));
    if let Some(node) = at {
        return Some(Place {
            path: change.path.to_owned(),
            range: word(text, node.span),
            text: after,
        });
    }
    // Where the order means nothing, an element is where its value stands.
    let (list, _) = change.path.strip_suffix(']')?.rsplit_once('[')?;
    let items = find(spec, list)?.as_list()?;
    let index = items.iter().position(|item| is(item, Some(before)))?;
    let range = word(text, items.get(index)?.span);
    Some(Place { path: format!("{list}[{index}]"), range, text: after })
}

/// At the end of its list, written as the list is.
fn added(text: &str, spec: &Node, path: &str, value: &str) -> Option<Place> {
    let (list, _) = path.strip_suffix(']')?.rsplit_once('[')?;
    let node = find(spec, list)?;
    let items = node.as_list()?;
    let last = word(text, items.last()?.span);
    let begins = text.get(offset(text, node.span.start)..)?.chars().next()?;
    let glue = match begins {
        '[' => ", ".to_owned(),
        // One element a line.
        '-' => {
            let indent = usize::try_from(node.span.start.column).ok()?.checked_sub(1)?;
            format!("\n{}- ", " ".repeat(indent))
        }
        _ => return None,
    };
    let path = format!("{list}[{}]", items.len());
    // Behind a comment of the last one, where each has its line.
    let at = match begins {
        '-' => last.end + text.get(last.end..)?.find('\n').unwrap_or(text.len() - last.end),
        _ => last.end,
    };
    Some(Place { path, range: at..at, text: format!("{glue}{value}") })
}

/// `a.b[0].c`, from here.
fn find<'a>(node: &'a Node, path: &str) -> Option<&'a Node> {
    path.split('.').try_fold(node, |node, part| {
        let (key, rest) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        let node = node.get(key)?;
        let indexes = rest.split('[').filter(|index| !index.is_empty());
        indexes.into_iter().try_fold(node, |node, index| {
            let index: usize = index.strip_suffix(']')?.parse().ok()?;
            node.as_list()?.get(index)
        })
    })
}

fn is(node: &Node, value: Option<&Json>) -> bool {
    match (&node.value, value) {
        (Value::Text(text), Some(Json::String(value))) => text == value,
        (Value::Number(number), Some(Json::Number(value))) => *number == value.to_string(),
        (Value::Bool(one), Some(Json::Bool(other))) => one == other,
        _ => false,
    }
}

/// As JSON, which YAML reads as well; a plain word without quotation marks.
fn scalar(value: &Json) -> Option<String> {
    let is_plain = |text: &str| {
        // What begins with a digit may be a number, unless it is a rate.
        let begins =
            |sign: char| sign.is_ascii_alphabetic() || sign.is_ascii_digit() && text.contains('/');
        text.starts_with(begins)
            && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "-_/.".contains(sign))
            && !["true", "false", "null", "yes", "no", "on", "off"]
                .contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Json::String(text) if is_plain(text) => Some(text.clone()),
        Json::String(_) | Json::Number(_) | Json::Bool(_) => Some(value.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The bytes of a value as it is written. What a parser takes for its place may go on to the next word,
/// over spaces and a comment.
fn word(text: &str, span: Span) -> Range<usize> {
    let (start, end) = (offset(text, span.start), offset(text, span.end));
    let whole = text.get(start..end).unwrap_or_default();
    let length = match whole.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(whole, quote),
        _ => {
            let line = whole.lines().next().unwrap_or_default();
            line.split(" #").next().unwrap_or_default().trim_end().len()
        }
    };
    start..start + length
}

/// To the closing quotation mark. In one kind a backslash stands before what is meant, in the other the mark
/// is doubled.
fn quoted(whole: &str, quote: char) -> usize {
    let mut signs = whole.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        let is_doubled =
            |next: Option<&(usize, char)>| next.is_some_and(|(_, next)| *next == quote);
        if quote == '"' && sign == '\\'
            || sign == quote && quote == '\'' && is_doubled(signs.peek())
        {
            signs.next();
        } else if sign == quote {
            return at + 1;
        }
    }
    whole.len()
}

/// The byte at which a place begins.
fn offset(text: &str, at: Position) -> usize {
    let lines = usize::try_from(at.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let line = text.get(before..).unwrap_or_default();
    let columns = usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX);
    before + line.char_indices().nth(columns).map_or(line.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests;
