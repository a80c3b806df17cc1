//! Where declarations come from.

pub mod git;
pub mod local;
pub mod pace;

use std::collections::BTreeMap;

use gw_model::load::Files;

/// Files that stand still, and remember which of them were read.
pub trait Snapshot: Files {
    /// Every file that was read so far, with its content at that time.
    fn was_read(&self) -> BTreeMap<String, Vec<u8>>;
}
