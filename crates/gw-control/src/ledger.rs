//! The files of the ledger: made from the entries in the state, for whoever verifies without it.
//!
//! The state holds the entries and is what counts; the files are written behind it and are never
//! ahead. Where they are, the state was set back to an older copy, and nothing is done before
//! somebody has looked.

mod files;

use std::{fmt, path::Path, sync::Arc, time::Duration};

use gw_audit::{
    checkpoint::{Checkpoint, Refusal},
    entry::{Act, Actor, Event, Outcome},
    folder::{self, CHECKPOINT, ReadError},
    growth::{Growth, TooLong, Write},
    key::{Keys, hand_over},
    note::{Malformed, Note, Signer, Verifier},
    order::{Fault, Order},
    proof,
    tree::Hash,
};
use gw_model::code::Code;
use time::OffsetDateTime;

pub use self::files::LedgerFiles;
use crate::{
    store::{Store, StoreError},
    witness::{Unreached, Witness},
};

/// So many entries are read from the state at once.
const PAGE: u32 = 1024;
/// So many entries have their hashes in one file.
const FILE: u32 = 256;
/// So often a handover is tried again because somebody else wrote meanwhile.
const ATTEMPTS: u32 = 5;

/// A ledger in a folder of this machine, and the key that signs it.
#[derive(Debug)]
pub struct Ledger {
    files: LedgerFiles,
    signer: Signer,
    watch: Option<Watch>,
}

/// Who else remembers this ledger, and how long others may wait for it.
#[derive(Clone, Debug)]
pub struct Watch {
    pub witness: Arc<dyn Witness>,
    pub patience: Duration,
}

/// How far the files go now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    pub size: u64,
    pub lost: Option<Lost>,
    /// Why the witness does not remember it yet.
    pub unreached: Option<Unreached>,
}

/// Somebody took entries away from the files. They are written again; what was signed in between is
/// gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    pub left: u64,
    pub signed: u64,
}

/// Why the files of the ledger are not as they should be.
#[derive(Debug)]
pub enum LedgerError {
    Store(StoreError),
    /// A file is missing, or damaged.
    Read(ReadError),
    /// The newest checkpoint is not one of ours.
    Checkpoint(Refusal),
    /// The files have entries that the state does not have.
    Ahead {
        files: u64,
        state: u64,
    },
    /// The files have another entry at a place than the state.
    Forked {
        index: u64,
    },
    /// The entries of the state are not those that a checkpoint was signed over.
    Rewritten {
        size: u64,
    },
    /// The witness remembers another ledger than this one.
    Disputed {
        witness: String,
        because: Dispute,
    },
    /// An entry of the state is none that may be signed.
    Misfit {
        index: u64,
        because: Fault,
    },
    /// Nothing was recorded yet, so no key signs.
    NoKey,
    /// Others wrote each time that a key was to be handed over.
    Restless,
    /// A file cannot be written.
    Write {
        path: String,
        because: String,
    },
}

/// What a witness remembers instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispute {
    /// Something that is no checkpoint.
    NoCheckpoint,
    /// One that the key of its time did not sign.
    Unsigned,
    /// A longer ledger.
    Longer { there: u64, here: u64 },
    /// Other entries than these.
    Other { size: u64 },
}

impl Ledger {
    pub fn new(folder: &Path, signer: Signer) -> Self {
        Self { files: LedgerFiles::new(folder), signer, watch: None }
    }

    /// The same, with somebody who remembers it elsewhere.
    #[must_use]
    pub fn watched_by(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }

    pub fn files(&self) -> &LedgerFiles {
        &self.files
    }

    /// Brings the files up to the newest entry, and leaves the newest checkpoint with the witness.
    /// Where that remembers another ledger, nothing is written, here or by anybody.
    pub async fn publish(&self, store: &Store) -> Result<Published, LedgerError> {
        let published = self.bring_up(store).await;
        if let (Err(error @ LedgerError::Disputed { .. }), Some(watch)) = (&published, &self.watch)
        {
            store.distrust(&error.to_string(), watch.patience).await?;
        }
        published
    }

