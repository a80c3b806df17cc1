//! The folders of declarations that the design shows.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gw_testkit::shared;

use super::machine::Machine;

fn folders() -> Vec<PathBuf> {
    let Some(examples) = shared::folder("design/examples") else { return vec![] };
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
        // Not every kind of gateway that they name has its driver yet.
        let told_of = ["error[", "warning[", "note["];
        let others: Vec<_> = told
            .lines()
            .filter(|line| told_of.iter().any(|head| line.starts_with(head)))
            .filter(|line| !line.starts_with("warning[GW2005]"))
            .collect();
        assert!(others.is_empty(), "{folder}\n{told}");
    }
}

/// Copies a folder into another one of the machine.
fn copy(machine: &Machine, from: &Path, to: &str) {
    for entry in fs::read_dir(from).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        let to = format!("{to}/{name}");
        if path.is_dir() {
            copy(machine, &path, &to);
        } else {
            machine.folder.write(&to, &fs::read_to_string(&path).expect("it is text"));
        }
    }
}

#[test]
fn the_check_warns_of_what_a_plan_refuses() {
    let machine = Machine::new();
    let (mut refused, mut environments) = (0, 0);
    for (number, folder) in folders().iter().enumerate() {
        let at = format!("copy{number}");
        copy(&machine, folder, &at);
        assert_eq!(machine.ends(&at, &["init", "--id"]), 0);
        let check = machine.run(&at, &["check"]);
        let told = String::from_utf8_lossy(&check.stdout).into_owned();
        for entry in fs::read_dir(folder.join("environments")).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
            let warned = told.contains(&format!("GW2005]: a plan of {name} refuses this"));
            let ends = machine.ends(&at, &["plan", "--env", name]);
            assert_eq!(warned, ends == 2, "{at} {name}: {ends}\n{told}");
            environments += 1;
            refused += usize::from(warned);
        }
    }
    assert!(environments == 0 || refused > 0);
}
