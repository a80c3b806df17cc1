//! A state of any version opens, also where whoever brought it up to date was killed at it.

use gw_audit::note::Signer;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::*;

/// What the first version left: two changes, and a third one that was killed half way.
const FORMER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../gw/tests/all/former/state/state.db");

fn verifier() -> Verifier {
    Signer::new("gatewright/test", &[1; 32]).unwrap().verifier().clone()
}

fn former() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(FORMER, folder.path().join(FILE)).unwrap();
    folder
}

/// A connection that keeps nearly nothing to itself: what was not committed is in the log all the same.
async fn connected(folder: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(folder.join(FILE))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Off)
        .pragma("cache_size", "1")
        .connect()
        .await
        .unwrap()
}

/// The former state as each version up to this one left it.
async fn of_version(version: usize) -> TempDir {
    let folder = former();
    let mut connection = connected(folder.path()).await;
    for migration in &MIGRATIONS[1..version] {
        sqlx::raw_sql(*migration).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    folder
}

/// The schema, and everything that the former state tells.
async fn told(folder: &Path) -> (Vec<String>, String) {
    let store = Store::open(folder, verifier()).await.unwrap();
    let schema = sqlx::query_scalar("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name");
    let schema = schema.fetch_all(store.pool()).await.unwrap();
    let mut told = String::new();
    for at in store.environments().await.unwrap() {
        for change in store.changes(&at).await.unwrap() {
            let steps = store.steps(&at, change.number).await.unwrap();
            let desired = store.desired(&at, change.number).await.unwrap();
            told.push_str(&format!("{change:?} {steps:?} {desired}\n"));
        }
    }
    let version: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(store.pool()).await.unwrap();
    assert_eq!(usize::try_from(version).unwrap(), MIGRATIONS.len());
    store.close().await;
    (schema, told)
}

#[tokio::test]
async fn a_state_of_every_version_opens_as_if_it_were_of_this_one() {
    let new = tempfile::tempdir().unwrap();
    let (schema, nothing) = told(new.path()).await;
    assert_eq!(nothing, "");
    let (_, whole) = told(former().path()).await;
    assert_eq!(whole.lines().count(), 3, "{whole}");
    for version in 1..=MIGRATIONS.len() {
        let folder = of_version(version).await;
        let found = told(folder.path()).await;
        assert_eq!(found, (schema.clone(), whole.clone()), "version {version}");
    }
}

#[tokio::test]
async fn of_many_who_open_a_former_state_at_once_each_finds_it_up_to_date() {
    let new = (0..10).map(|_| tempfile::tempdir().unwrap());
    for folder in new.chain([former()]) {
        let opening: Vec<_> = (0..8)
            .map(|_| {
                let folder = folder.path().to_owned();
                tokio::spawn(async move { Store::open(&folder, verifier()).await })
            })
            .collect();
        for opened in opening {
            opened.await.unwrap().unwrap().close().await;
        }
    }
}
