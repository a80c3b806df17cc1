//! Diagnostics for machines.

use std::collections::BTreeSet;

use gw_model::{
    code::Code,
    diagnostic::{Diagnostic, Severity},
    source::{Sources, Span},
};
use serde_json::{Value, json};

use super::Summary;

/// One document, `gatewright.io/check/v1`.
pub(crate) fn json(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let summary = Summary::of(diagnostics, sources);
    let all: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| {
            let diagnostic = diagnostic.clone().resolve(sources);
            let labels = diagnostic.labels.iter().map(|label| {
                let mut place = place(label.span, sources);
                if let Value::Object(fields) = &mut place {
                    fields.insert("text".to_owned(), label.text.clone().into());
                }
                place
            });
            let marks = diagnostic.marks.iter().map(|mark| {
                json!({"file": mark.file, "line": mark.start.line, "column": mark.start.column,
                       "endLine": mark.end.line, "endColumn": mark.end.column, "text": mark.text})
            });
            json!({
                "code": diagnostic.code.to_string(),
                "severity": word(diagnostic.severity()),
                "message": diagnostic.message,
                "places": labels.chain(marks).collect::<Vec<_>>(),
                "notes": diagnostic.notes,
                "help": diagnostic.help,
            })
        })
        .collect();
    json!({
        "schema": "gatewright.io/check/v1",
        "diagnostics": all,
        "counts": {"errors": summary.errors, "warnings": summary.warnings, "notes": summary.notes,
                   "files": summary.files, "filesWithDiagnostics": summary.touched},
    })
}

/// One run of SARIF 2.1.0, as code hosts and editors read it.
pub(crate) fn sarif(diagnostics: &[Diagnostic], sources: &Sources) -> Value {
    let used: BTreeSet<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    let rules: Vec<_> = used
        .iter()
        .map(|code| {
            json!({
                "id": code.to_string(),
                "shortDescription": {"text": code.title()},
                "fullDescription": {"text": code.explain()},
                "defaultConfiguration": {"level": word(code.severity())},
            })
        })
        .collect();
    let results: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| {
            let diagnostic = diagnostic.clone().resolve(sources);
            let places: Vec<_> = diagnostic
                .labels
                .iter()
                .enumerate()
                .map(|(id, label)| location(id, label.span, &label.text, sources))
                .collect();
            let (first, others) = places.split_at_checked(1).unwrap_or((&[], &[]));
            let text: Vec<&str> = std::iter::once(diagnostic.message.as_str())
                .chain(diagnostic.notes.iter().map(String::as_str))
                .chain(diagnostic.help.iter().map(String::as_str))
                .collect();
            json!({
                "ruleId": diagnostic.code.to_string(),
                "ruleIndex": used.iter().position(|code| *code == diagnostic.code),
                "level": word(diagnostic.severity()),
                "message": {"text": text.join("\n")},
                "locations": first,
                "relatedLocations": others,
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "gatewright", "version": env!("CARGO_PKG_VERSION"),
                                "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// The severities have the same names in all formats.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

fn place(span: Span, sources: &Sources) -> Value {
    let path = sources.get(span.file).map(|file| file.path.as_str());
    json!({"file": path, "line": span.start.line, "column": span.start.column,
           "endLine": span.end.line, "endColumn": span.end.column})
}

fn location(id: usize, span: Span, text: &str, sources: &Sources) -> Value {
    let path = sources.get(span.file).map(|file| address(&file.path));
    json!({
        "id": id,
        "physicalLocation": {
            "artifactLocation": {"uri": path, "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": span.start.line, "startColumn": span.start.column,
                       "endLine": span.end.line, "endColumn": span.end.column},
        },
        "message": {"text": text},
    })
}

/// A path as a relative URI.
fn address(path: &str) -> String {
    let mut address = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address
}
