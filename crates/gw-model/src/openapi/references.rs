//! Every `$ref` of a document: where it stands, and that it leads somewhere in the workspace.
//!
//! A schema may contain itself. A reference that leads only to references, and at last back to
//! itself, means nothing and is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Node, Value},
    openapi::reference::{Pointer, Reference, Refusal, Target, anchors, walk},
    source::Span,
};

pub(super) type Trees = BTreeMap<String, Arc<Tree>>;

/// A file, and where its anchors are: looked for once, when one is first named.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    anchors: OnceLock<BTreeMap<String, Vec<String>>>,
}

impl Tree {
    pub(super) fn new(root: Node) -> Self {
        Self { root, anchors: OnceLock::new() }
    }

    fn anchor(&self, name: &str) -> Option<&Vec<String>> {
        self.anchors.get_or_init(|| anchors(&self.root)).get(name)
    }
}

/// A `$ref` as written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) at: Span,
}

/// The node that is left when no `$ref` stands in the way any more.
#[derive(Clone, Debug)]
pub(super) struct End<'a> {
    pub(super) file: &'a str,
    pub(super) node: &'a Node,
}

/// What the keys of a map are.
#[derive(Clone, Copy)]
enum Keys {
    /// Words of OpenAPI.
    Fields,
    /// Names that the author chose: none of them is a keyword.
    Names,
}

/// Fields whose map has names for keys.
const NAMED: [&str; 20] = [
    "$defs",
    "callbacks",
    "content",
    "definitions",
    "dependentSchemas",
    "encoding",
    "headers",
    "links",
    "mapping",
    "parameters",
    "pathItems",
    "paths",
    "patternProperties",
    "properties",
    "requestBodies",
    "responses",
    "schemas",
    "securitySchemes",
    "variables",
    "webhooks",
];

/// Fields that hold data of callers, in which `$ref` is a word like any other.
const DATA: [&str; 5] = ["const", "default", "enum", "example", "examples"];

/// Every distinct `$ref` below a node, in the order of the file.
pub(super) fn collect(root: &Node) -> Vec<Written> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut waiting = vec![(root, Keys::Fields)];
    while let Some((node, keys)) = waiting.pop() {
        match &node.value {
            Value::Map(entries) => {
                for entry in entries.iter().rev() {
                    let (key, child) = (entry.key.as_str(), &entry.node);
                    match (keys, &child.value) {
                        (Keys::Names, _) => waiting.push((child, Keys::Fields)),
                        (Keys::Fields, Value::Text(text)) if key == "$ref" => {
                            if seen.insert(text) {
                                found.push(Written { text: text.clone(), at: child.span });
                            }
                        }
                        (Keys::Fields, _) if key.starts_with("x-") || DATA.contains(&key) => {}
                        (Keys::Fields, Value::Map(_)) if NAMED.contains(&key) => {
                            waiting.push((child, Keys::Names));
                        }
                        (Keys::Fields, _) => waiting.push((child, Keys::Fields)),
                    }
                }
            }
            Value::List(items) => {
                waiting.extend(items.iter().rev().map(|item| (item, Keys::Fields)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }
    found
}

/// The node that a `$ref` in `file` means.
pub(super) fn target<'a>(trees: &'a Trees, file: &str, text: &str) -> Option<(Pointer, End<'a>)> {
    let reference = Reference::parse(text, file).ok()?;
    let (path, tree) = trees.get_key_value(&reference.file)?;
    let tokens = match reference.target {
        Target::Tokens(tokens) => tokens,
        Target::Anchor(anchor) => tree.anchor(&anchor)?.clone(),
    };
    let node = walk(&tree.root, &tokens)?;
    Some((Pointer { file: path.clone(), tokens }, End { file: path, node }))
}

/// Follows `$ref` after `$ref`. `None`: one leads nowhere, or they go round in a circle.
pub(super) fn end<'a>(trees: &'a Trees, file: &'a str, node: &'a Node) -> Option<End<'a>> {
    let mut end = End { file, node };
    let mut seen = BTreeSet::new();
    while let Some(text) = end.node.get("$ref").and_then(Node::as_text) {
        let (pointer, next) = target(trees, end.file, text)?;
        if !seen.insert(pointer) {
            return None;
        }
        end = next;
    }
    Some(end)
}

/// What is wrong with the references of one file; all files that they name are in `trees`, unless
/// they cannot be read.
pub(super) fn check(trees: &Trees, file: &str, written: &[Written]) -> Vec<Diagnostic> {
    let mut reported = BTreeSet::new();
    written.iter().filter_map(|one| check_one(trees, file, one, &mut reported)).collect()
}

fn check_one(
    trees: &Trees,
    file: &str,
    written: &Written,
    reported: &mut BTreeSet<Pointer>,
) -> Option<Diagnostic> {
    let reference = match Reference::parse(&written.text, file) {
        Ok(reference) => reference,
        Err(refusal) => return Some(refuse(written, refusal)),
    };
    // A file that is missing or cannot be parsed has been reported when it was opened.
    if !trees.contains_key(&reference.file) {
        return None;
    }
    let Some((first, mut end)) = target(trees, file, &written.text) else {
        return Some(
            Diagnostic::new(Code::DanglingReference, format!("`{}` leads nowhere", written.text))
                .at(written.at, format!("`{}` has no such place", reference.file)),
        );
    };
    let mut seen = vec![(first, written.at)];
    while let Some(next) = end.node.get("$ref") {
        let (pointer, behind) = target(trees, end.file, next.as_text()?)?;
        if seen.iter().any(|(earlier, _)| *earlier == pointer) {
            let known = seen.iter().any(|(pointer, _)| reported.contains(pointer));
            reported.extend(seen.iter().map(|(pointer, _)| pointer.clone()));
            return (!known).then(|| circle(written, &seen, next.span));
        }
        seen.push((pointer, next.span));
        end = behind;
    }
    None
}

fn circle(written: &Written, seen: &[(Pointer, Span)], back: Span) -> Diagnostic {
    let mut diagnostic = Diagnostic::new(
        Code::ReferenceCycle,
        format!("`{}` leads to references only, and back to where it began", written.text),
    )
    .at(written.at, "followed from here");
    for (_, at) in seen.iter().skip(1).filter(|(_, at)| *at != back && *at != written.at) {
        diagnostic = diagnostic.at(*at, "on to here");
    }
    if back != written.at {
        diagnostic = diagnostic.at(back, "and back again");
    }
    diagnostic.help("let one of them hold the thing itself instead of a `$ref`")
}

fn refuse(written: &Written, refusal: Refusal) -> Diagnostic {
    let text = &written.text;
    let (message, label, help) = match refusal {
        Refusal::Remote => (
            format!("`{text}` is not in this workspace, and nothing is fetched while reading"),
            "a remote reference",
            "keep a copy of the file in the workspace and refer to it by its path from this file",
        ),
        Refusal::Absolute => (
            format!("`{text}` is a path of one machine"),
            "not a path from this file",
            "write the path from this file, with `/`, for example `../shared/errors.yaml#/NotFound`",
        ),
        Refusal::Outside => (
            format!("`{text}` leads out of the workspace"),
            "above the root of the workspace",
            "keep a copy of the file in the workspace and refer to that",
        ),
        Refusal::Malformed => (
            format!("`{text}` is not a reference"),
            "`%` must be followed by two hexadecimal digits",
            "write it as FILE#/PATH/TO/THE/THING, for example `#/components/schemas/Order`",
        ),
    };
    Diagnostic::new(Code::RemoteReference, message).at(written.at, label).help(help)
}
