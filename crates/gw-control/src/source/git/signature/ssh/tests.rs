//! Against signatures that `git commit -S` made with keys of `ssh-keygen`.

use std::{collections::BTreeMap, fs, process::Command};

use gw_model::{id::PersonName, workspace::Person};
use gw_testkit::git::GitRepository;
use proptest::prelude::*;

use super::{
    super::{
        super::objects::{Commit, Signature},
        SigningKey, Standing,
    },
    *,
};

struct Signer {
    folder: tempfile::TempDir,
    /// Kind and size of the key, as `ssh-keygen` takes them.
    kind: &'static [&'static str],
}

impl Signer {
    fn new(kind: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-N", "", "-C", "ada", "-t"])
            .args(kind)
            .arg("-f")
            .arg(folder.path().join("key"))
            .status();
        assert!(made.unwrap().success());
        Self { folder, kind }
    }

    fn public(&self) -> String {
        fs::read_to_string(self.folder.path().join("key.pub")).unwrap()
    }

    /// The text and the bytes of a signed commit, as git made them.
    fn commit(&self) -> Signature {
        let git = GitRepository::new();
        let tree = git.files(&[("gatewright.yaml", "kind: Workspace")]);
        let key = format!("user.signingKey={}", self.folder.path().join("key").display());
        let id =
            git.git(&["-c", "gpg.format=ssh", "-c", &key, "commit-tree", "-S", "-m", "x", &tree]);
        let (text, signed) = git.signature(&id);
        Signature { text, signed }
    }
}

fn commit(signature: Option<Signature>) -> Commit {
    let id = "1".repeat(40).parse().unwrap();
    let (parents, subject) = (vec![], String::new());
    Commit { id, tree: id, parents, subject, committed_at: 0, signature }
}

fn people(keys: &[(&str, &str)]) -> BTreeMap<PersonName, Person> {
    let person = |(name, key): &(&str, &str)| {
        let signing_keys = vec![(*key).to_owned()];
        (name.parse().unwrap(), Person { signing_keys, ..Person::default() })
    };
    keys.iter().map(person).collect()
}

fn standing(signature: &Signature, keys: &[(&str, &str)]) -> Standing {
    Standing::of(&commit(Some(signature.clone())), &people(keys))
}

const KINDS: [&[&str]; 6] = [
    &["ed25519"],
    &["ecdsa", "-b", "256"],
    &["ecdsa", "-b", "384"],
    &["ecdsa", "-b", "521"],
    &["rsa", "-b", "2048"],
    &["rsa", "-b", "3072"],
];

#[test]
fn a_commit_is_by_whoever_declares_the_key_that_signed_it() {
    let other = Signer::new(&["ed25519"]).public();
    for kind in KINDS {
        let signer = Signer::new(kind);
        let (signature, key) = (signer.commit(), signer.public());
        let by = |name: &str| Standing::By(name.parse().unwrap());
        assert_eq!(standing(&signature, &[("ada", &key)]), by("ada"), "{:?}", signer.kind);
        assert_eq!(standing(&signature, &[("bob", &other), ("eve", &key)]), by("eve"));
        let unknown = Standing::Unproven(Unproven::UnknownKey);
        assert_eq!(standing(&signature, &[("ada", &other)]), unknown);
        assert_eq!(standing(&signature, &[]), unknown);

        let moved =
            Signature { signed: [&signature.signed[..], b"x"].concat(), ..signature.clone() };
        assert_eq!(standing(&moved, &[("ada", &key)]), Standing::Unproven(Unproven::Wrong));
        assert_eq!(Standing::of(&commit(None), &people(&[("ada", &key)])), Standing::Unsigned);
    }
}

#[test]
fn any_other_byte_of_a_signature_proves_nothing() {
    for kind in KINDS {
        let signer = Signer::new(kind);
        let (signature, key) = (signer.commit(), signer.public());
        let blob = unwrap(&signature.text).unwrap();
        for place in 0..blob.len() {
            let mut other = blob.clone();
            other[place] ^= 1;
            let text = format!("{BEGIN}\n{}\n{END}", STANDARD.encode(other));
            let judged = standing(&Signature { text, ..signature.clone() }, &[("ada", &key)]);
            assert!(matches!(judged, Standing::Unproven(_)), "{kind:?} {place}: {judged:?}");
        }
    }
}

#[test]
fn a_signature_for_something_else_is_none_for_a_commit() {
    let signer = Signer::new(&["ed25519"]);
    let signature = signer.commit();
    let message = signer.folder.path().join("message");
    fs::write(&message, &signature.signed).unwrap();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "file", "-f"])
        .args([signer.folder.path().join("key"), message.clone()])
        .output();
    assert!(signed.unwrap().status.success());
    let text = fs::read_to_string(message.with_extension("sig")).unwrap();
    let other = Standing::Unproven(Unproven::OtherPurpose);
    assert_eq!(
        standing(&Signature { text, ..signature.clone() }, &[("ada", &signer.public())]),
        other
    );

    for text in ["", BEGIN, &format!("{BEGIN}{END}"), &format!("{BEGIN}\nU1NIU0lH\n{END}"), "x"] {
        let judged = standing(&Signature { text: text.to_owned(), ..signature.clone() }, &[]);
        assert_eq!(judged, Standing::Unproven(Unproven::Unreadable), "{text}");
    }
}

#[test]
fn a_key_is_one_of_known_algorithms_in_its_own_form() {
    let signer = Signer::new(&["ed25519"]);
    let key = signer.public();
    assert!(SigningKey::parse(&key).is_ok());
    let blob = key.split(' ').nth(1).unwrap();
    let named = |name: &str| {
        let length = u32::try_from(name.len()).unwrap().to_be_bytes();
        format!("{name} {}", STANDARD.encode([&length[..], name.as_bytes()].concat()))
    };
    for (text, error) in [
        ("".to_owned(), KeyError::NotAKey),
        ("ssh-ed25519".to_owned(), KeyError::NotAKey),
        (format!("ssh-rsa {blob}"), KeyError::NotAKey),
        (format!("ssh-ed25519 {}", blob.split_at(20).0), KeyError::NotAKey),
        (format!("ssh-ed25519 {blob}AAAA"), KeyError::NotAKey),
        (named("ssh-ed25519"), KeyError::NotAKey),
        (named("ssh-dss"), KeyError::Algorithm),
        (named("ssh-ed25519-cert-v01@openssh.com"), KeyError::Algorithm),
    ] {
        assert_eq!(SigningKey::parse(&text).err(), Some(error), "{text}");
    }
}

proptest! {
    /// Whatever stands where a signature should, it is judged.
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
        let blob = [MAGIC, &VERSION.to_be_bytes(), &bytes].concat();
        let text = format!("{BEGIN}\n{}\n{END}", STANDARD.encode(blob));
        let judged = standing(&Signature { text, signed: vec![] }, &[]);
        prop_assert!(matches!(judged, Standing::Unproven(_)));
    }
}
