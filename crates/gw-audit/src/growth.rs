//! The files of a growing ledger: what to write for the next entries, in an order in which a power
//! cut leaves the former ledger whole. Nothing is edited; the checkpoint, written behind them, makes
//! the rest count.

use crate::{
    checkpoint::Checkpoint,
    folder::{self, CHECKPOINT, CHECKPOINTS, Folder, ReadError},
    note::{Note, Signer},
    tile::{self, Kind, TileId, WIDTH},
    tower::{Tile, Tower},
    tree::Hash,
};

/// One thing to do in the folder of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Make this file, whole or not at all.
    Put { path: String, bytes: Vec<u8> },
    /// Remove this folder of partial tiles: the full tile is there.
    Clear { path: String },
}

/// The right edge of a ledger in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    tower: Tower,
    /// The entries of the last bundle, as long as that is not full.
    bundle: Vec<Vec<u8>>,
}

/// Why an entry is not added: no bundle can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    pub bytes: usize,
}

impl Growth {
    /// Goes on with the ledger of `size` whose edge lies in a folder.
    pub fn resume(folder: &dyn Folder, size: u64, root: Hash) -> Result<Self, ReadError> {
        let mut rows = vec![];
        for level in 0u32.. {
            let length = tile::row_length(level, size);
            if length == 0 {
                break;
            }
            let edge = partial(Kind::Hashes(level), length);
            rows.push(edge.map_or(Ok(vec![]), |id| folder::hashes(folder, id))?);
        }
        let mut bundle = vec![];
        if let Some(id) = partial(Kind::Entries, size) {
            let damaged = || ReadError::Damaged { path: id.to_string() };
            let bytes = folder::read(folder, &id.to_string())?;
            let entries = tile::unbundle(&bytes, id.width).map_err(|_| damaged())?;
            bundle = entries.into_iter().map(<[u8]>::to_vec).collect();
            let leaves = bundle.iter().map(|entry| Hash::leaf(entry));
            if !rows.first().is_some_and(|row| leaves.eq(row.iter().copied())) {
                return Err(damaged());
            }
        }
        let whole = Tower::resume(size, rows).filter(|tower| tower.root() == root);
        let tower = whole.ok_or_else(|| ReadError::Damaged { path: CHECKPOINT.to_owned() })?;
        Ok(Self { tower, bundle })
    }

    pub fn size(&self) -> u64 {
        self.tower.size()
    }

    /// The root of the tree over all entries so far.
    pub fn root(&self) -> Hash {
        self.tower.root()
    }

    /// Adds an entry, and says which files are full with it.
    pub fn push(&mut self, entry: Vec<u8>, writes: &mut Vec<Write>) -> Result<(), TooLong> {
        if entry.len() > usize::from(u16::MAX) {
            return Err(TooLong { bytes: entry.len() });
        }
        let index = self.tower.size() / WIDTH;
        let leaf = Hash::leaf(&entry);
        self.bundle.push(entry);
        if self.bundle.len() as u64 == WIDTH {
            let entries = std::mem::take(&mut self.bundle);
            let id = TileId { kind: Kind::Entries, index, width: WIDTH };
            put(writes, id, bundled(&entries));
        }
        self.tower.push(leaf, |Tile { id, hashes }| put(writes, id, tile::flat(&hashes)));
        Ok(())
    }

    /// What is left to write after the last entry, and the checkpoint over all.
    pub fn seal(&self, origin: &str, signers: &[&Signer], writes: &mut Vec<Write>) -> Note {
        let size = self.tower.size();
        if let Some(id) = partial(Kind::Entries, size) {
            put(writes, id, bundled(&self.bundle));
        }
        for Tile { id, hashes } in self.tower.edge() {
            put(writes, id, tile::flat(&hashes));
        }
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root: self.tower.root() };
        let note = checkpoint.sign(signers);
        // The newest comes first: one that is kept and ahead of it would look like a lost end.
        for path in [CHECKPOINT.to_owned(), format!("{CHECKPOINTS}/{size}")] {
            writes.push(Write::Put { path, bytes: note.to_string().into_bytes() });
        }
        // Only once the checkpoint is there does nobody need the narrower files of full ones.
        let full = |write: &Write| match write {
            Write::Put { path, .. } => is_full(path).then(|| format!("{path}.p")),
            Write::Clear { .. } => None,
        };
        let cleared: Vec<_> = writes.iter().filter_map(full).collect();
        writes.extend(cleared.into_iter().map(|path| Write::Clear { path }));
        note
    }
}

/// The last tile of a row, where it is not full.
fn partial(kind: Kind, length: u64) -> Option<TileId> {
    let id = TileId::holding(kind, length.checked_sub(1)?, length)?;
    (id.width < WIDTH).then_some(id)
}

fn put(writes: &mut Vec<Write>, id: TileId, bytes: Vec<u8>) {
    writes.push(Write::Put { path: id.to_string(), bytes });
}

fn is_full(path: &str) -> bool {
    path.starts_with("tile/") && !path.contains(".p/")
}

fn bundled(entries: &[Vec<u8>]) -> Vec<u8> {
    // `push` let in only what a bundle can hold.
    tile::bundle(entries.iter().map(Vec::as_slice)).unwrap_or_default()
}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "an entry of {} bytes is too long", self.bytes)
    }
}

impl std::error::Error for TooLong {}

#[cfg(test)]
mod tests;
