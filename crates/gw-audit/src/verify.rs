//! Whether a copy of the ledger is whole: files and one public key, nothing else.
//!
//! Every entry is hashed again, every tile is compared with what the entries give, every kept
//! checkpoint with the root of its size, and every signature with the key that was in force. What
//! this cannot see is a log that ends early with all its later checkpoints gone: for that somebody
//! else has to remember a checkpoint.

use std::fmt;

use crate::{
    checkpoint::{Checkpoint, Refusal},
    folder::{self, CHECKPOINT, CHECKPOINTS, Folder, ReadError},
    key::Keys,
    note::{Note, Verifier},
    order::{Fault, Order},
    private::{Named, Opened, Private},
    tile::{self, Kind, TileId, WIDTH},
    tower::{Tile, Tower},
    tree::Hash,
};

/// What was found to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub newest: Checkpoint,
    /// How many checkpoints were found, and agree.
    pub checkpoints: usize,
    /// How many keys signed, one after the other.
    pub keys: usize,
    /// How many checkpoints that were remembered elsewhere are found here.
    pub remembered: usize,
    /// How many texts about people stand beside it, and are those that were hashed.
    pub personal: usize,
    /// Whose texts are gone although no entry says that they were erased.
    pub missing: Vec<Private>,
}

/// What is wrong, at the first place where something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    File(ReadError),
    /// The first bad entry.
    Entry {
        index: u64,
        because: Fault,
    },
    /// A file of hashes is not what the entries give; the first entry that it speaks about.
    Tile {
        path: String,
        index: u64,
    },
    Checkpoint {
        path: String,
        because: Refusal,
    },
    /// The entries from `since` on are not those that were signed.
    Root {
        since: u64,
        size: u64,
        path: String,
    },
    /// The ledger once had more entries.
    Shorter {
        size: u64,
        known: u64,
        path: String,
    },
    /// The given key never signed for this ledger.
    UnknownKey,
    /// A checkpoint lacks the signature of the key that was in force.
    WrongKey {
        path: String,
    },
}

/// Verifies a copy. `anchor` is a key of this ledger that the reader knows, `remembered` are
/// checkpoints that were kept elsewhere; `visit` sees each entry in order.
pub fn verify(
    folder: &dyn Folder,
    anchor: &Verifier,
    remembered: &[(String, Note)],
    visit: &mut dyn FnMut(u64, &[u8]),
) -> Result<Verified, Broken> {
    let mut marks = Marks::read(folder, remembered)?;
    let size = marks.newest.size;
    let (tower, order, people) = (Tower::default(), Order::default(), Named::default());
    let mut walk = Walk { folder, tower, order, people };
    marks.meet(&walk.tower)?;
    while walk.tower.size() < size {
        walk.bundle(size, &mut marks, visit)?;
    }
    for tile in walk.tower.edge() {
        compare(folder, &tile)?;
    }
    check_signatures(&marks, walk.order.keys(), anchor)?;
    let personal = Opened::check_all(folder)?;
    Ok(Verified {
        personal,
        missing: walk.people.missing(folder)?,
        checkpoints: marks.found.len(),
        keys: walk.order.keys().count(),
        remembered: remembered.len(),
        newest: marks.newest,
    })
}

/// The checkpoints that the tree has to pass on its way.
struct Marks {
    newest: Checkpoint,
    /// Those of the folder, by size.
    found: Vec<Mark>,
    elsewhere: Vec<Mark>,
    /// The last size at which the tree was what was signed.
    good: u64,
}

struct Mark {
    path: String,
    note: Note,
    claim: Checkpoint,
}

impl Marks {
    fn read(folder: &dyn Folder, remembered: &[(String, Note)]) -> Result<Self, Broken> {
        let newest = Mark::read(folder, CHECKPOINT.to_owned())?;
        let size = newest.claim.size;
        let claim = newest.claim.clone();
        let mut found = vec![newest];
        for name in folder::names(folder, CHECKPOINTS)? {
            found.push(Mark::read(folder, format!("{CHECKPOINTS}/{name}"))?);
        }
        let mut elsewhere = vec![];
        for (path, note) in remembered {
            elsewhere.push(Mark::of(path.clone(), note.clone())?);
        }
        for mark in found.iter().chain(&elsewhere) {
            if mark.claim.size > size {
                let (known, path) = (mark.claim.size, mark.path.clone());
                return Err(Broken::Shorter { size, known, path });
            }
        }
        found.sort_by_key(|mark| mark.claim.size);
        Ok(Self { newest: claim, found, elsewhere, good: 0 })
    }

    /// Compares the tree with what was signed about its present size.
    fn meet(&mut self, tower: &Tower) -> Result<(), Broken> {
        let size = tower.size();
        let here = |mark: &&Mark| mark.claim.size == size;
        let mut root = None;
        for mark in self.found.iter().chain(&self.elsewhere).filter(here) {
            if *root.get_or_insert_with(|| tower.root()) != mark.claim.root {
                return Err(Broken::Root { since: self.good, size, path: mark.path.clone() });
            }
        }
        if root.is_some() {
            self.good = size;
        }
        Ok(())
    }
}

