//! Formats the code; beside what `cargo fmt` does, imports are grouped and merged by crate.
//!
//! The two options are not stable in rustfmt, but it takes them on the command line.

use std::process::Command;

use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const IMPORTS: &str = "group_imports=StdExternalCrate,imports_granularity=Crate";

pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    let mut command = Command::new("cargo");
    command.current_dir(&repository.root).args(["fmt", "--all", "--"]);
    if mode == Mode::Check {
        command.args(["--check", "-l"]);
    }
    let output = command.args(["--config", IMPORTS]).output();
    let output = output.map_err(|error| format!("cargo fmt cannot be run: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    let root = format!("{}/", repository.root.display());
    let findings: Vec<_> = listed
        .lines()
        .map(|path| path.strip_prefix(&root).unwrap_or(path))
        .map(|path| Finding::new(path, "is not formatted", "run `cargo xtask fmt`"))
        .collect();
    if findings.is_empty() && !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(findings)
}
