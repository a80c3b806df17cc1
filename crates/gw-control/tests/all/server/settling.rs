//! The end of a task that cannot be written down.

use gw_plan::driver::Step;
use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::Notify;

use super::*;

impl House {
    /// Somebody else who writes to the state.
    async fn beside(&self) -> SqliteConnection {
        let path = self.stage.folder.path().join("state/state.db");
        let options = SqliteConnectOptions::new().filename(path);
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

/// It is written as soon as the state takes it, and nothing has to be started anew for that.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_cannot_be_written_is_written_later() {
    let house = House::new().await;
    let mut beside = house.beside().await;
    let full = "CREATE TRIGGER full BEFORE UPDATE ON task WHEN NEW.state = 'done'
                BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    beside.execute(full).await.unwrap();
    let id = house.server.ask(Task::Look).await.unwrap();
    // It was done, and several times nobody could say so.
    let mut seen = 0;
    while seen < 50 {
        let task = house.server.store.task(id).await.unwrap().unwrap();
        assert_ne!(task.state, TaskState::Done);
        seen += u32::from(task.state == TaskState::Running);
    }
    beside.execute("DROP TRIGGER full").await.unwrap();
    house.settle().await;
    let task = house.server.store.task(id).await.unwrap().unwrap();
    assert_eq!((task.state, task.attempts), (TaskState::Done, 1));
    house.end().await;
}

/// Whoever follows a change that a full disk stops reads why, and it goes on as soon as there is room.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_stops_is_told_and_goes_on() {
    let house = House::new().await;
    let mut beside = house.beside().await;
    house.live.tamper("100/1m", "900/1m");
    let (reached, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stop = target::Stop { before: Step::Switch, reached, go_on };
    house.live.0.lock().stop = Some(stop.clone());
    house.server.ask(Task::Drift { environment: prod() }).await.unwrap();
    stop.reached.notified().await;

    let tables = ["step", "change", "entry", "task"];
    let acts = ["INSERT", "UPDATE", "DELETE"];
    let each = tables.iter().flat_map(|table| acts.map(|act| (act, table)));
    for (act, table) in each.clone() {
        let full = format!(
            "CREATE TRIGGER full_{act}_{table} BEFORE {act} ON {table}
                 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        );
        beside.execute(sqlx::AssertSqlSafe(full)).await.unwrap();
    }
    stop.go_on.notify_one();
    let told = || house.server.shared.lines(&prod(), 2).join("\n");
    let (bound, settled) = (Duration::from_secs(60), || house.server.shared.settled.notified());
    let is_told = async {
        loop {
            let settled = settled();
            if told().contains("nothing can be written down: ") {
                break;
            }
            settled.await;
        }
    };
    tokio::time::timeout(bound, is_told).await.unwrap();
    assert!(told().contains("the disk is full"), "{}", told());
    for (act, table) in each {
        let room = format!("DROP TRIGGER full_{act}_{table}");
        beside.execute(sqlx::AssertSqlSafe(room)).await.unwrap();
    }
    let goes_on = async {
        loop {
            let settled = settled();
            if house.server.store.under_way(&prod()).await.unwrap().is_none() {
                break;
            }
            house.stage.advance();
            house.server.shared.queued.notify_waiters();
            settled.await;
        }
    };
    tokio::time::timeout(bound, Box::pin(goes_on)).await.unwrap();
    assert!(house.live.has("100/1m"));
    assert_eq!(house.change().await, 2);
    house.end().await;
}
