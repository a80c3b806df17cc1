mod attacked;

use std::{fs, path::PathBuf};

use gw_audit::{
    entry::{self, Entry},
    private::{Opened, Private},
    verify::verify,
};
use gw_model::id::{EnvironmentName, TargetName};
use time::{Duration, macros::datetime};

use super::*;
use crate::{
    event::local_user,
    store::{ActName, Action, Begun, Documents, Ending, Hold, Outcome, StepRecord, StepState},
};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

fn signer(seed: u8) -> Signer {
    Signer::new("gatewright/test", &[seed; 32]).unwrap()
}

fn key() -> Verifier {
    signer(1).verifier().clone()
}

fn dev() -> EnvironmentName {
    EnvironmentName::parse("dev").unwrap()
}

fn told(act: Act) -> Event {
    Event::new(act, entry::Outcome::Done, local_user())
}

async fn opened(folder: &Path) -> Store {
    Store::open(folder, key()).await.unwrap()
}

fn ledger(folder: &Path) -> Ledger {
    Ledger::new(&folder.join("ledger"), signer(1))
}

/// How many entries the files have after the next command.
async fn published(folder: &Path, store: &Store) -> u64 {
    ledger(folder).publish(store).await.unwrap().size
}

/// Every entry of the files, after they were verified.
fn entries(folder: &Path) -> Vec<Entry> {
    let mut entries = vec![];
    let files = LedgerFiles::new(&folder.join("ledger"));
    verify(&files, &key(), &[], &mut |_, bytes| entries.push(Entry::parse(bytes).unwrap()))
        .unwrap();
    entries
}

fn a_beginning() -> Begun {
    Begun {
        environment: dev(),
        action: Action::Rollback,
        actor: local_user(),
        reason: Some("orders answer 5xx".to_owned()),
        restores: Some(1),
        until: None,
        source_digest: "sha256:s".to_owned(),
        effect_digest: "sha256:e".to_owned(),
        plan_id: "p-1".to_owned(),
        commit: None,
        began_at: NOON,
    }
}

/// A change with one step that fails, and the state of the one before it held.
async fn a_change(store: &Store) {
    let begun = a_beginning();
    let document = || "{}".to_owned();
    let documents = Documents { plan: document(), script: document(), desired: document() };
    let left = Hold {
        environment: dev(),
        number: 1,
        effect_digest: "sha256:left".to_owned(),
        reason: None,
    };
    let decided = told(Act::Decided);
    let number = store.begin(&begun, &documents, decided, Some(&left)).await.unwrap();
    let mut step = StepRecord {
        position: 0,
        target: TargetName::parse("default").unwrap(),
        name: ActName::Switch,
        state: StepState::Intended,
        detail: None,
        began_at: NOON,
        ended_at: None,
    };
    store.intend(&dev(), number, &step).await.unwrap();
    step.state = StepState::Failed;
    step.detail = Some("the gateway\nsays no".to_owned());
    step.ended_at = Some(NOON + Duration::seconds(2));
    store.settle(&dev(), number, &step).await.unwrap();
    // The clock went back meanwhile.
    let at = NOON - Duration::hours(1);
    let ending = Ending { outcome: Outcome::Failed, detail: None, at, written: None };
    store.end(&dev(), number, &ending).await.unwrap();
}

/// One that goes on nobody's targets.
async fn an_apply(store: &Store, outcome: Outcome) {
    let begun = Begun { action: Action::Apply, restores: None, ..a_beginning() };
    let document = || "{}".to_owned();
    let documents = Documents { plan: document(), script: document(), desired: document() };
    let number = store.begin(&begun, &documents, told(Act::Decided), None).await.unwrap();
    let ending = Ending { outcome, detail: None, at: NOON, written: None };
    store.end(&dev(), number, &ending).await.unwrap();
}

#[tokio::test]
async fn what_was_verified_somewhere_is_what_the_ledger_says() {
    for edited in [
        "UPDATE change SET source_digest = 'sha256:other'",
        "UPDATE change SET outcome = 'verified'",
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path()).await;
        an_apply(&store, Outcome::Verified).await;
        an_apply(&store, Outcome::Failed).await;
        assert_eq!(store.verified_in("sha256:s").await.unwrap(), [dev()].into());
        assert!(store.verified_in("sha256:other").await.unwrap().is_empty());
        sqlx::query(edited).execute(store.pool()).await.unwrap();
        let refused =
            [store.verified_in("sha256:s").await, store.verified_in("sha256:other").await];
        assert!(refused.iter().any(Result::is_err), "{edited}: {refused:?}");
    }
}

