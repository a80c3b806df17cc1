use std::{fs, path::PathBuf, time::Duration};

use gw_model::load::Files as _;
use gw_net::{address::LoopbackReach, client::ClientSettings};
use gw_testkit::{
    absent,
    git::{
        GitRepository,
        host::{Fault, GitHost},
        ssh::{Speaks, SshHost},
    },
};
use tempfile::TempDir;
use time::macros::datetime;

use super::*;
use crate::source::git::{Wanted, address::Address, caps::Caps};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn open(url: &str, copy: &TempDir) -> Repository {
    Repository::open(RepositorySettings {
        address: Address::parse(url).unwrap(),
        folder: copy.path().to_owned(),
        caps: Caps { time: Duration::from_secs(20), ..Caps::default() },
        client: ClientSettings { loopback: LoopbackReach::Free, ..ClientSettings::default() },
        ssh: PathBuf::from("/usr/bin/ssh"),
    })
    .unwrap()
}

fn deposit(onto: Option<ObjectId>, bytes: &[u8]) -> Deposit<'_> {
    let (branch, file, message) = ("gatewright/w", "checkpoint", "checkpoint of 7");
    Deposit { branch, onto, file, bytes, message, at: NOON }
}

/// Deposits several times, and is refused where somebody was there first.
async fn goes_on(repository: &Repository, credential: &Credential, git: &GitRepository) {
    let large = "a line of a checkpoint\n".repeat(100_000).into_bytes();
    let mut onto = None;
    for bytes in [b"7\n".as_slice(), &large, b""] {
        repository.push(credential, &deposit(onto, bytes)).await.unwrap();
        let view = repository.fetch(credential, &Wanted::default()).await.unwrap().view;
        let head = view.branches()["gatewright/w"];
        assert_eq!(view.tree(&head).unwrap().read("checkpoint").unwrap(), bytes);
        assert_eq!(view.commit(&head).unwrap().parents, onto.into_iter().collect::<Vec<_>>());
        let late = repository.push(credential, &deposit(onto, b"late")).await.unwrap_err();
        assert!(matches!(late, GitError::Said { .. }), "{late}");
        onto = Some(head);
    }
    assert_eq!(git.git(&["rev-list", "--count", "gatewright/w"]).trim(), "3");
    git.git(&["fsck", "--strict"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_on_a_branch_over_http() {
    for format in ["sha1", "sha256"] {
        let (git, copy) = (GitRepository::of(format), TempDir::new().unwrap());
        git.git(&["config", "http.receivepack", "true"]);
        let host = GitHost::start(git.root());
        let repository = open(&host.url("repository.git"), &copy);
        goes_on(&repository, &Credential::None, &git).await;

        let view = repository.view().unwrap();
        let onto = Some(view.branches()["gatewright/w"]);
        // The repository itself says no: its words are told.
        let hook = git.path().join("hooks/update");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&hook, mode).unwrap();
        let refused = repository.push(&Credential::None, &deposit(onto, b"x")).await.unwrap_err();
        assert!(refused.to_string().contains("hook declined"), "{refused}");
        host.break_by(Some(Fault::Status(503, vec![])));
        let refused = repository.push(&Credential::None, &deposit(onto, b"x")).await.unwrap_err();
        assert!(matches!(refused, GitError::Unavailable { status: 503 }), "{refused}");
        host.break_by(None);
        git.git(&["config", "http.receivepack", "false"]);
        let refused = repository.push(&Credential::None, &deposit(onto, b"x")).await.unwrap_err();
        assert!(matches!(refused, GitError::Denied { .. }), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_put_on_a_branch_over_ssh() {
    let host = match SshHost::start(Speaks::Version2) {
        Ok(host) => host,
        Err(why) => return absent::not_run(&why),
    };
    let (git, copy) = (GitRepository::new(), TempDir::new().unwrap());
    let repository = open(&host.url(&git.path()), &copy);
    let key = Credential::Key { private_key: host.key(), known_hosts: host.known_hosts() };
    goes_on(&repository, &key, &git).await;
}
