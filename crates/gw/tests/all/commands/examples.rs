//! The folders of declarations that the design shows.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::machine::Machine;

#[expect(clippy::disallowed_methods, reason = "the test reads the examples beside the repository")]
fn folders() -> Vec<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").to_owned();
    let shared = env::var("GATEWRIGHT_SHARED").unwrap_or_else(|_| beside());
    let examples = Path::new(&shared).join("design/examples");
    if !examples.is_dir() {
        assert!(env::var("CI").is_err(), "there is no {}", examples.display());
        println!("not checked: there is no {}", examples.display());
        return vec![];
    }
    let scenarios = fs::read_dir(examples.join("scenarios")).expect("the scenarios can be read");
    let mut folders: Vec<_> = scenarios.map(|entry| entry.expect("an entry").path()).collect();
    folders.push(examples.join("orders"));
    assert_eq!(folders.len(), 6);
    folders
}

#[test]
fn every_example_of_the_design_passes_the_check() {
    let machine = Machine::new();
    for folder in folders() {
        let folder = folder.display().to_string();
        let output = machine.run(".", &["check", "--workspace", &folder]);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{folder}\n{told}");
        assert!(told.contains("nothing to complain about"), "{folder}\n{told}");
    }
}