/// A row and the entry that it is held against are read one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_while_a_change_ends_is_told_one_state_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(opened(folder.path()).await);
    let writer = Arc::clone(&store);
    let writer = tokio::spawn(async move {
        for _ in 0..60 {
            an_apply(&writer, Outcome::Verified).await;
        }
    });
    let mut last = 0;
    while !writer.is_finished() {
        store.under_way(&dev()).await.unwrap();
        let number = store.in_force(&dev()).await.unwrap().map_or(0, |change| change.number);
        assert!(number >= last, "{number} after {last}");
        last = number;
    }
    writer.await.unwrap();
    assert!(last > 0);
}

#[tokio::test]
async fn a_change_is_told_from_its_decision_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    a_change(&store).await;
    assert_eq!(published(folder.path(), &store).await, 7);
    let told: Vec<String> = entries(folder.path())
        .iter()
        .map(|entry| String::from_utf8(entry.to_bytes().unwrap()).unwrap())
        .collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    {"act":"ledger.opened","at":"2026-03-01T12:00:00Z","by":{"identity":"server","proof":"itself"},"facts":{"key":"gatewright/test+5a07a0b5+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"},"index":0,"outcome":"done"}
    {"act":"change.decided","at":"2026-03-01T12:00:00Z","by":{"identity":"local","proof":"state"},"index":1,"outcome":"done"}
    {"act":"change.began","at":"2026-03-01T12:00:00Z","by":{"identity":"local","proof":"state"},"change":1,"effect":"sha256:e","environment":"dev","facts":{"action":"rollback","desired":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","reason":"orders answer 5xx","restores":1,"script":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","source":"sha256:s"},"index":2,"outcome":"done","plan":"p-1"}
    {"act":"change.held","at":"2026-03-01T12:00:00Z","by":{"identity":"local","proof":"state"},"change":1,"effect":"sha256:left","environment":"dev","index":3,"outcome":"done"}
    {"act":"step.intended","at":"2026-03-01T12:00:00Z","by":{"identity":"local","proof":"state"},"change":1,"environment":"dev","facts":{"position":0,"step":"switch"},"index":4,"outcome":"done","target":"default"}
    {"act":"step.ended","at":"2026-03-01T12:00:02Z","by":{"identity":"local","proof":"state"},"change":1,"environment":"dev","facts":{"detail":"the gateway\nsays no","position":0,"step":"switch"},"index":5,"outcome":"failed","target":"default"}
    {"act":"change.ended","at":"2026-03-01T12:00:02Z","by":{"identity":"local","proof":"state"},"change":1,"clock":"2026-03-01T11:00:00Z","environment":"dev","facts":{"outcome":"failed"},"index":6,"outcome":"failed"}
    "#);
}

#[tokio::test]
async fn a_decision_is_found_by_its_id_however_many_entries_came_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let of = |decision: &str| {
        let mut event = told(Act::Decided);
        event.decision = Some(decision.to_owned());
        event
    };
    for event in [of("d-1"), told(Act::Planned), of("d-2"), of("d-1")] {
        store.record(event, NOON).await.unwrap();
    }
    let found = store.entries_of("d-1").await.unwrap();
    let found: Vec<Entry> = found.iter().map(|it| Entry::parse(it).unwrap()).collect();
    assert_eq!(found.iter().map(|it| it.index).collect::<Vec<_>>(), [1, 4]);
    assert!(store.entries_of("d-").await.unwrap().is_empty());
    // A state from before it was written down which entries tell of a decision.
    for undone in [
        "DROP TABLE decided",
        "DROP INDEX entry_of_change",
        "ALTER TABLE approval DROP COLUMN salt",
        "ALTER TABLE approval DROP COLUMN restores",
        "DROP TABLE credential",
        "ALTER TABLE task DROP COLUMN kind",
        "DROP TABLE going_back",
        "DROP TABLE wait",
        "DROP TABLE wait_told",
        "DROP TABLE drift_accepted",
        "DROP TABLE trial",
        "ALTER TABLE drift DROP COLUMN lines",
        "ALTER TABLE drift DROP COLUMN stands",
        "DROP TABLE compared",
        "ALTER TABLE change DROP COLUMN until",
        "PRAGMA user_version = 7",
    ] {
        sqlx::query(undone).execute(store.pool()).await.unwrap();
    }
    store.close().await;
    assert_eq!(opened(folder.path()).await.entries_of("d-1").await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_the_ledger_cannot_hold_does_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let long = told(Act::Planned).fact("text", "x".repeat(70_000));
    let at = NOON;
    let kept = store.keep_plan("p-1", &dev(), "{}", long, at).await;
    assert!(matches!(kept, Err(StoreError::Unwritable { .. })));
    assert_eq!(store.plan("p-1").await.unwrap(), None);
    assert_eq!(store.entry_count().await.unwrap(), 0);
    store.keep_plan("p-1", &dev(), "{}", told(Act::Planned), at).await.unwrap();
    assert!(store.plan("p-1").await.unwrap().is_some());
    // The entry that opens the ledger, and the plan; shown once more it says nothing new.
    store.keep_plan("p-1", &dev(), "{}", told(Act::Planned), at).await.unwrap();
    assert_eq!(store.entry_count().await.unwrap(), 2);
}

