//! Published material beside the project: vectors, specifications, example workspaces.
//!
//! Nobody of this project wrote it, and none of it is copied in. Where it is missing a test says
//! so; in CI it may not be missing.

use std::{env, path::PathBuf};

/// A folder below `GATEWRIGHT_SHARED`, else beside the checkout; `None` where it is missing.
#[expect(clippy::disallowed_methods, reason = "where published material lies is a setting")]
pub fn folder(path: &str) -> Option<PathBuf> {
    let beside = || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared").into();
    let folder = env::var_os("GATEWRIGHT_SHARED").map_or_else(beside, PathBuf::from).join(path);
    if folder.is_dir() {
        return Some(folder);
    }
    let ci = env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "no published material at `{}`", folder.display());
    None
}
