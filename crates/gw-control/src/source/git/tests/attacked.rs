//! Hostile repositories through the one helper for attacks, and under the eyes of `strace`.

use std::cell::{Cell, RefCell};

use gw_testkit::{
    absent::not_run,
    attack::source::{Attack, Bench as Attacked, Lure, Said, attack, ignore, pass_over},
    git::{FOLDER, LINK, SUBMODULE, host::Fault},
    watch::{Program, SystemCall, Watcher},
};
use tokio::runtime::{Builder, Runtime};

use super::*;

/// A token that nobody but the host may see.
const TOKEN: &str = "ATCTT3xFfGN0canary";

/// No reader of a hostile repository holds more at once.
const MOST_KIB: u64 = 512 << 10;

/// What an attack is called, the code that it is refused with, and what it does.
type Row<'a> = (String, &'static str, Box<dyn Fn(&GitRepository) + 'a>);

fn row<'a>(
    name: impl Into<String>,
    code: &'static str,
    put: impl Fn(&GitRepository) + 'a,
) -> Row<'a> {
    (name.into(), code, Box::new(put))
}

/// What is done beside a good commit.
type Put = Box<dyn Fn(&GitRepository)>;

/// A commit of a folder `apis` with one entry.
fn entry(
    name: &str,
    code: &'static str,
    mode: &'static str,
    file: &'static [u8],
    content: &'static str,
) -> Row<'static> {
    row(name, code, move |git| {
        let id = match mode {
            SUBMODULE => git.commit(&git.files(FILES), &[], "of another"),
            _ => git.object("blob", content.as_bytes()),
        };
        put(git, &git.folder(&[(mode, file, &id)]));
    })
}

fn put(git: &GitRepository, folder: &str) {
    let commit = git.commit(&git.folder(&[(FOLDER, b"apis", folder)]), &[], "hostile");
    git.set("refs/heads/main", &commit);
}

fn caps() -> Caps {
    Caps {
        pack_bytes: 100_000,
        object_bytes: 1 << 20,
        files: 100,
        depth: 8,
        branches_and_tags: 8,
        // Long enough for a busy machine, and waited for once.
        time: Duration::from_secs(10),
        ..Caps::default()
    }
}

fn links_and_submodules() -> Vec<Row<'static>> {
    let code = "GW6101";
    let links = ["/proc/self/environ", "../../../etc/passwd", "/", "orders"]
        .map(|to| entry(to, code, LINK, b"api.yaml", to));
    let submodules: [&'static [u8]; 4] = [b"x", b"hooks", b"-u.payload", b"a..b"];
    let submodules = submodules.map(|name| entry("a submodule", code, SUBMODULE, name, ""));
    links.into_iter().chain(submodules).collect()
}

fn names() -> Vec<Row<'static>> {
    let misleading: [&'static [u8]; 12] = [
        b".git",
        b".GIT",
        b"GIT~1",
        b".git::$INDEX_ALLOCATION",
        b".g\xe2\x80\x8cit",
        b".git ",
        b"caf\xe9.yaml",
        b"\xe2\x80\xaelmay.ipa",
        b"a\r",
        b"a\x1b]0;x\x07",
        b"..\\x",
        b"..",
    ];
    let misleading = misleading.map(|name| entry("a name", "GW6102", FILE, name, "x"));
    let alike = ["orders", "ORDERS", "oRDERS", "Orders"].map(|name| {
        row("names alike", "GW6103", move |git| {
            let blob = git.object("blob", b"x");
            let other = if name == "orders" { "orderS" } else { "orders" };
            put(
                git,
                &git.folder(&[(FILE, name.as_bytes(), &blob), (FILE, other.as_bytes(), &blob)]),
            );
        })
    });
    misleading.into_iter().chain(alike).collect()
}

fn sizes() -> Vec<Row<'static>> {
    let code = "GW6004";
    vec![
        row("a pack without end", code, |git| {
            git.push("main", &[("a.yaml", &noise(3, 200_000))]);
        }),
        row("a bomb", code, |git| {
            git.push("main", &[("a.yaml", &"0".repeat(2 << 20))]);
        }),
        row("many files", code, |git| {
            let blob = git.object("blob", b"x");
            let names: Vec<_> = (0..101).map(|name| format!("{name:03}").into_bytes()).collect();
            let entries: Vec<_> =
                names.iter().map(|it| (FILE, it.as_slice(), blob.as_str())).collect();
            put(git, &git.folder(&entries));
        }),
        row("a folder without ground", code, |git| {
            let mut folder = git.files(&[("x", "x")]);
            for _ in 0..9 {
                folder = git.folder(&[(FOLDER, b"d", &folder)]);
            }
            put(git, &folder);
        }),
    ]
}

