use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";

fn added(name: &[u8]) -> Result<Announced, GitError> {
    let mut announced = Announced::new(Version::Two);
    let line = [ID.as_bytes(), b" ", name, b"\n"].concat();
    announced.add(&line).map(|()| announced)
}

#[test]
fn only_branches_and_tags_of_plain_names_exist() {
    for name in ["refs/heads/main", "refs/heads/feature/x-1", "refs/tags/v1.0", "refs/heads/größe"]
    {
        let announced = added(name.as_bytes()).unwrap();
        assert_eq!(announced.refs.into_keys().collect::<Vec<_>>(), [name]);
    }
    for name in
        ["HEAD", "refs/pull/1/head", "refs/replace/x", "refs/notes/x", "refs/tags/v1^{}", ""]
    {
        let announced = added(name.as_bytes()).unwrap();
        assert!(announced.refs.is_empty() && announced.left_out.is_empty(), "{name}");
    }
    let long = [b"refs/heads/".as_slice(), &[b'x'; 4096]].concat();
    for name in [
        &b"refs/heads/--upload-pack=touch"[..],
        b"refs/heads/-x",
        b"refs/heads/a/-x",
        b"refs/heads/a\x07b",
        b"refs/heads/a\x1b[2J",
        b"refs/heads/a\x00b",
        b"refs/heads/../main",
        b"refs/heads/a..b",
        b"refs/heads/a@{0}",
        b"refs/heads/main.lock",
        b"refs/heads/.git",
        b"refs/heads/a~1",
        b"refs/heads/a:b",
        b"refs/heads/*",
        b"refs/heads/a\\b",
        b"refs/heads//a",
        b"refs/heads/a/",
        b"refs/heads/",
        b"refs/heads/\xff",
        "refs/heads/\u{202e}niam".as_bytes(),
        &long,
    ] {
        let announced = added(name).unwrap();
        let shown = String::from_utf8_lossy(name);
        assert!(announced.refs.is_empty() && announced.left_out.len() == 1, "{shown}");
    }
}

#[test]
fn a_branch_that_names_nothing_is_broken() {
    let mut announced = Announced::new(Version::Two);
    for line in [
        "0000000000000000000000000000000000000000 refs/heads/main",
        "0123456789ab refs/heads/main",
        "unborn refs/heads/main",
        &format!("{ID}{} refs/heads/main", ID.split_at(24).0),
    ] {
        let refused = announced.add(line.as_bytes()).unwrap_err();
        assert!(matches!(refused, GitError::Broken { .. }), "{line}");
    }
}
