//! The same for whoever fetches a Git repository to which somebody else writes.
//!
//! (a) Nothing of it is taken: what was good before still is what holds. (b) Exactly one thing is said of
//! it, with the stable code that was expected. (c) Nothing secret stands in what is said or in any file
//! that is written. (d) The next good state of the repository is taken.
//!
//! What means something to Git and must mean nothing here is a lure: [`ignore`] asserts that what was
//! committed is read as if the lure were not there, and that nothing is said of it.

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf};

use super::assert_unseen;
use crate::git::GitRepository;

/// A repository and whoever reads it.
pub struct Bench<'a> {
    pub repository: &'a GitRepository,
    /// Files or folders that the reader writes.
    pub written: Vec<PathBuf>,
    /// Fetches and reads what is on `main`.
    pub read: &'a dyn Fn() -> Said,
    /// Puts a good state on `main`, another one each time, and takes away what else there is.
    pub mend: &'a dyn Fn(),
}

/// What came of reading.
#[derive(Clone, Debug)]
pub struct Said {
    /// The commit that holds now, whether or not it is the one that was read.
    pub holds: String,
    pub accepted: bool,
    /// The code of each thing that is told.
    pub codes: Vec<String>,
    pub words: String,
}

/// What is done to the repository, and what must come of it.
pub struct Attack<'a> {
    pub name: &'a str,
    pub put: &'a dyn Fn(&GitRepository),
    /// The stable code of the one thing that is said.
    pub code: &'a str,
    /// What the reader knows, and nobody else.
    pub secrets: &'a [&'a str],
}

/// What is done to the repository beside a good commit on `main`.
pub struct Lure<'a> {
    pub name: &'a str,
    pub put: &'a dyn Fn(&GitRepository),
    /// What the reader finds, as it was committed.
    pub text: &'a str,
    /// What must neither be found nor seen.
    pub secrets: &'a [&'a str],
}

/// Puts the lure there and asserts the four.
pub fn ignore(bench: &Bench<'_>, lure: &Lure<'_>) -> Said {
    let Lure { name, put, text, secrets } = lure;
    (bench.mend)();
    let before = (bench.read)();
    assert!(before.accepted, "{name}: a good state fails: {}", before.words);
    put(bench.repository);
    let said = (bench.read)();
    assert!(said.accepted, "{name}: (a) what was committed is not taken: {}", said.words);
    assert_eq!(said.holds, bench.repository.git(&["rev-parse", "main"]), "{name}: (a)");
    assert!(said.words.contains(text), "{name}: (a) something else is read: {}", said.words);
    assert!(said.codes.is_empty(), "{name}: (b) something is said: {}", said.words);
    assert_unseen(name, secrets, said.words.clone().into_bytes(), std::iter::empty());
    (bench.mend)();
    let then = (bench.read)();
    assert!(then.accepted, "{name}: (d) a good state fails: {}", then.words);
    assert_ne!(then.holds, said.holds, "{name}: (d) the good state does not hold");
    said
}

/// Makes a branch hostile that nobody follows, and asserts the four for everybody else: (a) what is new on
/// `main` is taken in spite of it, (b) exactly one thing is told, (c) and (d) as ever.
pub fn pass_over(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, put, code, secrets } = attack;
    (bench.mend)();
    let before = (bench.read)();
    assert!(before.accepted, "{name}: a good state fails: {}", before.words);
    put(bench.repository);
    let new = bench.repository.push("main", &[("gatewright.yaml", "beside it")]);
    let said = (bench.read)();
    assert!(said.accepted, "{name}: (a) it stops what is on main: {}", said.words);
    assert_eq!(said.holds, new, "{name}: (a) what is new on main does not hold");
    assert_eq!(said.codes, [*code], "{name}: (b) not exactly that: {}", said.words);

    (bench.mend)();
    let then = (bench.read)();
    assert!(then.accepted, "{name}: (d) a good state fails: {}", then.words);
    assert_ne!(then.holds, said.holds, "{name}: (d) the good state does not hold");
    assert!(then.codes.is_empty(), "{name}: (d) it is still told: {}", then.words);

    let roots = bench.written.iter().map(PathBuf::as_path);
    assert_unseen(name, secrets, said.words.clone().into_bytes(), roots);
    said
}

/// Makes the repository hostile and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, put, code, secrets } = attack;
    (bench.mend)();
    let before = (bench.read)();
    assert!(before.accepted, "{name}: a good state fails: {}", before.words);
    put(bench.repository);
    let said = (bench.read)();
    assert!(!said.accepted, "{name}: (a) it was taken");
    assert_eq!(said.holds, before.holds, "{name}: (a) something else holds");
    assert_eq!(said.codes, [*code], "{name}: (b) not exactly that: {}", said.words);

    (bench.mend)();
    let then = (bench.read)();
    assert!(then.accepted, "{name}: (d) a good state fails: {}", then.words);
    assert_ne!(then.holds, before.holds, "{name}: (d) the good state does not hold");

    let roots = bench.written.iter().map(PathBuf::as_path);
    assert_unseen(name, secrets, said.words.clone().into_bytes(), roots);
    said
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("repository", self.repository).finish_non_exhaustive()
    }
}

impl fmt::Debug for Lure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Attack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}