#[tokio::test]
async fn the_files_follow_the_state_over_many_pages() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let mut sizes = vec![];
    for count in [1, 0, 300, 2_500] {
        for _ in 0..count {
            store.record(told(Act::Read), NOON).await.unwrap();
        }
        sizes.push(published(folder.path(), &store).await);
    }
    assert_eq!(sizes, [2, 2, 302, 2_802]);
    assert_eq!(entries(folder.path()).len(), 2_802);
}

#[tokio::test]
async fn a_state_that_was_set_back_is_noticed_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let older = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    store.record(told(Act::Read), NOON).await.unwrap();
    store.close().await;
    fs::copy(folder.path().join("state.db"), older.path().join("state.db")).unwrap();
    let store = opened(folder.path()).await;
    a_change(&store).await;
    let ledger = ledger(folder.path());
    ledger.publish(&store).await.unwrap();
    let files = LedgerFiles::new(&folder.path().join("ledger"));
    assert_eq!(files.agree(&key(), &store).await.unwrap().unwrap().size, 8);

    let restored = opened(older.path()).await;
    for _ in 0..2 {
        let error = files.agree(&key(), &restored).await.unwrap_err();
        assert_eq!(error.code(), Code::LedgerAhead);
        assert!(matches!(error, LedgerError::Ahead { files: 8, state: 2 }), "{error}");
        assert!(ledger.publish(&restored).await.is_err());
    }
    // It went on meanwhile, and has as many entries again.
    for _ in 0..10 {
        restored.record(told(Act::Read), NOON).await.unwrap();
    }
    let error = ledger.publish(&restored).await.unwrap_err();
    assert!(matches!(error, LedgerError::Forked { index: 7 }), "{error}");
}

#[tokio::test]
async fn nothing_is_done_that_another_key_would_have_to_sign() {
    let folder = tempfile::tempdir().unwrap();
    opened(folder.path()).await.record(told(Act::Read), NOON).await.unwrap();
    let store = Store::open(folder.path(), signer(2).verifier().clone()).await.unwrap();
    let error = store.record(told(Act::Read), NOON).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerKey);
    assert_eq!(store.entry_count().await.unwrap(), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    store.record(told(Act::Read), NOON).await.unwrap();
    fs::write(folder.path().join("ledger"), "in the way").unwrap();
    let error = ledger(folder.path()).publish(&store).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerFiles);
    fs::remove_file(folder.path().join("ledger")).unwrap();
    assert_eq!(published(folder.path(), &store).await, 2);
    assert_eq!(entries(folder.path()).len(), 2);
}

#[tokio::test]
async fn a_checkpoint_of_somebody_else_is_not_continued() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    store.record(told(Act::Read), NOON).await.unwrap();
    ledger(folder.path()).publish(&store).await.unwrap();
    let stranger = Ledger::new(&folder.path().join("ledger"), signer(2));
    let error = stranger.publish(&store).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerBroken);
}

#[tokio::test]
async fn an_end_that_was_taken_away_is_noticed_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let files = folder.path().join("ledger");
    store.record(told(Act::Read), NOON).await.unwrap();
    published(folder.path(), &store).await;
    let older = fs::read(files.join("checkpoint")).unwrap();
    store.record(told(Act::Read), NOON).await.unwrap();
    published(folder.path(), &store).await;

    fs::write(files.join("checkpoint"), older).unwrap();
    fs::remove_file(files.join("checkpoints/3")).unwrap();
    let lost = Some(Lost { left: 2, signed: 3 });
    assert_eq!(
        ledger(folder.path()).publish(&store).await.unwrap(),
        Published { size: 3, lost, unreached: None }
    );
    assert_eq!(ledger(folder.path()).publish(&store).await.unwrap().lost, None);

    fs::remove_dir_all(&files).unwrap();
    let lost = Some(Lost { left: 0, signed: 3 });
    assert_eq!(
        ledger(folder.path()).publish(&store).await.unwrap(),
        Published { size: 3, lost, unreached: None }
    );
    assert_eq!(entries(folder.path()).len(), 3);
}