/// What nobody follows is left out for, and stops nobody.
fn beside() -> Vec<Row<'static>> {
    let code = "GW6004";
    vec![
        row("a bomb in another branch", code, |git| {
            git.push("other", &[("a.yaml", &"0".repeat(2 << 20))]);
        }),
        row("a pack without end for another branch", code, |git| {
            git.push("other", &[("a.yaml", &noise(5, 200_000))]);
        }),
        row("a bomb under a tag", code, |git| {
            let bomb = git.files(&[("a.yaml", &"0".repeat(2 << 20))]);
            git.set("refs/tags/v1", &git.commit(&bomb, &[], "hostile"));
        }),
        row("a bomb in the history of another branch", code, |git| {
            git.push("other", &[("a.yaml", &"0".repeat(2 << 20))]);
            git.push("other", FILES);
        }),
        row("a bomb among more branches than are looked at", code, |git| {
            let commit = git.git(&["rev-parse", "main"]);
            git.push("0", &[("a.yaml", &"0".repeat(2 << 20))]);
            for name in 1..12 {
                git.set(&format!("refs/heads/{name}"), &commit);
            }
        }),
    ]
}

fn cut_histories() -> Vec<Row<'static>> {
    let cut = |name: &str, reference: &'static str| {
        row(name, "GW6003", move |git| {
            git.push("main", FILES);
            let head = git.push("main", &FILES[1..]);
            git.set(reference, &head);
            fs::write(git.path().join("shallow"), head + "\n").unwrap();
        })
    };
    vec![
        cut("a shallow branch", "refs/heads/main"),
        cut("a shallow branch beside", "refs/heads/other"),
        cut("a shallow tag", "refs/tags/v1"),
        row("everything is cut", "GW6003", |git| {
            let commits = [0, 1, 2].map(|from| git.push("main", &FILES[from..]));
            fs::write(git.path().join("shallow"), commits.join("\n") + "\n").unwrap();
        }),
    ]
}

/// What Git would run, fetch or fill in, and what it would read instead of what was committed.
fn lures() -> Vec<(&'static str, Put)> {
    let beside = |name: &'static str, path: &'static str, text: &'static str| {
        let put = move |git: &GitRepository| {
            git.push("main", &[(path, text), ("gatewright.yaml", "$Id$ as committed")]);
        };
        (name, Box::new(put) as Put)
    };
    let named = |name: &'static str, reference: String| {
        let put = move |git: &GitRepository| {
            let commit = git.push("main", &[("gatewright.yaml", "$Id$ as committed")]);
            let line = format!("{commit} refs/heads/{reference}\n");
            fs::write(git.path().join("packed-refs"), line).unwrap();
        };
        (name, Box::new(put) as Put)
    };
    let other = |name: &'static str, put: fn(&GitRepository, &str)| {
        let put = move |git: &GitRepository| {
            let commit = git.push("main", &[("gatewright.yaml", "$Id$ as committed")]);
            put(git, &commit);
        };
        (name, Box::new(put) as Put)
    };
    let attributes =
        "* filter=evil diff=evil merge=evil ident working-tree-encoding=UTF-16 eol=crlf";
    vec![
        beside("filters", ".gitattributes", attributes),
        beside("a watcher of files", ".gitconfig", "[core]\n\tfsmonitor = touch evil\n"),
        beside("a server of large files", ".lfsconfig", "[lfs]\n\turl = https://evil.test\n"),
        beside("a hook", "hooks/post-checkout", "#!/bin/sh\ntouch evil\n"),
        named("a branch like an option", "--upload-pack=touch evil".replace(' ', "\u{a0}")),
        named("a branch like a short option", "-x".to_owned()),
        named("a branch of 4 kB", "x".repeat(4_000)),
        named("a branch that turns the text round", "a\u{202e}b".to_owned()),
        named("a branch with what is not seen", "a\u{200b}b".to_owned()),
        other("a commit that stands for another", |git, commit| {
            let evil = git.commit(&git.files(&[("gatewright.yaml", "another text")]), &[], "evil");
            git.git(&["replace", commit, &evil]);
        }),
        other("a file that stands for another", |git, _| {
            let good = git.object("blob", b"$Id$ as committed");
            git.git(&["replace", &good, &git.object("blob", b"another text")]);
        }),
        other("objects of elsewhere", |git, _| {
            fs::write(git.path().join("objects/info/alternates"), "/etc\n/proc/self\n").unwrap();
        }),
    ]
}

