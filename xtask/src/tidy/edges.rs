//! Who may depend on whom. The table is the one in docs/ARCHITECTURE.md.

use crate::{
    finding::Finding,
    metadata::{Kind, Package},
};

/// Our crates from the inside out, and which of ours each may name outside of tests.
const EDGES: &[(&str, Uses)] = &[
    ("gw-model", Uses::Only(&[])),
    ("gw-audit", Uses::Only(&[])),
    ("gw-policy", Uses::Only(&["gw-model"])),
    ("gw-plan", Uses::Only(&["gw-model", "gw-policy"])),
    ("gw-net", Uses::Only(&["gw-model"])),
    ("gw-emulators", Uses::Only(&["gw-model"])),
    ("gw-secrets", Uses::Only(&["gw-model", "gw-net"])),
    ("gw-drivers", Uses::Only(&["gw-model", "gw-net", "gw-plan", "gw-policy"])),
    ("gw-proxy", Uses::Only(&["gw-model", "gw-net", "gw-policy"])),
    ("gw-control", Uses::Only(&["gw-audit", "gw-model", "gw-net", "gw-plan", "gw-policy"])),
    (
        "gw-web",
        Uses::Only(&["gw-audit", "gw-control", "gw-model", "gw-net", "gw-plan", "gw-policy"]),
    ),
    ("gw", Uses::Anything),
    (TESTKIT, Uses::Anything),
    ("xtask", Uses::Only(&["gw-model"])),
];

/// Only ever a dev-dependency, whoever uses it.
const TESTKIT: &str = "gw-testkit";

/// Crates that must stay unable to do I/O.
const PURE: &[&str] = &["gw-audit", "gw-model", "gw-plan", "gw-policy"];

/// What does I/O, or drags it in. A star stands for any ending.
const IO: &[&str] =
    &["axum*", "hyper*", "notify", "reqwest*", "socket2", "sqlx*", "tempfile", "tokio*"];

#[derive(Debug)]
enum Uses {
    Only(&'static [&'static str]),
    Anything,
}

pub(super) fn findings(packages: &[Package]) -> Vec<Finding> {
    let mut findings: Vec<_> = packages.iter().flat_map(package).collect();
    let exists = |name: &str| packages.iter().any(|package| package.name == name);
    for (name, _) in EDGES.iter().filter(|(name, _)| !exists(name)) {
        findings.push(Finding::new(
            "xtask/src/tidy/edges.rs",
            format!("`EDGES` has a row for `{name}`, which does not exist"),
            "delete the row",
        ));
    }
    findings
}

fn package(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    let place = match name {
        "xtask" => "xtask/Cargo.toml".to_owned(),
        _ => format!("crates/{name}/Cargo.toml"),
    };
    let Some((_, uses)) = EDGES.iter().find(|(row, _)| *row == name) else {
        return vec![Finding::new(
            place,
            format!("`{name}` is not among our crates"),
            "give it a row in `EDGES` (xtask/src/tidy/edges.rs) and say in docs/ARCHITECTURE.md why it exists",
        )];
    };
    let shipped = package.dependencies.iter().filter(|used| used.kind == Kind::Shipped);
    shipped
        .filter_map(|used| edge(name, uses, &used.name))
        .map(|(wrong, cure)| Finding::new(&place, wrong, cure))
        .collect()
}

/// What is wrong with one dependency that is not for tests only, and the cure.
fn edge(name: &str, uses: &Uses, used: &str) -> Option<(String, String)> {
    if used == TESTKIT {
        return Some((
            format!("`{TESTKIT}` must not be shipped"),
            "move it to [dev-dependencies]".to_owned(),
        ));
    }
    let named = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(start) => used.starts_with(start),
        None => used == *pattern,
    };
    if PURE.contains(&name) && IO.iter().any(named) {
        return Some((
            format!("`{name}` is pure and may not use `{used}`"),
            "do the I/O in an edge crate and hand over plain data".to_owned(),
        ));
    }
    let Uses::Only(allowed) = uses else { return None };
    if !EDGES.iter().any(|(row, _)| *row == used) || allowed.contains(&used) {
        return None;
    }
    let cure = if allowed.is_empty() {
        "it uses no crate of ours: take a value or a trait instead".to_owned()
    } else {
        format!("it may use {}: move the code there, or take a trait", allowed.join(", "))
    };
    Some((format!("`{name}` may not use `{used}`"), cure))
}
