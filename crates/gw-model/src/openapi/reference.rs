//! `$ref`: which node of which file of the workspace it means.

use std::{collections::BTreeMap, fmt};

use crate::document::{Node, Value};

/// A node by its file and the way down from the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pointer {
    pub file: String,
    /// Keys, and positions in lists.
    pub tokens: Vec<String>,
}

/// What a `$ref` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) file: String,
    pub(super) target: Target,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tokens(Vec<String>),
    /// `#name`, which a schema carries as its `$anchor`.
    Anchor(String),
}

/// Why a `$ref` is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Remote,
    Absolute,
    Outside,
    Malformed,
}

impl Reference {
    /// Reads what stands behind `$ref` in `file`.
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, Refusal> {
        let (path, fragment) = text.split_once('#').unwrap_or((text, ""));
        let path = unescape(path).ok_or(Refusal::Malformed)?;
        let fragment = unescape(fragment).ok_or(Refusal::Malformed)?;
        let target = match fragment.strip_prefix('/') {
            Some(tokens) => Target::Tokens(
                tokens
                    .split('/')
                    .map(|token| token.replace("~1", "/").replace("~0", "~"))
                    .collect(),
            ),
            None if fragment.is_empty() => Target::Tokens(Vec::new()),
            None => Target::Anchor(fragment),
        };
        Ok(Self { file: beside(&path, file)?, target })
    }
}

/// The path of a file from the root of the workspace, said by its neighbour.
fn beside(path: &str, neighbour: &str) -> Result<String, Refusal> {
    if path.is_empty() {
        return Ok(neighbour.to_owned());
    }
    if has_scheme(path) || path.starts_with("//") {
        return Err(Refusal::Remote);
    }
    if path.starts_with('/') || path.contains('\\') {
        return Err(Refusal::Absolute);
    }
    let mut folders: Vec<&str> = neighbour.split('/').collect();
    folders.pop();
    for step in path.split('/') {
        match step {
            "." | "" => {}
            ".." => {
                folders.pop().ok_or(Refusal::Outside)?;
            }
            _ => folders.push(step),
        }
    }
    Ok(folders.join("/"))
}

fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

impl Pointer {
    /// One level down.
    #[must_use]
    pub fn join(&self, token: &str) -> Self {
        let mut tokens = self.tokens.clone();
        tokens.push(token.to_owned());
        Self { file: self.file.clone(), tokens }
    }
}

/// The node at the end of the tokens.
pub(super) fn walk<'a>(root: &'a Node, tokens: &[String]) -> Option<&'a Node> {
    tokens.iter().try_fold(root, |node, token| match &node.value {
        Value::Map(_) => node.get(token),
        Value::List(items) => items.get(token.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
    })
}

/// The way down to every schema that carries an anchor; of two with one name, to the first.
pub(super) fn anchors(root: &Node) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    collect_anchors(root, &mut vec![], &mut found);
    found
}

/// Goes no deeper than the reader of documents, which counts.
fn collect_anchors(node: &Node, way: &mut Vec<String>, found: &mut BTreeMap<String, Vec<String>>) {
    for key in ["$anchor", "$dynamicAnchor"] {
        if let Some(anchor) = node.get(key).and_then(Node::as_text) {
            found.entry(anchor.to_owned()).or_insert_with(|| way.clone());
        }
    }
    let mut down = |token: String, node: &Node| {
        way.push(token);
        collect_anchors(node, way, found);
        way.pop();
    };
    match &node.value {
        Value::Map(entries) => {
            entries.iter().for_each(|entry| down(entry.key.clone(), &entry.node));
        }
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| down(index.to_string(), item));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#", self.file)?;
        for token in &self.tokens {
            write!(f, "/{}", token.replace('~', "~0").replace('/', "~1"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
