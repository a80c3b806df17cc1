//! The same for a folder of declarations that a running process reads again each time it is saved.
//!
//! (a) Nothing of it reached the target: no file of a generation is other than before, and the
//! gateway serves the one that it served. (b) The process says exactly one thing of it, with the
//! stable code that was expected. (c) Nothing secret stands in what it says or in any file that it
//! writes. (d) The same process takes the next good state of the folder.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{assert_unseen, files, log::served};
use crate::workspace::TempWorkspace;

/// A process that reads a folder, and the target that it writes.
pub struct Bench<'a> {
    pub workspace: &'a TempWorkspace,
    /// The target's folder: its generations, and the socket of the gateway that serves them.
    pub target: &'a Path,
    /// Files or folders beside it that the process writes.
    pub written: Vec<PathBuf>,
    /// Waits until the process has read the folder again.
    pub read: &'a dyn Fn() -> Said,
    /// Saves a good state of that file, another one each time.
    pub mend: &'a dyn Fn(&str),
}

/// What the process said after it had read the folder.
#[derive(Clone, Debug)]
pub struct Said {
    pub accepted: bool,
    pub words: String,
}

/// Bytes that a file of the workspace has all at once, and what must come of them.
#[derive(Debug)]
pub struct Attack<'a> {
    pub name: &'a str,
    pub file: &'a str,
    pub bytes: &'a [u8],
    /// The stable code of the one thing that is said.
    pub code: &'a str,
    /// What lies where the process could read it, and nobody else.
    pub secrets: &'a [&'a str],
}

/// Saves the hostile file and asserts the four.
pub fn attack(bench: &Bench<'_>, attack: &Attack<'_>) -> Said {
    let Attack { name, file, bytes, code, secrets } = attack;
    let (before, number) = (generations(bench.target), served(bench.target));
    bench.workspace.replace(file, bytes);
    let said = (bench.read)();
    assert!(!said.accepted, "{name}: it was accepted: {}", said.words);

    assert_eq!(served(bench.target), number, "{name}: (a) it is served");
    let same = generations(bench.target) == before;
    assert!(same, "{name}: (a) it changed what was written for the gateway");

    assert_eq!(codes(&said.words), [*code], "{name}: (b) not exactly that: {}", said.words);

    (bench.mend)(file);
    let then = (bench.read)();
    assert!(then.accepted, "{name}: (d) a good state fails: {}", then.words);
    assert_eq!(served(bench.target), number + 1, "{name}: (d) the good state is not served");

    let roots = bench.written.iter().map(PathBuf::as_path).chain([bench.target]);
    assert_unseen(name, secrets, said.words.clone().into_bytes(), roots);
    said
}

/// Every file that decides what is served, with its bytes.
fn generations(target: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = files(&target.join("generations")).into_iter().chain([target.join("current")]);
    let read = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap_or_default();
        (path, bytes)
    };
    all.map(read).collect()
}

/// The codes of everything that was found, one for each time: `error[GW1003]` is `GW1003`.
fn codes(words: &str) -> Vec<&str> {
    let code = |place: (usize, &str)| words.get(place.0 + 1..)?.split_once(']').map(|it| it.0);
    words.match_indices("[GW").filter_map(code).collect()
}

impl fmt::Debug for Bench<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bench").field("target", &self.target).finish_non_exhaustive()
    }
}