/// Who may write into the folder and cannot read the key gets nothing signed in another form.
#[tokio::test]
async fn what_was_signed_is_never_signed_in_another_form() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    a_change(&store).await;
    let newest = ledger(folder.path()).publish(&store).await.unwrap();
    assert_eq!(newest.size, 7);
    store.close().await;
    let edit =
        "UPDATE entry SET bytes = CAST(replace(CAST(bytes AS TEXT), 'local', 'alice') AS BLOB)
                WHERE position = 2";
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(folder.path().join("state.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query(edit).execute(&pool).await.unwrap();
    pool.close().await;

    let store = opened(folder.path()).await;
    let files = LedgerFiles::new(&folder.path().join("ledger"));
    let kept = files.newest(&key()).unwrap().unwrap();
    let error = files.compare(&kept, &store).await.unwrap_err();
    assert!(matches!(error, LedgerError::Forked { index: 2 }), "{error}");
    // Without its files the ledger would be written anew.
    fs::remove_dir_all(folder.path().join("ledger")).unwrap();
    let error = ledger(folder.path()).publish(&store).await.unwrap_err();
    assert!(matches!(error, LedgerError::Rewritten { size: 7 }), "{error}");
    assert_eq!(error.code(), Code::LedgerAhead);
}

async fn reopened(folder: &Path, seed: u8) -> Store {
    Store::open(folder, signer(seed).verifier().clone()).await.unwrap()
}

#[tokio::test]
async fn a_key_hands_over_and_the_former_one_extends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let former = ledger(folder.path());
    let error = former.hand_over(&store, &signer(2), &local_user(), NOON).await.unwrap_err();
    assert_eq!(error.code(), Code::NoLedger);
    store.record(told(Act::Read), NOON).await.unwrap();
    let elsewhere = opened(folder.path()).await;

    let at = former.hand_over(&store, &signer(2), &local_user(), NOON).await.unwrap();
    assert_eq!(at, 2);
    // Whoever has only the former key records nothing and signs nothing.
    let error = elsewhere.record(told(Act::Read), NOON).await.unwrap_err();
    assert_eq!(error.code(), Code::LedgerKey);
    assert_eq!(former.publish(&store).await.unwrap_err().code(), Code::LedgerBroken);

    let next = Ledger::new(&folder.path().join("ledger"), signer(2));
    store.record(told(Act::Read), NOON).await.unwrap();
    assert_eq!(next.publish(&store).await.unwrap().size, 4);
    let again = next.hand_over(&store, &signer(3), &local_user(), NOON).await.unwrap();
    assert_eq!(again, 4);
    store.close().await;
    let store = reopened(folder.path(), 3).await;
    let newest = Ledger::new(&folder.path().join("ledger"), signer(3));
    newest.publish(&store).await.unwrap();
    // The files and the first key alone.
    assert_eq!(entries(folder.path()).len(), 5);
    let files = LedgerFiles::new(&folder.path().join("ledger"));
    for seed in 1..=3 {
        let anchor = signer(seed).verifier().clone();
        assert_eq!(verify(&files, &anchor, &[], &mut |_, _| ()).unwrap().keys, 3);
    }
    // Lost files are signed again as they were, by the keys of then and now.
    fs::remove_dir_all(folder.path().join("ledger")).unwrap();
    newest.publish(&store).await.unwrap();
    assert_eq!(entries(folder.path()).len(), 5);
}

/// Somebody else may write between the checkpoint that a handover is about and the handover.
#[tokio::test]
async fn a_handover_is_about_everything_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    store.record(told(Act::Read), NOON).await.unwrap();
    let next = signer(2).verifier().clone();
    let rotated = told(Act::KeyRotated);
    assert!(!store.hand_over(1, &next, rotated.clone(), NOON).await.unwrap());
    assert!(!store.hand_over(3, &next, rotated, NOON).await.unwrap());
    assert_eq!(store.entry_count().await.unwrap(), 2);
    assert_eq!(published(folder.path(), &store).await, 2);
}

