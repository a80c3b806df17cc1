//! The ledger under attack, and on a machine that fails.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::Duration as Patience,
};

use gw_audit::{
    folder::{CHECKPOINTS, Folder},
    private::PERSONAL,
    tile,
    verify::Broken,
};
use gw_model::id::IdentityName;
use gw_plan::plan::Changed;
use gw_policy::principal::{Caller, Principal};
use gw_testkit::attack::record::{Attack, Bench, Expected, Kept, Said, attack};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::*;
use crate::{
    approve::{Given, Shown},
    event::digest_of,
    store::StateLock,
    witness::WitnessFolder,
};

const EDITS: usize = 9_000;
const STATE_EDITS: usize = 1_000;

/// A state, its witness, and a clock.
struct Stage {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    now: Cell<OffsetDateTime>,
    seed: Cell<u8>,
    told: RefCell<Vec<Event>>,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("away")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (now, seed, told) = (Cell::new(NOON), Cell::new(1), RefCell::default());
        Self { folder, runtime, now, seed, told }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn away(&self) -> PathBuf {
        self.folder.path().join("away")
    }

    fn files(&self) -> LedgerFiles {
        LedgerFiles::new(&self.state().join("ledger"))
    }

    fn ledger(&self) -> Ledger {
        self.ledger_of(self.seed.get())
    }

    fn ledger_of(&self, seed: u8) -> Ledger {
        let witness = Arc::new(WitnessFolder::new(&self.away(), "gatewright/test"));
        let watch = Watch { witness, patience: Patience::from_secs(3600) };
        Ledger::new(&self.state().join("ledger"), signer(seed)).watched_by(Some(watch))
    }

    fn store(&self) -> Store {
        self.runtime.block_on(reopened(&self.state(), self.seed.get()))
    }

    /// Verifies files and state against one another, does something, and signs it.
    async fn try_act(&self) -> Result<(), (Code, String)> {
        let said = |error: &dyn fmt::Display, code: Code| (code, error.to_string());
        let of_ledger = |error: LedgerError| said(&error, error.code());
        let of_store = |error: StoreError| said(&error, error.code());
        let key = signer(self.seed.get()).verifier().clone();
        let store = Store::open(&self.state(), key.clone()).await.map_err(of_store)?;
        let files = self.files();
        if let Some(sealed) = store.sealed().await.map_err(of_store)? {
            let kept = [("the state".to_owned(), sealed.1)];
            let verified = verify(&files, &key, &kept, &mut |_, _| ());
            let verified = verified.map_err(|broken| said(&broken, Code::LedgerBroken))?;
            files.compare(&verified.newest, &store).await.map_err(of_ledger)?;
        }
        store.meet_whole_ledger().await.map_err(of_store)?;
        self.ledger().publish(&store).await.map_err(of_ledger)?;
        let mut events = self.told.take();
        events.push(told(Act::Began));
        for event in events {
            store.record(event, self.now.get()).await.map_err(of_store)?;
        }
        self.ledger().publish(&store).await.map_err(of_ledger)?;
        store.close().await;
        Ok(())
    }

    fn act(&self) -> Said {
        let acted = self.runtime.block_on(self.try_act());
        // What counts as signed is what somebody else remembers.
        let places = [self.away(), self.away().with_extension("off")];
        let kept = places.map(|place| fs::read(place.join("gatewright/test/checkpoint")));
        let newest = kept.into_iter().find_map(Result::ok).unwrap_or_default();
        let claim = Note::parse(&newest).ok().and_then(|note| Checkpoint::parse(note.text()));
        let (codes, words) = match &acted {
            Ok(()) => (vec![], String::new()),
            Err((code, words)) => (vec![code.to_string()], words.clone()),
        };
        let signed = claim.map_or(0, |claim| claim.size);
        Said { accepted: acted.is_ok(), signed, codes, words }
    }

    /// Attacks the state, which is put back afterwards.
    fn attack(&self, name: &str, expected: Expected<'_>, secrets: &[&str], put: &dyn Fn()) -> Said {
        let state = self.state();
        let kept: RefCell<Option<Kept>> = RefCell::default();
        let put = || {
            *kept.borrow_mut() = Some(Kept::of(&state));
            put();
        };
        let mend = || kept.borrow().iter().for_each(Kept::restore);
        self.attack_and(name, expected, secrets, &put, &mend)
    }

