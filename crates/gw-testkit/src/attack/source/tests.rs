use std::{
    cell::RefCell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::*;

/// What a reader under test does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Accepts,
    TakesAndRefuses,
    SaysNothing,
    SaysMore,
    SaysAnother,
    TellsASecret,
    WritesASecret,
    TakesNothingMore,
}

const SECRET: &str = "a canary that sings";

/// A reader just large enough to attack: it takes whatever is not called `evil`.
fn attack_with(fault: Fault) -> bool {
    let (repository, copy) = (GitRepository::new(), tempfile::tempdir().unwrap());
    let (holds, attacked) = (RefCell::new(String::new()), RefCell::new(false));
    let read = || {
        let head = repository.git(&["rev-parse", "main"]);
        let evil = repository.git(&["show", "-s", "--format=%s", "main"]) == "evil";
        let tired = fault == Fault::TakesNothingMore && *attacked.borrow();
        let accepted = !(evil && fault != Fault::Accepts || tired);
        if accepted || fault == Fault::TakesAndRefuses {
            *holds.borrow_mut() = head;
        }
        attacked.replace(*attacked.borrow() || evil);
        let codes: &[&str] = match fault {
            _ if accepted => &[],
            Fault::SaysNothing => &[],
            Fault::SaysMore => &["GW6101", "GW6102"],
            Fault::SaysAnother => &["GW6102"],
            _ => &["GW6101"],
        };
        let words = if fault == Fault::TellsASecret { SECRET } else { "refused" };
        let written = if fault == Fault::WritesASecret { SECRET } else { "nothing" };
        fs::write(copy.path().join("log"), written).unwrap();
        Said {
            holds: holds.borrow().clone(),
            accepted,
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            words: words.to_owned(),
        }
    };
    let mend = || drop(repository.push("main", &[("a.yaml", "good")]));
    let bench = Bench {
        repository: &repository,
        written: vec![copy.path().to_owned()],
        read: &read,
        mend: &mend,
    };
    let put = |git: &GitRepository| {
        let evil = git.commit(&git.files(&[("a.yaml", "evil")]), &[], "evil");
        git.set("refs/heads/main", &evil);
    };
    let hostile = Attack { name: "a test", put: &put, code: "GW6101", secrets: &[SECRET] };
    catch_unwind(AssertUnwindSafe(|| attack(&bench, &hostile))).is_ok()
}

#[test]
fn each_of_the_four_is_asserted() {
    assert!(attack_with(Fault::None));
    for fault in [
        Fault::Accepts,
        Fault::TakesAndRefuses,
        Fault::SaysNothing,
        Fault::SaysMore,
        Fault::SaysAnother,
        Fault::TellsASecret,
        Fault::WritesASecret,
        Fault::TakesNothingMore,
    ] {
        assert!(!attack_with(fault), "{fault:?} is overlooked");
    }
}

/// A reader that leaves out a branch called `evil`, and the one thing that it does wrong.
fn pass_over_with(fault: Fault) -> bool {
    let (repository, copy) = (GitRepository::new(), tempfile::tempdir().unwrap());
    let holds = RefCell::new(String::new());
    let read = || {
        let head = repository.git(&["rev-parse", "main"]);
        let evil = repository.git(&["branch", "--list", "evil"]).contains("evil");
        let stopped = evil && fault == Fault::Accepts;
        if !(stopped || evil && fault == Fault::TakesAndRefuses) {
            *holds.borrow_mut() = head;
        }
        let codes: &[&str] = match fault {
            Fault::TakesNothingMore => &["GW6004"],
            _ if !evil => &[],
            Fault::SaysNothing => &[],
            Fault::SaysMore => &["GW6004", "GW6003"],
            Fault::SaysAnother => &["GW6003"],
            _ => &["GW6004"],
        };
        let words = if evil && fault == Fault::TellsASecret { SECRET } else { "left out" };
        let written = if fault == Fault::WritesASecret { SECRET } else { "nothing" };
        fs::write(copy.path().join("log"), written).unwrap();
        Said {
            holds: holds.borrow().clone(),
            accepted: !stopped,
            codes: codes.iter().map(|code| (*code).to_owned()).collect(),
            words: words.to_owned(),
        }
    };
    let mend = || {
        if repository.git(&["branch", "--list", "evil"]).contains("evil") {
            repository.git(&["update-ref", "-d", "refs/heads/evil"]);
        }
        repository.push("main", &[("a.yaml", "good")]);
    };
    let bench = Bench {
        repository: &repository,
        written: vec![copy.path().to_owned()],
        read: &read,
        mend: &mend,
    };
    let put = |git: &GitRepository| drop(git.push("evil", &[("a.yaml", "evil")]));
    let hostile = Attack { name: "a test", put: &put, code: "GW6004", secrets: &[SECRET] };
    catch_unwind(AssertUnwindSafe(|| pass_over(&bench, &hostile))).is_ok()
}

#[test]
fn what_is_passed_over_stops_nobody_and_is_told_once() {
    assert!(pass_over_with(Fault::None));
    for fault in [
        Fault::Accepts,
        Fault::TakesAndRefuses,
        Fault::SaysNothing,
        Fault::SaysMore,
        Fault::SaysAnother,
        Fault::TellsASecret,
        Fault::WritesASecret,
        Fault::TakesNothingMore,
    ] {
        assert!(!pass_over_with(fault), "{fault:?} is overlooked");
    }
}
