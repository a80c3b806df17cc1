use std::{fs, sync::Arc};

use gw_audit::{
    entry::{Act, Event, Outcome},
    note::Signer,
};
use gw_model::{
    code::Code,
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretStore},
};
use gw_net::{address::LoopbackReach, client::ClientSettings};
use gw_testkit::{
    clock::FixedClock,
    git::{
        GitRepository,
        host::{Fault, GitHost},
    },
};
use time::{Duration, OffsetDateTime, macros::datetime};
use tokio::sync::Mutex;

use super::*;
use crate::{
    event::local_user,
    ledger::{Dispute, Ledger, LedgerError, Published, Watch},
    source::git::{RepositorySettings, address::Address, caps::Caps},
    store::{Store, StoreError},
};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);

/// A ledger and its witness, each in a folder of its own.
struct Stage {
    state: PathBuf,
    away: PathBuf,
    _folder: tempfile::TempDir,
}

fn signer(seed: u8) -> Signer {
    Signer::new("gatewright/test", &[seed; 32]).unwrap()
}

fn told(act: Act) -> Event {
    Event::new(act, Outcome::Done, local_user())
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [state, away] = ["state", "away"].map(|name| folder.path().join(name));
        fs::create_dir(&away).unwrap();
        Self { state, away, _folder: folder }
    }

    async fn store(&self) -> Store {
        Store::open(&self.state, signer(1).verifier().clone()).await.unwrap()
    }

    fn watch(&self) -> Watch {
        let witness = Arc::new(WitnessFolder::new(&self.away, "gatewright/test"));
        Watch { witness, patience: HOUR }
    }

    fn alone(&self, seed: u8) -> Ledger {
        Ledger::new(&self.state.join("ledger"), signer(seed))
    }

    fn ledger(&self) -> Ledger {
        self.alone(1).watched_by(Some(self.watch()))
    }

    fn kept(&self) -> PathBuf {
        self.away.join("gatewright/test/checkpoint")
    }

    /// Keeps everything that the state is somewhere else.
    fn copy(&self, name: &str) -> PathBuf {
        let to = self.away.with_file_name(name);
        copy(&self.state, &to);
        to
    }

    fn restore(&self, from: &Path) {
        fs::remove_dir_all(&self.state).unwrap();
        copy(from, &self.state);
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

#[tokio::test]
async fn the_newest_checkpoint_is_left_with_the_witness() {
    let stage = Stage::new();
    let store = stage.store().await;
    for size in [2, 3, 4] {
        store.record(told(Act::Read), NOON).await.unwrap();
        let published = stage.ledger().publish(&store).await.unwrap();
        assert_eq!(published, Published { size, lost: None, unreached: None });
        let ours = fs::read(stage.state.join("ledger/checkpoint")).unwrap();
        assert_eq!(fs::read(stage.kept()).unwrap(), ours);
    }
    // It lost what it knew: it learns it again.
    fs::remove_file(stage.kept()).unwrap();
    stage.ledger().publish(&store).await.unwrap();
    assert!(stage.kept().exists());
    // The next key goes on where the former one ended.
    let next = signer(2);
    stage.ledger().hand_over(&store, &next, &local_user(), NOON).await.unwrap();
    let ledger = stage.alone(2).watched_by(Some(stage.watch()));
    assert_eq!(ledger.publish(&store).await.unwrap().unreached, None);
}

/// Logging goes on, and after the time that was set nothing new is begun.
#[tokio::test]
async fn a_witness_that_is_away_is_waited_for_and_not_for_ever() {
    let stage = Stage::new();
    let store = stage.store().await;
    store.record(told(Act::Began), NOON).await.unwrap();
    stage.ledger().publish(&store).await.unwrap();
    let off = stage.away.with_extension("off");
    fs::rename(&stage.away, &off).unwrap();

    let later = |minutes: i64| NOON + Duration::minutes(minutes);
    store.record(told(Act::Began), later(1)).await.unwrap();
    let published = stage.ledger().publish(&store).await.unwrap();
    assert!(published.unreached.unwrap().to_string().contains("there is no such folder"));
    for minutes in [2, 60, 61] {
        store.record(told(Act::Began), later(minutes)).await.unwrap();
    }
    for act in [Act::Began, Act::Approved, Act::TokenIssued, Act::DriftAccepted] {
        let error = store.record(told(act), later(62)).await.unwrap_err();
        assert_eq!(error.code(), Code::LedgerUnwitnessed);
        assert!(matches!(error, StoreError::Unwitnessed { since } if since == later(1)), "{error}");
    }
    // What is under way ends, and is on the record.
    for act in [Act::StepIntended, Act::StepEnded, Act::Ended, Act::Read] {
        store.record(told(act), later(63)).await.unwrap();
    }
    fs::rename(&off, &stage.away).unwrap();
    assert_eq!(stage.ledger().publish(&store).await.unwrap().unreached, None);
    store.record(told(Act::Began), later(64)).await.unwrap();
    // Whoever takes the setting away has no witness any more.
    fs::remove_dir_all(&stage.away).unwrap();
    stage.alone(1).publish(&store).await.unwrap();
    store.record(told(Act::Began), later(600)).await.unwrap();
}

/// A witness that was never there does not hold back what was recorded before it was named.
#[tokio::test]
async fn a_new_witness_is_owed_nothing() {
    let stage = Stage::new();
    let store = stage.store().await;
    store.record(told(Act::Read), NOON).await.unwrap();
    fs::remove_dir(&stage.away).unwrap();
    let day = NOON + Duration::days(1);
    assert!(stage.ledger().publish(&store).await.unwrap().unreached.is_some());
    store.record(told(Act::Began), day).await.unwrap();
    let error = store.record(told(Act::Began), day + Duration::hours(2)).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerUnwitnessed);
}

