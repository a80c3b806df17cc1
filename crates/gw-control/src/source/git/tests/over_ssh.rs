//! The same over ssh, with the server of the system.

use gw_testkit::{
    absent,
    git::ssh::{Speaks, SshHost},
};

use super::*;

fn key(host: &SshHost) -> Credential {
    Credential::Key { private_key: host.key(), known_hosts: host.known_hosts() }
}

#[tokio::test]
async fn a_repository_is_fetched_with_a_key_from_a_host_that_is_known() {
    for speaks in [Speaks::Old, Speaks::Version2] {
        let host = match SshHost::start(speaks) {
            Ok(host) => host,
            Err(why) => return absent::not_run(&why),
        };
        let git = GitRepository::new();
        let (first, copy) = (git.push("main", FILES), TempDir::new().unwrap());
        let other = git.push("other", &FILES[2..]);
        let url = host.url(&git.path());
        let repository = open(&url, copy.path(), Caps::default(), vec![]).unwrap();
        let view = repository.fetch(&key(&host), &Wanted::default()).await.unwrap().view;
        let tree = view.tree(&id(&first)).unwrap();
        assert_eq!(tree.read("gatewright.yaml").unwrap(), b"kind: Workspace");
        assert_eq!(view.branches()["other"], id(&other));
        let second = git.push("main", &FILES[1..]);
        let view = repository.fetch(&key(&host), &Wanted::default()).await.unwrap().view;
        assert_eq!(view.branches()["main"], id(&second));

        let stranger =
            Credential::Key { private_key: host.other_key(), known_hosts: host.known_hosts() };
        let refused = repository.fetch(&stranger, &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::Denied { .. }), "{refused}");
        let impostor =
            Credential::Key { private_key: host.key(), known_hosts: host.other_known_hosts() };
        let refused = repository.fetch(&impostor, &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::UnknownHost), "{refused}");
        let nobody = Credential::Key { private_key: host.key(), known_hosts: "/dev/null".into() };
        let refused = repository.fetch(&nobody, &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::UnknownHost), "{refused}");
        let refused = repository.fetch(&token("git", "x"), &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::Address(_)), "{refused}");
        drop(repository);

        let missing = host.url(&git.root().join("nothing.git"));
        let missing = open(&missing, copy.path(), Caps::default(), vec![]).unwrap();
        let refused = missing.fetch(&key(&host), &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::Missing), "{refused}");
    }
}

#[tokio::test]
async fn nothing_but_judged_addresses_is_gone_to() {
    let copy = TempDir::new().unwrap();
    let known_hosts = "/dev/null".into();
    let credential = Credential::Key { private_key: "/dev/null".into(), known_hosts };
    for url in [
        "ssh://git@169.254.169.254/x.git",
        "ssh://git@10.0.0.1/x.git",
        "ssh://git@[fd00:ec2::254]/x.git",
    ] {
        let repository = open(url, copy.path(), Caps::default(), vec![]).unwrap();
        let refused = repository.fetch(&credential, &Wanted::default()).await.unwrap_err();
        assert!(matches!(refused, GitError::NotAllowed { .. }), "{url}: {refused}");
        assert!(refused.to_string().ends_with("not allowed here"), "{url}: {refused}");
    }
}
