use std::{fs, os::unix::fs::FileTypeExt as _};

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use super::*;

#[tokio::test]
async fn a_socket_is_reached_however_deep_its_folder_lies() {
    for deep in ["short".to_owned(), vec!["a".repeat(90); 12].join("/")] {
        let folder = TempDir::new().unwrap();
        let folder = folder.path().join(deep);
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("gateway.sock");
        assert!(!answers(&path));
        let absent = connect(&path).await.unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);

        let listener = listen(&path).unwrap();
        assert!(fs::metadata(&path).unwrap().file_type().is_socket());
        assert!(answers(&path));
        drop(listener.accept().unwrap());
        let mut stream = connect(&path).await.unwrap();
        let (mut there, _) = listener.accept().unwrap();
        stream.write_all(b"hello").await.unwrap();
        drop(stream);
        let mut heard = String::new();
        io::Read::read_to_string(&mut there, &mut heard).unwrap();
        assert_eq!(heard, "hello");

        assert_eq!(listen(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop((there, listener));
        let dead = connect(&path).await.unwrap_err();
        assert_eq!(dead.kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn what_can_be_no_socket_is_an_error() {
    assert!(listen(Path::new("/")).is_err());
    assert!(listen(&Path::new("/nowhere").join("a".repeat(200))).is_err());
}
