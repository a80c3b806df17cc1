//! What no compiler checks: who may know whom, how long a file may be, names, words, links.

mod edges;
mod links;
mod shape;
#[cfg(test)]
mod tests;
mod words;

use crate::{finding::Finding, metadata, repository::Repository};

pub(crate) fn run(repository: &Repository) -> Result<Vec<Finding>, String> {
    let mut findings = edges::findings(&metadata::ours(repository)?);
    let paths = repository.paths()?;
    findings.extend(shape::names(&paths));
    for path in &paths {
        let Some(text) = repository.text(path)? else { continue };
        findings.extend(shape::file(path, &text));
        findings.extend(words::file(path, &text));
        findings.extend(links::file(path, &text, &paths));
    }
    findings.extend(shape::gone(&paths));
    findings.sort();
    Ok(findings)
}
