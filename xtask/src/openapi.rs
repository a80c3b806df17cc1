//! The document for programs that speak with the server, as the contract of `gw-web` makes it.

use std::process::Command;

use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const DOCUMENT: &str = "openapi/gatewright.v1.json";

/// It is compared by a test of `gw-web` as well, which is built there anyway.
pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    let output = Command::new("cargo")
        .current_dir(&repository.root)
        .args(["run", "--quiet", "--package", "gw-web", "--example", "openapi"])
        .output()
        .map_err(|error| format!("the document cannot be made: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8(output.stdout).map_err(|error| error.to_string())?;
    repository.keep_current(DOCUMENT, &text, mode, "openapi")
}
