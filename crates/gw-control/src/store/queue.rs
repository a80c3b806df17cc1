//! What is to be done. Whatever is queued here was answered for: it survives a kill, it is done at
//! least once, and what fails for good is kept until somebody looks at it.

use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{column, from_column, from_json, read_time, to_column, to_json, written_time},
};
use crate::task::{Task, TaskKind};

/// So many tasks that were done are kept for whoever asks what became of them.
const KEPT: i64 = 1_000;
/// No task waits longer than this, so a later time comes from a clock that was set back since.
const LONGEST_WAIT_MS: i64 = 3_600_000;

/// What is queued, and not before when.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    pub task: Task,
    pub due_at: OffsetDateTime,
}

/// What a webhook brought.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The HMAC of the raw body: the same bytes are taken once.
    pub replay_key: [u8; 32],
    pub tasks: Vec<Task>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    New,
    /// The same was delivered before; nothing is done because of it.
    Known,
}

/// A task and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Queued {
    pub id: u64,
    pub task: Task,
    pub state: TaskState,
    /// How often it was asked for while it waited.
    pub hints: u64,
    pub attempts: u32,
    pub queued_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
    /// What came of it: of a waiting one, why it was not done at once.
    pub outcome: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    Waiting,
    Running,
    Done,
    /// It is not tried again by itself.
    Failed,
}

column! {
    TaskState { Waiting = "waiting", Running = "running", Done = "done", Failed = "failed" }
}

impl NewTask {
    pub fn now(task: Task, at: OffsetDateTime) -> Self {
        Self { task, due_at: at }
    }
}