/// Reads a repository on threads of its own names.
struct Reader {
    runtime: Runtime,
    repository: Arc<Repository>,
    holds: RefCell<String>,
}

impl Reader {
    fn read(&self) -> Said {
        let repository = Arc::clone(&self.repository);
        let read = self.runtime.spawn(async move {
            let view =
                repository.fetch(&token("x-token-auth", TOKEN), &Wanted::default()).await?.view;
            let read = |view: &View| {
                let head = view.branches().get("main");
                let tree =
                    view.tree(head.ok_or(GitError::NoCommit { name: "main".to_owned() })?)?;
                let mut texts = vec![];
                for path in tree.paths() {
                    texts.extend(tree.read(&path).map_err(GitError::broken)?);
                }
                Ok((*tree.commit(), String::from_utf8_lossy(&texts).into_owned()))
            };
            Repository::look(&view, read).await
        });
        let read = self.runtime.block_on(read).unwrap();
        if let Ok((commit, _)) = &read {
            self.holds.replace(commit.to_string());
        }
        let left_out = self.repository.view().map(|view| view.all_passed_over().clone());
        let told: Vec<_> = match &read {
            Err(error) => error.diagnostics(),
            Ok(_) => {
                let left_out = left_out.into_iter().flatten();
                left_out.flat_map(|(_, it)| it.why.diagnostics()).collect()
            }
        };
        Said {
            holds: self.holds.borrow().clone(),
            accepted: read.is_ok(),
            codes: told.iter().map(|told| told.code.to_string()).collect(),
            words: format!("{told:?} {read:?}"),
        }
    }
}

/// Shows R1: holds
/// Shows R2: holds
/// Shows R3: holds
/// Shows R4: holds
/// Shows R5: holds
/// Shows R6: part (full sizes are not tried)
/// Shows R7: holds
/// Shows R8: holds
#[test]
fn a_hostile_repository_is_refused_and_the_next_good_state_is_taken() {
    let rows = [links_and_submodules(), names(), sizes(), cut_histories()];
    attack_by(|_| rows.into_iter().flatten().collect(), lures());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let most: u64 = most.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(most < MOST_KIB, "{most} KiB");
}

/// What collides has no id: that is shown beside the bytes.
///
/// Shows R9: part (two objects of Git with one id were never published)
#[test]
fn two_files_that_sha1_takes_for_one_are_two() {
    let both = collision::both();
    let texts: String = both.iter().map(|file| String::from_utf8_lossy(file)).collect();
    let put = move |git: &GitRepository| {
        let [first, second] = both.each_ref().map(|file| git.object("blob", file));
        put(git, &git.folder(&[(FILE, b"first", &first), (FILE, b"second", &second)]));
    };
    let lure = ("two files that SHA-1 takes for one", Box::new(put) as Put);
    attack_by_reading(|_| vec![], vec![lure], &format!("{texts:?}"));
}

/// Few, because each system call of every program is looked at.
#[test]
fn one_of_a_kind_is_refused() {
    let mut links = links_and_submodules();
    let submodules = links.split_off(4);
    let rows = [links, submodules, names(), sizes().split_off(1), cut_histories()];
    let lures = lures().into_iter().step_by(3).collect();
    attack_by(|_| rows.into_iter().filter_map(|rows| rows.into_iter().next()).collect(), lures);
}

/// Shows F13: holds
#[test]
fn a_failing_host_is_told_and_what_was_good_holds() {
    let faults = [
        ("GW6001", Fault::Status(503, vec![])),
        ("GW6001", Fault::Status(502, vec![])),
        ("GW6001", Fault::Status(429, vec![("retry-after", "1".to_owned())])),
        ("GW6001", Fault::Close),
        ("GW6001", Fault::Silent),
        ("GW6001", Fault::Cut(0)),
        ("GW6001", Fault::Cut(150)),
        ("GW6001", Fault::Cut(400)),
        ("GW6002", Fault::Status(401, vec![])),
        ("GW6002", Fault::Status(404, vec![])),
        ("GW6003", Fault::Flip(0)),
        ("GW6003", Fault::Flip(40)),
        ("GW6003", Fault::Flip(200)),
        ("GW6003", Fault::Bytes(b"<html>".to_vec())),
    ];
    attack_by(
        |host| {
            let faults = faults.into_iter().map(|(code, fault)| {
                row(format!("{fault:?}"), code, move |git| {
                    git.push("main", &[("gatewright.yaml", &noise(9, 1_000))]);
                    host.break_by(Some(fault.clone()));
                })
            });
            let gone = row("the branch disappears", "GW6005", |git| {
                git.set("refs/heads/other", &git.git(&["rev-parse", "main"]));
                git.git(&["update-ref", "-d", "refs/heads/main"]);
            });
            faults.chain([gone]).collect()
        },
        vec![],
    );
}

