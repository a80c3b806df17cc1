//! A repository as the last good fetch left it: branches, tags, commits and files. All of it stands
//! still; the next fetch makes another view.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::Path,
    sync::Arc,
};

use super::{
    caps::Caps,
    failure::GitError,
    history,
    id::ObjectId,
    objects::{Commit, MAX_PACKS, Objects},
    push::Edited,
    record::Record,
    tree::{Merged, Tree},
};

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

#[derive(Debug)]
pub struct View {
    pub(super) objects: Arc<Objects>,
    pub(super) record: Record,
    branches: BTreeMap<String, ObjectId>,
    tags: BTreeMap<String, ObjectId>,
    passed_over: BTreeMap<String, PassedOver>,
    crowd: usize,
    caps: Caps,
}

/// A branch or tag that is left out because of what it holds.
#[derive(Clone, Debug)]
pub struct PassedOver {
    /// What it named; as long as it does, it is not asked for again. None: it is.
    pub at: Option<ObjectId>,
    pub why: GitError,
    /// What did not come in its time, and how often in a row.
    pub(super) slow: Option<(ObjectId, u32)>,
}

/// What a fetch found of one branch or tag, `refs/heads/main`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub name: String,
    pub how: Moved,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    New {
        to: ObjectId,
    },
    /// Everything that was there came before what is there now.
    Forward {
        from: ObjectId,
        to: ObjectId,
    },
    /// The former commit is no longer part of the history.
    Rewritten {
        from: ObjectId,
        to: ObjectId,
    },
    Gone {
        from: ObjectId,
    },
}

impl View {
    /// What was left on disk, if it is whole.
    pub(super) fn load(folder: &Path, address: &str, caps: &Caps) -> Option<Self> {
        let record = Record::load(folder).filter(|record| record.address == address)?;
        let objects = folder.join(Record::objects(record.generation));
        let objects = Objects::open(&objects, record.format, caps).ok()?;
        let view = Self::new(Arc::new(objects), record, caps).ok()?;
        let tips = || view.branches.values().chain(view.tags.values());
        tips().all(|tip| view.objects.has(tip)).then_some(view)
    }

    /// Branches name commits; a tag counts if it means one in the end.
    pub(super) fn new(
        objects: Arc<Objects>,
        record: Record,
        caps: &Caps,
    ) -> Result<Self, GitError> {
        let (mut branches, mut tags) = (BTreeMap::new(), BTreeMap::new());
        for (name, id) in &record.refs {
            let commit = objects.peel(id)?;
            if let Some(branch) = name.strip_prefix(BRANCHES) {
                let commit = commit.filter(|commit| commit == id);
                let commit = commit.ok_or_else(|| {
                    GitError::broken(format_args!("branch `{branch}` names no commit"))
                })?;
                branches.insert(branch.to_owned(), commit);
            } else if let (Some(tag), Some(commit)) = (name.strip_prefix(TAGS), commit) {
                tags.insert(tag.to_owned(), commit);
            }
        }
        let (passed_over, crowd) = (BTreeMap::new(), 0);
        Ok(Self { objects, record, branches, tags, passed_over, crowd, caps: caps.clone() })
    }

    /// With what was left out. It is not kept on disk: whoever starts anew tries everything again.
    #[must_use]
    pub(super) fn without(self, passed_over: BTreeMap<String, PassedOver>, crowd: usize) -> Self {
        Self { passed_over, crowd, ..self }
    }

    /// Every branch with the commit at its head.
    pub const fn branches(&self) -> &BTreeMap<String, ObjectId> {
        &self.branches
    }

    /// Every tag with the commit that it means in the end.
    pub const fn tags(&self) -> &BTreeMap<String, ObjectId> {
        &self.tags
    }

    /// The tags that mean this commit, in the order of their names.
    pub fn tags_of(&self, commit: &ObjectId) -> Vec<&str> {
        let meant = self.tags.iter().filter(|(_, meant)| *meant == commit);
        meant.map(|(name, _)| name.as_str()).collect()
    }

    /// What is new where these files of a commit hold something else; `None`: one of them is not there.
    pub fn edited(
        &self,
        commit: &ObjectId,
        files: &BTreeMap<String, String>,
    ) -> Result<Option<Edited>, GitError> {
        let tree = self.commit(commit)?.tree;
        let files = files.iter().map(|(path, text)| (path.as_str(), text.as_bytes())).collect();
        let mut objects = vec![];
        let root = self.objects.edited(&tree, &files, &mut objects)?;
        Ok(root.map(|root| Edited { root, objects }))
    }

    /// Branches and tags whose names nobody should have. They are as if they did not exist.
    pub fn left_out(&self) -> &[String] {
        &self.record.left_out
    }

    /// Why a branch or tag is left out, by its whole name.
    pub fn passed_over(&self, name: &str) -> Option<&PassedOver> {
        self.passed_over.get(name)
    }

