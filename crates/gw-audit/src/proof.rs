//! That one entry is in the ledger, as one small file anybody can check: C2SP tlog-proof.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    checkpoint::{Checkpoint, Refusal},
    folder::{self, CHECKPOINT, Folder, ReadError},
    note::{Note, Verifier},
    tile::{self, HEIGHT, Kind, TileId},
    tree::{self, Hash, Nodes},
};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub index: u64,
    /// From the leaf's neighbour up.
    pub hashes: Vec<Hash>,
    /// The checkpoint of the tree that has the entry.
    pub checkpoint: Note,
}

/// An entry with its proof, in one file: the entry travels in the line for extras, where nobody has
/// to believe it before the proof holds for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub entry: Vec<u8>,
    pub proof: Proof,
}

/// Why a proof shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    NotAProof,
    /// A proof without the entry that it is about.
    NoEntry,
    Checkpoint(Refusal),
    /// The hashes do not lead from this entry to the root.
    NotIncluded,
}

/// The nodes of a tree of `size`, read from its tiles.
struct Tiles<'a> {
    folder: &'a dyn Folder,
    size: u64,
}

/// The root that a ledger of `size` had when it had so many entries.
pub fn root_at(folder: &dyn Folder, count: u64, size: u64) -> Result<Hash, ReadError> {
    tree::root_of(&Tiles { folder, size }, count)
}

impl Proof {
    /// Proves from the files of a ledger that it has an entry; `None` where it has fewer.
    pub fn of(folder: &dyn Folder, index: u64) -> Result<Option<Self>, ReadError> {
        let damaged = || ReadError::Damaged { path: CHECKPOINT.to_owned() };
        let bytes = folder::read(folder, CHECKPOINT)?;
        let checkpoint = Note::parse(&bytes).map_err(|_| damaged())?;
        let size = Checkpoint::parse(checkpoint.text()).ok_or_else(damaged)?.size;
        let hashes = tree::prove_inclusion(&Tiles { folder, size }, index, size)?;
        Ok(hashes.map(|hashes| Self { index, hashes, checkpoint }))
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Unproven> {
        let text = std::str::from_utf8(bytes).map_err(|_| Unproven::NotAProof)?;
        let (head, note) = text.split_once("\n\n").ok_or(Unproven::NotAProof)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FIRST_LINE) {
            return Err(Unproven::NotAProof);
        }
        // What a prover adds is signed by nobody and means nothing here.
        lines.next_if(|line| line.starts_with(EXTRA));
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(|text| text.parse().ok()).ok_or(Unproven::NotAProof)?;
        let hashes = lines.map(Hash::parse).collect::<Option<_>>().ok_or(Unproven::NotAProof)?;
        let malformed = |error| Unproven::Checkpoint(Refusal::Malformed(error));
        let checkpoint = Note::parse(note.as_bytes()).map_err(malformed)?;
        Ok(Self { index, hashes, checkpoint })
    }

    /// Whether the ledger that `verifier` signs for has this entry; says how large it then was.
    pub fn check(&self, entry: &[u8], verifier: &Verifier) -> Result<Checkpoint, Unproven> {
        let checkpoint =
            Checkpoint::of(&self.checkpoint, verifier).map_err(Unproven::Checkpoint)?;
        let Checkpoint { size, root, .. } = checkpoint;
        if tree::included(Hash::leaf(entry), self.index, size, &self.hashes, root) {
            Ok(checkpoint)
        } else {
            Err(Unproven::NotIncluded)
        }
    }
}

impl Evidence {
    /// The evidence for one entry; `None` where the ledger has fewer.
    pub fn of(folder: &dyn Folder, index: u64) -> Result<Option<Self>, ReadError> {
        let Some(proof) = Proof::of(folder, index)? else { return Ok(None) };
        let size = Checkpoint::parse(proof.checkpoint.text()).map(|it| it.size);
        let entry = folder::entry(folder, index, size.unwrap_or_default())?;
        Ok(entry.map(|entry| Self { entry, proof }))
    }

    pub fn parse(bytes: &[u8]) -> Result<Self, Unproven> {
        let proof = Proof::parse(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Unproven::NotAProof)?;
        let extra = text.lines().nth(1).and_then(|line| line.strip_prefix(EXTRA));
        let entry = extra.and_then(|extra| STANDARD.decode(extra).ok());
        Ok(Self { entry: entry.ok_or(Unproven::NoEntry)?, proof })
    }

    /// Whether the ledger that `verifier` signs for has the entry; says how large it then was.
    pub fn check(&self, verifier: &Verifier) -> Result<Checkpoint, Unproven> {
        self.proof.check(&self.entry, verifier)
    }
}

impl Nodes for Tiles<'_> {
    type Error = ReadError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, ReadError> {
        // A node of no whole tile's height lies inside of one: `2^height` hashes of its row.
        let (row, height) = (level / HEIGHT, level % HEIGHT);
        let (first, width) = (index << height, 1 << height);
        let length = tile::row_length(row, self.size);
        let missing = || ReadError::Missing { path: format!("node {index} of level {level}") };
        let id = TileId::holding(Kind::Hashes(row), first, length).ok_or_else(missing)?;
        let hashes = folder::hashes(self.folder, id)?;
        let inside = usize::try_from(first % tile::WIDTH).unwrap_or(usize::MAX);
        let part = hashes.get(inside..inside.saturating_add(width));
        Ok(tree::root(part.ok_or_else(missing)?))
    }
}

impl Proof {
    /// What follows the line for extras.
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        self.write(f)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}\n{EXTRA}{}", STANDARD.encode(&self.entry))?;
        self.proof.write(f)
    }
}

impl fmt::Display for Unproven {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAProof => f.write_str("it is not a proof"),
            Self::NoEntry => f.write_str("it has no entry to prove"),
            Self::Checkpoint(why) => write!(f, "its checkpoint is not believed: {why}"),
            Self::NotIncluded => f.write_str("its hashes do not lead from this entry to the root"),
        }
    }
}

impl std::error::Error for Unproven {}

#[cfg(test)]
mod tests;
