//! The objects of a repository on this disk, by the inner crates of gix. Nothing else here names them,
//! and none of what makes Git run programs is built in: no worktree, hooks, filters or configuration.
//!
//! An object is named by the digest of its content, which is computed here when it arrives; what a
//! host calls it counts for nothing. A content made to share its SHA-1 with another is recognised.

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use gix_hash::Kind as HashKind;
use gix_object::{
    CommitRefIter, Find as _, FindHeader as _, Kind, TagRefIter, TreeRefIter, tree::EntryKind,
};
use gix_odb::store::init::{Options, Slots};
use gix_pack::{Bundle, bundle::write, data::input};
use gix_utils::progress::Discard;
use parking_lot::Mutex;

use super::{
    caps::Caps,
    failure::GitError,
    id::{Format, ObjectId},
    pack,
    push::{self, New},
};

/// Annotated tags of tags of tags are followed so far.
const MAX_TAGS: usize = 8;
/// What the index of a pack of many small objects may take.
const INDEX_BYTES: u64 = 128 << 20;
/// A cache of more packs is fetched anew.
pub(super) const MAX_PACKS: usize = 32;

pub(super) struct Objects {
    folder: PathBuf,
    format: Format,
    handle: Mutex<gix_odb::Handle>,
}

/// A commit as its object says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: ObjectId,
    pub tree: ObjectId,
    pub parents: Vec<ObjectId>,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed, by its own word, in Unix seconds.
    pub committed_at: i64,
    pub signature: Option<Signature>,
}

/// A signature and the bytes that it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    pub text: String,
    pub signed: Vec<u8>,
}

/// What lies in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) kind: Lies,
    pub(super) id: ObjectId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lies {
    Folder,
    File,
    Link,
    Submodule,
}

/// What came of asking for a file.
#[derive(Debug)]
pub(super) enum Blob {
    Whole(Vec<u8>),
    TooLarge,
    Missing,
}

impl Objects {
    /// Opens the folder, which is made where there is none.
    pub(super) fn open(folder: &Path, format: Format, caps: &Caps) -> Result<Self, GitError> {
        fs::create_dir_all(folder.join("pack")).map_err(GitError::copy)?;
        let limit = usize::try_from(caps.object_bytes).unwrap_or(usize::MAX);
        let slots = u16::try_from(2 * MAX_PACKS).unwrap_or(u16::MAX);
        let options = Options {
            slots: Slots::Given(slots),
            use_multi_pack_index: false,
            alloc_limit_bytes: Some(limit),
            current_dir: Some(folder.to_owned()),
            ..Options::default()
        };
        let handle = gix_odb::at_opts(folder, kind_of(format), None, options);
        let handle = Mutex::new(handle.map_err(GitError::copy)?);
        Ok(Self { folder: folder.to_owned(), format, handle })
    }

    pub(super) const fn format(&self) -> Format {
        self.format
    }

    /// How many packs there are, and how many bytes they have.
    pub(super) fn weight(&self) -> (usize, u64) {
        let entries = fs::read_dir(self.folder.join("pack")).into_iter().flatten().flatten();
        let lengths = entries.filter_map(|entry| {
            let is_pack = entry.path().extension().is_some_and(|it| it == "pack");
            is_pack.then(|| entry.metadata().map_or(0, |about| about.len()))
        });
        lengths.fold((0, 0), |(count, bytes), length| (count + 1, bytes + length))
    }