    fn attack_and(
        &self,
        name: &str,
        expected: Expected<'_>,
        secrets: &[&str],
        put: &dyn Fn(),
        mend: &dyn Fn(),
    ) -> Said {
        let state = self.state();
        let act = || self.act();
        let bench = Bench { folder: &state, written: vec![self.away()], act: &act };
        attack(&bench, &Attack { name, put, mend, expected, secrets })
    }

    fn sql(&self, statements: &str) {
        self.runtime.block_on(run(&self.state(), statements));
    }

    /// The newest bundle of entries, after something was done to its entries.
    fn rebundle(&self, edit: Edit<'_>) {
        let folder = self.state().join("ledger/tile/entries/000.p");
        let bundles = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let width = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().parse().unwrap();
        let newest = bundles.max_by_key(width).unwrap();
        let width: u64 = width(&newest);
        let bytes = fs::read(&newest).unwrap();
        let entries = tile::unbundle(&bytes, width).unwrap();
        let mut entries: Vec<Vec<u8>> = entries.into_iter().map(<[u8]>::to_vec).collect();
        edit(&mut entries);
        entries.truncate(usize::try_from(width).unwrap());
        fs::write(&newest, tile::bundle(entries.iter().map(Vec::as_slice)).unwrap()).unwrap();
    }
}

/// Numbers that are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    /// What changes a byte.
    fn flip(&mut self) -> u8 {
        u8::try_from(self.below(255) + 1).unwrap()
    }
}

/// What is done to the entries of a bundle.
type Edit<'a> = &'a dyn Fn(&mut Vec<Vec<u8>>);

/// A copy of a ledger in memory.
#[derive(Clone, Default)]
struct Copied(BTreeMap<String, Vec<u8>>);

impl Folder for Copied {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let inside = |file: &String| Some(file.strip_prefix(path)?.strip_prefix('/')?.to_owned());
        Ok(self.0.keys().filter_map(inside).collect())
    }
}

impl Copied {
    /// The files that a reader of a ledger of this size needs.
    fn of(root: &Path, size: u64) -> Self {
        let mut all = BTreeMap::new();
        for (path, bytes) in everything(root) {
            let path = path.strip_prefix(&format!("{}/", root.display())).unwrap().to_owned();
            let narrower =
                path.split_once(".p/").is_some_and(|(_, width)| width != size.to_string());
            if path != "lock" && !narrower {
                all.insert(path, bytes);
            }
        }
        Self(all)
    }
}

