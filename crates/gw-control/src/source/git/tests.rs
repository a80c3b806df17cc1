mod attacked;
mod collision;
mod fault;
mod hostile;
mod over_ssh;

use std::time::Duration;

use gw_model::{id::PersonName, load::Files, secret::Redacted, workspace::Person};
use gw_net::address::LoopbackReach;
use gw_testkit::{
    authority::{Authority, Flaw as CertificateFlaw},
    git::{FILE, GitRepository, host::GitHost},
};
use tempfile::TempDir;

use super::{signature::Standing, *};
use crate::source::Snapshot as _;

/// A repository, a host that serves it, and our copy.
struct Bench {
    repository: GitRepository,
    host: GitHost,
    copy: TempDir,
}

const REPOSITORY: &str = "repository.git";

impl Bench {
    fn new() -> Self {
        Self::of(GitRepository::new())
    }

    fn of(repository: GitRepository) -> Self {
        let host = GitHost::start(repository.root());
        Self { repository, host, copy: TempDir::new().unwrap() }
    }

    fn open(&self, caps: Caps) -> Repository {
        open(&self.host.url(REPOSITORY), self.copy.path(), caps, vec![]).unwrap()
    }
}

fn open(
    url: &str,
    folder: &Path,
    caps: Caps,
    authorities: Vec<Vec<u8>>,
) -> Result<Repository, GitError> {
    let loopback = LoopbackReach::Free;
    Repository::open(RepositorySettings {
        address: Address::parse(url)?,
        folder: folder.to_owned(),
        caps,
        client: ClientSettings { loopback, authorities, ..ClientSettings::default() },
        ssh: "/usr/bin/ssh".into(),
    })
}

fn token(user: &str, token: &str) -> Credential {
    Credential::Token { user: user.to_owned(), token: Redacted::new(token.to_owned()) }
}

fn id(text: &str) -> ObjectId {
    text.parse().unwrap()
}

async fn fetch(repository: &Repository) -> Result<Fetched, GitError> {
    repository.fetch(&Credential::None, &Wanted::default()).await
}

const FILES: &[(&str, &str)] = &[
    (".github/workflows/ci.yaml", "on: push"),
    (".gitattributes", "* filter=x"),
    ("apis/orders/api.yaml", "kind: Api"),
    ("environments/dev.yaml", "kind: Environment"),
    ("gatewright.yaml", "kind: Workspace"),
];

#[tokio::test]
async fn commits_and_files_are_read_over_either_protocol_and_by_either_digest() {
    for (format, old) in [("sha1", false), ("sha1", true), ("sha256", false), ("sha256", true)] {
        let bench = Bench::of(GitRepository::of(format));
        if old {
            bench.host.speak_of_old();
        }
        let first = bench.repository.push("main", FILES);
        let second = bench.repository.push("main", &FILES[1..]);
        let repository = bench.open(Caps::default());
        let view = fetch(&repository).await.unwrap().view;

        assert_eq!(view.branches()["main"], id(&second), "{format} {old}");
        let commit = view.commit(&id(&second)).unwrap();
        assert_eq!(commit.parents, [id(&first)]);
        assert_eq!(commit.subject, "changes main");
        assert_eq!((commit.committed_at, commit.signature), (1_767_225_600, None));

        let tree = view.tree(&id(&first)).unwrap();
        assert_eq!(
            tree.paths(),
            ["apis/orders/api.yaml", "environments/dev.yaml", "gatewright.yaml"]
        );
        assert_eq!(tree.read("apis/orders/api.yaml").unwrap(), b"kind: Api");
        for absent in ["apis", "apis/orders", ".gitattributes", "../x", "", "nothing.yaml"] {
            assert!(tree.read(absent).is_err(), "{absent}");
        }
        assert_eq!(tree.was_read().into_keys().collect::<Vec<_>>(), ["apis/orders/api.yaml"]);
    }
}

#[tokio::test]
async fn over_tls_the_authority_counts_and_the_token() {
    let authority = Authority::new();
    let repository = GitRepository::new();
    repository.push("main", FILES);
    let host = GitHost::secured(repository.root(), &authority, CertificateFlaw::None);
    host.let_in_only("x-token-auth", "right");
    let copy = TempDir::new().unwrap();
    let url = host.url(REPOSITORY);

    let unknown = open(&url, copy.path(), Caps::default(), vec![]).unwrap();
    let refused =
        unknown.fetch(&token("x-token-auth", "right"), &Wanted::default()).await.unwrap_err();
    assert!(matches!(refused, GitError::Unreachable { .. }), "{refused}");
    drop(unknown);

    let known = open(&url, copy.path(), Caps::default(), vec![authority.der()]).unwrap();
    for wrong in [Credential::None, token("x-token-auth", "wrong"), token("other", "right")] {
        let refused = known.fetch(&wrong, &Wanted::default()).await.unwrap_err();
        assert_eq!(refused.to_string(), "the Git host refuses our credential: it answers 401");
    }
    assert!(known.view().is_none());
    assert!(known.fetch(&token("x-token-auth", "right"), &Wanted::default()).await.is_ok());
    drop(known);

    let expired = GitHost::secured(repository.root(), &authority, CertificateFlaw::Expired);
    let elsewhere = TempDir::new().unwrap();
    let authorities = vec![authority.der()];
    let expired = open(&expired.url(REPOSITORY), elsewhere.path(), Caps::default(), authorities);
    assert!(matches!(fetch(&expired.unwrap()).await, Err(GitError::Unreachable { .. })));
}

