use proptest::prelude::*;

use super::*;
use crate::{
    entry::{Act, Event},
    key::hand_over,
    note::Signer,
    sample::{Ledger, Memory, ORIGIN, entry, event, key},
};

fn at(index: u64) -> usize {
    index.try_into().unwrap()
}

fn check(files: &Memory) -> Result<Verified, Broken> {
    verify(files, key(1).verifier(), &[], &mut |_, _| ())
}

#[test]
fn a_whole_ledger_verifies_and_shows_each_entry_once() {
    for size in [1, 2, 255, 256, 257, 700] {
        let ledger = Ledger::of(size, 90);
        let mut seen = vec![];
        let verified =
            verify(&ledger.files, key(1).verifier(), &[], &mut |index, _| seen.push(index))
                .unwrap();
        assert_eq!(seen, (0..size).collect::<Vec<_>>());
        assert_eq!((verified.newest.size, verified.keys), (size, 1));
        assert_eq!(verified.checkpoints as u64, 2 + (size - 1).div_ceil(90));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_edited_byte_is_found(
        size in 2u64..600,
        file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        flip in 1u8..=255,
    ) {
        let ledger = Ledger::of(size, 150);
        let mut files = ledger.files.clone();
        let paths: Vec<String> = needed(&files, size);
        let path = &paths[file.index(paths.len())];
        let bytes = files.0.get_mut(path).unwrap();
        let position = place.index(bytes.len());
        bytes[position] ^= flip;
        let broken = check(&files).unwrap_err();
        // Where an entry was edited, it or the one behind it is named: a length may have changed.
        if path.starts_with("tile/entries") {
            let expected = index_at(&ledger.files, path, position);
            prop_assert!(
                matches!(broken, Broken::Entry { index, .. } if index == expected),
                "{path} at {position}, entry {expected}: {broken:?}"
            );
        }
    }

    #[test]
    fn a_dropped_doubled_or_moved_entry_is_named(size in 3u64..500, from in 1u64..500, to in 1u64..500) {
        prop_assume!(from < size && to < size && from != to);
        let ledger = Ledger::of(size, 200);
        let mut entries = entries(&ledger.files, size);
        let moved = entries.remove(at(from));
        let mut files = ledger.files.clone();
        // What follows the last entry is what stood there, so that no length shows it.
        let mut dropped = entries.clone();
        dropped.push(entries[entries.len() - 1].clone());
        rebundle(&mut files, &dropped);
        prop_assert!(matches!(check(&files), Err(Broken::Entry { index, .. }) if index == from.min(size - 1)), "dropped");
        entries.insert(at(to), moved);
        rebundle(&mut files, &entries);
        prop_assert!(matches!(check(&files), Err(Broken::Entry { index, .. }) if index == from.min(to)), "moved");
    }
}

/// The files that a reader of a ledger of this size needs: narrower tiles of earlier checkpoints
/// are nobody's proof any more.
fn needed(files: &Memory, size: u64) -> Vec<String> {
    let current = |path: &&String| match path.rsplit_once(".p/") {
        None => true,
        Some((tile, width)) => {
            let length = match tile.strip_prefix("tile/").and_then(|tile| tile.split_once('/')) {
                Some(("entries", _)) => size,
                Some((level, _)) => tile::row_length(level.parse().unwrap(), size),
                None => panic!("{path}"),
            };
            (length % WIDTH).to_string() == width
        }
    };
    files.0.keys().filter(current).cloned().collect()
}

fn bundles(size: u64) -> impl Iterator<Item = TileId> {
    (0..size.div_ceil(WIDTH))
        .filter_map(move |index| TileId::holding(Kind::Entries, index * WIDTH, size))
}

fn entries(files: &Memory, size: u64) -> Vec<Vec<u8>> {
    let read = |id: TileId| {
        let bytes = &files.0[&id.to_string()];
        tile::unbundle(bytes, id.width).unwrap().into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    bundles(size).flat_map(read).collect()
}

fn rebundle(files: &mut Memory, entries: &[Vec<u8>]) {
    for id in bundles(entries.len() as u64) {
        let start = at(id.index * WIDTH);
        let part = &entries[start..start + at(id.width)];
        let bytes = tile::bundle(part.iter().map(Vec::as_slice)).unwrap();
        files.0.insert(id.to_string(), bytes);
    }
}

/// Which entry the byte at `position` of a bundle belongs to; its length counts as its own.
fn index_at(files: &Memory, path: &str, position: usize) -> u64 {
    let id = bundles(1_000_000).find(|id| path.starts_with(&id.to_string())).unwrap();
    let width = path.rsplit_once(".p/").map_or(WIDTH, |(_, width)| width.parse().unwrap());
    let mut end = 0;
    let ends = tile::unbundle(&files.0[path], width).unwrap().into_iter().map(|entry| {
        end += entry.len() + 2;
        end
    });
    id.index * WIDTH + ends.take_while(|end| *end <= position).count() as u64
}

#[test]
fn a_ledger_that_was_written_again_from_the_middle_names_where() {
    let ledger = Ledger::of(300, 100);
    // Somebody without the key writes other entries from 150 on, with fitting tiles.
    let mut forged = Ledger::of(101, 100);
    forged.append((0..199).map(|_| event(Act::Approved)).collect());
    let mut files = forged.files.clone();
    for (path, bytes) in ledger.files.0.iter().filter(|(path, _)| path.starts_with(CHECKPOINT)) {
        files.0.insert(path.clone(), bytes.clone());
    }
    files.0.remove("checkpoints/300");
    let broken = check(&files).unwrap_err();
    let path = "checkpoints/201".to_owned();
    assert_eq!(broken, Broken::Root { since: 101, size: 201, path });
}

#[test]
fn a_shorter_ledger_is_found_by_whoever_remembers_more() {
    let (short, long) = (Ledger::of(100, 50), Ledger::of(300, 50));
    let remembered = [("witness".to_owned(), long.newest.clone().unwrap())];
    assert!(check(&short.files).is_ok(), "alone it looks whole");
    let broken = verify(&short.files, key(1).verifier(), &remembered, &mut |_, _| ());
    let path = "witness".to_owned();
    assert_eq!(broken, Err(Broken::Shorter { size: 100, known: 300, path }));
    let verified = verify(&long.files, key(1).verifier(), &remembered, &mut |_, _| ()).unwrap();
    assert_eq!(verified.remembered, 1);
}

#[test]
fn a_fork_of_equal_size_is_found_by_whoever_remembers_the_other() {
    let mut other = Ledger::of(99, 50);
    other.append(vec![event(Act::Approved)]);
    let remembered = [("witness".to_owned(), other.newest.clone().unwrap())];
    let ours = Ledger::of(100, 50);
    let broken = verify(&ours.files, key(1).verifier(), &remembered, &mut |_, _| ());
    let path = "witness".to_owned();
    assert_eq!(broken, Err(Broken::Root { since: 51, size: 100, path }));
}

#[test]
fn a_key_is_followed_by_one_that_it_handed_over_to() {
    let mut ledger = Ledger::of(10, 5);
    ledger.rotate(2);
    ledger.append(vec![event(Act::Planned)]);
    ledger.rotate(3);
    for anchor in [key(1), key(2), key(3)] {
        let verified = verify(&ledger.files, anchor.verifier(), &[], &mut |_, _| ()).unwrap();
        assert_eq!(verified.keys, 3);
    }
    let stranger = verify(&ledger.files, key(4).verifier(), &[], &mut |_, _| ());
    assert_eq!(stranger, Err(Broken::UnknownKey));
}

#[test]
fn a_key_that_handed_over_extends_nothing() {
    let wrong = |path: &str| Err(Broken::WrongKey { path: path.to_owned() });
    let mut ledger = Ledger::of(10, 5);
    ledger.rotate(2);
    ledger.signer = key(1);
    ledger.append(vec![event(Act::Planned)]);
    assert_eq!(check(&ledger.files), wrong("checkpoint"));
    // Nor may it sign again what it signed last.
    let mut early = Ledger::of(10, 5);
    early.signer = key(2);
    early.append(vec![event(Act::Planned)]);
    assert_eq!(check(&early.files), wrong("checkpoint"));
}

/// Whoever writes entries and has no key brings none.
#[test]
fn a_key_that_nobody_handed_over_to_is_not_believed() {
    let (former, next) = (key(1), key(2));
    let before = |ledger: &Ledger, size: u64| Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: ledger.growth.root(),
    };
    let rotated = |note: Option<&Note>| event(Act::KeyRotated).naming(next.verifier(), note);
    let start = Ledger::of(10, 5);
    let elsewhere = Checkpoint { root: Hash::empty(), ..before(&start, 10) };
    let other_name = Signer::new("other", &[2; 32]).unwrap();
    let half = |signer: &Signer| {
        let text = hand_over(&before(&start, 10), &former, &next).text().to_owned();
        Note::sign(text, &[signer])
    };
    let cases: [(Event, Fault); 9] = [
        (rotated(None), Fault::NoHandover),
        (rotated(Some(&half(&former))), Fault::NoHandover),
        (rotated(Some(&half(&next))), Fault::NoHandover),
        (rotated(Some(&hand_over(&before(&start, 9), &former, &next))), Fault::NoHandover),
        (rotated(Some(&hand_over(&elsewhere, &former, &next))), Fault::NoHandover),
        (rotated(Some(&hand_over(&before(&start, 10), &key(3), &next))), Fault::NoHandover),
        (rotated(Some(&hand_over(&before(&start, 10), &former, &key(3)))), Fault::NoHandover),
        (
            event(Act::KeyRotated).naming(
                other_name.verifier(),
                Some(&hand_over(&before(&start, 10), &former, &other_name)),
            ),
            Fault::NoHandover,
        ),
        (event(Act::LedgerOpened).naming(next.verifier(), None), Fault::Opening),
    ];
    for (planted, because) in cases {
        for signer in [key(1), key(2)] {
            let mut ledger = Ledger::of(10, 5);
            ledger.signer = signer;
            ledger.append(vec![planted.clone()]);
            assert_eq!(check(&ledger.files), Err(Broken::Entry { index: 10, because }));
        }
    }
}

#[test]
fn an_entry_in_the_wrong_place_or_form_is_found_though_it_is_hashed() {
    let planned = || event(Act::Planned);
    let cases: [(Vec<u8>, Fault); 6] = [
        (entry(planned(), 7), Fault::Misplaced),
        (b"{}".to_vec(), Fault::Misplaced),
        (b"{ }".to_vec(), Fault::NotCanonical),
        (entry(event(Act::KeyRotated), 2), Fault::NoKey),
        (entry(event(Act::LedgerOpened), 2), Fault::Opening),
        (
            String::from_utf8(entry(planned(), 2)).unwrap().replace("1970", "1969").into_bytes(),
            Fault::BackInTime,
        ),
    ];
    for (bytes, because) in cases {
        let mut ledger = Ledger::of(2, 1);
        let mut writes = vec![];
        ledger.growth.push(bytes, &mut writes).unwrap();
        let _note = ledger.growth.seal(ORIGIN, &[&ledger.signer], &mut writes);
        ledger.files.write(writes);
        assert_eq!(check(&ledger.files), Err(Broken::Entry { index: 2, because }));
    }
}

#[test]
fn a_missing_file_is_named() {
    let ledger = Ledger::of(300, 100);
    for path in needed(&ledger.files, 300) {
        if path.starts_with("checkpoints/") {
            continue;
        }
        let mut files = ledger.files.clone();
        files.0.remove(&path);
        assert_eq!(check(&files), Err(Broken::File(ReadError::Missing { path })));
    }
}

#[test]
fn a_size_that_nothing_fills_costs_nothing() {
    let mut ledger = Ledger::of(3, 1);
    let claim = Checkpoint { origin: ORIGIN.to_owned(), size: u64::MAX, root: Hash::empty() };
    let note = claim.sign(&[&key(1)]).to_string().into_bytes();
    ledger.files.0.insert(CHECKPOINT.to_owned(), note);
    let path = "tile/entries/000".to_owned();
    assert_eq!(check(&ledger.files), Err(Broken::File(ReadError::Missing { path })));
}