    async fn bring_up(&self, store: &Store) -> Result<Published, LedgerError> {
        let _one_at_a_time = self.files.lock()?;
        let newest = self.files.agree(self.signer.verifier(), store).await?;
        self.files.keep(&store.people().await?)?;
        let keys = store.keys().await?;
        let claim = self.ask(&keys).await?;
        let size = newest.as_ref().map_or(0, |newest| newest.size);
        let signed = store.sealed().await?;
        let lost = signed.as_ref().map(|(signed, _)| *signed).filter(|signed| *signed > size);
        let lost = lost.map(|signed| Lost { left: size, signed });
        let mut growth = match newest {
            Some(Checkpoint { size, root, .. }) => Growth::resume(&self.files, size, root)?,
            None => Growth::default(),
        };
        let mut marks = signed.iter().map(Mark::of_state).collect::<Result<Vec<_>, _>>()?;
        if let (Ok(Some(claim)), Some(Watch { witness, .. })) = (&claim, &self.watch) {
            let witness = Some(witness.name());
            marks.push(Mark { size: claim.size, root: claim.root, witness });
        }
        self.look_back(&marks, size)?;
        let mut writes = vec![];
        let last = match size.checked_sub(1) {
            Some(last) => store.entries(last, 1).await?,
            None => vec![],
        };
        let order = Order::resume(keys.up_to(size), last.first().map(Vec::as_slice));
        grow(store, order, &mut growth, &marks, &mut writes).await?;
        let here = growth.size();
        if let Some(there) = claim.iter().flatten().map(|claim| claim.size).find(|it| *it > here) {
            return Err(self.disputed(Dispute::Longer { there, here }));
        }
        if growth.size() > size {
            let name = self.signer.verifier().name();
            let note = growth.seal(name, &[&self.signer], &mut writes);
            self.files.write(writes)?;
            store.seal(growth.size(), &note).await?;
        }
        let size = growth.size();
        let unreached = self.leave(store, claim, size).await?;
        Ok(Published { size, lost, unreached })
    }

    /// What the witness remembers, signed by the key of its time.
    async fn ask(&self, keys: &Keys) -> Result<Result<Option<Checkpoint>, Unreached>, LedgerError> {
        let Some(Watch { witness, .. }) = &self.watch else { return Ok(Ok(None)) };
        let bytes = match witness.newest().await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(Ok(None)),
            Err(unreached) => return Ok(Err(unreached)),
        };
        let note = Note::parse(&bytes).ok();
        let claim = note.as_ref().and_then(|note| Checkpoint::parse(note.text()));
        let (note, claim) = note.zip(claim).ok_or_else(|| self.disputed(Dispute::NoCheckpoint))?;
        let key = keys.in_force(claim.size).or(keys.newest()).unwrap_or(self.signer.verifier());
        match Checkpoint::of(&note, key) {
            Ok(claim) => Ok(Ok(Some(claim))),
            Err(_) => Err(self.disputed(Dispute::Unsigned)),
        }
    }

    fn disputed(&self, because: Dispute) -> LedgerError {
        let witness = self.watch.as_ref().map(|watch| watch.witness.name()).unwrap_or_default();
        LedgerError::Disputed { witness, because }
    }

    /// Compares the files with what a witness remembers of them.
    fn look_back(&self, marks: &[Mark], size: u64) -> Result<(), LedgerError> {
        for mark in marks.iter().filter(|mark| mark.witness.is_some() && mark.size <= size) {
            mark.meet(proof::root_at(&self.files, mark.size, size)?)?;
        }
        Ok(())
    }

    /// Leaves what is newest now with the witness. Says why it could not be.
    async fn leave(
        &self,
        store: &Store,
        claim: Result<Option<Checkpoint>, Unreached>,
        size: u64,
    ) -> Result<Option<Unreached>, LedgerError> {
        let Some(Watch { witness, patience }) = &self.watch else {
            store.dismiss_witness().await?;
            return Ok(None);
        };
        let there = claim.map(|claim| claim.map_or(0, |claim| claim.size));
        let left = match (there, self.files.checkpoint()?) {
            (Ok(there), Some(newest)) if there < size => witness.leave(&newest).await,
            (Ok(_), _) => Ok(()),
            (Err(unreached), _) => Err(unreached),
        };
        match left {
            Ok(()) => store.witnessed(size, *patience).await?,
            Err(_) => store.unwitnessed(*patience).await?,
        }
        Ok(left.err())
    }

    /// Hands over to another key, in an entry that both sign, and says which. From there on this key
    /// signs nothing, and the files go on with the next one.
    pub async fn hand_over(
        &self,
        store: &Store,
        next: &Signer,
        by: &Actor,
        at: OffsetDateTime,
    ) -> Result<u64, LedgerError> {
        for _ in 0..ATTEMPTS {
            self.publish(store).await?;
            let newest = self.files.agree(self.signer.verifier(), store).await?;
            let before = newest.ok_or(LedgerError::NoKey)?;
            let handover = hand_over(&before, &self.signer, next);
            let rotated = Event::new(Act::KeyRotated, Outcome::Done, by.clone());
            let rotated = rotated.naming(next.verifier(), Some(&handover));
            if store.hand_over(before.size, next.verifier(), rotated, at).await? {
                return Ok(before.size);
            }
        }
        Err(LedgerError::Restless)
    }
}