    /// Why a commit is not here: it is the head of what is left out, or of nothing that is known.
    pub fn missing(&self, hash: &str) -> GitError {
        let is_it = |id: ObjectId| id.to_string() == hash;
        let left_out = self.passed_over.values().find(|it| it.at.is_some_and(is_it));
        let name = || hash.to_owned();
        left_out.map_or_else(|| GitError::NoCommit { name: name() }, |it| it.why.clone())
    }

    /// Every branch and tag that is left out because of what it holds, by its whole name.
    pub const fn all_passed_over(&self) -> &BTreeMap<String, PassedOver> {
        &self.passed_over
    }

    /// So many branches and tags are not looked at, because nobody names them and there are too many.
    pub const fn crowd(&self) -> usize {
        self.crowd
    }

    pub fn commit(&self, id: &ObjectId) -> Result<Commit, GitError> {
        self.objects.commit(id)?.ok_or_else(|| GitError::NoCommit { name: id.to_string() })
    }

    /// Whether one commit is the other or comes before it.
    pub fn is_ancestor(&self, older: &ObjectId, newer: &ObjectId) -> Result<bool, GitError> {
        self.commit(newer)?;
        history::is_ancestor(&self.objects, older, newer, &self.caps)
    }

    /// The branches that hold a commit.
    pub fn branches_with(&self, commit: &ObjectId) -> Result<BTreeSet<String>, GitError> {
        let heads: HashSet<ObjectId> = self.branches.values().copied().collect();
        let holding = history::holding(&self.objects, commit, heads, &self.caps)?;
        let held = self.branches.iter().filter(|(_, head)| holding.contains(*head));
        Ok(held.map(|(name, _)| name.clone()).collect())
    }

    /// The files of a commit, if there is nothing among them that has no place in a workspace.
    pub fn tree(&self, commit: &ObjectId) -> Result<Tree, GitError> {
        Tree::open(&self.objects, &self.commit(commit)?, &self.caps)
    }

    /// The files as merging a commit into another would leave them.
    pub fn merged(&self, commit: &ObjectId, into: &ObjectId) -> Result<Merged, GitError> {
        let theirs = self.tree(commit)?;
        match history::common(&self.objects, into, commit, &self.caps)? {
            Some(base) if base == *into => Ok(Merged { tree: theirs, both: vec![] }),
            Some(base) => Ok(theirs.merged(&self.tree(&base)?, &self.tree(into)?)),
            None => Ok(Merged { tree: theirs, both: vec![] }),
        }
    }

    /// The commits that came after one, up to another, the oldest first.
    pub fn since(
        &self,
        older: Option<&ObjectId>,
        newer: &ObjectId,
    ) -> Result<Vec<ObjectId>, GitError> {
        history::between(&self.objects, older, newer, &self.caps)
    }

    /// The commit that a whole name of a branch or tag means, such as `refs/heads/main`.
    pub fn reference(&self, name: &str) -> Option<ObjectId> {
        let branch = name.strip_prefix(BRANCHES).and_then(|name| self.branches.get(name));
        let tag = || name.strip_prefix(TAGS).and_then(|name| self.tags.get(name));
        branch.or_else(tag).copied()
    }

    /// Every branch and tag by its whole name, with its commit.
    pub fn references(&self) -> impl Iterator<Item = (String, ObjectId)> {
        let of = |prefix: &'static str, refs: &BTreeMap<String, ObjectId>| {
            let whole = |(name, id): (&String, &ObjectId)| (format!("{prefix}{name}"), *id);
            refs.iter().map(whole).collect::<Vec<_>>()
        };
        of(BRANCHES, &self.branches).into_iter().chain(of(TAGS, &self.tags))
    }

    /// The commit that a full hash names, where it was fetched.
    pub fn find(&self, hash: &str) -> Option<ObjectId> {
        let id: ObjectId = hash.parse().ok()?;
        self.objects.has(&id).then_some(id)
    }

    /// Whether so much was fetched since everything was fetched that it is time to do that again.
    pub(super) fn is_worn(&self) -> bool {
        let (packs, bytes) = self.objects.weight();
        packs >= MAX_PACKS || bytes > self.caps.repository_bytes
    }

    pub(super) fn tips(&self) -> HashSet<ObjectId> {
        self.branches.values().chain(self.tags.values()).copied().collect()
    }

    /// What is different from a former view.
    pub(super) fn moves_since(&self, former: Option<&Self>) -> Result<Vec<Move>, GitError> {
        let mut moves = vec![];
        let named = |view: &Self| view.references().collect::<BTreeMap<_, _>>();
        let mut then = former.map(named).unwrap_or_default();
        for (name, to) in named(self) {
            let how = match then.remove(&name) {
                None => Moved::New { to },
                Some(from) if from == to => continue,
                Some(from) if self.is_ancestor(&from, &to)? => Moved::Forward { from, to },
                Some(from) => Moved::Rewritten { from, to },
            };
            moves.push(Move { name, how });
        }
        let gone = then.into_iter().map(|(name, from)| Move { name, how: Moved::Gone { from } });
        moves.extend(gone);
        Ok(moves)
    }
}
