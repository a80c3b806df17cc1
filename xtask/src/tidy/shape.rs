//! How long a file may be, what it may be called, and where its tests stand.

use crate::finding::Finding;

/// A guide for everything but tests.
const MOST_LINES: usize = 700;

/// Files that are longer, with their length. A number here may only become smaller.
const LONGER: &[(&str, usize)] = &[];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] = &["common", "helpers", "manager", "misc", "types", "util", "utils"];

pub(super) fn names(paths: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in paths.iter().filter(|path| path.ends_with(".rs")) {
        let mut parts = path.trim_end_matches(".rs").split('/').rev();
        let name = parts.next().unwrap_or_default();
        if name == "mod" {
            let cure = "name the file after the module, beside its folder";
            findings.push(Finding::new(path, "is a `mod.rs`", cure));
        }
        if EMPTY_NAMES.contains(&name) {
            let cure = "name it after what it is about, or move each part to who uses it";
            findings.push(Finding::new(path, format!("`{name}` says nothing"), cure));
        }
        if parts.next() == Some("tests")
            && path.starts_with("crates/")
            && !path.contains("/src/")
            && name != "all"
        {
            let cure = "make it a module of tests/all.rs or tests/all/main.rs";
            findings.push(Finding::new(path, "would be linked as a program of its own", cure));
        }
    }
    findings
}

pub(super) fn file(path: &str, text: &str) -> Vec<Finding> {
    if !path.ends_with(".rs") {
        return vec![];
    }
    let mut findings = length(path, text);
    let inline = |line: &str| line.starts_with("mod tests {");
    if let Some(place) = text.lines().position(inline) {
        let stem = path.trim_end_matches(".rs");
        let cure = format!("move them to {stem}/tests.rs and leave `mod tests;`");
        findings.push(Finding::new(
            format!("{path}:{}", place + 1),
            "tests stand in the file",
            cure,
        ));
    }
    let generated = text.starts_with("//!") || text.starts_with("#![");
    if is_product(path) && !generated {
        let cure = "begin it with `//!`: what it is, and what it is not";
        findings.push(Finding::new(path, "does not say what it is", cure));
    }
    findings
}

fn length(path: &str, text: &str) -> Vec<Finding> {
    let lines = text.lines().count();
    let allowed = LONGER.iter().find(|(longer, _)| *longer == path).map(|(_, lines)| *lines);
    let shorten = |lines: usize| format!("write {lines} in `LONGER` (xtask/src/tidy/shape.rs)");
    match allowed {
        Some(allowed) if lines <= MOST_LINES => {
            let wrong = format!("has {lines} lines and no longer needs its {allowed}");
            vec![Finding::new(path, wrong, "delete its row in `LONGER` (xtask/src/tidy/shape.rs)")]
        }
        Some(allowed) if lines < allowed => {
            vec![Finding::new(path, format!("has become shorter than {allowed}"), shorten(lines))]
        }
        None if !is_product(path) => vec![],
        _ if lines > allowed.unwrap_or(MOST_LINES) => {
            let wrong = format!("has {lines} lines, more than {}", allowed.unwrap_or(MOST_LINES));
            vec![Finding::new(path, wrong, "split it where a reader would look for two things")]
        }
        _ => vec![],
    }
}

/// Rows of `LONGER` without a file.
pub(super) fn gone(paths: &[String]) -> Vec<Finding> {
    LONGER
        .iter()
        .filter(|(path, _)| !paths.iter().any(|found| found == path))
        .map(|(path, _)| {
            let cure = "delete its row in `LONGER` (xtask/src/tidy/shape.rs)";
            Finding::new(*path, "is gone", cure)
        })
        .collect()
}

/// Whether the file is Rust code outside of tests.
fn is_product(path: &str) -> bool {
    path.ends_with(".rs") && !path.contains("/tests/") && !path.ends_with("/tests.rs")
}
