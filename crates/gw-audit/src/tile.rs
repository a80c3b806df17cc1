//! Where the parts of a tree lie in a folder, and what their files hold: C2SP tlog-tiles.

use std::fmt;

use crate::tree::Hash;

/// How many hashes a full tile holds, and how many entries a full bundle.
pub const WIDTH: u64 = 256;
/// Each tile stands for a subtree of this height.
pub const HEIGHT: u32 = 8;

/// One file of hashes, or the bundle of entries beside the lowest ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TileId {
    pub kind: Kind,
    pub index: u64,
    /// From 1 to [`WIDTH`]; less than that only at the right edge of a tree.
    pub width: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Entries,
    /// Level 0 holds the leaves, each higher level the roots of the full tiles below it.
    Hashes(u32),
}

/// A file is not a bundle of that many entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn<'a> {
    /// What can be read of it.
    pub readable: Vec<&'a [u8]>,
}

impl TileId {
    /// The tile of a kind that holds position `at` of its row, in a row of `length`; `None` beyond.
    pub fn holding(kind: Kind, at: u64, length: u64) -> Option<Self> {
        let index = at / WIDTH;
        let width = length.saturating_sub(index * WIDTH).min(WIDTH);
        (at < length).then_some(Self { kind, index, width })
    }
}

/// How many hashes the row of a level has in a tree of `size`.
pub fn row_length(level: u32, size: u64) -> u64 {
    size.checked_shr(level * HEIGHT).unwrap_or(0)
}

/// The bytes of a bundle. An entry longer than 65,535 bytes has no form: `None`.
pub fn bundle<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut bytes = vec![];
    for entry in entries {
        bytes.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Some(bytes)
}

/// The entries of a bundle of `width`.
pub fn unbundle(bytes: &[u8], width: u64) -> Result<Vec<&[u8]>, Torn<'_>> {
    let mut entries = vec![];
    let mut rest = bytes;
    for _ in 0..width {
        let Some((entry, after)) = first_of(rest) else { return Err(Torn { readable: entries }) };
        entries.push(entry);
        rest = after;
    }
    if rest.is_empty() { Ok(entries) } else { Err(Torn { readable: entries }) }
}

fn first_of(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The bytes of a tile of hashes.
pub fn flat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// The hashes of a tile of `width`; `None` where the file has another length.
pub fn hashes(bytes: &[u8], width: u64) -> Option<Vec<Hash>> {
    let (chunks, rest) = bytes.as_chunks::<{ Hash::LEN }>();
    let complete = rest.is_empty() && u64::try_from(chunks.len()) == Ok(width);
    complete.then(|| chunks.iter().copied().map(Hash).collect())
}

/// The path below the folder of the log.
impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Entries => f.write_str("tile/entries/")?,
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (left, group) in (0..groups.len()).rev().zip(groups.iter().rev()) {
            if left > 0 { write!(f, "x{group:03}/")? } else { write!(f, "{group:03}")? }
        }
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