impl Store {
    /// Queues tasks. One that waits already is only asked for once more, and not later than before.
    pub async fn enqueue(
        &self,
        tasks: &[NewTask],
        at: OffsetDateTime,
    ) -> Result<Vec<u64>, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut ids = vec![];
        for new in tasks {
            ids.push(enqueue(&mut transaction, new, at).await?);
        }
        transaction.commit().await?;
        Ok(ids)
    }

    /// Takes deliveries, each with what is to be done because of it. When this comes back they are
    /// on disk and may be answered.
    pub async fn deliver(
        &self,
        deliveries: &[Delivery],
        at: OffsetDateTime,
    ) -> Result<Vec<Delivered>, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut answers = vec![];
        for delivery in deliveries {
            let taken =
                sqlx::query("INSERT INTO delivery (key, at) VALUES (?, ?) ON CONFLICT DO NOTHING")
                    .bind(delivery.replay_key.as_slice())
                    .bind(written_time(at)?)
                    .execute(&mut *transaction)
                    .await?;
            if taken.rows_affected() == 0 {
                answers.push(Delivered::Known);
                continue;
            }
            for task in &delivery.tasks {
                enqueue(&mut transaction, &NewTask::now(task.clone(), at), at).await?;
            }
            answers.push(Delivered::New);
        }
        transaction.commit().await?;
        Ok(answers)
    }

    /// Forgets deliveries that were taken before a time.
    pub async fn forget_deliveries(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let gone = sqlx::query("DELETE FROM delivery WHERE at < ?")
            .bind(written_time(before)?)
            .execute(&self.pool)
            .await?;
        Ok(gone.rows_affected())
    }

    /// The task that has waited longest of those whose lane is free, and that have a place.
    pub async fn take_task(&self, now: OffsetDateTime) -> Result<Option<Queued>, StoreError> {
        let row = sqlx::query(
            "UPDATE task SET state = 'running', attempts = attempts + 1 WHERE id = (
                 SELECT id FROM task
                 WHERE state = 'waiting' AND (due_ms <= ?1 OR due_ms > ?1 + ?2)
                     AND lane NOT IN (SELECT lane FROM task WHERE state = 'running')
                     AND kind NOT IN (SELECT kind FROM task WHERE state = 'running' AND kind <> 'act'
                         GROUP BY kind HAVING count(*) >= ?3)
                 ORDER BY due_ms, id LIMIT 1)
             RETURNING *",
        )
        .bind(millis(now))
        .bind(LONGEST_WAIT_MS)
        .bind(TaskKind::MOST)
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(read_queued).transpose()
    }

    /// How long until the next task that waits, if nothing else happens.
    pub async fn next_task_due(&self, now: OffsetDateTime) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query(
            "SELECT min(due_ms) AS due_ms FROM task
             WHERE state = 'waiting' AND lane NOT IN (SELECT lane FROM task WHERE state = 'running')
                 AND kind NOT IN (SELECT kind FROM task WHERE state = 'running' AND kind <> 'act'
                     GROUP BY kind HAVING count(*) >= ?1)",
        )
        .bind(TaskKind::MOST)
        .fetch_one(&self.pool)
        .await?;
        let due: Option<i64> = row.try_get("due_ms")?;
        Ok(due.map(|due| u64::try_from(due - millis(now)).unwrap_or_default()))
    }

    /// That a task was done.
    pub async fn finish_task(
        &self,
        id: u64,
        outcome: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        settle(&mut transaction, id, TaskState::Done, outcome, at).await?;
        sqlx::query(
            "DELETE FROM task WHERE state = 'done' AND id <= (
                 SELECT id FROM task WHERE state = 'done' ORDER BY id DESC LIMIT 1 OFFSET ?)",
        )
        .bind(KEPT)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// That a task failed for good. It is kept until somebody has it tried again.
    pub async fn fail_task(
        &self,
        id: u64,
        why: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        settle(&mut transaction, id, TaskState::Failed, why, at).await?;
        // What comes by the clock and fails each time is one thing to look at.
        sqlx::query(
            "DELETE FROM task WHERE state = 'failed' AND id <> ?1
                 AND key = (SELECT key FROM task WHERE id = ?1)",
        )
        .bind(to_column(id)?)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// That a task is tried again later. Where the same was asked for meanwhile, that one waits.
    pub async fn postpone_task(
        &self,
        id: u64,
        due_at: OffsetDateTime,
        why: &str,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let again = sqlx::query(
            "UPDATE OR IGNORE task SET state = 'waiting', due_ms = ?, outcome = ?
             WHERE id = ? AND state = 'running'",
        )
        .bind(millis(due_at))
        .bind(why)
        .bind(to_column(id)?)
        .execute(&mut *transaction)
        .await?;
        if again.rows_affected() == 0 {
            sqlx::query("DELETE FROM task WHERE id = ? AND state = 'running'")
                .bind(to_column(id)?)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Has a task that failed for good tried again, under the number that this answers. None: there
    /// is no such one.
    pub async fn retry_task(&self, id: u64, at: OffsetDateTime) -> Result<Option<u64>, StoreError> {
        let Some(queued) = self.task(id).await?.filter(|it| it.state == TaskState::Failed) else {
            return Ok(None);
        };
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM task WHERE id = ? AND state = 'failed'")
            .bind(to_column(id)?)
            .execute(&mut *transaction)
            .await?;
        let again = enqueue(&mut transaction, &NewTask::now(queued.task, at), at).await?;
        transaction.commit().await?;
        Ok(Some(again))
    }

    /// Puts back what was under way when the process ended.
    pub async fn requeue(&self, at: OffsetDateTime) -> Result<u64, StoreError> {
        let rows = sqlx::query("SELECT id FROM task WHERE state = 'running'")
            .fetch_all(&self.pool)
            .await?;
        for row in &rows {
            let id = from_column(row.try_get("id")?)?;
            self.postpone_task(id, at, "the server stopped while it was under way").await?;
        }
        Ok(u64::try_from(rows.len()).unwrap_or(u64::MAX))
    }

    /// How many tasks of a lane wait.
    pub async fn waiting(&self, lane: &str) -> Result<u64, StoreError> {
        let row = sqlx::query(
            "SELECT count(*) AS waiting FROM task WHERE state = 'waiting' AND lane = ?",
        )
        .bind(lane)
        .fetch_one(&self.pool)
        .await?;
        from_column(row.try_get("waiting")?)
    }

    pub async fn task(&self, id: u64) -> Result<Option<Queued>, StoreError> {
        let row = sqlx::query("SELECT * FROM task WHERE id = ?")
            .bind(to_column(id)?)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(read_queued).transpose()
    }

    /// Everything that is not done yet or failed for good, then what was done last.
    pub async fn tasks(&self, limit: u32) -> Result<Vec<Queued>, StoreError> {
        let rows = sqlx::query("SELECT * FROM task ORDER BY state = 'done', id DESC LIMIT ?")
            .bind(limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(read_queued).collect()
    }

    /// The commits of branches and tags that have been dealt with.
    pub async fn heads(&self) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query("SELECT name, commit_id FROM head").fetch_all(&self.pool).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("commit_id")?))).collect()
    }

    /// Deals with moved branches and tags: what is to be done because of them is queued, and they
    /// are known from then on. `None`: it is gone.
    pub async fn move_heads(
        &self,
        moves: &[(String, Option<String>)],
        tasks: &[NewTask],
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for (name, commit) in moves {
            let moved = match commit {
                Some(commit) => sqlx::query(
                    "INSERT INTO head (name, commit_id) VALUES (?, ?)
                     ON CONFLICT (name) DO UPDATE SET commit_id = excluded.commit_id",
                )
                .bind(name)
                .bind(commit),
                None => sqlx::query("DELETE FROM head WHERE name = ?").bind(name),
            };
            moved.execute(&mut *transaction).await?;
        }
        for new in tasks {
            enqueue(&mut transaction, new, at).await?;
        }
        Ok(transaction.commit().await?)
    }
}

