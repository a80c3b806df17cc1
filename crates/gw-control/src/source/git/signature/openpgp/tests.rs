//! Against signatures that `git commit -S` made with keys of `gpg`.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
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

const KINDS: [&str; 6] = ["ed25519", "nistp256", "nistp384", "nistp521", "rsa2048", "rsa3072"];
/// When keys and signatures are made that end.
const LONG_AGO: &str = "20200101T000000";

/// A key ring of its own, with one key.
struct Ring {
    home: tempfile::TempDir,
    key: String,
}

impl Ring {
    fn new(algorithm: &str) -> Self {
        Self::with(&[], algorithm, "sign", "never")
    }

    fn with(options: &[&str], algorithm: &str, use_for: &str, ends: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut ring = Self { home, key: String::new() };
        let made = ["--quick-gen-key", "Ada <ada@example.com>", algorithm, use_for, ends];
        ring.gpg(&[options, &["--passphrase", ""], &made].concat());
        let told = ring.gpg(&["--with-colons", "--list-keys"]);
        let line = told.lines().find(|line| line.starts_with("fpr:")).unwrap();
        ring.key = line.trim_end_matches(':').rsplit(':').next().unwrap().to_owned();
        ring
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let made = Command::new("gpg")
            .args(["--homedir", self.home.path().to_str().unwrap(), "--batch", "--quiet", "--yes"])
            .args(arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{arguments:?}: {told}");
        String::from_utf8(made.stdout).unwrap()
    }

    fn public(&self) -> String {
        self.gpg(&["--armor", "--export", &self.key])
    }

    /// The text and the bytes of a signed commit, as git made them.
    fn commit(&self) -> Signature {
        let program = self.home.path().join("gpg");
        let home = self.home.path().display();
        fs::write(&program, format!("#!/bin/sh\nexec gpg --homedir {home} \"$@\"\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        let git = GitRepository::new();
        let tree = git.files(&[("gatewright.yaml", "kind: Workspace")]);
        let key = format!("user.signingKey={}", self.key);
        let program = format!("gpg.program={}", program.display());
        let id = git.git(&["-c", &program, "-c", &key, "commit-tree", "-S", "-m", "x", &tree]);
        let (text, signed) = git.signature(&id);
        Signature { text, signed }
    }

    /// The same for any bytes.
    fn sign(&self, options: &[&str], signed: &[u8]) -> Signature {
        let message = self.home.path().join("message");
        fs::write(&message, signed).unwrap();
        let whose = ["--local-user", &self.key, "--armor", "--output", "-", "--detach-sign"];
        let text = self.gpg(&[options, &whose, &[message.to_str().unwrap()]].concat());
        Signature { text, signed: signed.to_vec() }
    }
}

impl Drop for Ring {
    /// What holds the keys outlives the command that made them.
    fn drop(&mut self) {
        let home = self.home.path().to_str().unwrap();
        let ended = Command::new("gpgconf").args(["--homedir", home, "--kill", "all"]).status();
        assert!(std::thread::panicking() || ended.is_ok_and(|ended| ended.success()));
    }
}

fn standing(signature: &Signature, keys: &[(&str, &str)]) -> Standing {
    let id = "1".repeat(40).parse().unwrap();
    let signature = Some(signature.clone());
    let (parents, subject) = (vec![], String::new());
    let commit = Commit { id, tree: id, parents, subject, committed_at: 0, signature };
    let person = |(name, key): &(&str, &str)| {
        let signing_keys = vec![(*key).to_owned()];
        (name.parse::<PersonName>().unwrap(), Person { signing_keys, ..Person::default() })
    };
    Standing::of(&commit, &keys.iter().map(person).collect::<BTreeMap<_, _>>())
}

fn by(name: &str) -> Standing {
    Standing::By(name.parse().unwrap())
}

fn armoured(kind: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN PGP {kind}-----\n\n{}\n-----END PGP {kind}-----\n", STANDARD.encode(bytes))
}

fn bytes_of(key: &str) -> Vec<u8> {
    unwrap(key, "PUBLIC KEY BLOCK").unwrap()
}

#[test]
fn a_commit_is_by_whoever_declares_the_key_that_signed_it() {
    let other = Ring::new("ed25519").public();
    for kind in KINDS {
        let ring = Ring::new(kind);
        let (signature, key) = (ring.commit(), ring.public());
        assert_eq!(standing(&signature, &[("ada", &key)]), by("ada"), "{kind}");
        assert_eq!(standing(&signature, &[("bob", &other), ("eve", &key)]), by("eve"), "{kind}");
        let unknown = Standing::Unproven(Unproven::UnknownKey);
        assert_eq!(standing(&signature, &[("ada", &other)]), unknown, "{kind}");

        let moved = [&signature.signed[..], b"x"].concat();
        let moved = Signature { signed: moved, ..signature.clone() };
        assert_eq!(standing(&moved, &[("ada", &key)]), Standing::Unproven(Unproven::Wrong));
        any_other_byte_proves_nothing(&signature, &key);
    }
}

/// Beside what is not signed, which proves nothing anyway.
fn any_other_byte_proves_nothing(signature: &Signature, key: &str) {
    let bytes = unwrap(&signature.text, "SIGNATURE").unwrap();
    let body = packets(&bytes).unwrap()[0].body;
    let hints = bytes.len() - body.len() + Made::of(body).unwrap().signed.len();
    let length = usize::from(u16::from_be_bytes([bytes[hints], bytes[hints + 1]]));
    for place in (0..bytes.len()).filter(|at| !(hints..hints + 2 + length).contains(at)) {
        let mut other = bytes.clone();
        other[place] ^= 0x80;
        let text = armoured("SIGNATURE", &other);
        let judged = standing(&Signature { text, ..signature.clone() }, &[("ada", key)]);
        assert!(matches!(judged, Standing::Unproven(_)), "{place}: {judged:?}");
    }
}

#[test]
fn a_subkey_signs_where_key_and_subkey_say_so() {
    let ring = Ring::with(&[], "ed25519", "cert", "never");
    assert_eq!(SigningKey::parse(&ring.public()).err(), Some(KeyError::NoneSigns));
    ring.gpg(&["--passphrase", "", "--quick-add-key", &ring.key, "cv25519", "encr"]);
    ring.gpg(&["--passphrase", "", "--quick-add-key", &ring.key, "rsa2048", "sign"]);
    let (signature, key) = (ring.commit(), ring.public());
    assert_eq!(standing(&signature, &[("ada", &key)]), by("ada"));

    let bytes = bytes_of(&key);
    let all = packets(&bytes).unwrap();
    let word = [VERSION, REVOKES_SUBKEY];
    let revoked = [Packet { tag: 10, body: b"PGP" }, Packet { tag: SIGNATURE, body: &word }];
    let text = written(all.iter().copied().chain(revoked));
    let text = armoured("PUBLIC KEY BLOCK", &text);
    assert_eq!(SigningKey::parse(&text).err(), Some(KeyError::NoneSigns));

    // Without what binds it, a key within the text is nobody's.
    let (unbound, bound): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(at, packet)| {
        packet.tag == SIGNATURE && all[..*at].iter().any(|it| it.tag == SUBKEY)
    });
    assert!(!unbound.is_empty());
    let text = armoured("PUBLIC KEY BLOCK", &written(bound.into_iter().map(|(_, it)| *it)));
    assert_eq!(SigningKey::parse(&text).err(), Some(KeyError::NoneSigns));
}

/// Whoever changes the text of another's key adds nothing to it.
#[test]
fn a_key_takes_in_no_other_one() {
    let (ada, eve) = (Ring::new("ed25519"), Ring::new("ed25519"));
    let (of_ada, of_eve) = (bytes_of(&ada.public()), bytes_of(&eve.public()));
    let foreign = packets(&of_eve).unwrap();
    let subkey = Packet { tag: SUBKEY, body: foreign[0].body };
    let packets = packets(&of_ada).unwrap().into_iter().chain([subkey]);
    let with_eve = armoured("PUBLIC KEY BLOCK", &written(packets.chain(foreign[1..].to_vec())));
    assert_eq!(standing(&ada.commit(), &[("ada", &with_eve)]), by("ada"));
    let unknown = Standing::Unproven(Unproven::UnknownKey);
    assert_eq!(standing(&eve.commit(), &[("ada", &with_eve)]), unknown);

    let two = armoured("PUBLIC KEY BLOCK", &[of_ada, of_eve].concat());
    assert_eq!(SigningKey::parse(&two).err(), Some(KeyError::NotAKey));
}

#[test]
fn what_was_signed_before_the_end_of_a_key_stays_signed() {
    let then = ["--faked-system-time", LONG_AGO];
    let ring = Ring::with(&then, "ed25519", "sign", "1d");
    let signature = ring.sign(&then, b"a commit");
    let key = ring.public();
    assert_eq!(standing(&signature, &[("ada", &key)]), by("ada"));
    let [key] = &Certificate::parse(&key).unwrap().keys[..] else { panic!("one key") };
    let (begin, day) = (key.created, 86_400);
    let in_force = [begin - 1, begin, begin + day - 1, begin + day];
    assert_eq!(in_force.map(|at| key.is_in_force(Some(at))), [false, true, true, false]);
    assert!(!key.is_in_force(None));
}

#[test]
fn a_revoked_key_proves_nothing() {
    let ring = Ring::new("ed25519");
    let signature = ring.sign(&[], b"a commit");
    assert_eq!(standing(&signature, &[("ada", &ring.public())]), by("ada"));
    let file = ring.home.path().join("openpgp-revocs.d").join(format!("{}.rev", ring.key));
    // Prepared by gpg, with a colon against accidents.
    let text = fs::read_to_string(&file).unwrap();
    let (_, block) = text.split_once("\n:").unwrap();
    fs::write(&file, block).unwrap();
    ring.gpg(&["--import", file.to_str().unwrap()]);
    let revoked = ring.public();
    assert_eq!(SigningKey::parse(&revoked).err(), Some(KeyError::NoneSigns));
    // Wherever it stands.
    let bytes = bytes_of(&revoked);
    let (word, others): (Vec<_>, Vec<_>) = packets(&bytes)
        .unwrap()
        .into_iter()
        .partition(|it| it.tag == SIGNATURE && kind_of(it) == Some(REVOKES_KEY));
    let subkey = Packet { tag: SUBKEY, body: others[0].body };
    let behind = others.into_iter().chain([subkey]).chain(word);
    let behind = armoured("PUBLIC KEY BLOCK", &written(behind));
    assert_eq!(SigningKey::parse(&behind).err(), Some(KeyError::NoneSigns));
    let unknown = Standing::Unproven(Unproven::UnknownKey);
    assert_eq!(standing(&signature, &[("ada", &revoked)]), unknown);
}

#[test]
fn what_is_weak_or_made_for_something_else_proves_nothing() {
    let ring = Ring::new("rsa2048");
    let key = ring.public();
    let weak = ring.sign(&["--digest-algo", "SHA1"], b"a commit");
    assert_eq!(standing(&weak, &[("ada", &key)]), Standing::Unproven(Unproven::Unreadable));
    let ends = ring.sign(&["--default-sig-expire", "1d"], b"a commit");
    assert_eq!(standing(&ends, &[("ada", &key)]), Standing::Unproven(Unproven::Wrong));
    // Over text, where ends of lines are not what they are.
    let text = ring.sign(&["--textmode"], b"a commit\n");
    assert_eq!(standing(&text, &[("ada", &key)]), Standing::Unproven(Unproven::OtherPurpose));
    for text in
        ["-----BEGIN PGP SIGNATURE-----", &armoured("SIGNATURE", b""), &armoured("MESSAGE", b"x")]
    {
        let signature = Signature { text: text.to_owned(), signed: vec![] };
        assert_eq!(standing(&signature, &[]), Standing::Unproven(Unproven::Unreadable), "{text}");
    }
}

/// Packets in the form that is as long as any.
fn written<'a>(packets: impl Iterator<Item = Packet<'a>>) -> Vec<u8> {
    let one = |packet: Packet<'a>| {
        let length = u32::try_from(packet.body.len()).unwrap().to_be_bytes();
        [&[0xc0 | packet.tag, 0xff], &length[..], packet.body].concat()
    };
    packets.flat_map(one).collect()
}

proptest! {
    /// Whatever stands where a key or a signature should, it is judged.
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..200), tag in 0_u8..64) {
        let bytes = written([Packet { tag, body: &bytes }].into_iter());
        let text = armoured("SIGNATURE", &bytes);
        let judged = standing(&Signature { text, signed: vec![] }, &[]);
        prop_assert!(matches!(judged, Standing::Unproven(_)));
        prop_assert!(SigningKey::parse(&armoured("PUBLIC KEY BLOCK", &bytes)).is_err());
    }
}