#[tokio::test]
async fn what_moved_is_told_and_a_rewritten_history_by_its_name() {
    let bench = Bench::new();
    let git = &bench.repository;
    let first = git.push("main", FILES);
    git.set("refs/heads/old", &first);
    git.set("refs/tags/v1", &first);
    let repository = bench.open(Caps::default());
    let moves = fetch(&repository).await.unwrap().moves;
    let new = |name: &str| Move { name: name.to_owned(), how: Moved::New { to: id(&first) } };
    assert_eq!(moves, [new("refs/heads/main"), new("refs/heads/old"), new("refs/tags/v1")]);
    assert_eq!(fetch(&repository).await.unwrap().moves, []);

    let second = git.push("main", &FILES[1..]);
    let tree = git.files(&FILES[2..]);
    let orphan = git.commit(&tree, &[], "begins anew");
    git.set("refs/tags/v1", &orphan);
    git.git(&["update-ref", "-d", "refs/heads/old"]);
    let moves = fetch(&repository).await.unwrap().moves;
    let (from, to) = (id(&first), id(&second));
    assert_eq!(
        moves.into_iter().map(|it| (it.name, it.how)).collect::<Vec<_>>(),
        [
            ("refs/heads/main".to_owned(), Moved::Forward { from, to }),
            ("refs/tags/v1".to_owned(), Moved::Rewritten { from, to: id(&orphan) }),
            ("refs/heads/old".to_owned(), Moved::Gone { from }),
        ]
    );

    // Pushed by force: back to the first, and then to something that never was.
    for (to, parents) in [("back", vec![]), ("aside", vec![first.as_str()])] {
        let head = repository.view().unwrap().branches()["main"];
        let commit =
            if parents.is_empty() { first.clone() } else { git.commit(&tree, &parents, to) };
        git.set("refs/heads/main", &commit);
        let moves = fetch(&repository).await.unwrap().moves;
        let how = match to {
            "back" => Moved::Rewritten { from: head, to: id(&commit) },
            _ => Moved::Forward { from: head, to: id(&commit) },
        };
        assert_eq!(moves, [Move { name: "refs/heads/main".to_owned(), how }], "{to}");
    }
}

#[tokio::test]
async fn what_came_before_what_and_what_a_tag_means() {
    let bench = Bench::new();
    let git = &bench.repository;
    let root = git.push("main", FILES);
    let left = git.push("main", &FILES[1..]);
    let tree = git.files(&FILES[2..]);
    let right = git.commit(&tree, &[&root], "right");
    let merge = git.commit(&tree, &[&left, &right], "merge");
    let alone = git.commit(&tree, &[], "alone");
    git.set("refs/heads/main", &merge);
    git.set("refs/heads/alone", &alone);
    git.git(&["tag", "-a", "-m", "release", "v1", &merge]);
    git.git(&["tag", "-a", "-m", "of a tag", "v1-again", "v1"]);
    git.git(&["tag", "light", &merge]);
    git.git(&["tag", "of-files", &tree]);
    let view = fetch(&bench.open(Caps::default())).await.unwrap().view;

    let is = |older: &str, newer: &str| view.is_ancestor(&id(older), &id(newer)).unwrap();
    for (older, newer, expected) in [
        (&root, &merge, true),
        (&left, &merge, true),
        (&right, &merge, true),
        (&merge, &merge, true),
        (&merge, &root, false),
        (&left, &right, false),
        (&alone, &merge, false),
    ] {
        assert_eq!(is(older, newer), expected, "{older} {newer}");
    }
    for (commit, branches) in [(&right, &["main"][..]), (&alone, &["alone"]), (&root, &["main"])] {
        let held = view.branches_with(&id(commit)).unwrap();
        assert_eq!(held.iter().map(String::as_str).collect::<Vec<_>>(), branches, "{commit}");
    }
    assert!(view.branches_with(&id(&"1".repeat(40))).unwrap().is_empty());
    assert_eq!(view.tags_of(&id(&merge)), ["light", "v1", "v1-again"]);
    assert!(!view.tags().contains_key("of-files"));
    let unknown = id(&"1".repeat(40));
    assert!(matches!(view.is_ancestor(&id(&root), &unknown), Err(GitError::NoCommit { .. })));
    assert!(!view.is_ancestor(&unknown, &id(&root)).unwrap());
    assert!(matches!(view.commit(&id(&tree)), Err(GitError::NoCommit { .. })));
    assert!(matches!(view.commit(&id(&"1".repeat(64))), Err(GitError::NoCommit { .. })));
}

