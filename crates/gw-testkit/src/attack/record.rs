//! The same for whoever keeps a record in a folder that somebody else reaches, or that fails.
//!
//! (a) Nothing that was signed is lost, and nothing of an attack is signed. (b) Exactly one thing is
//! said of it, with the stable code that was expected; of what has to be borne, nothing. (c) Nothing
//! secret stands in what is said or in any file that is written. (d) When the folder is mended, the
//! record goes on.

#[cfg(test)]
mod tests;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::assert_unseen;

/// A record and whoever keeps it.
pub struct Bench<'a> {
    /// What is attacked.
    pub folder: &'a Path,
    /// Files or folders beside it that are written.
    pub written: Vec<PathBuf>,
    /// Checks what is there and does the next thing that has to be on the record.
    pub act: &'a dyn Fn() -> Said,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Said {
    pub accepted: bool,
    /// How many entries are signed now, whether or not these are enough.
    pub signed: u64,
    /// The code of each thing that is told.
    pub codes: Vec<String>,
    pub words: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// With this stable code.
    Refused(&'a str),
    /// As if nothing had been.
    Borne,
}

/// What is done to the folder, and what must come of it.
pub struct Attack<'a> {
    pub name: &'a str,
    pub put: &'a dyn Fn(),
    /// Undoes it, where it must be undone.
    pub mend: &'a dyn Fn(),
    pub expected: Expected<'a>,
    /// What must not be seen again.
    pub secrets: &'a [&'a str],
}

/// Puts it there and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, put, mend, expected, secrets } = attack;
    let before = (bench.act)();
    assert!(before.accepted, "{name}: a good record fails: {}", before.words);
    put();
    let said = (bench.act)();
    match expected {
        Expected::Refused(code) => {
            assert!(!said.accepted, "{name}: (a) it was taken");
            assert_eq!(said.signed, before.signed, "{name}: (a) something was signed or lost");
            assert_eq!(said.codes, [*code], "{name}: (b) not exactly that: {}", said.words);
        }
        Expected::Borne => {
            assert!(said.accepted, "{name}: (a) it was not borne: {}", said.words);
            assert!(said.signed > before.signed, "{name}: (a) what was signed is lost");
            assert!(said.codes.is_empty(), "{name}: (b) something is said: {}", said.words);
        }
    }
    let roots = bench.written.iter().map(PathBuf::as_path).chain([bench.folder]);
    assert_unseen(name, secrets, said.words.clone().into_bytes(), roots);

    mend();
    let then = (bench.act)();
    assert!(then.accepted, "{name}: (d) a mended record fails: {}", then.words);
    assert!(then.signed > before.signed, "{name}: (d) the record does not go on");
    said
}

/// A folder as it was at one moment.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    copy: TempDir,
}

impl Kept {
    pub fn of(folder: &Path) -> Self {
        let copy = TempDir::new().expect("there is room for a copy");
        copy_all(folder, copy.path());
        Self { folder: folder.to_owned(), copy }
    }

    /// Makes the folder what it was then, and nothing else.
    pub fn restore(&self) {
        fs::remove_dir_all(&self.folder).expect("it can be removed");
        copy_all(self.copy.path(), &self.folder);
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it can be read") {
        let entry = entry.expect("it can be read");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy_all(&from, &to);
        } else {
            fs::copy(&from, &to).expect("it can be copied");
        }
    }
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl fmt::Debug for Attack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attack").field("name", &self.name).finish_non_exhaustive()
    }
}
