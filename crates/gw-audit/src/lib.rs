//! The ledger: what was decided and done, so written that nobody can change it unnoticed.
//!
//! Entries are leaves of a Merkle tree after RFC 6962, kept as tiles and entry bundles (C2SP
//! tlog-tiles) under signed checkpoints (C2SP tlog-checkpoint, signed-note). This crate is the
//! arithmetic and the formats, made to be read alone by an auditor: it depends on none of ours, does
//! no I/O and reads no clock. Sequencing and storage belong to `gw-control`.

pub mod checkpoint;
pub mod entry;
pub mod folder;
pub mod growth;
pub mod key;
pub mod note;
pub mod order;
pub mod private;
pub mod proof;
pub mod report;
pub mod tile;
pub mod tower;
pub mod tree;
pub mod verify;

#[cfg(test)]
mod sample;
