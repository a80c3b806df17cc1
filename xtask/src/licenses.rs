//! What is built in: one TLS stack, one crypto provider, one runtime, known sources, licences that
//! we may ship under.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    finding::Finding,
    metadata::{Built, built},
    repository::Repository,
};

/// Packages that would be a second one of their kind, or are given up by their makers.
const BANNED: &[(&str, &str)] = &[
    ("ring", "a second crypto provider; choose the `aws_lc_rs` feature of who brings it"),
    ("openssl", "a second TLS stack; choose rustls"),
    ("openssl-sys", "a second TLS stack; choose rustls"),
    ("native-tls", "a second TLS stack; choose rustls"),
    ("async-std", "a second runtime; choose tokio"),
    ("smol", "a second runtime; choose tokio"),
    ("serde_yaml", "given up by its maker; the parser of `gw-model` reads YAML"),
    ("serde_yml", "unsound; the parser of `gw-model` reads YAML"),
    ("gix-command", "Git as a source starts no programs; its objects are enough: decision 0024"),
    ("lazy_static", "the standard library has `LazyLock`"),
];

/// Packages of which two versions would be two stacks.
const ONE_VERSION: &[&str] =
    &["aws-lc-rs", "aws-lc-sys", "axum", "http", "hyper", "reqwest", "rustls", "tokio", "h2"];

/// Licences under which a dependency may be shipped with an Apache-2.0 program.
const LICENSES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(crate) fn run(repository: &Repository) -> Result<Vec<Finding>, String> {
    let lock = repository.text("Cargo.lock")?.unwrap_or_default();
    let mut findings = sources(&lock);
    findings.extend(packages(&built(repository)?));
    Ok(findings)
}

/// Packages of the lock file that do not come from crates.io.
fn sources(lock: &str) -> Vec<Finding> {
    let source =
        |line: &str| Some(line.strip_prefix("source = \"")?.trim_end_matches('"').to_owned());
    let strange = lock.lines().filter_map(source).filter(|source| source != CRATES_IO);
    strange
        .map(|source| Finding::new(source, "is not a source we know", "take it from crates.io"))
        .collect()
}

fn packages(built: &[Built]) -> Vec<Finding> {
    let mut findings: Vec<_> = built.iter().flat_map(judge).collect();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in built.iter().filter(|package| ONE_VERSION.contains(&package.name.as_str())) {
        versions.entry(&package.name).or_default().push(&package.version);
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        let wrong = format!("is built in as {}", versions.join(" and "));
        let cure = format!("`cargo tree --invert {name}` shows who brings the older one");
        findings.push(Finding::new(name, wrong, cure));
    }
    findings
}

fn judge(package: &Built) -> Vec<Finding> {
    let Built { name, license, version: _ } = package;
    let mut findings = Vec::new();
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| banned == name) {
        findings.push(Finding::new(name, "may not be built in", *why));
    }
    if !is_allowed(license) {
        let cure =
            "find another package, or argue for the licence in `LICENSES` (xtask/src/licenses.rs)";
        findings.push(Finding::new(name, format!("is licensed under `{license}`"), cure));
    }
    findings
}

/// Judges an SPDX expression: one side of an `OR` is enough, both sides of an `AND` are needed.
fn is_allowed(expression: &str) -> bool {
    // Old manifests write a slash for `OR`.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    matches!(either(&words), Some((allowed, [])) if allowed)
}

/// What a part of an expression comes to, and the words after it.
type Judged<'w, 't> = Option<(bool, &'w [&'t str])>;

fn either<'w, 't>(words: &'w [&'t str]) -> Judged<'w, 't> {
    let (mut allowed, mut rest) = both(words)?;
    while let Some((&"OR", after)) = rest.split_first() {
        let (other, after) = both(after)?;
        (allowed, rest) = (allowed || other, after);
    }
    Some((allowed, rest))
}

fn both<'w, 't>(words: &'w [&'t str]) -> Judged<'w, 't> {
    let (mut allowed, mut rest) = single(words)?;
    while let Some((&"AND", after)) = rest.split_first() {
        let (other, after) = single(after)?;
        (allowed, rest) = (allowed && other, after);
    }
    Some((allowed, rest))
}

fn single<'w, 't>(words: &'w [&'t str]) -> Judged<'w, 't> {
    match words {
        ["(", inside @ ..] => {
            let (allowed, rest) = either(inside)?;
            rest.strip_prefix(&[")"]).map(|rest| (allowed, rest))
        }
        [license, "WITH", exception, rest @ ..] => {
            Some((LICENSES.contains(&format!("{license} WITH {exception}").as_str()), rest))
        }
        [license, rest @ ..] => Some((LICENSES.contains(license), rest)),
        [] => None,
    }
}
