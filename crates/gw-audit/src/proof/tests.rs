use super::*;
use crate::{
    entry::Act,
    sample::{Ledger, entry, event, key},
};

fn prove(ledger: &Ledger, index: u64) -> Proof {
    Proof::of(&ledger.files, index).unwrap().unwrap()
}

#[test]
fn every_entry_of_a_ledger_of_any_size_is_provable() {
    for size in [1, 2, 256, 257, 1_000] {
        let ledger = Ledger::of(size, 1_000);
        for index in [0, 1, 127, 255, 256, 700, 999] {
            let proof = Proof::of(&ledger.files, index).unwrap();
            assert_eq!(proof.is_some(), index < size, "{index} of {size}");
            let Some(proof) = proof.filter(|_| index > 0) else { continue };
            let planned = entry(event(Act::Planned), index);
            assert_eq!(proof.check(&planned, key(1).verifier()).unwrap().size, size);
        }
    }
}

#[test]
fn a_proof_is_small_and_holds_for_its_entry_only() {
    let ledger = Ledger::of(1_000, 1_000);
    let text = prove(&ledger, 700).to_string();
    assert!(text.len() <= 2_048, "{} bytes", text.len());
    let proof = Proof::parse(text.as_bytes()).unwrap();
    assert_eq!(proof.to_string(), text);

    let planned = |index| entry(event(Act::Planned), index);
    assert_eq!(proof.check(&planned(700), key(1).verifier()).unwrap().size, 1_000);
    assert_eq!(proof.check(&planned(701), key(1).verifier()), Err(Unproven::NotIncluded));
    let stranger = proof.check(&planned(700), key(2).verifier());
    assert_eq!(stranger, Err(Unproven::Checkpoint(Refusal::NotSigned)));
    let elsewhere = Proof { index: 699, ..proof };
    assert_eq!(elsewhere.check(&planned(700), key(1).verifier()), Err(Unproven::NotIncluded));
}

#[test]
fn what_others_add_to_a_proof_means_nothing() {
    let text = prove(&Ledger::of(9, 9), 3).to_string();
    let extra = text.replacen("index", "extra AAAA\nindex", 1);
    assert_eq!(Proof::parse(extra.as_bytes()), Proof::parse(text.as_bytes()));
}

#[test]
fn what_is_no_proof_is_refused() {
    let text = prove(&Ledger::of(9, 9), 3).to_string();
    for bad in [
        text.replacen("proof@v1", "proof@v2", 1),
        text.replacen("index 3", "index three", 1),
        text.replacen("index 3\n", "", 1),
        text.replacen("\n\n", "\nnohash\n\n", 1),
        text.replace("\n\n", "\n"),
        String::new(),
    ] {
        assert!(Proof::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn evidence_is_a_proof_that_brings_its_entry() {
    let ledger = Ledger::of(300, 300);
    for index in [0, 7, 255, 256, 299] {
        let evidence = Evidence::of(&ledger.files, index).unwrap().unwrap();
        let text = evidence.to_string();
        let read = Evidence::parse(text.as_bytes()).unwrap();
        assert_eq!(read, evidence);
        assert_eq!(read.check(key(1).verifier()).unwrap().size, 300);
        // To whoever knows proofs only, it is one.
        assert_eq!(Proof::parse(text.as_bytes()).unwrap(), evidence.proof);
    }
    assert_eq!(Evidence::of(&ledger.files, 300).unwrap(), None);

    let evidence = Evidence::of(&ledger.files, 7).unwrap().unwrap();
    let other = Evidence::of(&ledger.files, 8).unwrap().unwrap();
    let swapped = Evidence { entry: other.entry, proof: evidence.proof.clone() };
    assert_eq!(swapped.check(key(1).verifier()), Err(Unproven::NotIncluded));
    let bare = evidence.proof.to_string();
    assert_eq!(Evidence::parse(bare.as_bytes()), Err(Unproven::NoEntry));
}

#[test]
fn the_root_of_every_earlier_size_is_known() {
    let ledger = Ledger::of(600, 200);
    let mut grown = Ledger::open();
    for count in 1..=600u64 {
        if grown.growth.size() < count {
            grown.append(vec![event(Act::Planned)]);
        }
        assert_eq!(root_at(&ledger.files, count, 600), Ok(grown.growth.root()), "{count}");
    }
    assert_eq!(root_at(&ledger.files, 0, 600), Ok(Hash::empty()));
    assert!(root_at(&ledger.files, 601, 600).is_err());
}
