use tempfile::TempDir;

use super::*;

#[test]
fn a_key_that_stands_is_never_written_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(KEY);
    place(&path, b"first", PRIVATE).unwrap();
    place(&path, b"second", PRIVATE).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}

#[test]
fn a_gateway_needs_only_the_public_half() {
    let folder = TempDir::new().unwrap();
    let workspace_id = WorkspaceId::from_random([1; 16]);
    let state = State { folder: folder.path().to_owned(), workspace_id, settings: None };
    let made = state.verifying_key().unwrap();
    assert_eq!(made, state.signing_key().unwrap().public());
    fs::remove_file(folder.path().join(KEY)).unwrap();
    assert_eq!(state.verifying_key().unwrap(), made);
    assert!(!folder.path().join(KEY).exists(), "the private half was made again");
    fs::write(folder.path().join(PUBLIC_KEY), "no key").unwrap();
    assert!(state.verifying_key().is_err());
}
