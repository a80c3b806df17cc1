//! A tree that grows at its right edge: it keeps only what the next leaf needs, and hands out each
//! tile when it is full. Writing a log and verifying one are the same walk.

use crate::{
    tile::{Kind, TileId, WIDTH},
    tree::{self, Hash},
};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tower {
    size: u64,
    /// The hashes of each level's last tile, as long as that is not full.
    rows: Vec<Vec<Hash>>,
}

/// Hashes that are written as one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    pub hashes: Vec<Hash>,
}

impl Tower {
    /// Goes on with the last tile of each level, the lowest first, as [`Self::edge`] told them.
    /// `None` where they are not those of a tree of `size`.
    pub fn resume(size: u64, rows: Vec<Vec<Hash>>) -> Option<Self> {
        let mut left = size;
        for row in &rows {
            if u64::try_from(row.len()) != Ok(left % WIDTH) {
                return None;
            }
            left /= WIDTH;
        }
        (left == 0).then_some(Self { size, rows })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and hands out the tiles that it fills.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(Tile)) {
        let mut index = self.size / WIDTH;
        self.size += 1;
        let mut hash = leaf;
        for level in 0u32.. {
            let Some(row) = self.rows.get_mut(level as usize) else {
                self.rows.push(vec![hash]);
                return;
            };
            row.push(hash);
            if (row.len() as u64) < WIDTH {
                return;
            }
            let hashes = std::mem::take(row);
            hash = tree::root(&hashes);
            full(Tile { id: TileId { kind: Kind::Hashes(level), index, width: WIDTH }, hashes });
            index /= WIDTH;
        }
    }

    pub fn root(&self) -> Hash {
        let mut below = None;
        for row in &self.rows {
            let row: Vec<Hash> = row.iter().copied().chain(below).collect();
            if !row.is_empty() {
                below = Some(tree::root(&row));
            }
        }
        below.unwrap_or_else(Hash::empty)
    }

    /// The tiles at the right edge, which are not full.
    pub fn edge(&self) -> Vec<Tile> {
        let mut length = self.size;
        let mut tiles = vec![];
        for (level, row) in (0u32..).zip(&self.rows) {
            if !row.is_empty() {
                let (kind, width) = (Kind::Hashes(level), row.len() as u64);
                let id = TileId { kind, index: length / WIDTH, width };
                tiles.push(Tile { id, hashes: row.clone() });
            }
            length /= WIDTH;
        }
        tiles
    }
}

#[cfg(test)]
mod tests;
