//! What is shown and what is not: two tables made from the marks above tests.
//!
//! A mark is a line `/// Shows S1.5: holds` above a test. A requirement is as strong as the weakest
//! of its marks; a threat counts only through a test that runs the one helper for attacks.

mod catalogue;
mod marks;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{
    finding::Finding,
    proofs::{catalogue::Id, marks::Mark},
    repository::{Mode, Repository},
};

const REQUIREMENTS: &str = "docs/requirements.md";
const THREATS: &str = "docs/threat-model.md";

pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    let mut found = Vec::new();
    let mut findings = Vec::new();
    // The chores show nothing about the product, and their tests hold marks as text.
    let counts = |path: &&String| path.ends_with(".rs") && !path.starts_with("xtask/");
    for path in repository.paths()?.iter().filter(counts) {
        let Some(text) = repository.text(path)? else { continue };
        let (marks, wrong) = marks::read(path, &text);
        found.extend(marks);
        findings.extend(wrong);
    }
    let mut shown: BTreeMap<Id, Vec<&Mark>> = BTreeMap::new();
    for mark in &found {
        shown.entry(mark.id).or_default().push(mark);
    }
    findings.extend(repository.keep_current(
        REQUIREMENTS,
        &table::requirements(&shown),
        mode,
        "proofs",
    )?);
    findings.extend(repository.keep_current(THREATS, &table::threats(&shown), mode, "proofs")?);
    Ok(findings)
}
