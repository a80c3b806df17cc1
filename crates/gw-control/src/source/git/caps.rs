//! How much a repository may ask of us.

use std::time::Duration;

/// Limits that a repository of declarations never meets. Tests lower them.
#[derive(Clone, Debug)]
pub struct Caps {
    /// What a host may say before it sends anything.
    pub announcement_bytes: u64,
    /// What one fetch may bring.
    pub pack_bytes: u64,
    /// What is kept of the repository, on disk.
    pub repository_bytes: u64,
    /// The largest file that is read.
    pub blob_bytes: u64,
    /// The largest object that is unpacked at all, history included.
    pub object_bytes: u64,
    /// What must be held at once to unpack an object that is kept as a chain of differences.
    pub chain_bytes: u64,
    /// Objects of one fetch.
    pub objects: u64,
    /// Commits of the whole history.
    pub commits: usize,
    /// Those that nobody names are looked at up to here.
    pub branches_and_tags: usize,
    /// Files and folders of one commit.
    pub files: usize,
    /// Folders within folders.
    pub depth: usize,
    /// From the first byte sent until the fetch is done.
    pub time: Duration,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            announcement_bytes: 16 << 20,
            pack_bytes: 500 << 20,
            repository_bytes: 500 << 20,
            blob_bytes: 10 << 20,
            object_bytes: 64 << 20,
            chain_bytes: 256 << 20,
            objects: 2_000_000,
            commits: 1_000_000,
            branches_and_tags: 20_000,
            files: 100_000,
            depth: 64,
            time: Duration::from_mins(1),
        }
    }
}