/// Nothing is signed, nothing is written over, and nothing is begun.
async fn disputed(stage: &Stage, store: &Store, expected: Dispute) {
    let before = fs::read(stage.state.join("ledger/checkpoint")).unwrap();
    let left = fs::read(stage.kept()).unwrap();
    let error = stage.ledger().publish(store).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerDisputed);
    let is_expected =
        matches!(&error, LedgerError::Disputed { because, .. } if *because == expected);
    assert!(is_expected, "{error}");
    assert_eq!(fs::read(stage.state.join("ledger/checkpoint")).unwrap(), before);
    assert_eq!(fs::read(stage.kept()).unwrap(), left);
    let error = store.record(told(Act::Began), NOON).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerDisputed);
}

#[tokio::test]
async fn a_state_of_yesterday_is_found_by_the_witness_and_does_nothing() {
    let stage = Stage::new();
    let store = stage.store().await;
    store.record(told(Act::Read), NOON).await.unwrap();
    stage.ledger().publish(&store).await.unwrap();
    store.close().await;
    let yesterday = stage.copy("yesterday");
    let store = stage.store().await;
    store.record(told(Act::Read), NOON).await.unwrap();
    stage.ledger().publish(&store).await.unwrap();
    store.close().await;
    let today = stage.copy("today");

    stage.restore(&yesterday);
    let store = stage.store().await;
    disputed(&stage, &store, Dispute::Longer { there: 3, here: 2 }).await;
    // It went on from yesterday, as long as today and longer.
    for _ in 0..2 {
        store.record(told(Act::Planned), NOON).await.unwrap();
        disputed(&stage, &store, Dispute::Other { size: 3 }).await;
    }
    store.close().await;

    stage.restore(&today);
    let store = stage.store().await;
    assert_eq!(stage.ledger().publish(&store).await.unwrap().unreached, None);
    store.record(told(Act::Began), NOON).await.unwrap();
}

/// Two stories from one state, each published where nobody saw the other, and one witness.
#[tokio::test]
async fn of_two_stories_the_witness_takes_one() {
    let stage = Stage::new();
    let store = stage.store().await;
    store.record(told(Act::Read), NOON).await.unwrap();
    stage.alone(1).publish(&store).await.unwrap();
    store.close().await;
    let start = stage.copy("start");
    for (act, wins) in [(Act::Read, true), (Act::Planned, false)] {
        stage.restore(&start);
        let store = stage.store().await;
        store.record(told(act), NOON).await.unwrap();
        stage.alone(1).publish(&store).await.unwrap();
        if wins {
            stage.ledger().publish(&store).await.unwrap();
        } else {
            disputed(&stage, &store, Dispute::Other { size: 3 }).await;
        }
        store.close().await;
    }
}