    /// Takes the objects of a pack in, all or none.
    pub(super) fn take_in(
        &self,
        path: &Path,
        caps: &Caps,
        stop: &AtomicBool,
    ) -> Result<(), GitError> {
        pack::weigh(path, caps, stop)?;
        let mut file = BufReader::new(File::open(path).map_err(GitError::copy)?);
        let options = write::Options {
            thread_limit: Some(1),
            iteration_mode: input::Mode::Verify,
            alloc_limit_bytes: usize::try_from(caps.object_bytes.max(INDEX_BYTES)).ok(),
            ..write::Options::default()
        };
        let written = Bundle::write_to_directory(
            &mut file,
            Some(&self.folder.join("pack")),
            &mut Discard,
            stop,
            None::<gix_odb::Handle>,
            kind_of(self.format),
            options,
        );
        let written = written.map_err(GitError::broken)?;
        // What is named in the record of the last fetch must be on the disk before the record is.
        for path in [&written.data_path, &written.index_path].into_iter().flatten() {
            File::open(path).and_then(|file| file.sync_all()).map_err(GitError::copy)?;
        }
        written.keep_path.map_or(Ok(()), fs::remove_file).map_err(GitError::copy)
    }

    pub(super) fn has(&self, id: &ObjectId) -> bool {
        let header = self.inner_id(id).map(|id| self.handle.lock().try_header(&id));
        matches!(header, Some(Ok(Some(_))))
    }

    /// The commit, or `None` where there is no such commit.
    pub(super) fn commit(&self, id: &ObjectId) -> Result<Option<Commit>, GitError> {
        let Some((Kind::Commit, bytes)) = self.read(id)? else { return Ok(None) };
        let kind = kind_of(self.format);
        let iter = || CommitRefIter::from_bytes(&bytes, kind);
        let damaged = |error| GitError::broken(format_args!("commit {id}: {error}"));
        let tree = outer_id(&iter().tree_id().map_err(damaged)?)?;
        let parents = iter().parent_ids().map(|parent| outer_id(&parent));
        let parents = parents.collect::<Result<_, _>>()?;
        let committed_at = iter().committer().and_then(|by| by.time()).map_err(damaged)?.seconds;
        let message = iter().message().map_err(damaged)?;
        let subject = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let subject = String::from_utf8_lossy(subject).trim().to_owned();
        let signature = CommitRefIter::signature(&bytes, kind).map_err(damaged)?;
        let signature = signature.map(|(text, signed)| Signature {
            text: String::from_utf8_lossy(&text).into_owned(),
            signed: Vec::from(signed.to_bstring()),
        });
        Ok(Some(Commit { id: *id, tree, parents, subject, committed_at, signature }))
    }

    /// Only its parents: what a walk through the history needs.
    pub(super) fn parents(&self, id: &ObjectId) -> Result<Option<Vec<ObjectId>>, GitError> {
        let Some((Kind::Commit, bytes)) = self.read(id)? else { return Ok(None) };
        let iter = CommitRefIter::from_bytes(&bytes, kind_of(self.format));
        iter.parent_ids().map(|parent| outer_id(&parent)).collect::<Result<_, _>>().map(Some)
    }

