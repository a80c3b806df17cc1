//! A state that an earlier version left opens, goes on and is on the record from now on.
//!
//! `tests/all/former` was written by version 0.1.0 of November 2026, before there was a ledger: two
//! changes, and a third one that was killed half way.

use std::{
    cell::Cell,
    fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::Path,
    process::{Command, Output},
};

use gw_testkit::{
    absent::not_run,
    attack::record::{Attack, Bench, Expected, Said, attack},
    watch::{Counted, Kill, Program, Watcher},
};
use serde_json::Value;

use super::machine::Machine;

/// Where a file of SQLite says of which version its content is.
const VERSION: std::ops::Range<usize> = 60..64;

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

/// Shows F22: part (of declarations there is one version yet)
#[test]
fn a_state_of_the_first_version_opens_and_resumes_and_one_of_a_later_version_is_refused() {
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
    let (told, code) = machine.tells(&["status"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 3 stopped half way"), "{told}");

    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("change 3 had stopped half way; it goes on"), "{told}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
    let (told, code) = machine.tells(&["rollback", "--to", "1", "--no-input"]);
    assert_eq!(code, 6, "{told}");

    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    let (told, code) = machine.tells(&["audit", "list", "--change", "3"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change.ended"), "what goes on is recorded from then on: {told}");

    machine.edit("127.0.0.1:8080", &machine.listen());
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let gateway = machine.gateway();
    let (told, code) = machine.tells(&["drift"]);
    assert_eq!(code, 0, "{told}");
    refuses_a_later_version(&machine, &|| assert_eq!(gateway.call("GET", "/orders").status, 401));
}

/// Who brings a state up to date and is killed at it leaves it as it was, or as it is to be.
#[test]
fn killed_on_the_way_to_this_version_the_next_opening_goes_it() {
    if let Err(said) = Watcher::find(Program::Strace) {
        return not_run(&said);
    }
    let whole = restored().says(&["history", "--json"]);
    for (killed, nth) in (1..).step_by(7).enumerate() {
        let machine = restored();
        let state = machine.state();
        let files = ["state.db", "state.db-wal", "state.db-shm"].map(|name| state.join(name));
        let kill = Kill { call: "pwrite64", nth, counted: Counted::About(&files) };
        let mut opening = machine.under("strace", &kill.arguments(), "shop", &["history"]);
        let ended = opening.output().expect("strace was started before").status;
        assert_eq!(machine.says(&["history", "--json"]), whole, "killed before write {nth}");
        if ended.signal().is_none() {
            assert!(ended.success() && killed >= 5, "{killed}: {ended}");
            return;
        }
        assert_eq!(ended.signal(), Some(9), "killed before write {nth}");
    }
}

/// Whoever goes back to a former program finds nothing changed when they take the newer one again.
fn refuses_a_later_version(machine: &Machine, call: &dyn Fn()) {
    let rate = Cell::new(60);
    let act = || {
        let next = rate.get() - 1;
        machine.edit(&format!("{}/1m", rate.get()), &format!("{next}/1m"));
        rate.set(next);
        let Output { status, stdout, stderr } = machine.run("shop", &["apply"]);
        call();
        let words = String::from_utf8([stdout, stderr].concat()).expect("it is text");
        let code = |place: (usize, &str)| Some(words.get(place.0 + 1..)?.split_once(']')?.0);
        let codes = words.match_indices("[GW").filter_map(code).map(str::to_owned).collect();
        Said { accepted: status.success(), signed: signed(machine), codes, words }
    };
    let (state, file) = (machine.state(), machine.state().join("state.db"));
    let shift = |by: i32| {
        let mut bytes = fs::read(&file).expect("there is a state");
        let place = &mut bytes[VERSION];
        let found = i32::from_be_bytes((&*place).try_into().expect("four bytes"));
        place.copy_from_slice(&(found + by).to_be_bytes());
        fs::write(&file, bytes).expect("it can be written");
    };
    attack(
        &Bench { folder: &state, written: vec![], act: &act },
        &Attack {
            name: "a state of the version after this one",
            put: &|| shift(1),
            mend: &|| shift(-1),
            expected: Expected::Refused("GW7103"),
            secrets: &[],
        },
    );
}

/// How many entries are signed: the files of the ledger tell it to whoever cannot read the state.
fn signed(machine: &Machine) -> u64 {
    let checkpoint = machine.state().join("ledger/checkpoint");
    let text = fs::read_to_string(checkpoint).expect("there is a checkpoint");
    text.lines().nth(1).and_then(|size| size.parse().ok()).expect("the second line is the size")
}
