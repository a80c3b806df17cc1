//! What the last good fetch left: a small file beside the objects, written after them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
};

use serde::{Deserialize, Serialize};

use super::{
    failure::GitError,
    id::{Format, ObjectId},
};

const NAME: &str = "last.json";
/// Folders of objects begin so.
pub(super) const OBJECTS: &str = "objects-";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) address: String,
    pub(super) format: Format,
    /// The folder of the objects; it grows each time everything is fetched anew.
    pub(super) generation: u64,
    /// Branches and tags by their whole names.
    pub(super) refs: BTreeMap<String, ObjectId>,
    pub(super) left_out: Vec<String>,
}

impl Record {
    /// `None` where there is none; one that cannot be read is none, and everything is fetched anew.
    pub(super) fn load(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(folder.join(NAME)).ok()?).ok()
    }

    /// Puts it in the place of the former one, whole or not at all.
    pub(super) fn save(&self, folder: &Path) -> Result<(), GitError> {
        let new = folder.join(format!("{NAME}.new"));
        let bytes = serde_json::to_vec_pretty(self).map_err(GitError::copy)?;
        let mut file = File::create(&new).map_err(GitError::copy)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(GitError::copy)?;
        fs::rename(&new, folder.join(NAME)).map_err(GitError::copy)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(GitError::copy)
    }

    pub(super) fn objects(generation: u64) -> String {
        format!("{OBJECTS}{generation}")
    }
}