async fn run(folder: &Path, statements: &str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("state.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&pool).await.unwrap();
    pool.close().await;
}

/// Who writes into the state and holds no key: nothing is ever signed that would make him believed.
#[tokio::test]
async fn a_planted_key_is_neither_signed_nor_believed() {
    let stranger = signer(9);
    let before = Checkpoint { origin: "gatewright/test".to_owned(), size: 2, root: Hash::empty() };
    let own = hand_over(&before, &stranger, &stranger);
    let entries_of = |note: Option<&Note>| {
        let event = told(Act::KeyRotated).naming(stranger.verifier(), note);
        let bytes = Entry::place(event, 2, NOON, None).to_bytes().unwrap();
        format!(
            "INSERT INTO entry (position, at, bytes) VALUES
                 (2, '2026-03-01T12:00:00Z', CAST('{}' AS BLOB));",
            String::from_utf8(bytes).unwrap().replace('\'', "''")
        )
    };
    let row = format!("INSERT INTO ledger_key VALUES (2, '{}');", stranger.verifier());
    for (planted, seed) in [
        (entries_of(None), 1),
        (entries_of(Some(&own)), 1),
        (entries_of(Some(&own)) + &row, 1),
        (entries_of(Some(&own)) + &row, 9),
        (format!("UPDATE ledger_key SET verifier = '{}';", stranger.verifier()), 9),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = opened(folder.path()).await;
        store.record(told(Act::Read), NOON).await.unwrap();
        published(folder.path(), &store).await;
        store.close().await;
        run(folder.path(), &planted).await;

        let store = reopened(folder.path(), seed).await;
        // It may be recorded behind it, and is not signed.
        let _refused_or_not = store.record(told(Act::Read), NOON).await;
        let ledger = Ledger::new(&folder.path().join("ledger"), signer(seed));
        let error = ledger.publish(&store).await.unwrap_err();
        assert!(matches!(error.code(), Code::LedgerKey | Code::LedgerBroken), "{planted}: {error}");
        assert_eq!(entries(folder.path()).len(), 2, "{planted}");
    }
}

/// Every file below a folder, with its bytes.
fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(everything(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_person_stands_in_no_entry_and_can_be_erased() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let (mira, erik) = ("mira.lind@acme.example", "Erik Åberg");
    let hash = store.hide(mira).await.unwrap();
    let mut read = told(Act::Read);
    read.by.subject = Some(entry::Subject::Person(hash.clone()));
    let approver = store.hide(erik).await.unwrap();
    let read = read.fact("approvedBy", vec![approver.as_str()]);
    store.record(read.clone(), NOON).await.unwrap();
    assert_eq!(store.hide(mira).await.unwrap(), hash, "one person has one hash");
    published(folder.path(), &store).await;
    for (path, bytes) in everything(&folder.path().join("ledger")) {
        if !path.contains("/personal/") {
            assert!(!has(&bytes, mira) && !has(&bytes, erik), "{path}");
        }
    }
    let files = LedgerFiles::new(&folder.path().join("ledger"));
    let text = |hash: &Private| Opened::read(&files, hash).unwrap().map(|opened| opened.text);
    assert_eq!(text(&hash).as_deref(), Some(mira));
    assert_eq!(store.opened(&approver).await.unwrap().as_deref(), Some(erik));

    assert_eq!(store.erase("nobody", local_user(), NOON).await.unwrap(), None);
    let erased = store.erase(mira, local_user(), NOON).await.unwrap();
    assert_eq!(erased.as_ref(), Some(&hash));
    assert_eq!(store.erase(mira, local_user(), NOON).await.unwrap(), None);
    published(folder.path(), &store).await;
    for (path, bytes) in everything(folder.path()) {
        assert!(!has(&bytes, mira), "{path}");
    }
    assert_eq!((text(&hash), text(&approver).as_deref()), (None, Some(erik)));
    let entries = entries(folder.path());
    assert_eq!(entries[1].event, read, "the entry stays as it was");
    assert_eq!(entries[2].event.facts["erased"], hash.as_str());
    // Whoever comes again is somebody new.
    assert_ne!(store.hide(mira).await.unwrap(), hash);
    store.erase(approver.as_str(), local_user(), NOON).await.unwrap().unwrap();
}

/// Between the state and the files, whichever was reached.
#[tokio::test]
async fn texts_about_people_follow_the_state_whatever_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(folder.path()).await;
    let personal = folder.path().join("ledger/personal");
    let hash = store.hide("mira").await.unwrap();
    store.record(told(Act::Read), NOON).await.unwrap();
    published(folder.path(), &store).await;
    fs::remove_dir_all(&personal).unwrap();
    published(folder.path(), &store).await;
    assert!(personal.join(hash.file()).exists());
    // Erased in the state, and killed before the files.
    store.erase("mira", local_user(), NOON).await.unwrap();
    assert!(personal.join(hash.file()).exists());
    published(folder.path(), &store).await;
    assert!(!personal.join(hash.file()).exists());
    assert_eq!(entries(folder.path()).len(), 3);
}
