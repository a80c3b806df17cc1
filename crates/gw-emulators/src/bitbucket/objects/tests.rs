use super::*;

#[test]
fn changes_have_their_paths_and_lines() {
    let numbers =
        "1\t0\tnew.yaml\x002\t3\t\x00old.md\x00moved.md\x00-\t-\tpicture.png\x000\t4\tgone\x00";
    let status = "A\x00new.yaml\x00R090\x00old.md\x00moved.md\x00M\x00picture.png\x00D\x00gone\x00";
    let change = |old: Option<&str>, new: Option<&str>, added, removed| {
        let owned = |path: Option<&str>| path.map(str::to_owned);
        Change { old: owned(old), new: owned(new), added, removed }
    };
    let expected = [
        change(None, Some("new.yaml"), 1, 0),
        change(Some("old.md"), Some("moved.md"), 2, 3),
        change(Some("picture.png"), Some("picture.png"), 0, 0),
        change(Some("gone"), None, 0, 4),
    ];
    assert_eq!(read_changes(numbers, status), expected);
}

#[test]
fn a_ref_moves_only_from_where_it_was_thought_to_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::create(folder.path().join("a.git"), "main").expect("a repository");
    let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
    let hand = Hand { name: "Ann", email: "ann@example.com", seconds: 1_767_225_600 };
    let write = |message, parents: &[&str]| objects.write_commit(tree, parents, message, &hand);
    // The empty tree is known to git, and becomes an object by being hashed.
    let made = feed(
        {
            let mut command = git(&objects.folder);
            command.args(["mktree"]);
            command
        },
        b"",
    );
    assert!(made.expect("git runs").status.success());
    let one = write("one", &[]).expect("a commit");
    let two = write("two", &[&one]).expect("a commit");
    let name = "refs/heads/main";
    let steps = [
        (Some(one.as_str()), None, Move::Done),
        (Some(two.as_str()), None, Move::Stale),
        (Some(two.as_str()), Some(two.as_str()), Move::Stale),
        (Some(two.as_str()), Some(one.as_str()), Move::Done),
        (None, Some(one.as_str()), Move::Stale),
    ];
    for (new, old, expected) in steps {
        assert_eq!(objects.move_ref(name, new, old).expect("git runs"), expected);
    }
    assert_eq!(objects.refs().expect("git runs").get(name), Some(&two));
    let commit = objects.commit("main").expect("git runs").expect("a commit");
    let date = "2026-01-01T00:00:00+00:00";
    assert_eq!((commit.date.as_str(), commit.message.as_str()), (date, "two"));
}

#[test]
fn files_are_put_on_top_of_a_branch() {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::create(folder.path().join("a.git"), "main").expect("a repository");
    let hand = Hand { name: "Ann", email: "ann@example.com", seconds: 1_767_225_600 };
    let put = |message: &str, path: &str, text: &str| {
        objects.add_files("main", message, &hand, &[(path, text)]).expect("they are put");
        objects.commit("main").expect("git runs").expect("a commit")
    };
    let one = put("one", "a b/\"c\\", "first\n");
    let two = put("two\n\nM 100644 inline x", "ü.yaml", "");
    assert_eq!((one.parents.len(), &two.parents), (0, &vec![one.hash.clone()]));
    assert_eq!(two.message, "two\n\nM 100644 inline x");
    let changes = objects.changes("4b825dc642cb6eb9a060e54bf8d69288fbee4904", &two.hash);
    let paths: Vec<_> = changes.expect("git runs").into_iter().filter_map(|it| it.new).collect();
    assert_eq!(paths, ["a b/\"c\\", "ü.yaml"]);
}

#[test]
fn a_name_is_never_an_option() {
    let folder = tempfile::tempdir().expect("a folder");
    let objects = Objects::create(folder.path().join("a.git"), "main").expect("a repository");
    for name in ["--all", "-h", "--upload-pack=touch x", "", "a b", "HEAD@{upstream}", "\u{0}"] {
        assert_eq!(objects.resolve(name).unwrap_or(None), None, "{name}");
    }
}