impl Mark {
    fn read(folder: &dyn Folder, path: String) -> Result<Self, Broken> {
        let bytes = folder::read(folder, &path)?;
        match Note::parse(&bytes) {
            Ok(note) => Self::of(path, note),
            Err(why) => Err(Broken::Checkpoint { path, because: Refusal::Malformed(why) }),
        }
    }

    fn of(path: String, note: Note) -> Result<Self, Broken> {
        match Checkpoint::parse(note.text()) {
            Some(claim) => Ok(Self { path, note, claim }),
            None => Err(Broken::Checkpoint { path, because: Refusal::NotACheckpoint }),
        }
    }

    fn signed_by(&self, key: &Verifier) -> Result<(), Broken> {
        match Checkpoint::of(&self.note, key) {
            Ok(_) => Ok(()),
            Err(Refusal::NotSigned) => Err(Broken::WrongKey { path: self.path.clone() }),
            Err(because) => Err(Broken::Checkpoint { path: self.path.clone(), because }),
        }
    }
}

/// The way through the entries.
struct Walk<'a> {
    folder: &'a dyn Folder,
    tower: Tower,
    order: Order,
    people: Named,
}

impl Walk<'_> {
    /// Goes through the next bundle of entries.
    fn bundle(
        &mut self,
        size: u64,
        marks: &mut Marks,
        visit: &mut dyn FnMut(u64, &[u8]),
    ) -> Result<(), Broken> {
        let start = self.tower.size();
        let width = (size - start).min(WIDTH);
        let id = |kind| TileId { kind, index: start / WIDTH, width };
        let bytes = folder::read(self.folder, &id(Kind::Entries).to_string())?;
        let hashes = hashes(self.folder, id(Kind::Hashes(0)))?;
        let (entries, whole) = match tile::unbundle(&bytes, width) {
            Ok(entries) => (entries, true),
            // An edited length tears what is behind it, so what can be read is looked at first.
            Err(tile::Torn { readable }) => (readable, false),
        };
        let torn = start + (entries.len() as u64).min(width - 1);
        for (index, (entry, hash)) in (start..).zip(entries.into_iter().zip(hashes)) {
            let fault = |because| Broken::Entry { index, because };
            if Hash::leaf(entry) != hash {
                return Err(fault(Fault::Edited));
            }
            let tower = &self.tower;
            self.order.meet(index, entry, || Some(tower.root())).map_err(fault)?;
            self.people.learn(entry);
            visit(index, entry);
            let (folder, mut compared) = (self.folder, Ok(()));
            self.tower.push(hash, |tile| {
                if compared.is_ok() && tile.id.kind != Kind::Hashes(0) {
                    compared = compare(folder, &tile);
                }
            });
            compared?;
            marks.meet(&self.tower)?;
        }
        if whole { Ok(()) } else { Err(Broken::Entry { index: torn, because: Fault::Torn }) }
    }
}

/// Each checkpoint is signed by the newest key that its tree names: one that handed over extends
/// nothing.
fn check_signatures(marks: &Marks, keys: &Keys, anchor: &Verifier) -> Result<(), Broken> {
    if !keys.has(anchor) {
        return Err(Broken::UnknownKey);
    }
    for mark in marks.found.iter().chain(&marks.elsewhere) {
        mark.signed_by(keys.in_force(mark.claim.size.max(1)).ok_or(Broken::UnknownKey)?)?;
    }
    Ok(())
}

fn compare(folder: &dyn Folder, tile: &Tile) -> Result<(), Broken> {
    let Kind::Hashes(level) = tile.id.kind else { return Ok(()) };
    let kept = hashes(folder, tile.id)?;
    let differs = kept.iter().zip(&tile.hashes).position(|(kept, ours)| kept != ours);
    differs.map_or(Ok(()), |position| {
        let place = tile.id.index * WIDTH + position as u64;
        Err(Broken::Tile { path: tile.id.to_string(), index: place << (level * tile::HEIGHT) })
    })
}

/// The hashes of a tile. One of another length speaks about none of its entries.
fn hashes(folder: &dyn Folder, id: TileId) -> Result<Vec<Hash>, Broken> {
    folder::hashes(folder, id).map_err(|error| match (error, id.kind) {
        (ReadError::Damaged { path }, Kind::Hashes(level)) => {
            Broken::Tile { path, index: (id.index * WIDTH) << (level * tile::HEIGHT) }
        }
        (error, _) => Broken::File(error),
    })
}

impl From<ReadError> for Broken {
    fn from(error: ReadError) -> Self {
        Self::File(error)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(why) => write!(f, "{why}"),
            Self::Entry { index, because } => write!(f, "entry {index} {because}"),
            Self::Tile { path, index } => {
                write!(f, "`{path}` is not what the entries give, from entry {index} on")
            }
            Self::Checkpoint { path, because } => write!(f, "`{path}` is not believed: {because}"),
            Self::Root { since, size, path } => {
                write!(
                    f,
                    "the entries {since} to {size} are not those that `{path}` was signed over"
                )
            }
            Self::Shorter { size, known, path } => {
                write!(f, "it has {size} entries, and `{path}` was signed over {known}")
            }
            Self::UnknownKey => f.write_str("the given key never signed for this ledger"),
            Self::WrongKey { path } => {
                write!(f, "`{path}` is not signed by the key that was in force")
            }
        }
    }
}

impl std::error::Error for Broken {}

#[cfg(test)]
mod tests;
