//! The hook that Git runs before each commit.

use std::{env, ffi::OsStr, path::Path, process::Command};

use super::machine::Machine;

/// Shows S3.14: part (CI runs the same check; no pipeline runs here)
#[test]
fn git_refuses_a_commit_that_does_not_pass() {
    let machine = Machine::with_shop();
    let programs = env::var_os("PATH").expect("programs have a path");
    let binary = Path::new(env!("CARGO_BIN_EXE_gatewright"));
    let own = binary.parent().expect("the program lies in a folder").to_owned();
    let path = env::join_paths([own].into_iter().chain(env::split_paths(&programs)))
        .expect("folders make a path");
    let git_with = |path: &OsStr, arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-c", "user.name=Mira", "-c", "user.email=mira@example.com"])
            .args(arguments)
            .current_dir(machine.folder.path("shop"))
            .env_clear()
            .env("PATH", path)
            .env("HOME", machine.folder.path("home"))
            .output()
            .expect("git can be started");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let git = |arguments: &[&str]| git_with(&path, arguments);
    assert!(git(&["init", "-q"]).0);
    assert_eq!(machine.ends("shop", &["init", "--hook"]), 0);
    assert!(git(&["add", "-A"]).0);
    let (committed, told) = git(&["commit", "-qm", "the shop"]);
    assert!(committed, "{told}");

    machine.folder.write("shop/openapi.yaml", "openapi: 3.0.3\ninfo: {}\npaths: [wrong]\n");
    assert!(git(&["add", "-A"]).0);
    let good = machine.folder.read("shop/gatewright.yaml");
    let (committed, told) = git(&["commit", "-qm", "a broken document"]);
    assert!(!committed, "{told}");

    // What is staged counts, not what lies beside it.
    assert!(git(&["checkout", "-q", "HEAD", "--", "."]).0);
    machine.edit("limits:", "limitz:");
    assert!(git(&["add", "-A"]).0);
    machine.folder.write("shop/gatewright.yaml", &good);
    let (committed, told) = git(&["commit", "-qm", "a misspelt field"]);
    assert!(!committed, "{told}");
    assert!(git(&["add", "-A"]).0);
    machine.folder.write("shop/note.txt", "a change");
    assert!(git(&["add", "-A"]).0);
    assert!(git(&["commit", "-qm", "a note"]).0);
    // Nor need the program lie where a shell looks.
    machine.folder.write("shop/note.txt", "another change");
    assert!(git(&["add", "-A"]).0);
    let (committed, told) = git_with(&programs, &["commit", "-qm", "another note"]);
    assert!(committed, "{told}");
}

/// A repository of several things, one of which is the workspace.
#[test]
fn the_repository_may_begin_above_the_workspace() {
    let machine = Machine::with_shop();
    let (told, code) = machine.tells(&["init", "--hook"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("is in no Git repository"), "{told}");
    machine.folder.write(".git/HEAD", "ref: refs/heads/main\n");
    let (told, code) = machine.tells(&["init", "--hook"]);
    assert_eq!(code, 0, "{told}");
    let hook = machine.folder.read(".git/hooks/pre-commit");
    assert!(hook.ends_with("\"$gatewright\" check --workspace \"$staged\"'/shop'\n"), "{hook}");
    assert_eq!(machine.ends("shop", &["init", "--hook"]), 2);
}
