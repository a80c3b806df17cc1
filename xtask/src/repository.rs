//! The files of the repository: those that git tracks or would track.

use std::{fs, io, path::PathBuf, process::Command};

/// Whether a chore writes its file or only says that it is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

#[derive(Debug)]
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
}

impl Repository {
    /// The repository that this program was built from.
    pub(crate) fn find() -> io::Result<Self> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        Ok(Self { root })
    }

    /// Every file, relative to the root, sorted.
    pub(crate) fn paths(&self) -> Result<Vec<String>, String> {
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let output = Command::new("git").args(list).current_dir(&self.root).output();
        let output = output.map_err(|error| format!("git cannot be run: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        // A file that was deleted and not yet committed is still listed.
        let exists = |path: &&str| self.root.join(path).is_file();
        let mut paths: Vec<String> = text
            .split('\0')
            .filter(|path| !path.is_empty())
            .filter(exists)
            .map(str::to_owned)
            .collect();
        paths.sort();
        Ok(paths)
    }

    /// A file as text; `None` for one that is none.
    pub(crate) fn text(&self, path: &str) -> Result<Option<String>, String> {
        let bytes = fs::read(self.root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        Ok(String::from_utf8(bytes).ok())
    }

    /// Writes a generated file, or says that it is not current.
    pub(crate) fn keep_current(
        &self,
        path: &str,
        text: &str,
        mode: Mode,
        chore: &str,
    ) -> Result<Vec<crate::Finding>, String> {
        let full = self.root.join(path);
        match mode {
            Mode::Write => {
                if let Some(folder) = full.parent() {
                    fs::create_dir_all(folder).map_err(|error| format!("{path}: {error}"))?;
                }
                fs::write(full, text).map_err(|error| format!("{path}: {error}"))?;
                Ok(vec![])
            }
            Mode::Check if fs::read_to_string(full).is_ok_and(|found| found == text) => Ok(vec![]),
            Mode::Check => Ok(vec![crate::Finding::new(
                path,
                "is not what would be written now",
                format!("run `cargo xtask {chore}` and commit the file"),
            )]),
        }
    }
}