#[tokio::test]
async fn what_the_witness_has_from_somebody_else_is_no_checkpoint_of_ours() {
    let stage = Stage::new();
    let store = stage.store().await;
    store.record(told(Act::Read), NOON).await.unwrap();
    stage.ledger().publish(&store).await.unwrap();
    let ours = fs::read_to_string(stage.kept()).unwrap();
    let stranger = stage.away.with_file_name("stranger");
    let other = Store::open(&stranger, signer(9).verifier().clone()).await.unwrap();
    other.record(told(Act::Read), NOON).await.unwrap();
    Ledger::new(&stranger.join("ledger"), signer(9)).publish(&other).await.unwrap();
    let foreign = fs::read_to_string(stranger.join("ledger/checkpoint")).unwrap();
    for (left, expected) in [
        (String::new(), Dispute::NoCheckpoint),
        ("not at all".to_owned(), Dispute::NoCheckpoint),
        (foreign, Dispute::Unsigned),
        (ours.replacen("\n2\n", "\n1\n", 1), Dispute::Unsigned),
    ] {
        fs::write(stage.kept(), left).unwrap();
        disputed(&stage, &store, expected).await;
    }
    fs::write(stage.kept(), ours).unwrap();
    stage.ledger().publish(&store).await.unwrap();
    store.record(told(Act::Began), NOON).await.unwrap();
}

/// Each checkpoint is a commit that follows the one before it, in a repository of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_elsewhere_remembers_as_well() {
    let (stage, git) = (Stage::new(), GitRepository::new());
    git.git(&["config", "http.receivepack", "true"]);
    let host = GitHost::start(git.root());
    host.let_in_only("witness", "the-token-of-the-witness");
    let witness = |token: &str| -> Arc<dyn Witness> {
        let client = ClientSettings { loopback: LoopbackReach::Free, ..ClientSettings::default() };
        let access = Access::Token {
            user: "witness".to_owned(),
            token: SecretName::parse(token).unwrap(),
            secrets: Arc::new(Tokens),
        };
        Arc::new(WitnessRepository {
            settings: RepositorySettings {
                address: Address::parse(&host.url("repository.git")).unwrap(),
                folder: stage.away.join(token),
                caps: Caps::default(),
                client,
                ssh: "ssh".into(),
            },
            branch: "gatewright/test".to_owned(),
            access,
            clock: Arc::new(FixedClock::at(NOON)),
            opened: Mutex::default(),
        })
    };
    let watched = |witness: &Arc<dyn Witness>| {
        let watch = Watch { witness: Arc::clone(witness), patience: HOUR };
        stage.alone(1).watched_by(Some(watch))
    };
    let store = stage.store().await;
    let own = witness("good");
    for size in [2, 3, 4] {
        store.record(told(Act::Read), NOON).await.unwrap();
        let published = watched(&own).publish(&store).await.unwrap();
        assert_eq!(published, Published { size, lost: None, unreached: None });
        let ours = fs::read_to_string(stage.state.join("ledger/checkpoint")).unwrap();
        assert_eq!(git.git(&["show", "gatewright/test:checkpoint"]).trim(), ours.trim());
    }
    assert_eq!(git.git(&["rev-list", "--count", "gatewright/test"]).trim(), "3");

    store.record(told(Act::Read), NOON).await.unwrap();
    let unreached = |published: Published| published.unreached.unwrap().to_string();
    let refused = watched(&witness("bad")).publish(&store).await.unwrap();
    assert!(unreached(refused).contains("401"));
    host.break_by(Some(Fault::Status(503, vec![])));
    assert!(unreached(watched(&own).publish(&store).await.unwrap()).contains("503"));
    host.break_by(None);
    assert_eq!(watched(&own).publish(&store).await.unwrap().unreached, None);

    // Somebody else wrote there: nothing is begun until a person looked.
    git.push("gatewright/test", &[("checkpoint", "not one of ours")]);
    store.record(told(Act::Read), NOON).await.unwrap();
    let disputed = watched(&own).publish(&store).await.unwrap_err();
    assert_eq!(disputed.code(), Code::LedgerDisputed);
}

/// A secret is its name.
#[derive(Debug)]
struct Tokens;

impl SecretStore for Tokens {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let text = if name.as_str() == "good" { "the-token-of-the-witness\n" } else { "another" };
        let value = Redacted::new(text.as_bytes().to_vec());
        Box::pin(std::future::ready(Ok(Secret { value, version: None, since: None })))
    }
}
