use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::*;

/// What a keeper under test does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    TakesIt,
    SignsAndRefuses,
    ForgetsAndRefuses,
    SaysNothing,
    SaysMore,
    SaysAnother,
    TellsASecret,
    WritesASecret,
    TakesNothingMore,
}

const SECRET: &str = "a canary that sings";

/// A keeper just large enough to attack: it counts, unless a file `evil` lies there.
fn attack_with(fault: Fault, expected: Expected<'_>) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let evil = folder.path().join("evil");
    let (signed, attacked) = (Cell::new(1), Cell::new(false));
    let act = || {
        let is_evil = evil.exists();
        let tired = fault == Fault::TakesNothingMore && attacked.get();
        attacked.set(attacked.get() || is_evil);
        let bears = expected == Expected::Borne || fault == Fault::TakesIt;
        let accepted = !(is_evil && !bears || tired);
        let more = accepted || fault == Fault::SignsAndRefuses;
        signed.set(signed.get() + u64::from(more));
        if is_evil && fault == Fault::ForgetsAndRefuses {
            signed.set(0);
        }
        let codes: &[&str] = match fault {
            Fault::SaysMore if is_evil => &["GW5001", "GW5002"],
            _ if accepted => &[],
            Fault::SaysNothing => &[],
            Fault::SaysAnother => &["GW5002"],
            _ => &["GW5001"],
        };
        let words = if fault == Fault::TellsASecret { SECRET } else { "refused" };
        let written = if fault == Fault::WritesASecret { SECRET } else { "nothing" };
        fs::write(folder.path().join("log"), written).unwrap();
        Said {
            accepted,
            signed: signed.get(),
            codes: codes.iter().map(|&code| code.to_owned()).collect(),
            words: words.to_owned(),
        }
    };
    let bench = Bench { folder: folder.path(), written: vec![], act: &act };
    let put = || fs::write(&evil, "").unwrap();
    let mend = || fs::remove_file(&evil).unwrap();
    let attack = Attack { name: "t", put: &put, mend: &mend, expected, secrets: &[SECRET] };
    catch_unwind(AssertUnwindSafe(|| super::attack(&bench, &attack))).is_ok()
}

/// The helper is worth something only if it notices each thing that it is there for.
#[test]
fn each_of_the_four_is_noticed() {
    let refused = Expected::Refused("GW5001");
    assert!(attack_with(Fault::None, refused));
    assert!(attack_with(Fault::None, Expected::Borne));
    for fault in [
        Fault::TakesIt,
        Fault::SignsAndRefuses,
        Fault::ForgetsAndRefuses,
        Fault::SaysNothing,
        Fault::SaysMore,
        Fault::SaysAnother,
        Fault::TellsASecret,
        Fault::WritesASecret,
        Fault::TakesNothingMore,
    ] {
        assert!(!attack_with(fault, refused), "{fault:?} was not noticed");
    }
    for fault in
        [Fault::ForgetsAndRefuses, Fault::SaysMore, Fault::TellsASecret, Fault::TakesNothingMore]
    {
        assert!(!attack_with(fault, Expected::Borne), "{fault:?} was not noticed");
    }
}

#[test]
fn a_folder_is_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("state");
    fs::create_dir_all(root.join("inner")).unwrap();
    fs::write(root.join("inner/one"), "1").unwrap();
    let kept = Kept::of(&root);
    fs::write(root.join("inner/one"), "2").unwrap();
    fs::write(root.join("two"), "2").unwrap();
    kept.restore();
    assert_eq!(fs::read_to_string(root.join("inner/one")).unwrap(), "1");
    assert!(!root.join("two").exists());
}