    /// The commit that a tag means in the end; `None` where it means none.
    pub(super) fn peel(&self, id: &ObjectId) -> Result<Option<ObjectId>, GitError> {
        let mut id = *id;
        for _ in 0..MAX_TAGS {
            match self.read(&id)? {
                Some((Kind::Commit, _)) => return Ok(Some(id)),
                Some((Kind::Tag, bytes)) => {
                    let iter = TagRefIter::from_bytes(&bytes, kind_of(self.format));
                    id = outer_id(&iter.target_id().map_err(GitError::broken)?)?;
                }
                Some((Kind::Tree | Kind::Blob, _)) | None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// What lies in a folder; `None` where there is no such folder or it is damaged.
    pub(super) fn entries(&self, id: &ObjectId) -> Result<Option<Vec<Entry>>, GitError> {
        let Some((Kind::Tree, bytes)) = self.read(id)? else { return Ok(None) };
        let mut entries = vec![];
        for entry in TreeRefIter::from_bytes(&bytes, kind_of(self.format)) {
            let Ok(entry) = entry else { return Ok(None) };
            let kind = match entry.mode.kind() {
                EntryKind::Tree => Lies::Folder,
                EntryKind::Blob | EntryKind::BlobExecutable => Lies::File,
                EntryKind::Link => Lies::Link,
                EntryKind::Commit => Lies::Submodule,
            };
            let name = entry.filename.to_vec();
            entries.push(Entry { name, kind, id: outer_id(entry.oid)? });
        }
        Ok(Some(entries))
    }

    /// A folder in which these files, each by its path in it, hold something else. What is new of it goes
    /// to `new`; `None`: one of them is not there.
    pub(super) fn edited(
        &self,
        folder: &ObjectId,
        files: &BTreeMap<&str, &[u8]>,
        new: &mut Vec<New>,
    ) -> Result<Option<ObjectId>, GitError> {
        let Some((Kind::Tree, bytes)) = self.read(folder)? else { return Ok(None) };
        let (mut tree, mut found) = (vec![], 0);
        for entry in TreeRefIter::from_bytes(&bytes, kind_of(self.format)) {
            let entry = entry.map_err(GitError::broken)?;
            let name = String::from_utf8_lossy(entry.filename).into_owned();
            let mut id = outer_id(entry.oid)?;
            let below: BTreeMap<&str, &[u8]> = files
                .iter()
                .filter_map(|(path, bytes)| Some((below(path, &name)?, *bytes)))
                .collect();
            if entry.mode.is_tree() && !below.is_empty() {
                let Some(edited) = self.edited(&id, &below, new)? else { return Ok(None) };
                (id, found) = (edited, found + below.len());
            } else if entry.mode.is_blob()
                && let Some(bytes) = files.get(name.as_str())
            {
                (id, found) = (push::name(self.format, Kind::Blob, bytes)?, found + 1);
                new.push(New { kind: Kind::Blob, bytes: bytes.to_vec() });
            }
            tree.extend(format!("{:o} ", entry.mode.value()).bytes());
            tree.extend_from_slice(entry.filename);
            tree.push(0);
            tree.extend(id.as_bytes());
        }
        if found < files.len() {
            return Ok(None);
        }
        let id = push::name(self.format, Kind::Tree, &tree)?;
        new.push(New { kind: Kind::Tree, bytes: tree });
        Ok(Some(id))
    }

    pub(super) fn blob(&self, id: &ObjectId, limit: u64) -> Result<Blob, GitError> {
        let Some(inner) = self.inner_id(id) else { return Ok(Blob::Missing) };
        let header = self.handle.lock().try_header(&inner).map_err(GitError::broken)?;
        match header {
            Some(header) if header.size > limit => Ok(Blob::TooLarge),
            Some(_) => match self.read(id)? {
                Some((Kind::Blob, bytes)) => Ok(Blob::Whole(bytes)),
                _ => Ok(Blob::Missing),
            },
            None => Ok(Blob::Missing),
        }
    }

    fn read(&self, id: &ObjectId) -> Result<Option<(Kind, Vec<u8>)>, GitError> {
        let Some(inner) = self.inner_id(id) else { return Ok(None) };
        let mut bytes = vec![];
        let handle = self.handle.lock();
        let found = handle.try_find(&inner, &mut bytes).map_err(GitError::broken)?;
        let Some(kind) = found.map(|found| found.kind) else { return Ok(None) };
        Ok(Some((kind, bytes)))
    }

    /// `None` for a name of the other format, which no object here can have.
    fn inner_id(&self, id: &ObjectId) -> Option<gix_hash::ObjectId> {
        let fits = id.format() == self.format;
        fits.then(|| gix_hash::ObjectId::try_from(id.as_bytes()).ok()).flatten()
    }
}

/// The rest of a path behind a folder.
fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    path.strip_prefix(folder)?.strip_prefix('/')
}

pub(super) fn outer_id(id: &gix_hash::oid) -> Result<ObjectId, GitError> {
    ObjectId::try_from(id.as_bytes()).map_err(GitError::broken)
}

pub(super) const fn kind_of(format: Format) -> HashKind {
    match format {
        Format::Sha1 => HashKind::Sha1,
        Format::Sha256 => HashKind::Sha256,
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("folder", &self.folder).finish_non_exhaustive()
    }
}