/// Shows L1: holds
#[test]
fn any_single_edit_is_found_and_the_first_bad_entry_named() {
    let stage = Stage::new();
    for _ in 0..2 {
        stage.told.borrow_mut().extend((0..5).map(|_| told(Act::Read)));
        stage.act();
    }
    let tiles: [(&str, Edit<'_>); 5] = [
        ("edited", &|entries| entries[7][20] ^= 1),
        ("dropped", &|entries| {
            let last = entries[entries.len() - 1].clone();
            entries.remove(7);
            entries.push(last);
        }),
        ("moved", &|entries| entries.swap(7, 9)),
        ("doubled", &|entries| entries.insert(7, entries[6].clone())),
        ("torn", &|entries| entries[7].truncate(9)),
    ];
    for (name, edit) in tiles {
        let put = || stage.rebundle(edit);
        let said = stage.attack(name, Expected::Refused("GW5001"), &[], &put);
        assert!(said.words.contains("entry 7 "), "{name}: {}", said.words);
    }
    stage.attack("cut off", Expected::Refused("GW5001"), &[], &|| {
        let ledger = stage.state().join("ledger");
        let mut sizes: Vec<u64> = fs::read_dir(ledger.join(CHECKPOINTS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
            .collect();
        sizes.sort_unstable();
        let [.., older, newest] = sizes.as_slice() else { panic!("{sizes:?}") };
        let path = |size: &u64| ledger.join(CHECKPOINTS).join(size.to_string());
        fs::copy(path(older), ledger.join(CHECKPOINT)).unwrap();
        fs::remove_file(path(newest)).unwrap();
    });
    stage.attack("an entry of the state", Expected::Refused("GW5002"), &[], &|| {
        stage.sql("UPDATE entry SET bytes = CAST(replace(bytes, 'local', 'Local') AS BLOB) WHERE position = 7");
    });
    ten_thousand_edits(&stage);
}

fn ten_thousand_edits(stage: &Stage) {
    let store = stage.store();
    let size = stage.runtime.block_on(store.entry_count()).unwrap();
    let whole = Copied::of(&stage.state().join("ledger"), size);
    let paths: Vec<&String> = whole.0.keys().filter(|path| !path.starts_with(PERSONAL)).collect();
    let anchor = signer(1).verifier().clone();
    assert!(verify(&whole, &anchor, &[], &mut |_, _| ()).is_ok());
    let mut random = Numbers(0x6a77);
    let mut edited = whole.clone();
    for _ in 0..EDITS {
        let path = paths[random.below(paths.len())];
        let bytes = edited.0.get_mut(path).unwrap();
        let place = random.below(bytes.len());
        let flip = random.flip();
        bytes[place] ^= flip;
        let broken = verify(&edited, &anchor, &[], &mut |_, _| ()).unwrap_err();
        let expected = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["tile", "entries", ..] => {
                let mut end = 0;
                let entries = tile::unbundle(&whole.0[path], size).unwrap();
                let ends = entries.iter().map(|entry| {
                    end += entry.len() + 2;
                    end
                });
                Some(ends.take_while(|end| *end <= place).count())
            }
            ["tile", "0", ..] => Some(place / 32),
            _ => None,
        };
        if let Some(expected) = expected {
            let named = matches!(broken, Broken::Entry { index, .. } if index == expected as u64);
            assert!(named, "{path} at {place}, entry {expected}: {broken:?}");
        }
        edited.0.get_mut(path).unwrap()[place] ^= flip;
    }
    let newest = stage.files().newest(&anchor).unwrap().unwrap();
    stage.runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(stage.state().join("state.db"))
            .synchronous(sqlx::sqlite::SqliteSynchronous::Off);
        let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
        let entries = store.entries(0, 1_000).await.unwrap();
        let write = async |index: usize, bytes: &[u8]| {
            sqlx::query("UPDATE entry SET bytes = ? WHERE position = ?")
                .bind(bytes)
                .bind(i64::try_from(index).unwrap())
                .execute(&pool)
                .await
                .unwrap();
        };
        for _ in 0..STATE_EDITS {
            let index = random.below(entries.len());
            let mut bytes = entries[index].clone();
            let place = random.below(bytes.len());
            bytes[place] ^= random.flip();
            write(index, &bytes).await;
            let error = stage.files().compare(&newest, &store).await.unwrap_err();
            let named = matches!(error, LedgerError::Forked { index: at } if at == index as u64);
            assert!(named, "entry {index} at {place}: {error}");
            write(index, &entries[index]).await;
        }
        pool.close().await;
    });
}

