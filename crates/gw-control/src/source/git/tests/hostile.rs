//! Repositories that were made to do harm: `threats.md`, 3.4.

use gw_model::code::Code;
use gw_testkit::git::{FOLDER, LINK, SUBMODULE};

use super::*;

/// Fetches what is on `main` and opens its files.
async fn open_main(bench: &Bench, caps: Caps) -> Result<Tree, GitError> {
    let view = fetch(&bench.open(caps)).await?.view;
    Repository::look(&view, |view| view.tree(&view.branches()["main"])).await
}

/// What is found in a commit of these entries, beside a good file: paths and flaws.
async fn found(
    entries: impl Fn(&GitRepository) -> Vec<(&'static str, Vec<u8>, String)>,
) -> Vec<(String, Flaw)> {
    let bench = Bench::new();
    let git = &bench.repository;
    let mut all = entries(git);
    all.push((FILE, b"good.yaml".to_vec(), git.object("blob", b"good")));
    let all: Vec<_> =
        all.iter().map(|(mode, name, id)| (*mode, name.as_slice(), id.as_str())).collect();
    let commit = git.commit(&git.folder(&all), &[], "hostile");
    git.set("refs/heads/main", &commit);
    match open_main(&bench, Caps::default()).await {
        Ok(_) => vec![],
        Err(GitError::Files { commit: told, found }) => {
            assert_eq!(told, commit);
            found.into_iter().map(|found| (found.path, found.flaw)).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_link_is_told_by_its_path_and_never_followed() {
    for to in ["/proc/self/environ", "../../etc/passwd", "good.yaml", ".git/config", "", "/"] {
        let found = found(|git| {
            let link = git.object("blob", to.as_bytes());
            let below = git.folder(&[(LINK, b"api.yaml", &link)]);
            vec![(FOLDER, b"apis".to_vec(), below), (LINK, b"environments".to_vec(), link)]
        });
        let path = |path: &str| (path.to_owned(), Flaw::Link);
        assert_eq!(found.await, [path("apis/api.yaml"), path("environments")], "{to}");
    }
}

#[tokio::test]
async fn a_submodule_is_told_by_its_path_and_never_fetched() {
    for url in ["-u./payload", "ext::sh -c x", "file:///srv", "../other", "https://x/\r"] {
        let found = found(|git| {
            let modules = format!("[submodule \"x\"]\n\tpath = x\n\turl = {url}\n");
            let commit = git.commit(&git.files(FILES), &[], "of another");
            vec![
                (FILE, b".gitmodules".to_vec(), git.object("blob", modules.as_bytes())),
                (SUBMODULE, b"x".to_vec(), commit),
                (SUBMODULE, b"x\r".to_vec(), "1".repeat(40)),
            ]
        });
        let expected =
            [("x".to_owned(), Flaw::Submodule), ("x\r".to_owned(), Flaw::Name(NameFlaw::Hidden))];
        assert_eq!(found.await, expected, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_misleads_is_told_by_its_path() {
    for (name, flaw) in [
        (&b".git"[..], NameFlaw::GitFolder),
        (b".GIT", NameFlaw::GitFolder),
        (b"GIT~1", NameFlaw::GitFolder),
        (b".git::$INDEX_ALLOCATION", NameFlaw::GitFolder),
        (".g\u{200c}it".as_bytes(), NameFlaw::GitFolder),
        (b"caf\xe9.yaml", NameFlaw::NotText),
        ("\u{202e}lmay.ipa".as_bytes(), NameFlaw::Hidden),
        (b"a\x1b[2J", NameFlaw::Hidden),
        (b"..\\..\\x", NameFlaw::Backslash),
        (b"..", NameFlaw::NoName),
        (b"a/b", NameFlaw::NoName),
    ] {
        let found = found(|git| {
            let below = git.folder(&[(FILE, name, &git.object("blob", b"x"))]);
            vec![(FOLDER, b"apis".to_vec(), below)]
        });
        let path = format!("apis/{}", String::from_utf8_lossy(name));
        assert_eq!(found.await, [(path, Flaw::Name(flaw))]);
    }
}

#[tokio::test]
async fn two_names_that_are_one_are_told() {
    for (one, other) in
        [("Orders", "orders"), ("ORDERS", "orders"), ("Straße", "STRASSE"), ("x", "x")]
    {
        let found = found(|git| {
            let blob = git.object("blob", b"x");
            let below = git.folder(&[
                (FILE, one.as_bytes(), blob.as_str()),
                (FILE, other.as_bytes(), blob.as_str()),
            ]);
            vec![(FOLDER, b"apis".to_vec(), below)]
        });
        let flaw = Flaw::SameAs { other: format!("apis/{one}") };
        assert_eq!(found.await, [(format!("apis/{other}"), flaw)]);
    }
}

/// No host of good will sends these.
#[test]
fn a_folder_that_is_none_is_told() {
    for kind in ["missing", "a file", "cut", "of a strange kind"] {
        let git = GitRepository::new();
        let blob = git.object("blob", b"x");
        let folder = match kind {
            "missing" => "1".repeat(40),
            "a file" => blob.clone(),
            "cut" => git.object("tree", b"100644 x\0cut"),
            _ => git.folder(&[("1x", b"x", &blob)]),
        };
        let root = git.folder(&[(FOLDER, b"apis", &folder)]);
        let commit = git.commit(&root, &[], "damaged");
        let packed = [commit.as_str(), &root, &blob, &folder];
        let packed = packed.get(..if kind == "missing" { 3 } else { 4 }).unwrap();
        let copy = TempDir::new().unwrap();
        let file = copy.path().join("pack");
        fs::write(&file, git.pack(packed, &[])).unwrap();
        let caps = Caps::default();
        let objects = Objects::open(&copy.path().join("objects"), Format::Sha1, &caps).unwrap();
        objects.take_in(&file, &caps, &AtomicBool::new(false)).unwrap();
        let commit = objects.commit(&id(&commit)).unwrap().unwrap();
        let refused = Tree::open(&Arc::new(objects), &commit, &caps).unwrap_err();
        let GitError::Files { found, .. } = refused else { panic!("{refused}") };
        assert_eq!(found, [Found { path: "apis/".to_owned(), flaw: Flaw::Unreadable }], "{kind}");
    }
}

#[tokio::test]
async fn what_git_would_run_or_fill_in_is_bytes() {
    let bench = Bench::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    bench.repository.push(
        "main",
        &[
            (".gitattributes", "* filter=evil diff=evil merge=evil\n"),
            (".gitconfig", "[core]\n\tfsmonitor = touch /tmp/evil\n"),
            (".lfsconfig", "[lfs]\n\turl = https://evil.test\n"),
            ("hooks/post-checkout", "#!/bin/sh\ntouch /tmp/evil\n"),
            ("large.yaml", pointer),
            ("gatewright.yaml", "$Id$"),
        ],
    );
    let tree = open_main(&bench, Caps::default()).await.unwrap();
    assert_eq!(tree.paths(), ["gatewright.yaml", "hooks/post-checkout", "large.yaml"]);
    assert_eq!(tree.read("gatewright.yaml").unwrap(), b"$Id$");
    let refused = tree.read("large.yaml").unwrap_err().to_string();
    assert_eq!(refused, "it is kept by Git LFS; commit the file itself");
}

#[tokio::test]
async fn a_branch_of_a_strange_name_is_as_if_it_did_not_exist() {
    let bench = Bench::new();
    let git = &bench.repository;
    let commit = git.push("main", FILES);
    let long = "x".repeat(2_000);
    let strange = ["--upload-pack=touch", "-x", "a\u{202e}b", "a\u{200b}b", &long];
    let mut packed = String::new();
    for name in strange {
        packed.push_str(&format!("{commit} refs/heads/{name}\n"));
    }
    fs::write(git.path().join("packed-refs"), packed).unwrap();
    let view = fetch(&bench.open(Caps::default())).await.unwrap().view;
    assert_eq!(view.branches().keys().collect::<Vec<_>>(), ["main"]);
    assert_eq!(view.left_out().len(), strange.len(), "{:?}", view.left_out());
    assert!(view.left_out().iter().all(|name| name.len() <= 500));
}

/// A small pack that unpacks to 2 MiB, on a branch of its own.
fn bomb(git: &GitRepository, branch: &str) -> String {
    git.push(branch, &[("bomb.yaml", &branch.repeat((2 << 20) / branch.len()))])
}

fn small() -> Caps {
    Caps { object_bytes: 1 << 20, ..Caps::default() }
}

#[tokio::test]
async fn a_branch_that_is_too_much_is_left_out_and_stops_no_other() {
    for old in [false, true] {
        let bench = Bench::new();
        let git = &bench.repository;
        git.git(&["config", "uploadpack.allowFilter", "false"]);
        if old {
            bench.host.speak_of_old();
        }
        let main = git.push("main", FILES);
        let bombs = ["bomb", "later"].map(|name| bomb(git, name));
        for (index, name) in ["alpha", "early", "omega"].into_iter().enumerate() {
            git.push(name, &FILES[index..]);
        }
        let repository = bench.open(small());
        let view = fetch(&repository).await.unwrap().view;
        assert_eq!(view.branches().keys().collect::<Vec<_>>(), ["alpha", "early", "main", "omega"]);
        for (name, commit) in ["bomb", "later"].into_iter().zip(&bombs) {
            let left_out = view.passed_over(&format!("refs/heads/{name}")).unwrap();
            assert_eq!(left_out.at, Some(id(commit)));
            assert_eq!(left_out.why.code(), Code::SourceTooLarge);
            assert!(view.find(commit).is_none(), "{old}");
            assert_eq!(view.missing(commit).code(), Code::SourceTooLarge);
        }
        assert_eq!(view.branches()["main"], id(&main));

        // As long as it holds that, it is not asked for again, and what else moves comes.
        let before = bench.host.asked().len();
        let second = git.push("main", &FILES[1..]);
        let view = fetch(&repository).await.unwrap().view;
        assert_eq!(view.branches()["main"], id(&second));
        assert_eq!(bench.host.asked().len() - before, if old { 2 } else { 3 }, "{old}");
        assert_eq!(view.all_passed_over().len(), 2);

        // What takes its place is read.
        git.git(&["update-ref", "-d", "refs/heads/bomb"]);
        let mended = git.push("bomb", FILES);
        let view = fetch(&repository).await.unwrap().view;
        assert_eq!(view.branches()["bomb"], id(&mended));
        assert_eq!(view.all_passed_over().len(), 1);
    }
}

#[tokio::test]
async fn what_is_named_comes_without_what_is_wrong_beside_it() {
    let bench = Bench::new();
    let git = &bench.repository;
    git.git(&["config", "uploadpack.allowFilter", "false"]);
    let release = git.push("release", FILES);
    bomb(git, "main");
    let repository = bench.open(small());
    let wanted = |names: &[&str]| {
        let named = names.iter().map(|name| format!("refs/heads/{name}")).collect();
        Wanted { named, ..Wanted::default() }
    };
    let fetch = async |wanted: Wanted| repository.fetch(&Credential::None, &wanted).await;
    // Nobody names the main branch, or somebody names another beside it.
    for names in [&["release"][..], &["main", "release"]] {
        let view = fetch(wanted(names)).await.unwrap().view;
        assert_eq!(view.branches().keys().collect::<Vec<_>>(), ["release"], "{names:?}");
        assert_eq!(view.branches()["release"], id(&release));
        assert!(view.passed_over("refs/heads/main").is_some());
    }
    // Where nothing that is named comes, the last good view stays.
    for names in [&["main"][..], &[]] {
        let refused = fetch(wanted(names)).await.unwrap_err();
        assert!(matches!(refused, GitError::TooLarge(Excess::Object { .. })), "{refused}");
        assert_eq!(repository.view().unwrap().branches()["release"], id(&release));
    }
}

#[tokio::test]
async fn where_there_are_too_many_branches_those_that_matter_come() {
    let bench = Bench::new();
    let git = &bench.repository;
    let main = git.push("main", FILES);
    let repository = bench.open(Caps { branches_and_tags: 4, ..Caps::default() });
    fetch(&repository).await.unwrap();
    let crowd = |git: &GitRepository, count: usize| {
        let lines: String = (0..count)
            .map(|at| format!("{main} refs/heads/a/{at:04}-{}\n", "x".repeat(80)))
            .collect();
        let rest = format!("{main} refs/heads/work/1\n{main} refs/tags/v1\n{main} refs/tags/x1\n");
        fs::write(git.path().join("packed-refs"), lines + &rest).unwrap();
    };
    crowd(git, 10);
    let preferred = ["refs/heads/work/1", "refs/tags/v*"].map(str::to_owned).into();
    let wanted = Wanted { preferred, ..Wanted::default() };
    let fetched = repository.fetch(&Credential::None, &wanted).await.unwrap();
    let names = |view: &View| view.references().map(|(name, _)| name).collect::<Vec<_>>();
    let first = format!("refs/heads/a/0000-{}", "x".repeat(80));
    let expected = [first.as_str(), "refs/heads/main", "refs/heads/work/1", "refs/tags/v1"];
    assert_eq!(names(&fetched.view), expected);
    assert_eq!(fetched.view.crowd(), 10);
    drop(repository);

    // More than is listened to: only what matters is asked for, and the others are as they were.
    let limit = 4_000;
    let caps = Caps { announcement_bytes: limit, branches_and_tags: 4, ..Caps::default() };
    let repository = bench.open(caps);
    crowd(git, 100);
    let second = git.push("main", &FILES[1..]);
    let fetched = repository.fetch(&Credential::None, &wanted).await.unwrap();
    assert_eq!(names(&fetched.view), expected);
    assert_eq!(fetched.view.branches()["main"], id(&second));
    assert_eq!(fetched.moves.len(), 1, "{:?}", fetched.moves);
    assert!(fetched.view.crowd() > 0);

    // The older protocol lists everything or nothing.
    bench.host.speak_of_old();
    let refused = repository.fetch(&Credential::None, &wanted).await.unwrap_err();
    let GitError::TooLarge(excess) = refused else { panic!("{refused}") };
    assert_eq!(excess, Excess::Announcement { limit });
}

/// The caps of one test, and what is too much for them.
async fn excess(bench: &Bench, caps: Caps) -> Excess {
    match open_main(bench, caps).await {
        Err(GitError::TooLarge(excess)) => excess,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn more_than_the_caps_allow_is_refused_by_what_it_is() {
    let bench = Bench::new();
    let git = &bench.repository;
    git.git(&["config", "uploadpack.allowFilter", "false"]);
    let bomb = "0".repeat(4 << 20);
    git.push("main", &[("bomb.yaml", &bomb)]);
    git.push("main", &[("noise.yaml", &noise(7, 50_000))]);
    git.set("refs/heads/other", &git.push("main", FILES));
    let caps = Caps::default;

    let limit = 1 << 20;
    assert_eq!(
        excess(&bench, Caps { object_bytes: limit, ..caps() }).await,
        Excess::Object { limit }
    );
    let chain = Excess::Chain { limit };
    assert_eq!(excess(&bench, Caps { chain_bytes: limit, ..caps() }).await, chain);
    let limit = 10_000;
    assert_eq!(excess(&bench, Caps { pack_bytes: limit, ..caps() }).await, Excess::Pack { limit });
    let repository = Excess::Repository { limit };
    assert_eq!(excess(&bench, Caps { repository_bytes: limit, ..caps() }).await, repository);
    let limit = 4;
    assert_eq!(excess(&bench, Caps { objects: limit, ..caps() }).await, Excess::Objects { limit });
    let limit = 2;
    assert_eq!(excess(&bench, Caps { commits: limit, ..caps() }).await, Excess::Commits { limit });
    assert!(open_main(&bench, caps()).await.is_ok());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_told_when_it_is_read_and_stops_nothing_else() {
    for filters in ["true", "false"] {
        let bench = Bench::new();
        bench.repository.git(&["config", "uploadpack.allowFilter", filters]);
        let just = "x".repeat(1_000);
        let large = "x".repeat(1_001);
        bench.repository.push("main", &[("just.yaml", &just), ("film.bin", &large)]);
        let caps = Caps { blob_bytes: 1_000, ..Caps::default() };
        let tree = open_main(&bench, caps).await.unwrap();
        assert_eq!(tree.read("just.yaml").unwrap().len(), 1_000);
        let refused = tree.read("film.bin").unwrap_err().to_string();
        assert!(refused.starts_with("it is larger than 0 MiB"), "{refused}");
        assert_eq!(refused.contains("keeps it back"), filters == "true", "{refused}");
    }
}

#[tokio::test]
async fn too_many_files_and_too_deep_ones_are_told() {
    let bench = Bench::new();
    let git = &bench.repository;
    let blob = git.object("blob", b"x");
    // Ten folders in each of ten folders, five deep: a hundred thousand files of six objects.
    let mut folder = blob;
    for level in 0..5 {
        let mode = if level == 0 { FILE } else { FOLDER };
        let names: Vec<_> = (b'0'..=b'9').map(|name| [name]).collect();
        let entries: Vec<_> = names.iter().map(|name| (mode, &name[..], folder.as_str())).collect();
        folder = git.folder(&entries);
    }
    git.set("refs/heads/main", &git.commit(&folder, &[], "wide"));
    let refused = open_main(&bench, Caps { files: 1_000, ..Caps::default() }).await.unwrap_err();
    let GitError::Files { found, .. } = &refused else { panic!("{refused}") };
    assert_eq!(found.first().map(|it| &it.flaw), Some(&Flaw::TooMany { limit: 1_000 }));
    assert_eq!(refused.code(), Code::SourceTooLarge);

    let mut folder = git.files(&[("x", "x")]);
    for _ in 0..65 {
        folder = git.folder(&[(FOLDER, b"d", &folder)]);
    }
    git.set("refs/heads/main", &git.commit(&folder, &[], "deep"));
    let refused = open_main(&bench, Caps::default()).await.unwrap_err();
    let GitError::Files { found, .. } = &refused else { panic!("{refused}") };
    assert_eq!(found.iter().map(|it| &it.flaw).collect::<Vec<_>>(), [&Flaw::TooDeep { limit: 64 }]);
}

#[tokio::test]
async fn a_history_that_is_cut_is_refused_whether_the_host_says_so_or_not() {
    for old in [false, true] {
        let whole = GitRepository::new();
        whole.push("main", FILES);
        whole.push("main", &FILES[1..]);
        let shallow = whole.root().join("shallow.git");
        let url = format!("file://{}", whole.path().display());
        let path = shallow.display().to_string();
        whole.git(&["clone", "--quiet", "--bare", "--depth", "1", &url, &path]);
        let bench = Bench::of(whole);
        if old {
            bench.host.speak_of_old();
        }
        let url = bench.host.url("shallow.git");
        let repository = open(&url, bench.copy.path(), Caps::default(), vec![]).unwrap();
        let refused = fetch(&repository).await.unwrap_err();
        assert!(matches!(refused, GitError::Shallow), "{old} {refused}");
        assert!(repository.view().is_none());
    }
}

#[tokio::test]
async fn what_stands_for_another_object_on_the_host_means_nothing_here() {
    let bench = Bench::new();
    let git = &bench.repository;
    let good = git.push("main", &[("gatewright.yaml", "good")]);
    let evil = git.commit(&git.files(&[("gatewright.yaml", "evil")]), &[], "evil");
    git.git(&["replace", &good, &evil]);
    let blob = git.object("blob", b"good");
    git.git(&["replace", &blob, &git.object("blob", b"evil")]);
    let tree = open_main(&bench, Caps::default()).await.unwrap();
    assert_eq!(tree.read("gatewright.yaml").unwrap(), b"good");

    // Objects that the host borrows are objects; where it borrows them from is not told.
    let borrower = git.root().join("borrower.git");
    let (path, own) = (borrower.display().to_string(), git.path().display().to_string());
    git.git(&["clone", "--quiet", "--bare", "--shared", &own, &path]);
    let copy = TempDir::new().unwrap();
    let repository = open(&bench.host.url("borrower.git"), copy.path(), Caps::default(), vec![]);
    let repository = repository.unwrap();
    assert!(fetch(&repository).await.is_ok());
    let alternates = copy.path().join("objects-1/info/alternates");
    assert!(!alternates.exists());
}
