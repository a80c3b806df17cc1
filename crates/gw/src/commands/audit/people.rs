//! Whom the hashes in entries stand for, as far as it was not erased.

use std::collections::{BTreeMap, btree_map};

use gw_audit::{
    entry::Entry,
    folder::Folder,
    private::{Opened, Private},
};

use crate::exit::Failure;

/// What stands in the place of a text that is gone.
pub(super) const ERASED: &str = "erased";

/// The texts behind the hashes of some entries; none where it was erased.
#[derive(Debug, Default)]
pub(super) struct People(BTreeMap<Private, Option<String>>);

impl People {
    /// Reads what a ledger still knows of the people of an entry.
    pub(super) fn learn(&mut self, folder: &dyn Folder, entry: &Entry) -> Result<(), Failure> {
        for hash in entry.people() {
            if let btree_map::Entry::Vacant(place) = self.0.entry(hash) {
                let opened = Opened::read(folder, place.key());
                let opened = opened.map_err(|error| Failure::from(&error))?;
                place.insert(opened.map(|opened| opened.text));
            }
        }
        Ok(())
    }

    /// The text, or that there is none any more; the hash where nobody looked.
    pub(super) fn text<'a>(&'a self, hash: &'a Private) -> &'a str {
        match self.0.get(hash) {
            Some(text) => text.as_deref().unwrap_or(ERASED),
            None => hash.as_str(),
        }
    }

    /// A text of an entry, with the person where it stands for one.
    pub(super) fn shown(&self, text: &str) -> String {
        let shown = |hash: Private| self.text(&hash).to_owned();
        Private::parse(text).map_or_else(|| text.to_owned(), shown)
    }

    /// Whom the hashes of one entry stand for.
    pub(super) fn of(&self, entry: &Entry) -> BTreeMap<String, Option<&str>> {
        let text = |hash: Private| {
            let text = self.0.get(&hash).and_then(Option::as_deref);
            (hash.as_str().to_owned(), text)
        };
        entry.people().into_iter().map(text).collect()
    }
}