/// A root that the tree must have at some size, because somebody remembers it.
#[derive(Clone, Debug)]
struct Mark {
    size: u64,
    root: Hash,
    /// The witness that remembers it, or the state.
    witness: Option<String>,
}

impl Mark {
    /// What was signed once is never signed in another form.
    fn of_state((size, note): &(u64, Note)) -> Result<Self, LedgerError> {
        let signed = Checkpoint::parse(note.text());
        let signed = signed.ok_or(LedgerError::Rewritten { size: *size })?;
        Ok(Self { size: *size, root: signed.root, witness: None })
    }

    fn meet(&self, root: Hash) -> Result<(), LedgerError> {
        let size = self.size;
        match &self.witness {
            _ if root == self.root => Ok(()),
            None => Err(LedgerError::Rewritten { size }),
            Some(witness) => {
                let because = Dispute::Other { size };
                Err(LedgerError::Disputed { witness: witness.clone(), because })
            }
        }
    }
}

/// Adds every entry of the state that the files do not have yet.
async fn grow(
    store: &Store,
    mut order: Order,
    growth: &mut Growth,
    marks: &[Mark],
    writes: &mut Vec<Write>,
) -> Result<(), LedgerError> {
    loop {
        let entries = store.entries(growth.size(), PAGE).await?;
        if entries.is_empty() {
            return Ok(());
        }
        for entry in entries {
            let index = growth.size();
            order
                .meet(index, &entry, || Some(growth.root()))
                .map_err(|because| LedgerError::Misfit { index, because })?;
            growth.push(entry, writes).map_err(unwritable)?;
            for mark in marks.iter().filter(|mark| mark.size == growth.size()) {
                mark.meet(growth.root())?;
            }
        }
    }
}

fn unwritable(error: TooLong) -> LedgerError {
    LedgerError::Store(StoreError::Unwritable { reason: error.to_string() })
}

