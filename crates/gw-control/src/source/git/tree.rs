//! The files of one commit, straight from its objects: nothing is checked out, and nothing that a
//! repository says about its files is done.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use gw_model::load::{Files, ReadError};
use parking_lot::Mutex;

use super::{
    caps::Caps,
    failure::{Flaw, Found, GitError},
    id::ObjectId,
    name,
    objects::{Blob, Commit, Entry, Lies, Objects},
};
use crate::source::Snapshot;

/// Nobody reads more of them.
const MAX_FOUND: usize = 20;

/// The folder and the file of the workspace's id: all that counts of what is hidden.
const ID: (&str, &[u8]) = (".gatewright", b"id");
/// An id is shorter.
const MAX_ID_BYTES: u64 = 1024;

/// What Git LFS commits in place of a file.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The files of a commit. Remembers what was read, so that the digest is over exactly that.
#[derive(Debug)]
pub struct Tree {
    objects: Arc<Objects>,
    commit: ObjectId,
    files: BTreeMap<String, ObjectId>,
    id: Option<ObjectId>,
    largest: u64,
    read: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// What merging a commit would leave.
#[derive(Debug)]
pub struct Merged {
    pub tree: Tree,
    /// Files that both sides changed. Merging them line by line is for the Git host.
    pub both: Vec<String>,
}

struct Walk<'a> {
    objects: &'a Objects,
    caps: &'a Caps,
    files: BTreeMap<String, ObjectId>,
    id: Option<ObjectId>,
    entries: usize,
    found: Vec<Found>,
    /// Folders that are still to be looked into: path with `/` behind it, object, how deep.
    next: Vec<(String, ObjectId, usize)>,
}

impl Tree {
    pub(super) fn open(
        objects: &Arc<Objects>,
        commit: &Commit,
        caps: &Caps,
    ) -> Result<Self, GitError> {
        let mut walk = Walk {
            objects,
            caps,
            files: BTreeMap::new(),
            id: None,
            entries: 0,
            found: vec![],
            next: vec![(String::new(), commit.tree, 0)],
        };
        while let Some((path, folder, depth)) = walk.next.pop() {
            walk.look_into(&path, &folder, depth)?;
            if walk.found.len() >= MAX_FOUND || walk.entries > caps.files {
                break;
            }
        }
        let Walk { files, id, mut found, .. } = walk;
        if !found.is_empty() {
            found.sort_by(|one, other| one.path.cmp(&other.path));
            return Err(GitError::Files { commit: commit.id.to_string(), found });
        }
        let (objects, read) = (Arc::clone(objects), Mutex::default());
        Ok(Self { objects, commit: commit.id, files, id, largest: caps.blob_bytes, read })
    }

    pub fn commit(&self) -> &ObjectId {
        &self.commit
    }

    /// The text of the workspace's id, where it is committed.
    pub fn workspace_id(&self) -> Option<String> {
        match self.objects.blob(self.id.as_ref()?, MAX_ID_BYTES) {
            Ok(Blob::Whole(bytes)) => Some(String::from_utf8(bytes).ok()?.trim().to_owned()),
            Ok(Blob::TooLarge | Blob::Missing) | Err(_) => None,
        }
    }

    /// The files as merging these into `ours` would leave them, file by file: what only one side
    /// changed is as that side has it. What both changed, each in its own way, is told, and is as it
    /// is here.
    pub(super) fn merged(mut self, base: &Self, ours: &Self) -> Merged {
        let mut both = vec![];
        let names = self.files.keys().chain(ours.files.keys());
        let names: BTreeSet<String> = names.cloned().collect();
        for name in names {
            let (was, there, here) =
                (base.files.get(&name), ours.files.get(&name), self.files.get(&name));
            if here == was {
                match there {
                    Some(id) => drop(self.files.insert(name, *id)),
                    None => drop(self.files.remove(&name)),
                }
            } else if there != was && there != here {
                both.push(name);
            }
        }
        Merged { tree: self, both }
    }

    fn read_object(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let say = |text: String| Err(ReadError(text));
        let Some(id) = self.files.get(path) else {
            return say("there is no such file in the workspace".to_owned());
        };
        let large = format!("it is larger than {} MiB", self.largest >> 20);
        match self.objects.blob(id, self.largest) {
            Ok(Blob::Whole(bytes)) if bytes.starts_with(LFS_POINTER) => {
                say("it is kept by Git LFS; commit the file itself".to_owned())
            }
            Ok(Blob::Whole(bytes)) => Ok(bytes),
            Ok(Blob::TooLarge) => say(large),
            // Hosts are asked to keep back what is too large.
            Ok(Blob::Missing) => say(format!("{large}, or the Git host keeps it back")),
            Err(error) => say(error.to_string()),
        }
    }
}

impl Snapshot for Tree {
    fn was_read(&self) -> BTreeMap<String, Vec<u8>> {
        self.read.lock().clone()
    }
}

impl Files for Tree {
    fn paths(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        if let Some(bytes) = self.read.lock().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = self.read_object(path)?;
        self.read.lock().insert(path.to_owned(), bytes.clone());
        Ok(bytes)
    }
}

impl Walk<'_> {
    fn look_into(&mut self, path: &str, folder: &ObjectId, depth: usize) -> Result<(), GitError> {
        let Some(entries) = self.objects.entries(folder)? else {
            let path = if path.is_empty() { "/" } else { path };
            self.found.push(Found { path: path.to_owned(), flaw: Flaw::Unreadable });
            return Ok(());
        };
        let mut names = BTreeMap::new();
        for entry in entries {
            self.entries += 1;
            let whole = format!("{path}{}", String::from_utf8_lossy(&entry.name));
            if self.entries > self.caps.files {
                let flaw = Flaw::TooMany { limit: self.caps.files };
                self.found.push(Found { path: whole, flaw });
                return Ok(());
            }
            if let Err(flaw) = self.take(&entry, &whole, depth, &mut names) {
                self.found.push(Found { path: whole, flaw });
            }
        }
        Ok(())
    }

    fn find_id(&self, folder: &ObjectId) -> Option<ObjectId> {
        let entries = self.objects.entries(folder).ok()??;
        let id = entries.into_iter().find(|it| it.name == ID.1 && it.kind == Lies::File);
        id.map(|it| it.id)
    }

    fn take(
        &mut self,
        entry: &Entry,
        path: &str,
        depth: usize,
        names: &mut BTreeMap<String, String>,
    ) -> Result<(), Flaw> {
        let name = name::judge(&entry.name).map_err(Flaw::Name)?;
        if let Some(other) = names.insert(name::folded(name), path.to_owned()) {
            return Err(Flaw::SameAs { other });
        }
        // What is hidden is not part of a workspace.
        if name.starts_with('.') {
            if path == ID.0 && entry.kind == Lies::Folder {
                self.id = self.find_id(&entry.id);
            }
            return Ok(());
        }
        match entry.kind {
            Lies::File => drop(self.files.insert(path.to_owned(), entry.id)),
            Lies::Folder if depth >= self.caps.depth => {
                return Err(Flaw::TooDeep { limit: self.caps.depth });
            }
            Lies::Folder => self.next.push((format!("{path}/"), entry.id, depth + 1)),
            Lies::Link => return Err(Flaw::Link),
            Lies::Submodule => return Err(Flaw::Submodule),
        }
        Ok(())
    }
}
