//! The end of a task that cannot be written down.

use sqlx::{Connection, Executor, SqliteConnection, sqlite::SqliteConnectOptions};

use super::*;

/// It is written as soon as the state takes it, and nothing has to be started anew for that.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_cannot_be_written_is_written_later() {
    let house = House::new().await;
    let path = house.stage.folder.path().join("state/state.db");
    let options = SqliteConnectOptions::new().filename(path);
    let mut beside = SqliteConnection::connect_with(&options).await.unwrap();
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
