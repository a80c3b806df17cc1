//! Links between documents lead somewhere.

use std::collections::BTreeSet;

use crate::finding::Finding;

/// Relative links of a Markdown file whose target is not in the repository.
pub(super) fn file(path: &str, text: &str, paths: &[String]) -> Vec<Finding> {
    if !path.ends_with(".md") {
        return vec![];
    }
    let folders: BTreeSet<&str> =
        paths.iter().filter_map(|path| Some(path.rsplit_once('/')?.0)).collect();
    let known = |target: &str| {
        let target = target.trim_end_matches('/');
        paths.iter().any(|path| path == target)
            || folders.iter().any(|folder| {
                folder
                    .strip_prefix(target)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    };
    let mut findings = Vec::new();
    for (place, line) in text.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let elsewhere =
                target.contains("://") || target.starts_with('#') || target.starts_with("mailto:");
            let target = target.split('#').next().unwrap_or(target);
            if !elsewhere && !known(&resolved(path, target)) {
                let wrong = format!("links to `{target}`, which does not exist");
                let place = format!("{path}:{}", place + 1);
                findings.push(Finding::new(place, wrong, "mend the link or write the document"));
            }
        }
    }
    findings
}

/// The target as a path from the root.
fn resolved(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