impl LedgerFiles {
    /// The newest checkpoint of the files; none where nothing was ever published.
    pub fn newest(&self, key: &Verifier) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        Checkpoint::open(&bytes, key).map(Some).map_err(LedgerError::Checkpoint)
    }

    /// The same, signed by the key that was in force when it was written.
    fn newest_by(
        &self,
        keys: &Keys,
        at_hand: &Verifier,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        let Some(bytes) = self.checkpoint()? else { return Ok(None) };
        let malformed = |why: Malformed| LedgerError::Checkpoint(Refusal::Malformed(why));
        let note = Note::parse(&bytes).map_err(malformed)?;
        let size = Checkpoint::parse(note.text()).map_or(0, |claim| claim.size);
        let key = keys.in_force(size).unwrap_or(at_hand);
        Checkpoint::of(&note, key).map(Some).map_err(LedgerError::Checkpoint)
    }

    /// The newest checkpoint of the files, where they tell what the state tells, as far as they go.
    pub async fn agree(
        &self,
        key: &Verifier,
        store: &Store,
    ) -> Result<Option<Checkpoint>, LedgerError> {
        store.check_key().await?;
        let keys = store.keys().await?;
        if keys.newest().is_some_and(|newest| newest != key) {
            return Err(LedgerError::Checkpoint(Refusal::NotSigned));
        }
        let Some(newest) = self.newest_by(&keys, key)? else { return Ok(None) };
        let (files, state) = (newest.size, store.entry_count().await?);
        if files > state {
            return Err(LedgerError::Ahead { files, state });
        }
        let Some(last) = files.checked_sub(1) else { return Ok(Some(newest)) };
        // The last entry alone tells two stories apart: each knows its place and its time.
        let ours = store.entries(last, 1).await?;
        let theirs = folder::leaves(self, last, files)?;
        if ours.first().map(|entry| Hash::leaf(entry)).as_ref() == theirs.last() {
            Ok(Some(newest))
        } else {
            Err(LedgerError::Forked { index: last })
        }
    }

    /// Whether every entry of the files is the one of the state.
    pub async fn compare(&self, newest: &Checkpoint, store: &Store) -> Result<(), LedgerError> {
        let mut index = 0;
        while index < newest.size {
            let leaves = folder::leaves(self, index, newest.size)?;
            let entries = store.entries(index, FILE).await?;
            for (leaf, entry) in leaves.iter().zip(&entries) {
                if *leaf != Hash::leaf(entry) {
                    return Err(LedgerError::Forked { index });
                }
                index += 1;
            }
            if entries.len() < leaves.len() {
                return Err(LedgerError::Ahead { files: newest.size, state: index });
            }
        }
        Ok(())
    }
}

impl LedgerError {
    pub fn code(&self) -> Code {
        match self {
            Self::Store(error) => error.code(),
            Self::Read(_) | Self::Checkpoint(_) => Code::LedgerBroken,
            Self::Ahead { .. } | Self::Forked { .. } | Self::Rewritten { .. } => Code::LedgerAhead,
            Self::Disputed { .. } => Code::LedgerDisputed,
            Self::Misfit { because: Fault::NoHandover | Fault::NoKey | Fault::Opening, .. } => {
                Code::LedgerKey
            }
            Self::Misfit { .. } => Code::LedgerBroken,
            Self::NoKey => Code::NoLedger,
            Self::Restless => Code::StateBusy,
            Self::Write { .. } => Code::LedgerFiles,
        }
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Read(error) => write!(f, "of the ledger, {error}"),
            Self::Checkpoint(why) => {
                write!(f, "of the ledger, `{CHECKPOINT}` is not believed: {why}")
            }
            Self::Ahead { files, state } => write!(
                f,
                "the files of the ledger have {files} entries and the state only {state}, so the \
                 state was set back"
            ),
            Self::Forked { index } => write!(
                f,
                "entry {index} of the ledger is another one in its files than in the state: the \
                 state was set back and went on, or somebody changed it"
            ),
            Self::Rewritten { size } => write!(
                f,
                "the first {size} entries of the state are not those that were signed: somebody \
                 changed them"
            ),
            Self::Disputed { witness, because } => {
                write!(f, "the witness `{witness}` remembers {because}")
            }
            Self::Misfit { index, because } => write!(
                f,
                "entry {index} of the state {because}, so it is not signed: somebody changed the \
                 state"
            ),
            Self::NoKey => f.write_str("there is no ledger yet"),
            Self::Restless => f.write_str("others write to the ledger all the time"),
            Self::Write { path, because } => {
                write!(f, "of the ledger, `{path}` cannot be written: {because}")
            }
        }
    }
}

impl fmt::Display for Dispute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCheckpoint => f.write_str("something that is no checkpoint"),
            Self::Unsigned => f.write_str("a checkpoint that the key of this ledger did not sign"),
            Self::Longer { there, here } => {
                write!(f, "{there} entries and here are {here}, so the state was set back")
            }
            Self::Other { size } => {
                write!(f, "other entries before entry {size} than the ones here")
            }
        }
    }
}

impl std::error::Error for LedgerError {}

impl From<StoreError> for LedgerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

#[cfg(test)]
mod tests;
