use tempfile::TempDir;

use super::*;

#[test]
fn a_key_that_stands_is_never_written_over() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join(KEY);
    place_private(&path, b"first").unwrap();
    let second = place_private(&path, b"second").unwrap_err();
    assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
}
