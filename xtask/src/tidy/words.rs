//! Words that must not stand in the tree: unfinished work, switched-off tests, places of one machine.
//!
//! The words are written in two halves, so that this file may stand in the tree itself.

use crate::finding::Finding;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Where {
    /// In code of any language, not in prose.
    Code,
    Everywhere,
}

/// What must not be found, where, and what to do.
const WORDS: &[(&str, Where, &str)] = &[
    (concat!("to", "do!("), Where::Code, "finish it, or leave out what would lead there"),
    (concat!("unimpl", "emented!("), Where::Code, "finish it, or leave out what would lead there"),
    (concat!("TO", "DO"), Where::Code, "do it now, or open an issue"),
    (concat!("FIX", "ME"), Where::Code, "mend it now, or open an issue"),
    (concat!("XX", "X"), Where::Code, "say what is meant"),
    (concat!("#[ig", "nore"), Where::Code, "mend the test, or delete it"),
    (concat!("for ", "now"), Where::Code, "say what holds, not when it was written"),
    (concat!("dbg", "!("), Where::Code, "delete it"),
    (
        concat!("registry.npm", "js.org"),
        Where::Everywhere,
        "leave out `resolved`; the machine's own settings name the registry",
    ),
    (
        concat!("static.crates", ".io"),
        Where::Everywhere,
        "the machine's own settings name the registry",
    ),
    (
        concat!("files.python", "hosted.org"),
        Where::Everywhere,
        "the machine's own settings name the registry",
    ),
    (
        concat!("proxy.go", "lang.org"),
        Where::Everywhere,
        "the machine's own settings name the registry",
    ),
    (
        concat!("deb.deb", "ian.org"),
        Where::Everywhere,
        "the machine's own settings name the mirror",
    ),
];

/// Folders that exist on one machine only.
const PLACES: &[&str] =
    &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/fa", "rm/"), concat!("/ho", "me/")];

const CODE: &[&str] = &["rs", "sh", "mjs", "js", "py", "go", "toml", "yml", "yaml", "cedar"];

pub(super) fn file(path: &str, text: &str) -> Vec<Finding> {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    let code = CODE.contains(&extension);
    let mut findings = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let place = format!("{path}:{}", place + 1);
        for (word, where_, cure) in WORDS {
            if (code || *where_ == Where::Everywhere) && has(line, word) {
                findings.push(Finding::new(&place, format!("says `{word}`"), *cure));
            }
        }
        if let Some(folder) = PLACES.iter().find(|folder| begins_a_path(line, folder)) {
            let cure = "take the path from a setting, or relative to the repository";
            findings.push(Finding::new(&place, format!("names the folder `{folder}`"), cure));
        }
    }
    findings
}

/// Whether the line has the word, not as a part of a longer one.
fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + word.len()..).and_then(|text| text.chars().next());
        let inside = |sign: Option<char>| sign.is_some_and(char::is_alphanumeric);
        !inside(before) && (!inside(after) || word.ends_with('('))
    })
}

/// Whether an absolute path begins with the folder, and is not the end of a longer path.
fn begins_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(start, _)| {
        let before = line.get(..start).and_then(|text| text.chars().next_back());
        let after = line.get(start + folder.len()..).and_then(|text| text.chars().next());
        let part = |sign: char| sign.is_alphanumeric() || "-_.$}~*/".contains(sign);
        !before.is_some_and(part) && after.is_some_and(char::is_alphanumeric)
    })
}
