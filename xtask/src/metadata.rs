//! What cargo knows about packages.

use std::process::Command;

use serde_json::Value;

use crate::repository::Repository;

/// One of our packages, with what it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tests,
    /// In the program, or needed to build it.
    Shipped,
}

/// A package that is compiled for some platform, ours or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) license: String,
}

pub(crate) fn ours(repository: &Repository) -> Result<Vec<Package>, String> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
    let text = cargo(repository, &arguments)?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| format!("`cargo metadata` said something unreadable: {error}"))?;
    Ok(list(&metadata, "packages").iter().map(package).collect())
}

/// Everything that is compiled. The lock file lists more: what no feature of ours switches on.
pub(crate) fn built(repository: &Repository) -> Result<Vec<Built>, String> {
    let arguments = [
        "tree",
        "--workspace",
        "--locked",
        "--target",
        "all",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ];
    let text = cargo(repository, &arguments)?;
    let mut packages: Vec<_> = text.lines().filter_map(built_line).collect();
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Reads `serde v1.0.0 (proc-macro)|MIT (*)`.
fn built_line(line: &str) -> Option<Built> {
    let (package, license) = line.split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?);
    Some(Built {
        name: name.to_owned(),
        version: version.trim_start_matches('v').to_owned(),
        license: license.trim_end_matches(" (*)").to_owned(),
    })
}

fn cargo(repository: &Repository, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("cargo").args(arguments).current_dir(&repository.root).output();
    let output = output.map_err(|error| format!("cargo cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn package(value: &Value) -> Package {
    Package {
        name: text(value, "name").unwrap_or_default(),
        dependencies: list(value, "dependencies").iter().map(dependency).collect(),
    }
}

fn dependency(value: &Value) -> Dependency {
    let tests = text(value, "kind").as_deref() == Some("dev");
    Dependency {
        name: text(value, "name").unwrap_or_default(),
        kind: if tests { Kind::Tests } else { Kind::Shipped },
    }
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}
