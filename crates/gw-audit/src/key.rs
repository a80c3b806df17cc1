//! The keys of a ledger, one after the other: its first entry names the first key, and each later
//! one is handed over to.
//!
//! A handover is a checkpoint over all that came before with the next key in it, signed by both
//! keys, and it stands in an entry. So trust in any of the keys leads to every other, and nobody
//! brings a key of his own, whatever he writes into the state.

use serde_json::Value;

use crate::{
    checkpoint::Checkpoint,
    entry::{Act, Event},
    note::{Note, Signer, Verifier},
    order::{Fault, Head},
    tree::Hash,
};

/// The fact of an entry that names a key.
const KEY: &str = "key";
/// The fact with the note that both keys signed.
const HANDOVER: &str = "handover";
/// What the lines of a handover begin with, below those of a checkpoint.
const FORMER: &str = "former-key ";
const NEXT: &str = "next-key ";

/// Every key that signs, and the entry that names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys(Vec<(u64, Verifier)>);

/// The note by which one key hands over to the next: `before` is all that it ever signed for.
pub fn hand_over(before: &Checkpoint, former: &Signer, next: &Signer) -> Note {
    let text = text(before, former.verifier(), next.verifier());
    Note::sign(text, &[former, next])
}

impl Event {
    /// That this key signs from here on, by that handover where it is not the first.
    #[must_use]
    pub fn naming(self, key: &Verifier, handover: Option<&Note>) -> Self {
        let named = self.fact(KEY, key.to_string());
        match handover {
            Some(note) => named.fact(HANDOVER, note.to_string()),
            None => named,
        }
    }
}

impl Keys {
    /// Learns the key that an entry names, if it names one. `before` gives the root over all entries
    /// in front of it; whoever cannot tell it has only the signatures.
    pub(crate) fn meet(
        &mut self,
        index: u64,
        head: &Head,
        before: impl FnOnce() -> Option<Hash>,
    ) -> Result<(), Fault> {
        let Head { act, facts, .. } = head;
        let opens = act == Act::LedgerOpened.as_str();
        if opens != (index == 0) {
            return Err(Fault::Opening);
        }
        if !opens && act != Act::KeyRotated.as_str() {
            return Ok(());
        }
        let text = |name: &str| facts.get(name).and_then(Value::as_str);
        let key = text(KEY).and_then(|key| Verifier::parse(key).ok()).ok_or(Fault::NoKey)?;
        if let Some((_, former)) = self.0.last() {
            let note = text(HANDOVER).and_then(|note| Note::parse(note.as_bytes()).ok());
            let claim = note.as_ref().and_then(|note| Checkpoint::parse(note.text()));
            let (note, claim) = note.zip(claim).ok_or(Fault::NoHandover)?;
            let holds = claim.size == index
                && claim.origin == former.name()
                && key.name() == former.name()
                && before().is_none_or(|root| root == claim.root)
                && note.text() == self::text(&claim, former, &key)
                && note.signed_by(former)
                && note.signed_by(&key);
            if !holds {
                return Err(Fault::NoHandover);
            }
        } else if !opens {
            return Err(Fault::NoHandover);
        }
        self.0.push((index, key));
        Ok(())
    }

    /// Every key that these entries name; they are all that name one. Without the entries between
    /// them the roots that were signed cannot be compared, only who signed.
    pub fn of<'a>(entries: impl Iterator<Item = (u64, &'a [u8])>) -> Result<Self, (u64, Fault)> {
        let mut keys = Self::default();
        for (index, entry) in entries {
            let known = keys.count();
            let head = serde_json::from_slice(entry).map_err(|_| (index, Fault::NoKey))?;
            keys.meet(index, &head, || None).map_err(|fault| (index, fault))?;
            if keys.count() == known {
                return Err((index, Fault::NoKey));
            }
        }
        Ok(keys)
    }

    /// Those that the first entries name, so many.
    #[must_use]
    pub fn up_to(&self, size: u64) -> Self {
        Self(self.0.iter().take_while(|(index, _)| *index < size).cloned().collect())
    }

    /// The key that signs checkpoints of a ledger of this size.
    pub fn in_force(&self, size: u64) -> Option<&Verifier> {
        let (_, key) = self.0.iter().take_while(|(index, _)| *index < size).last()?;
        Some(key)
    }

    /// The key that signs from now on.
    pub fn newest(&self) -> Option<&Verifier> {
        self.0.last().map(|(_, key)| key)
    }

    pub fn has(&self, key: &Verifier) -> bool {
        self.0.iter().any(|(_, known)| known == key)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

fn text(before: &Checkpoint, former: &Verifier, next: &Verifier) -> String {
    format!("{before}{FORMER}{former}\n{NEXT}{next}\n")
}
