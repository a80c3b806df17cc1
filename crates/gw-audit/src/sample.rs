//! A ledger in memory, for the tests of this crate.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::{
    checkpoint::Checkpoint,
    entry::{Act, Actor, Entry, Event, Outcome, Proof},
    folder::Folder,
    growth::{Growth, Write},
    key::hand_over,
    note::{Note, Signer},
};

pub(crate) const ORIGIN: &str = "acme/7c9e";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) BTreeMap<String, Vec<u8>>);

/// A ledger that grows as the real one does.
#[derive(Debug)]
pub(crate) struct Ledger {
    pub(crate) files: Memory,
    pub(crate) growth: Growth,
    pub(crate) signer: Signer,
    pub(crate) newest: Option<Note>,
}

impl Folder for Memory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let inside = |file: &String| Some(file.strip_prefix(path)?.strip_prefix('/')?.to_owned());
        Ok(self.0.keys().filter_map(inside).collect())
    }
}

impl Memory {
    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Put { path, bytes } => drop(self.0.insert(path, bytes)),
                Write::Clear { path } => {
                    self.0.retain(|file, _| !file.starts_with(&format!("{path}/")));
                }
            }
        }
    }
}

impl Ledger {
    pub(crate) fn open() -> Self {
        let signer = key(1);
        let opened = event(Act::LedgerOpened).naming(signer.verifier(), None);
        let (files, growth) = (Memory::default(), Growth::default());
        let mut ledger = Self { files, growth, signer, newest: None };
        ledger.append(vec![opened]);
        ledger
    }

    /// A ledger of `size` entries, with a checkpoint after every `step`.
    pub(crate) fn of(size: u64, step: usize) -> Self {
        let mut ledger = Self::open();
        while ledger.growth.size() < size {
            let more = (size - ledger.growth.size()).min(step as u64);
            ledger.append((0..more).map(|_| event(Act::Planned)).collect());
        }
        ledger
    }

    pub(crate) fn append(&mut self, events: Vec<Event>) {
        let mut writes = vec![];
        for event in events {
            let entry = entry(event, self.growth.size());
            self.growth.push(entry, &mut writes).unwrap();
        }
        self.newest = Some(self.growth.seal(ORIGIN, &[&self.signer], &mut writes));
        self.files.write(writes);
    }
}

impl Ledger {
    /// Hands over to the key of that seed.
    pub(crate) fn rotate(&mut self, seed: u8) {
        let (size, root) = (self.growth.size(), self.growth.root());
        let before = Checkpoint { origin: ORIGIN.to_owned(), size, root };
        let next = key(seed);
        let handover = hand_over(&before, &self.signer, &next);
        let rotated = event(Act::KeyRotated).naming(next.verifier(), Some(&handover));
        self.signer = next;
        self.append(vec![rotated]);
    }
}

pub(crate) fn key(seed: u8) -> Signer {
    Signer::new(ORIGIN, &[seed; 32]).unwrap()
}

pub(crate) fn event(act: Act) -> Event {
    let by = Actor {
        identity: "local".to_owned(),
        issuer: None,
        subject: None,
        proof: Proof::State,
        via: vec![],
    };
    Event::new(act, Outcome::Done, by)
}

pub(crate) fn entry(event: Event, index: u64) -> Vec<u8> {
    let at = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(index.try_into().unwrap());
    Entry::place(event, index, at, None).to_bytes().unwrap()
}
