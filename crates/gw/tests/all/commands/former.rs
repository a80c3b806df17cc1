//! A state that an earlier version left opens, goes on and is on the record from now on.
//!
//! `tests/all/former` was written by version 0.1.0 of November 2026, before there was a ledger: two
//! changes, and a third one that was killed half way.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::Value;

use super::machine::Machine;

/// The workspace and the state of then, at places of their own.
fn restored() -> Machine {
    let machine = Machine::with_shop();
    let former = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/former");
    let copy = |from: &str, to: &Path| {
        let done = Command::new("cp").arg("-r").arg(former.join(from)).arg(to).status();
        assert!(done.expect("cp runs").success());
    };
    fs::remove_dir_all(machine.folder.path("shop")).expect("it is there");
    copy("workspace", &machine.folder.path("shop"));
    let state = machine.state();
    fs::create_dir_all(state.parent().expect("a folder above")).expect("a folder");
    copy("state", &state);
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).expect("it is ours");
    machine
}

#[test]
fn a_state_of_the_first_version_opens_and_resumes() {
    let machine = restored();
    let history: Value =
        serde_json::from_str(&machine.says(&["history", "--json"])).expect("a document");
    let told: Vec<_> = history["changes"].as_array().expect("a list").iter().collect();
    let told: Vec<_> =
        told.iter().map(|it| (&it["change"], &it["outcome"], &it["actor"])).collect();
    let local = &Value::from("local");
    assert_eq!(
        told,
        [
            (&Value::from(3), &Value::from("underWay"), local),
            (&Value::from(2), &Value::from("applied"), local),
            (&Value::from(1), &Value::from("applied"), local),
        ]
    );

    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("change 3 had stopped half way; it goes on"), "{told}");
    let (told, code) = machine.tells(&["rollback", "--to", "1", "--no-input"]);
    assert_eq!(code, 6, "{told}");

    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    let (told, code) = machine.tells(&["audit", "list", "--change", "3"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change.ended"), "what goes on is recorded from then on: {told}");
}
