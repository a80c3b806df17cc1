//! Repository chores: `cargo xtask CHORE`. Nothing here is shipped.
//!
//! Each chore reads the repository and prints what is wrong and the way out; a chore that writes a
//! file has `--check`, which only compares.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore reports on the terminal")]

mod contracts;
mod finding;
mod format;
mod licenses;
mod metadata;
mod openapi;
mod proofs;
mod reference;
mod repository;
mod schema;
mod tidy;

use std::process::ExitCode;

use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const USAGE: &str = "\
usage: cargo xtask CHORE

  tidy                checks who may know whom, sizes, names and words
  fmt [--check]       formats, and groups imports
  licenses            checks what is built in: licences, sources, one of each kind
  contracts [--check] writes what the emulated Bitbucket checks requests against
  schema [--check]    writes schemas/gatewright.schema.json from the types
  openapi [--check]   writes openapi/gatewright.v1.json from the contract of gw-web
  reference [--check] writes docs/reference.md from the types, docs/commands.md from the binary
  proofs [--check]    writes docs/requirements.md and docs/threat-model.md from the marks above tests";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (chore, mode) = match words[..] {
        [chore] => (chore, Mode::Write),
        [chore, "--check"] => (chore, Mode::Check),
        _ => return usage(),
    };
    let repository = match Repository::find() {
        Ok(repository) => repository,
        Err(error) => {
            eprintln!("the repository cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    let findings = match chore {
        "tidy" => tidy::run(&repository),
        "fmt" => format::run(&repository, mode),
        "licenses" => licenses::run(&repository),
        "contracts" => contracts::run(&repository, mode),
        "schema" => schema::run(&repository, mode),
        "openapi" => openapi::run(&repository, mode),
        "reference" => reference::run(&repository, mode),
        "proofs" => proofs::run(&repository, mode),
        _ => return usage(),
    };
    report(chore, findings)
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn report(chore: &str, findings: Result<Vec<Finding>, String>) -> ExitCode {
    let findings = match findings {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("{chore}: {error}");
            return ExitCode::FAILURE;
        }
    };
    for finding in &findings {
        eprintln!("{finding}");
    }
    if findings.is_empty() {
        println!("{chore}: nothing to say");
        ExitCode::SUCCESS
    } else {
        eprintln!("{chore}: {} to mend", findings.len());
        ExitCode::FAILURE
    }
}