#[tokio::test]
async fn only_what_is_new_is_fetched_and_nothing_where_nothing_is() {
    let bench = Bench::new();
    let large = "0123456789abcdef".repeat(20_000);
    bench.repository.push("main", &[("a.yaml", &large), ("b.yaml", "b")]);
    let repository = bench.open(Caps::default());
    fetch(&repository).await.unwrap();
    fetch(&repository).await.unwrap();
    let asked = bench.host.asked();
    assert_eq!(asked.len(), 3 + 2, "{asked:?}");
    bench.repository.push("main", &[("a.yaml", &large), ("b.yaml", "c")]);
    let view = fetch(&repository).await.unwrap().view;
    let (packs, _) = view.objects.weight();
    assert_eq!((packs, view.record.generation), (2, 1));
}

#[tokio::test]
async fn what_was_fetched_is_there_after_a_restart_and_belongs_to_one() {
    let bench = Bench::new();
    let first = bench.repository.push("main", FILES);
    let repository = bench.open(Caps::default());
    fetch(&repository).await.unwrap();
    let url = bench.host.url(REPOSITORY);
    let second = open(&url, bench.copy.path(), Caps::default(), vec![]).unwrap_err();
    assert!(second.to_string().ends_with("another process uses it"), "{second}");
    drop(repository);

    let again = bench.open(Caps::default());
    let view = again.view().unwrap();
    assert_eq!(
        view.tree(&id(&first)).unwrap().read("gatewright.yaml").unwrap(),
        b"kind: Workspace"
    );
    assert_eq!(fetch(&again).await.unwrap().moves, []);
    drop(again);

    // Another address is another repository, and a damaged record is none.
    let other = url.replace("localhost", "127.0.0.1");
    assert!(open(&other, bench.copy.path(), Caps::default(), vec![]).unwrap().view().is_none());
    fs::write(bench.copy.path().join("last.json"), "{").unwrap();
    let anew = bench.open(Caps::default());
    assert!(anew.view().is_none());
    assert_eq!(fetch(&anew).await.unwrap().view.branches()["main"], id(&first));
}

#[tokio::test]
async fn a_copy_that_has_grown_is_fetched_anew() {
    let bench = Bench::new();
    let noise: Vec<String> = (0_u32..3).map(|seed| noise(seed, 40_000)).collect();
    bench.repository.push("main", &[("a.yaml", &noise[0])]);
    let repository = bench.open(Caps { repository_bytes: 60_000, ..Caps::default() });
    assert_eq!(fetch(&repository).await.unwrap().view.record.generation, 1);
    // The former history goes away, so that the whole is small again.
    for (index, text) in noise.iter().enumerate().skip(1) {
        let tree = bench.repository.files(&[("a.yaml", text)]);
        let commit = bench.repository.commit(&tree, &[], "anew");
        bench.repository.set("refs/heads/main", &commit);
        let full = fetch(&repository).await.unwrap_err();
        assert!(matches!(full, GitError::TooLarge(Excess::Repository { .. })), "{full}");
        let fetched = fetch(&repository).await.unwrap();
        assert_eq!(fetched.view.record.generation, 1 + index as u64);
        assert_eq!(fetched.view.branches()["main"], id(&commit));
    }
}

/// Text that nothing makes shorter.
fn noise(seed: u32, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let next = |state: &mut u32| {
        *state ^= *state << 13;
        *state ^= *state >> 17;
        *state ^= *state << 5;
        char::from(b' ' + u8::try_from(*state % 95).unwrap())
    };
    (0..length).map(|_| next(&mut state)).collect()
}

#[tokio::test]
async fn a_signature_is_read_from_what_was_fetched() {
    for format in ["sha1", "sha256"] {
        let bench = Bench::of(GitRepository::of(format));
        let key = bench.repository.root().join("key");
        let made = std::process::Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let (tree, user) =
            (bench.repository.files(FILES), format!("user.signingKey={}", key.display()));
        let signed =
            ["-c", "gpg.format=ssh", "-c", &user, "commit-tree", "-S", "-m", "signed", &tree];
        let signed = bench.repository.git(&signed);
        let plain = bench.repository.commit(&tree, &[&signed], "plain");
        bench.repository.set("refs/heads/main", &plain);
        let view = fetch(&bench.open(Caps::default())).await.unwrap().view;

        let signing_keys = vec![fs::read_to_string(key.with_extension("pub")).unwrap()];
        let ada: PersonName = "ada".parse().unwrap();
        let person = Person { signing_keys, ..Person::default() };
        let people = [(ada.clone(), person)].into();
        let standing = |commit: &str| Standing::of(&view.commit(&id(commit)).unwrap(), &people);
        assert_eq!(standing(&signed), Standing::By(ada.clone()), "{format}");
        assert_eq!(standing(&plain), Standing::Unsigned);
    }
}
