//! A machine on which nothing more can be written: nothing new is begun, and calls go on.

use std::{cell::Cell, process::Output};

use gw_testkit::attack::record::{Attack, Bench, Expected, Said, attack};
use serde_json::Value;

use super::machine::Machine;

/// How many entries are signed.
fn signed(machine: &Machine) -> u64 {
    let told = machine.says(&["audit", "verify", "--json"]);
    let verified: Value = serde_json::from_str(&told).expect("the ledger verifies");
    verified["entries"].as_u64().expect("a number")
}

/// Shows L5: part (the ledger cannot be written; of what a witness is waited for F19 tells)
/// Shows F3: part (no file takes a byte more; errors of a disk and a file system that is only read are not made)
#[test]
fn where_nothing_can_be_written_nothing_is_begun_and_calls_go_on() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    let (full, count) = (Cell::new(false), Cell::new(100));
    let act = || {
        let next = count.get() - 1;
        machine.edit(&format!("{}/1m", count.get()), &format!("{next}/1m"));
        count.set(next);
        let mut program = match full.get() {
            // A program that does not end by the signal gets an error, as from a full disk.
            true => machine.behind("trap '' XFSZ && ulimit -f 0", "shop", &["apply"]),
            false => machine.program("shop", &["apply"]),
        };
        let Output { status, stdout, stderr } = program.output().expect("it can be started");
        let words = String::from_utf8([stdout, stderr].concat()).expect("it is text");
        let code = |place: (usize, &str)| Some(words.get(place.0 + 1..)?.split_once(']')?.0);
        let codes = words.match_indices("[GW").filter_map(code).map(str::to_owned).collect();
        assert_eq!(gateway.call("GET", "/orders").status, 401, "calls are answered");
        Said { accepted: status.success(), signed: signed(&machine), codes, words }
    };
    let state = machine.state();
    let bench = Bench { folder: &state, written: vec![], act: &act };
    for _ in 0..2 {
        attack(
            &bench,
            &Attack {
                name: "a full disk",
                put: &|| full.set(true),
                mend: &|| full.set(false),
                expected: Expected::Refused("GW7101"),
                secrets: &[],
            },
        );
    }
}