/// Shows L1: holds
#[test]
fn what_decides_is_what_the_ledger_says_or_nothing_is_done() {
    let stage = Stage::new();
    let store = stage.store();
    stage.runtime.block_on(a_story(&store));
    stage.act();
    for (name, statements) in [
        ("other rules", "UPDATE document SET desired = replace(desired, 'rules', 'Rules') WHERE number = 2"),
        ("other rules of a former change", "UPDATE document SET desired = '{}' WHERE number = 1"),
        ("another script", "UPDATE document SET script = '{}' WHERE number = 3"),
        ("a former change", "UPDATE change SET outcome = 'failed' WHERE number = 2"),
        ("an end of long ago", "UPDATE change SET outcome = 'failed' WHERE number = 3;
             UPDATE change SET outcome = 'underWay' WHERE number = 1"),
        ("another actor", "UPDATE change SET actor = replace(actor, 'local', 'other')"),
        ("another commit", "UPDATE change SET commit_id = 'c9' WHERE number = 2"),
        ("nothing in force", "DELETE FROM document; DELETE FROM change"),
        (
            "a change of nobody",
            "INSERT INTO change SELECT environment, 9, action, actor, reason, restores,
                 source_digest, effect_digest, plan_id, began_at, ended_at, 'verified', detail, commit_id,
                 until FROM change WHERE number = 2;
             INSERT INTO document SELECT environment, 9, plan, script, '{}' FROM document WHERE number = 2",
        ),
        ("another plan shown", "UPDATE shown SET entries = '{}'"),
        ("a plan shown earlier", "UPDATE shown SET shown_at = '2026-01-01T00:00:00Z'"),
        ("an approval by somebody else", "UPDATE approval SET given_by = replace(given_by, 'dana', 'mira')"),
        ("an approval by more than they are", "UPDATE approval SET given_by = replace(given_by, 'staff', 'security')"),
        ("an approval of another commit", "UPDATE approval SET commit_sha = 'c9'"),
        (
            "other rules, and an index without what tells of them",
            "CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_master WHERE name = 'entry_of_change';
             DROP INDEX entry_of_change;
             CREATE INDEX entry_of_change ON entry (position)
                 WHERE substr(bytes, 1, 15) = x'7b22616374223a226368616e67652e'
                 AND instr(bytes, x'6368616e67652e626567616e') = 0;
             PRAGMA writable_schema = ON;
             UPDATE sqlite_master SET sql = (SELECT sql FROM kept) WHERE name = 'entry_of_change';
             PRAGMA writable_schema = OFF;
             UPDATE document SET desired = replace(desired, 'rules', 'Rules') WHERE number = 2",
        ),
        (
            "an approval of nobody",
            "INSERT INTO approval (environment, given_by, given_at, commit_sha, entries, salt)
                 SELECT environment, given_by, given_at, 'c8', entries, NULL FROM approval",
        ),
    ] {
        let said = stage.attack(name, Expected::Refused("GW5009"), &[], &|| stage.sql(statements));
        assert!(said.words.contains("somebody changed the state"), "{name}: {}", said.words);
    }
    // What was left by going back stays held, whoever takes the row away.
    stage.sql("DELETE FROM hold");
    let held = stage.runtime.block_on(stage.store().held(&dev(), "sha256:left")).unwrap();
    assert_eq!(held, Some(1));
    assert!(stage.act().accepted);
}

/// One change that was left, one in force, one under way; a plan that was shown, and an approval.
async fn a_story(store: &Store) {
    let mut begun = a_beginning();
    begun.commit = Some("c1".to_owned());
    let documents = |number: u8| Documents {
        plan: "{}".to_owned(),
        script: format!("[{number}]"),
        desired: format!(r#"{{"rules":{number}}}"#),
    };
    let left = Hold {
        environment: dev(),
        number: 1,
        effect_digest: "sha256:left".to_owned(),
        reason: None,
    };
    for (number, outcome) in [(1, Some(Outcome::Verified)), (2, Some(Outcome::Applied)), (3, None)]
    {
        let left = Some(&left).filter(|_| number == 2);
        let decided = told(Act::Decided);
        let number = store.begin(&begun, &documents(number), decided, left).await.unwrap();
        if let Some(outcome) = outcome {
            let ending = Ending { outcome, detail: None, at: NOON, written: None };
            store.end(&dev(), number, &ending).await.unwrap();
        }
    }
    let entries: Changed = [("api/orders".to_owned(), None)].into();
    let said = |act: Act, commit: &str| {
        let mut event =
            told(act).fact("pullRequest", 7).fact("changed", digest_of(&entries).as_str());
        (event.environment, event.commit) = (Some("dev".to_owned()), Some(commit.to_owned()));
        event
    };
    let shown = Shown { head: "c4".to_owned(), at: NOON, entries: entries.clone() };
    store.show(&dev(), 7, &shown, said(Act::Shown, "c4")).await.unwrap();
    let dana = Principal {
        identity: IdentityName::parse("operators").unwrap(),
        issuer: "https://id.example.com".to_owned(),
        subject: "dana".to_owned(),
        claims: [("groups".to_owned(), ["staff".to_owned()].into())].into(),
        expires_at: None,
    };
    let by = Caller { principals: vec![dana] };
    let (commit, restores) = ("c4".to_owned(), None);
    let given = Given { by, at: NOON, commit, restores, entries: entries.clone() };
    store.approve(&dev(), &given, said(Act::Approved, "c4")).await.unwrap();
}

/// Shows L2: holds
/// Shows L3: holds
/// Shows F19: holds
#[test]
fn a_state_of_yesterday_a_second_story_and_a_silent_witness_do_nothing() {
    let stage = Stage::new();
    stage.act();
    let yesterday = Kept::of(&stage.state());
    stage.attack("set back", Expected::Refused("GW5008"), &[], &|| yesterday.restore());
    stage.attack("another story", Expected::Refused("GW5008"), &[], &|| {
        yesterday.restore();
        let alone = Ledger::new(&stage.state().join("ledger"), signer(1));
        let store = stage.store();
        stage.runtime.block_on(async {
            for _ in 0..20 {
                store.record(told(Act::Planned), NOON).await.unwrap();
            }
            alone.publish(&store).await.unwrap();
            store.close().await;
        });
    });
    // Logging goes on for an hour, and then nothing is begun.
    let (away, off) = (stage.away(), stage.away().with_extension("off"));
    let put = || {
        fs::rename(&away, &off).unwrap();
        assert!(stage.act().accepted, "it is waited for");
        stage.now.set(stage.now.get() + Duration::hours(2));
    };
    let mend = || fs::rename(&off, &away).unwrap();
    stage.attack_and("away", Expected::Refused("GW5007"), &[], &put, &mend);
}

/// Shows L4: holds
/// Shows F15: part (leases and tokens have clocks of their own)
#[test]
fn a_clock_that_jumps_changes_no_order_and_nobody_writes_into_the_past() {
    let stage = Stage::new();
    for (name, jump) in [
        ("a day back", Duration::days(-1)),
        ("an hour back", Duration::hours(-1)),
        ("a year back", Duration::days(-365)),
        ("an hour on", Duration::hours(1)),
        ("a year on", Duration::days(365)),
    ] {
        let before = stage.now.get();
        let put = || stage.now.set(before + jump);
        stage.attack_and(name, Expected::Borne, &[], &put, &|| stage.now.set(before));
        let entries = entries(&stage.state());
        assert!(entries.is_sorted_by_key(|entry| (entry.at, entry.index)), "{name}");
        let flagged = entries.iter().filter(|entry| entry.clock == Some(before + jump)).count();
        assert_eq!(flagged > 0, jump.is_negative(), "{name}");
    }
    stage.attack("written into the past", Expected::Refused("GW5001"), &[], &|| {
        let store = stage.store();
        let next = stage.runtime.block_on(store.entry_count()).unwrap();
        let past = Entry::place(told(Act::Read), next, NOON - Duration::days(1), None);
        let bytes = String::from_utf8(past.to_bytes().unwrap()).unwrap();
        stage.sql(&format!(
            "INSERT INTO entry (position, at, bytes)
                 SELECT {next}, at, CAST('{bytes}' AS BLOB) FROM entry WHERE position = 0"
        ));
    });
}

/// Shows L6: holds
#[test]
fn what_somebody_types_is_text_in_every_entry() {
    let stage = Stage::new();
    let long = "\u{202e}\u{1b}[2J".repeat(1_500);
    for (name, text) in [
        ("a line of its own", "x\n{\"index\":0}"),
        ("the end of a string", "\",\"outcome\":\"refused\",\"x\":\""),
        ("a terminal", "\u{1b}]0;owned\u{7}\u{9b}31m"),
        ("right to left", "\u{202e}drowssap\u{2066}"),
        ("nothing", "\0"),
        ("a checkpoint", "gatewright/test\n1\nAAAA\n\n\u{2014} gatewright/test AAAA\n"),
        ("a surrogate", "\u{fffd}\u{10ffff}"),
        ("a long one", &long),
    ] {
        let put = || {
            let event = told(Act::Read)
                .fact("reason", text)
                .fact(&text.chars().take(1).collect::<String>(), text);
            stage.told.borrow_mut().push(event);
        };
        stage.attack_and(name, Expected::Borne, &[], &put, &|| ());
        let entries = entries(&stage.state());
        let told = entries
            .iter()
            .filter(|entry| entry.event.facts.get("reason").is_some_and(|it| it == text));
        assert_eq!(told.count(), 1, "{name}");
    }
    for (path, bytes) in everything(&stage.state().join("ledger/tile/entries")) {
        let raw = bytes.windows(2).filter(|pair| pair == b"\x1b[" || pair == b"\n{").count();
        assert_eq!(raw, 0, "{path}");
    }
    // One that no entry holds stops what it is about.
    let huge = || stage.told.borrow_mut().push(told(Act::Began).fact("x", "x".repeat(70_000)));
    stage.attack_and("a huge one", Expected::Refused("GW5004"), &[], &huge, &|| ());
}

/// Shows L7: holds
#[test]
fn a_stolen_or_planted_key_extends_nothing() {
    let stage = Stage::new();
    let stranger = signer(9).verifier().clone();
    stage.attack("a planted key", Expected::Refused("GW5003"), &[], &|| {
        stage.sql(&format!("UPDATE ledger_key SET verifier = '{stranger}'"));
    });
    let planted = || {
        let next = stage.runtime.block_on(stage.store().entry_count()).unwrap();
        let event = told(Act::KeyRotated).naming(&stranger, None);
        let bytes = Entry::place(event, next, NOON, None).to_bytes().unwrap();
        let bytes = String::from_utf8(bytes).unwrap();
        let at = "(SELECT at FROM entry WHERE position = 0)";
        format!(
            "INSERT INTO entry (position, at, bytes) VALUES ({next}, {at}, CAST('{bytes}' AS BLOB));"
        )
    };
    stage.attack("an entry that names one", Expected::Refused("GW5003"), &[], &|| {
        stage.sql(&planted());
    });
    // The former key, after it handed over: it was stolen, or kept.
    let store = stage.store();
    stage.runtime.block_on(async {
        let by = local_user();
        stage.ledger().hand_over(&store, &signer(2), &by, stage.now.get()).await.unwrap();
        stage.ledger_of(2).publish(&store).await.unwrap();
        store.close().await;
    });
    stage.seed.set(2);
    let former = || stage.seed.set(1);
    let again = || stage.seed.set(2);
    stage.attack_and("the former key", Expected::Refused("GW5003"), &[], &former, &again);
    let files = stage.files();
    let verified = verify(&files, &key(), &[], &mut |_, _| ()).unwrap();
    assert_eq!(verified.keys, 2, "the first key verifies all of it");
}

/// Shows L8: holds
#[test]
fn who_was_erased_is_nowhere_and_every_proof_holds() {
    let stage = Stage::new();
    let people = ["mira.lind@acme.example", "{9d65f6ac-3b8f-4f3c-9b7e-2c9e1ad5c001}"];
    let (store, mut hashes) = (stage.store(), vec![]);
    stage.runtime.block_on(async {
        for person in people {
            let hash = store.hide(person).await.unwrap();
            let mut event = told(Act::Read);
            event.by.subject = Some(entry::Subject::Person(hash.clone()));
            hashes.push(hash.clone());
            stage.told.borrow_mut().push(event.fact("approvedBy", vec![hash.as_str()]));
        }
        store.close().await;
    });
    stage.act();
    let store = stage.store();
    let erase = || {
        stage.runtime.block_on(async {
            for person in people {
                store.erase(person, local_user(), NOON).await.unwrap().unwrap();
            }
        });
    };
    stage.attack_and("erased", Expected::Borne, &people, &erase, &|| ());
    let about = entries(&stage.state());
    let kept = about.iter().filter(|entry| entry.event.by.subject.is_some()).count();
    assert_eq!(kept, people.len(), "what they did stays on the record");
    let texts = stage.state().join("ledger").join(PERSONAL);
    assert_eq!(fs::read_dir(texts).unwrap().count(), 0);
}

/// Shows F2: part (bytes behind the last acknowledged one are dropped; no device was cut off)
#[test]
fn what_was_acknowledged_outlives_every_byte_that_was_not() {
    let stage = Stage::new();
    stage.act();
    let (store, state) = (stage.store(), stage.state());
    let full: i64 = stage.runtime.block_on(async {
        let row = sqlx::query("PRAGMA synchronous").fetch_one(store.pool()).await.unwrap();
        sqlx::Row::get(&row, 0)
    });
    assert_eq!(full, 2, "each commit is on disk before it is acknowledged");
    let log = |folder: &Path| fs::read(folder.join("state.db-wal")).unwrap_or_default();
    for _ in 0..4 {
        let acknowledged = stage.runtime.block_on(store.entry_count()).unwrap();
        let durable = log(&state).len();
        stage.runtime.block_on(store.record(told(Act::Read), NOON)).unwrap();
        let whole = log(&state);
        let kept = Kept::of(&state);
        for end in (durable.min(whole.len())..whole.len()).step_by(509).chain([whole.len()]) {
            for rest in [0, 700] {
                let torn = tempfile::tempdir().unwrap();
                fs::copy(state.join("state.db"), torn.path().join("state.db")).unwrap();
                let mut bytes = whole[..end].to_vec();
                bytes.extend(std::iter::repeat_n(0xa5, rest));
                fs::write(torn.path().join("state.db-wal"), bytes).unwrap();
                let found = stage.runtime.block_on(async {
                    let store = opened(torn.path()).await;
                    let found = store.entry_count().await.unwrap();
                    store.close().await;
                    found
                });
                let all = acknowledged + 1;
                assert!((acknowledged..=all).contains(&found), "{found} of {all} at {end}");
                assert!(end < whole.len() || found == all, "the last one was acknowledged");
            }
        }
        drop(kept);
    }
    stage.runtime.block_on(store.close());
    // The files were not written any more: the next command writes them.
    let cut = || {
        let ledger = stage.state().join("ledger");
        for (path, bytes) in everything(&ledger) {
            if path.ends_with(".new") {
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
        fs::write(ledger.join("checkpoint.new"), "half a check").unwrap();
    };
    stage.attack_and("a file half written", Expected::Borne, &[], &cut, &|| ());
}

/// Shows F5: holds
#[test]
fn two_processes_write_one_record_in_one_order() {
    let stage = Stage::new();
    stage.act();
    let both = || {
        let state = stage.state();
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let state = state.clone();
                std::thread::spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let store = opened(&state).await;
                        for _ in 0..50 {
                            store.record(told(Act::Read), NOON).await.unwrap();
                        }
                        store.close().await;
                    });
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    };
    let before = entries(&stage.state()).len();
    stage.attack_and("two writers", Expected::Borne, &[], &both, &|| ());
    let all = entries(&stage.state());
    assert!(all.len() > before + 100);
    let mine = StateLock::take(&stage.state()).unwrap();
    let error = StateLock::take(&stage.state()).unwrap_err();
    assert_eq!(error.code(), Code::StateBusy);
    drop(mine);
    StateLock::take(&stage.state()).unwrap();
}

/// Whoever reads keeps the log from being written into the file, so it grows; when they are gone it is
/// as small as ever, also while nobody closes the state.
///
/// Shows F5: holds
#[test]
fn a_reader_who_stays_makes_the_log_grow_only_as_long() {
    let stage = Stage::new();
    let log = || fs::metadata(stage.state().join("state.db-wal")).map_or(0, |found| found.len());
    // The log is written into the file at a thousand pages, which are 4 MiB.
    let most = 5 << 20;
    let text = "x".repeat(60_000);
    let large = || told(Act::Read).fact("detail", text.as_str());
    let put = || {
        stage.runtime.block_on(async {
            let store = opened(&stage.state()).await;
            let write = async |times: usize| {
                for _ in 0..times {
                    store.record(large(), NOON).await.unwrap();
                }
                log()
            };
            let alone = write(200).await;
            assert!((1..most).contains(&alone), "{alone} bytes with nobody else");

            let options = SqliteConnectOptions::new().filename(stage.state().join("state.db"));
            let mut reader = options.connect().await.unwrap();
            let mut look = reader.begin().await.unwrap();
            sqlx::query("SELECT count(*) FROM entry").fetch_one(&mut *look).await.unwrap();
            let held = write(200).await;
            assert!(held > 2 * most, "{held} bytes with a reader who stays");

            look.rollback().await.unwrap();
            let after = write(5).await;
            assert!(after < most, "{after} bytes when the reader is gone");
            reader.close().await.unwrap();
            store.close().await;
        });
    };
    stage.attack_and("a reader who stays", Expected::Borne, &[], &put, &|| ());
}
