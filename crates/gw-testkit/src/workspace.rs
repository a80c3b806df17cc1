//! A folder of declarations for one test, gone afterwards.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

#[derive(Debug)]
pub struct TempWorkspace {
    folder: TempDir,
}

impl TempWorkspace {
    /// Writes the files; paths are relative to the workspace's root.
    pub fn of(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let workspace = Self { folder };
        for (path, text) in files {
            workspace.write(path, text);
        }
        workspace
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.root().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        let folder = path.parent().expect("a file lies in a folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(path, text).expect("the file can be written");
    }

    /// Puts other bytes in the place of a file at once: whoever watches it never sees half of them.
    /// They are written at the root first, so the root itself is not the folder to watch.
    pub fn replace(&self, relative: &str, bytes: &[u8]) {
        let beside = self.path(".replacing");
        fs::write(&beside, bytes).expect("the file can be written");
        fs::rename(beside, self.path(relative)).expect("the file can be renamed");
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).expect("the file can be read")
    }
}
