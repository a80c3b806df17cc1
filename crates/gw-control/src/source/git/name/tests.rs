use super::*;

#[test]
fn look_alikes_of_git_are_known_in_every_spelling() {
    for name in [
        ".git",
        ".GIT",
        ".Git",
        ".git.",
        ".git ",
        ".git. . ",
        ".git::$INDEX_ALLOCATION",
        ".git:x",
        "git~1",
        "GIT~1",
        "GiT~1 .",
        ".g\u{200c}it",
        ".git\u{200d}",
        "\u{feff}.git",
        ".gi\u{202e}t",
        ".git\\config",
        "x\\.GIT\\hooks",
        ".g\u{131}t".replace('\u{131}', "\u{130}").as_str(),
    ] {
        let expected = if name.contains('\u{130}') { Ok(name) } else { Err(NameFlaw::GitFolder) };
        assert_eq!(judge(name.as_bytes()), expected, "{name:?}");
    }
    for name in [".github", ".gitignore", "git", "git~2", "a.git", ".gitx", "digit~1"] {
        assert_eq!(judge(name.as_bytes()), Ok(name));
    }
}

#[test]
fn a_name_is_what_everybody_reads() {
    for (name, flaw) in [
        (&b"caf\xe9.yaml"[..], NameFlaw::NotText),
        (b"\xff", NameFlaw::NotText),
        (b"\xc0\xaf", NameFlaw::NotText),
        (b"\xed\xa0\x80", NameFlaw::NotText),
        (b"", NameFlaw::NoName),
        (b".", NameFlaw::NoName),
        (b"..", NameFlaw::NoName),
        (b"../api.yaml", NameFlaw::NoName),
        (b"apis\\orders", NameFlaw::Backslash),
        (b"..\\x", NameFlaw::Backslash),
        (b"a\nb", NameFlaw::Hidden),
        (b"a\rb", NameFlaw::Hidden),
        (b"a\x1b[2Jb", NameFlaw::Hidden),
        (b"a\x00b", NameFlaw::Hidden),
        ("api\u{202e}lmay.exe".as_bytes(), NameFlaw::Hidden),
        ("orders\u{200b}.yaml".as_bytes(), NameFlaw::Hidden),
        (&[b'a'; 256], NameFlaw::TooLong),
    ] {
        assert_eq!(judge(name), Err(flaw), "{name:?}");
    }
    assert_eq!(judge(&[b'a'; 255]).map(str::len), Ok(255));
    assert_eq!(judge("größe.yaml".as_bytes()), Ok("größe.yaml"));
}

#[test]
fn names_that_one_system_takes_for_one_fold_together() {
    for (one, other) in [("Orders", "orders"), ("STRASSE", "straße"), ("Σ", "ς"), ("K", "\u{212a}")]
    {
        assert_eq!(folded(one), folded(other));
    }
    assert_ne!(folded("orders"), folded("order"));
}
