use std::{
    cell::RefCell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde_json::json;

use super::*;

/// What an exchange under test does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Gives,
    RecordsNothing,
    RecordsTwice,
    RecordsAnother,
    TellsTheProof,
    RecordsTheProof,
    WritesTheProof,
    GivesNothingMore,
    GivesUnrecorded,
}

const EVIL: &str = "evil.a-long-part-of-a-proof.x";

/// An exchange just large enough to attack: it takes whatever is not evil.
fn attack_with(fault: Fault) -> bool {
    let written = tempfile::tempdir().unwrap();
    let entries = RefCell::new(vec![]);
    let record = |act: &str, outcome: &str, reason: &str| {
        let facts = json!({ "reason": reason });
        let entry = json!({ "act": act, "outcome": outcome, "facts": facts });
        entries.borrow_mut().push(entry.to_string().into_bytes());
    };
    let exchange = |proof: &str| {
        let evil = proof == EVIL;
        let tired = fault == Fault::GivesNothingMore && !evil;
        let given = !(evil && fault != Fault::Gives || tired);
        match fault {
            _ if !evil && fault == Fault::GivesUnrecorded => {}
            _ if !evil => record("token.issued", "done", ""),
            Fault::RecordsNothing => {}
            Fault::RecordsTwice => {
                record("login", "refused", "evil");
                record("login", "refused", "evil");
            }
            Fault::RecordsAnother => record("login", "refused", "other"),
            Fault::RecordsTheProof => record(proof, "refused", "evil"),
            _ => record("login", "refused", "evil"),
        }
        let log = if fault == Fault::WritesTheProof { proof } else { "nothing" };
        fs::write(written.path().join("log"), log).unwrap();
        let words = if fault == Fault::TellsTheProof { proof } else { "no" };
        Said { given, words: words.to_owned() }
    };
    let bench = Bench {
        written: vec![written.path().to_owned()],
        exchange: &exchange,
        good: &|| "good".to_owned(),
        entries: &|| entries.borrow().clone(),
    };
    let hostile = Attack { name: "a test", proof: EVIL, reason: "evil" };
    catch_unwind(AssertUnwindSafe(|| attack(&bench, &hostile))).is_ok()
}

#[test]
fn each_of_the_four_is_asserted() {
    assert!(attack_with(Fault::None));
    for fault in [
        Fault::Gives,
        Fault::RecordsNothing,
        Fault::RecordsTwice,
        Fault::RecordsAnother,
        Fault::TellsTheProof,
        Fault::RecordsTheProof,
        Fault::WritesTheProof,
        Fault::GivesNothingMore,
        Fault::GivesUnrecorded,
    ] {
        assert!(!attack_with(fault), "{fault:?} went unnoticed");
    }
}