fn attack_by(
    rows: impl for<'a> FnOnce(&'a GitHost) -> Vec<Row<'a>>,
    lures: Vec<(&'static str, Put)>,
) {
    attack_by_reading(rows, lures, "$Id$ as committed");
}

/// The same where a lure leaves another text to be read.
fn attack_by_reading(
    rows: impl for<'a> FnOnce(&'a GitHost) -> Vec<Row<'a>>,
    lures: Vec<(&'static str, Put)>,
    text: &str,
) {
    let git = GitRepository::new();
    git.git(&["config", "uploadpack.allowFilter", "false"]);
    let host = GitHost::start(git.root());
    host.let_in_only("x-token-auth", TOKEN);
    let copy = tempfile::Builder::new().prefix("gw-copy-").tempdir().unwrap();
    // By address, so that nobody looks a name up.
    let url = host.url(REPOSITORY).replace("localhost", "127.0.0.1");
    let mut threads = Builder::new_multi_thread();
    let runtime = threads.worker_threads(2).thread_name("gw-source").enable_all().build();
    let reader = Reader {
        runtime: runtime.unwrap(),
        repository: Arc::new(open(&url, copy.path(), caps(), vec![]).unwrap()),
        holds: RefCell::default(),
    };
    let (mended, read) = (Cell::new(0), || reader.read());
    let mend = || {
        host.break_by(None);
        for file in ["shallow", "packed-refs", "objects/info/alternates"] {
            fs::remove_file(git.path().join(file)).ok();
        }
        for name in git.git(&["for-each-ref", "--format=%(refname)"]).lines() {
            git.git(&["update-ref", "-d", name]);
        }
        mended.set(mended.get() + 1);
        git.push("main", &[("gatewright.yaml", &format!("kind: Workspace {}", mended.get()))]);
    };
    let written = vec![copy.path().to_owned()];
    let bench = Attacked { repository: &git, written, read: &read, mend: &mend };
    for (name, code, put) in rows(&host) {
        let secrets = &[TOKEN, "canary"];
        attack(&bench, &Attack { name: &name, put: &*put, code, secrets });
    }
    for (name, code, put) in beside() {
        pass_over(&bench, &Attack { name: &name, put: &*put, code, secrets: &[TOKEN] });
    }
    for (name, put) in lures {
        ignore(&bench, &Lure { name, put: &*put, text, secrets: &[TOKEN, "another text"] });
    }
}

/// Each system call of the threads that read a repository: they start no program and open nothing but
/// the copy.
#[test]
fn nothing_is_started_and_nothing_else_is_opened() {
    let watcher = match Watcher::find(Program::Strace) {
        Ok(watcher) => watcher,
        Err(said) => return not_run(&said),
    };
    let calls =
        watcher.system_calls("source::git::tests::attacked::one_of_a_kind_is_refused", "%file");
    let of_reader =
        |call: &&SystemCall| call.thread.starts_with("gw-source") || call.thread.starts_with("gix");
    let of_reader: Vec<_> = calls.iter().filter(of_reader).collect();
    // That they are watched at all: they make an index and a record.
    for made in [".idx", "last.json"] {
        assert!(of_reader.iter().any(|call| call.text.contains(made)), "{of_reader:#?}");
    }
    let copy = of_reader.iter().find_map(|call| {
        let (before, rest) = call.path()?.split_once("/gw-copy-")?;
        Some(format!("{before}/gw-copy-{}", rest.split('/').next()?))
    });
    let copy = copy.unwrap();
    for call in of_reader {
        let at_home = match call.path() {
            Some(path) if path.starts_with('/') => {
                // The folders above it are looked at on the way.
                path.starts_with(&copy)
                    || copy.starts_with(path)
                    || path.starts_with("/sys/fs/cgroup")
                    || path.starts_with("/proc/self/")
            }
            // Below a folder that was opened.
            Some(_) => !call.text.contains("AT_FDCWD"),
            None => true,
        };
        let harmless = call.name() == "prctl" || !call.name().starts_with("exec") && at_home;
        assert!(harmless, "{call:?}");
    }
}
