use super::*;

fn name(text: &str) -> SecretName {
    SecretName::parse(text).expect("a name")
}

async fn read(folder: &Path, wanted: &str) -> Result<String, SecretRefusal> {
    let renamed = [
        (name("renamed"), "other-file".to_owned()),
        (name("outside"), "../outside".to_owned()),
        (name("absolute"), "/etc/hostname".to_owned()),
    ];
    let store = FileStore::new(folder.to_owned(), BTreeMap::from(renamed));
    let secret = store.read(&name(wanted)).await?;
    Ok(String::from_utf8_lossy(secret.value.reveal()).into_owned())
}

#[tokio::test]
async fn a_file_is_a_secret_without_its_last_line_break() {
    let folder = tempfile::tempdir().expect("a folder");
    for (file, text) in [("plain", "a b"), ("line", "a b\r\n"), ("lines", "a\nb\n\n")] {
        std::fs::write(folder.path().join(file), text).expect("written");
    }
    std::fs::write(folder.path().join("other-file"), "x").expect("written");
    assert_eq!(read(folder.path(), "plain").await.as_deref(), Ok("a b"));
    assert_eq!(read(folder.path(), "line").await.as_deref(), Ok("a b"));
    assert_eq!(read(folder.path(), "lines").await.as_deref(), Ok("a\nb\n"));
    assert_eq!(read(folder.path(), "renamed").await.as_deref(), Ok("x"));
}

#[tokio::test]
async fn what_is_no_secret_is_refused_by_its_own_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("secrets");
    std::fs::create_dir_all(inner.join("a-folder")).expect("made");
    std::fs::write(folder.path().join("outside"), "canary").expect("written");
    std::fs::write(inner.join("nothing"), "\n").expect("written");
    std::fs::write(inner.join("long"), vec![b'a'; 64 * 1024 + 1]).expect("written");
    let missing = |text| Err(SecretRefusal::Missing { name: name(text) });
    for wanted in ["absent", "a-folder", "outside", "absolute"] {
        assert_eq!(read(&inner, wanted).await, missing(wanted));
    }
    assert_eq!(read(&inner, "nothing").await, Err(SecretRefusal::Empty { name: name("nothing") }));
    assert_eq!(read(&inner, "long").await, Err(SecretRefusal::TooLarge { name: name("long") }));
}

#[tokio::test]
async fn a_new_value_is_in_force_at_the_next_read() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key"), "old").expect("written");
    assert_eq!(read(folder.path(), "key").await.as_deref(), Ok("old"));
    std::fs::write(folder.path().join("key"), "new").expect("written");
    assert_eq!(read(folder.path(), "key").await.as_deref(), Ok("new"));
}
