//! A broken rule and the way out.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// A file, with a line where there is one, or a package.
    pub(crate) place: String,
    pub(crate) wrong: String,
    pub(crate) cure: String,
}

impl Finding {
    pub(crate) fn new(
        place: impl Into<String>,
        wrong: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self { place: place.into(), wrong: wrong.into(), cure: cure.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, wrong, cure } = self;
        write!(f, "{place}: {wrong}\n  cure: {cure}")
    }
}
