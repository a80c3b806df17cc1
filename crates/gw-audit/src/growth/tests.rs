use super::*;
use crate::{
    entry::Act,
    sample::{Ledger, Memory, ORIGIN, entry, event, key},
    verify::verify,
};

#[test]
fn a_ledger_goes_on_where_it_stopped() {
    for size in [1, 2, 255, 256, 257, 511, 512, 600] {
        let ledger = Ledger::of(size, 100);
        let root = Checkpoint::parse(ledger.newest.as_ref().unwrap().text()).unwrap().root;
        assert_eq!(Growth::resume(&ledger.files, size, root).unwrap(), ledger.growth, "{size}");
        let other = Growth::resume(&ledger.files, size, Hash::leaf(b"other"));
        assert_eq!(other, Err(ReadError::Damaged { path: CHECKPOINT.to_owned() }));
    }
    assert_eq!(Growth::resume(&Memory::default(), 0, Hash::empty()), Ok(Growth::default()));
}

#[test]
fn a_damaged_edge_is_not_continued() {
    let ledger = Ledger::of(300, 100);
    let root = Checkpoint::parse(ledger.newest.as_ref().unwrap().text()).unwrap().root;
    for path in ["tile/entries/001.p/44", "tile/0/001.p/44", "tile/1/000.p/1"] {
        let mut files = ledger.files.clone();
        files.0.get_mut(path).unwrap()[10] ^= 1;
        assert!(Growth::resume(&files, 300, root).is_err(), "{path}");
        files.0.remove(path);
        let missing = ReadError::Missing { path: path.to_owned() };
        assert_eq!(Growth::resume(&files, 300, root), Err(missing));
    }
}

#[test]
fn files_do_not_depend_on_how_often_it_was_sealed() {
    let (often, once) = (Ledger::of(700, 7), Ledger::of(700, 10_000));
    for (path, bytes) in &once.files.0 {
        assert_eq!(often.files.0.get(path), Some(bytes), "{path}");
    }
}

#[test]
fn narrow_files_are_cleared_when_the_full_one_counts() {
    let mut ledger = Ledger::of(255, 50);
    assert!(ledger.files.0.contains_key("tile/0/000.p/255"));
    let mut writes = vec![];
    ledger.growth.push(entry(event(Act::Planned), 255), &mut writes).unwrap();
    let _note = ledger.growth.seal(ORIGIN, &[&ledger.signer], &mut writes);
    let paths = writes.iter().map(|write| match write {
        Write::Put { path, .. } => format!("put {path}"),
        Write::Clear { path } => format!("clear {path}"),
    });
    insta::assert_snapshot!(paths.collect::<Vec<_>>().join("\n"), @"
    put tile/entries/000
    put tile/0/000
    put tile/1/000.p/1
    put checkpoint
    put checkpoints/256
    clear tile/entries/000.p
    clear tile/0/000.p
    ");
}

#[test]
fn cut_off_after_any_write_it_is_whole_and_goes_on() {
    for size in [1, 200, 255, 256, 500] {
        let mut ledger = Ledger::of(size, 100);
        let root = Checkpoint::parse(ledger.newest.as_ref().unwrap().text()).unwrap().root;
        let mut writes = vec![];
        for index in size..size + 60 {
            ledger.growth.push(entry(event(Act::Planned), index), &mut writes).unwrap();
        }
        let _note = ledger.growth.seal(ORIGIN, &[&ledger.signer], &mut writes);
        for cut in 0..=writes.len() {
            let mut files = ledger.files.clone();
            files.write(writes[..cut].to_vec());
            let known = verify(&files, key(1).verifier(), &[], &mut |_, _| {}).unwrap().newest;
            assert!([size, size + 60].contains(&known.size), "{cut} of {size}");
            let growth = Growth::resume(&files, known.size, known.root).unwrap();
            assert_eq!(growth.size(), known.size);
            assert!(known.size > size || known.root == root);
        }
    }
}

#[test]
fn an_entry_that_fits_no_bundle_is_refused() {
    let too_long = vec![b'x'; 65_536];
    let refused = Growth::default().push(too_long, &mut vec![]);
    assert_eq!(refused, Err(TooLong { bytes: 65_536 }));
}
