//! How large the ledger is and what its root is, signed: C2SP tlog-checkpoint.

use std::fmt;

use crate::{
    note::{Malformed, Note, Signer, Verifier},
    tree::Hash,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which ledger.
    pub origin: String,
    pub size: u64,
    pub root: Hash,
}

/// Why a checkpoint is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Malformed(Malformed),
    /// Nobody who is trusted signed it, or a signature does not hold.
    NotSigned,
    /// A signed note, but not one about a tree.
    NotACheckpoint,
    /// It is about another ledger.
    OtherLedger,
}

impl Checkpoint {
    pub fn sign(&self, signers: &[&Signer]) -> Note {
        Note::sign(self.to_string(), signers)
    }

    /// Believes a checkpoint of the ledger that `verifier` names and signs for.
    pub fn open(bytes: &[u8], verifier: &Verifier) -> Result<Self, Refusal> {
        let note = Note::parse(bytes).map_err(Refusal::Malformed)?;
        Self::of(&note, verifier)
    }

    /// As [`Self::open`], for a note that is read already.
    pub fn of(note: &Note, verifier: &Verifier) -> Result<Self, Refusal> {
        if !note.signed_by(verifier) {
            return Err(Refusal::NotSigned);
        }
        let checkpoint = Self::parse(note.text()).ok_or(Refusal::NotACheckpoint)?;
        let ours = checkpoint.origin == verifier.name();
        if ours { Ok(checkpoint) } else { Err(Refusal::OtherLedger) }
    }

    /// What a checkpoint claims, whoever signed it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        // Extension lines say nothing that this ledger knows; none is empty.
        if origin.is_empty() || lines.any(str::is_empty) {
            return None;
        }
        let parsed: u64 = size.parse().ok()?;
        let root = Hash::parse(root)?;
        // One form only: no sign, no leading zero.
        (parsed.to_string() == size).then(|| Self { origin: origin.to_owned(), size: parsed, root })
    }
}

/// The text that is signed.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{root}\n")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "{why}"),
            Self::NotSigned => f.write_str("the key of this ledger did not sign it"),
            Self::NotACheckpoint => f.write_str("it is signed, and not a checkpoint"),
            Self::OtherLedger => f.write_str("it is a checkpoint of another ledger"),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
