//! Hashes of RFC 6962, and the two proofs over them: that an entry is in a tree, and that a tree
//! grew out of another. No storage: whoever proves hands in the nodes.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};

/// A SHA-256 of a leaf, a node or a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; Self::LEN]);

/// What a prover reads: the hash of the complete subtree of `2^level` leaves that is the
/// `index`-th of its kind.
pub trait Nodes {
    type Error;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

impl Hash {
    pub const LEN: usize = 32;

    /// The root of the tree without leaves.
    pub fn empty() -> Self {
        Self::of(&[])
    }

    pub fn leaf(entry: &[u8]) -> Self {
        Self::of(&[&[0], entry])
    }

    pub fn parent(left: Self, right: Self) -> Self {
        Self::of(&[&[1], &left.0, &right.0])
    }

    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }

    /// Reads the standard Base 64 form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }
}

/// The root over hashes that stand side by side. All but the last stand for equally large complete
/// subtrees; the last may stand for a smaller one, which changes nothing in the shape of the tree.
pub fn root(row: &[Hash]) -> Hash {
    match row {
        [] => Hash::empty(),
        [only] => *only,
        _ => {
            let (left, right) = row.split_at(split(row.len()));
            Hash::parent(root(left), root(right))
        }
    }
}

/// The hashes that lead from a leaf to the root of a tree of `size`, the lowest first; `None` where
/// the tree has no such leaf.
pub fn prove_inclusion<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut proof = vec![];
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split_u64(end - start);
        if index < middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The hashes that show a tree of `new` leaves to begin with the tree of `old`; `None` where it
/// cannot.
pub fn prove_consistency<N: Nodes>(
    nodes: &N,
    old: u64,
    new: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if old > new {
        return Ok(None);
    }
    let mut proof = vec![];
    let (mut start, mut end) = (0, new);
    // An empty tree is the beginning of every tree: there is nothing to show.
    while old != 0 && old < end {
        let middle = start + split_u64(end - start);
        if old <= middle {
            proof.push(range(nodes, middle, end)?);
            end = middle;
        } else {
            proof.push(range(nodes, start, middle)?);
            start = middle;
        }
    }
    // The verifier knows the old root itself only where it is the whole left edge.
    if start != 0 {
        proof.push(range(nodes, start, end)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Whether `proof` leads from `leaf` at `index` to `root`.
pub fn included(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> bool {
    index < size && climb(leaf, index, size, proof) == Some(root)
}

/// Whether `proof` shows that the tree of `new` leaves begins with the tree of `old`.
pub fn consistent(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> bool {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    match old_size {
        0 => proof.is_empty() && old_root == Hash::empty(),
        _ if old_size > new_size => false,
        _ => retrace(old_size, new_size, Some(old_root), proof) == Some((old_root, new_root)),
    }
}

/// The root that a proof of inclusion leads to.
fn climb(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if size == 1 {
        return proof.is_empty().then_some(leaf);
    }
    let (sibling, lower) = proof.split_last()?;
    let left = split_u64(size);
    Some(if index < left {
        Hash::parent(climb(leaf, index, left, lower)?, *sibling)
    } else {
        Hash::parent(*sibling, climb(leaf, index - left, size - left, lower)?)
    })
}

/// The roots of the old and the new tree that a proof of consistency leads to. `known` is the old
/// root as long as the old tree is the whole left edge, so the proof leaves it out.
fn retrace(old: u64, new: u64, known: Option<Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if old == new {
        return match (known, proof) {
            (Some(root), []) => Some((root, root)),
            (None, [root]) => Some((*root, *root)),
            _ => None,
        };
    }
    let (sibling, lower) = proof.split_last()?;
    let left = split_u64(new);
    if old <= left {
        let (old_root, new_root) = retrace(old, left, known, lower)?;
        Some((old_root, Hash::parent(new_root, *sibling)))
    } else {
        let (old_root, new_root) = retrace(old - left, new - left, None, lower)?;
        Some((Hash::parent(*sibling, old_root), Hash::parent(*sibling, new_root)))
    }
}

/// The root over the first leaves, so many.
pub fn root_of<N: Nodes>(nodes: &N, count: u64) -> Result<Hash, N::Error> {
    if count == 0 { Ok(Hash::empty()) } else { range(nodes, 0, count) }
}

/// The root over the leaves from `start` to `end`, where `start` is where a subtree begins.
fn range<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let length = end - start;
    if length.is_power_of_two() {
        let level = length.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let middle = start + split_u64(length);
    Ok(Hash::parent(range(nodes, start, middle)?, range(nodes, middle, end)?))
}

/// How many leaves stand on the left: the largest power of two below `size`, which is above 1.
fn split_u64(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

fn split(size: usize) -> usize {
    1 << (usize::BITS - 1 - (size - 1).leading_zeros())
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests;