async fn enqueue(
    transaction: &mut Transaction<'_, Sqlite>,
    new: &NewTask,
    at: OffsetDateTime,
) -> Result<u64, StoreError> {
    let row = sqlx::query(
        "INSERT INTO task (key, lane, kind, task, state, hints, attempts, queued_at, due_ms)
         VALUES (?, ?, ?, ?, 'waiting', 1, 0, ?, ?)
         ON CONFLICT (key) WHERE state = 'waiting'
         DO UPDATE SET hints = hints + 1, task = excluded.task,
             due_ms = min(due_ms, excluded.due_ms)
         RETURNING id",
    )
    .bind(new.task.key())
    .bind(new.task.lane())
    .bind(new.task.kind().as_str())
    .bind(to_json(&new.task)?)
    .bind(written_time(at)?)
    .bind(millis(new.due_at))
    .fetch_one(&mut **transaction)
    .await?;
    from_column(row.try_get("id")?)
}

async fn settle(
    transaction: &mut Transaction<'_, Sqlite>,
    id: u64,
    state: TaskState,
    outcome: &str,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE task SET state = ?, outcome = ?, ended_at = ? WHERE id = ? AND state = 'running'",
    )
    .bind(state.as_str())
    .bind(outcome)
    .bind(written_time(at)?)
    .bind(to_column(id)?)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

fn millis(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

fn read_queued(row: &SqliteRow) -> Result<Queued, StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let ended: Option<String> = row.try_get("ended_at")?;
    Ok(Queued {
        id: from_column(row.try_get("id")?)?,
        task: from_json(&text("task")?)?,
        state: text("state")?.parse()?,
        hints: from_column(row.try_get("hints")?)?,
        attempts: row.try_get("attempts")?,
        queued_at: read_time(&text("queued_at")?)?,
        ended_at: ended.as_deref().map(read_time).transpose()?,
        outcome: row.try_get("outcome")?,
    })
}

#[cfg(test)]
mod tests;
