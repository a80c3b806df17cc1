//! Which names a file may have. One that means something else to another program, to another system
//! or to a reader is refused, whether or not anything here would be led astray by it.

use std::fmt;

use gw_model::terminal::is_hidden;

/// The longest name that file systems take.
const MAX_NAME_BYTES: usize = 255;

/// What is wrong with the name of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFlaw {
    NotText,
    /// Empty, `.`, `..`, or with a `/` in it.
    NoName,
    /// Windows reads it as the end of a folder's name.
    Backslash,
    /// It steers a terminal, or hides or turns round what a reviewer reads.
    Hidden,
    /// Some systems take it for `.git`.
    GitFolder,
    TooLong,
}

/// The name as text, if nothing is wrong with it.
pub(super) fn judge(name: &[u8]) -> Result<&str, NameFlaw> {
    let text = std::str::from_utf8(name).map_err(|_| NameFlaw::NotText)?;
    if matches!(text, "" | "." | "..") || text.contains('/') {
        return Err(NameFlaw::NoName);
    }
    if is_git_folder(text) {
        return Err(NameFlaw::GitFolder);
    }
    if text.contains('\\') {
        return Err(NameFlaw::Backslash);
    }
    if text.chars().any(is_hidden) {
        return Err(NameFlaw::Hidden);
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(NameFlaw::TooLong);
    }
    Ok(text)
}

/// The name as a system reads it that does not tell large from small letters.
pub(super) fn folded(name: &str) -> String {
    // Twice, because some small letters have a large one that has another small one.
    let folded = name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    folded.collect()
}

/// Whether HFS+ or NTFS would open `.git` by this name.
fn is_git_folder(name: &str) -> bool {
    // NTFS reads `\` as the end of a name, so each part may be the one.
    name.split('\\').any(|part| {
        // HFS+ overlooks signs that cannot be seen.
        let seen: String = part.chars().filter(|sign| !is_hidden(*sign)).collect();
        // NTFS overlooks dots and spaces at the end, and opens a stream of the folder behind `:`.
        let before_stream = seen.split(':').next().unwrap_or_default();
        let opened = folded(before_stream.trim_end_matches(['.', ' ']));
        matches!(opened.as_str(), ".git" | "git~1")
    })
}

impl fmt::Display for NameFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotText => "has a name that is not UTF-8 text",
            Self::NoName => "has a name that no file can have",
            Self::Backslash => "has a `\\` in its name, which Windows reads as a folder",
            Self::Hidden => "has signs in its name that cannot be seen or turn the text round",
            Self::GitFolder => "has a name that some systems take for `.git`",
            Self::TooLong => "has a name of more than 255 bytes",
        })
    }
}

#[cfg(test)]
mod tests;
