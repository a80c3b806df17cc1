//! No file that is read may hold a credential. What is found is blotted out of the sources, so that
//! nothing that prints a line of a file can show it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Node, Value},
    leak::{self, Look},
    load::discover::Found,
    openapi,
    source::{FileId, Position, Sources, Span},
};

/// Looks through everything that was read.
pub(crate) fn scan(
    found: &Found,
    documents: &BTreeMap<String, Arc<openapi::Document>>,
    native: &[FileId],
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let mut places: BTreeMap<Span, &'static str> = BTreeMap::new();
    for document in found.apis().chain(found.environments()).chain(found.workspace()) {
        scan_node(&document.node, Look::Everything, &mut places);
    }
    for file in &found.files {
        scan_lines(*file, Look::Prefixes, sources, &mut places);
    }
    for file in native.iter().chain(&found.cedar) {
        scan_lines(*file, Look::Everything, sources, &mut places);
    }
    for (_, tree) in documents.values().flat_map(|document| document.files()) {
        scan_samples(tree, &mut places);
    }
    let told: Vec<Span> = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.code == Code::Secret)
        .filter_map(|diagnostic| Some(diagnostic.labels.first()?.span))
        .collect();
    let mut last: Option<Span> = None;
    for (span, kind) in &places {
        let known = told.iter().copied().chain(last).any(|known| overlaps(known, *span));
        last = Some(*span);
        if known {
            continue;
        }
        let message = format!("{kind} stands in a file of the workspace");
        let told = Diagnostic::new(Code::Secret, message)
            .at(*span, "not shown")
            .help("put it into the secret store of the environment, and write its name here")
            .help("whoever could read this file knows it now: replace it");
        diagnostics.push(told);
    }
    for span in told.into_iter().chain(places.into_keys()) {
        sources.blot(span);
    }
}

fn overlaps(one: Span, two: Span) -> bool {
    one.file == two.file && one.start < two.end && two.start < one.end
}

fn scan_node(node: &Node, look: Look, places: &mut BTreeMap<Span, &'static str>) {
    match &node.value {
        Value::Text(text) if !is_public_key(text) => {
            if let Some(leak) = leak::find(text, look) {
                places.insert(node.span, leak.kind);
            }
        }
        Value::List(items) => items.iter().for_each(|item| scan_node(item, look, places)),
        Value::Map(entries) => {
            for entry in entries {
                if let Some(leak) = leak::find(&entry.key, look) {
                    places.insert(entry.key_span, leak.kind);
                }
                scan_node(&entry.node, look, places);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// `signingKeys` hold public keys, which look as random as secret ones.
fn is_public_key(text: &str) -> bool {
    let begins = ["ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-", "-----BEGIN PGP PUBLIC KEY BLOCK-----"];
    begins.iter().any(|begin| text.starts_with(begin))
}

fn scan_lines(
    file: FileId,
    look: Look,
    sources: &Sources,
    places: &mut BTreeMap<Span, &'static str>,
) {
    let text = sources.get(file).map(|source| source.text.as_str()).unwrap_or_default();
    if leak::find(text, look).is_none() {
        return;
    }
    for (line, number) in text.lines().zip(1u32..) {
        let Some(found) = leak::find(line, look) else { continue };
        let column = |byte: usize| {
            let before = line.get(..byte).unwrap_or_default().chars().count();
            u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
        };
        let start = Position { line: number, column: column(found.at.start) };
        let end = Position { line: number, column: column(found.at.end) };
        places.insert(Span { file, start, end }, found.kind);
    }
}

/// OpenAPI documents are full of digests and identifiers; only what they show as samples is looked
/// at, and only for known kinds of keys.
fn scan_samples(tree: &Node, places: &mut BTreeMap<Span, &'static str>) {
    match &tree.value {
        Value::List(items) => items.iter().for_each(|item| scan_samples(item, places)),
        Value::Map(entries) => {
            for entry in entries {
                if matches!(entry.key.as_str(), "example" | "examples" | "default") {
                    scan_node(&entry.node, Look::Prefixes, places);
                } else {
                    scan_samples(&entry.node, places);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}
