//! How long pull requests wait before they may be applied, and for whom.

use std::collections::BTreeSet;

use gw_model::id::{EnvironmentName, PersonName};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use time::{Duration, OffsetDateTime};

use super::{
    Store, StoreError,
    column::{from_column, from_json, named, read_time, to_column, to_json, written_time},
};
use crate::waits::{self, Back, Fate, Gate, Look, Wait};

/// So many of an environment are kept, the newest.
const KEPT: i64 = 5_000;

impl Store {
    /// Whether the same head was told before that it waits for the same.
    pub async fn is_wait_told(
        &self,
        environment: &EnvironmentName,
        pull_request: u64,
        look: Look<'_>,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM wait_told
                 WHERE environment = ? AND pull_request = ? AND head = ? AND gates = ?",
        )
        .bind(environment.as_str())
        .bind(to_column(pull_request)?)
        .bind(look.head)
        .bind(to_json(&look.gates)?)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
    }

    /// Remembers what a pull request waits for at present, and that those were told for whom it waits.
    pub async fn wait(
        &self,
        environment: &EnvironmentName,
        pull_request: u64,
        look: Look<'_>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let number = to_column(pull_request)?;
        let open = open(&mut transaction, environment, Some(pull_request)).await?;
        for (position, wait) in &open {
            settle(&mut transaction, *position, wait.fate(look)).await?;
        }
        for gate in look.gates {
            sqlx::query(
                "INSERT INTO wait (environment, pull_request, gate, head, since)
                     VALUES (?, ?, ?, ?, ?)
                 ON CONFLICT (environment, pull_request, gate) WHERE until IS NULL
                     DO UPDATE SET head = excluded.head",
            )
            .bind(environment.as_str())
            .bind(number)
            .bind(gate)
            .bind(look.head)
            .bind(written_time(look.at)?)
            .execute(&mut *transaction)
            .await?;
        }
        sqlx::query(
            "DELETE FROM wait_told WHERE environment = ? AND pull_request = ? AND head <> ?",
        )
        .bind(environment.as_str())
        .bind(number)
        .bind(look.head)
        .execute(&mut *transaction)
        .await?;
        if !look.gates.is_empty() {
            sqlx::query("INSERT OR IGNORE INTO wait_told VALUES (?, ?, ?, ?)")
                .bind(environment.as_str())
                .bind(number)
                .bind(look.head)
                .bind(to_json(&look.gates)?)
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query(
            "DELETE FROM wait WHERE environment = ?1 AND position NOT IN
                 (SELECT position FROM wait WHERE environment = ?1
                      ORDER BY position DESC LIMIT ?2)",
        )
        .bind(environment.as_str())
        .bind(KEPT)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// What these pull requests waited for before their change was allowed, each with how long. What
    /// was still open ends with it.
    pub async fn pass(
        &self,
        environment: &EnvironmentName,
        pull_requests: &BTreeSet<u64>,
        approved_at: Option<OffsetDateTime>,
        at: OffsetDateTime,
    ) -> Result<Vec<(String, Duration)>, StoreError> {
        let mut passed = vec![];
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for number in pull_requests {
            for (position, wait) in open(&mut transaction, environment, Some(*number)).await? {
                let look = Look { head: &wait.head, gates: &[], approved_at, at };
                settle(&mut transaction, position, wait.fate(look)).await?;
            }
            let rows = sqlx::query(
                "SELECT * FROM wait WHERE environment = ? AND pull_request = ?
                     AND until IS NOT NULL ORDER BY position",
            )
            .bind(environment.as_str())
            .bind(to_column(*number)?)
            .fetch_all(&mut *transaction)
            .await?;
            for row in &rows {
                let (_, wait) = read(row)?;
                passed.extend(wait.until.map(|until| (wait.gate, until - wait.since)));
            }
        }
        transaction.commit().await?;
        Ok(passed)
    }

    /// A pull request that was declined waits for nobody.
    pub async fn forget_waits(&self, pull_request: u64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM wait WHERE pull_request = ? AND until IS NULL")
            .bind(to_column(pull_request)?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// What waits in an environment, the longest first.
    pub async fn waits(&self, environment: &EnvironmentName) -> Result<Vec<Wait>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        let open = open(&mut connection, environment, None).await?;
        Ok(open.into_iter().map(|(_, wait)| wait).collect())
    }

    /// How long one waits at each gate of an environment, by the newest that came through.
    pub async fn gates(&self, environment: &EnvironmentName) -> Result<Vec<Gate>, StoreError> {
        let rows = sqlx::query(
            "SELECT gate, since, until FROM (
                 SELECT *, row_number() OVER (PARTITION BY gate ORDER BY position DESC) AS place
                     FROM wait WHERE environment = ? AND until IS NOT NULL)
                 WHERE place <= ?",
        )
        .bind(environment.as_str())
        .bind(to_column(waits::COUNTED as u64)?)
        .fetch_all(&self.pool)
        .await?;
        let mut over = vec![];
        for row in &rows {
            let time = |name: &str| read_time(&row.try_get::<String, _>(name)?);
            over.push((row.try_get("gate")?, time("until")? - time("since")?));
        }
        Ok(Gate::all(over))
    }
}

impl Store {
    /// Remembers what going back waits for, as long as the same change is in force.
    pub async fn wait_back(
        &self,
        environment: &EnvironmentName,
        leaves: u64,
        back: &Back,
    ) -> Result<(), StoreError> {
        let Back { to, plan, gates, asked_by, since } = back;
        sqlx::query(
            "INSERT INTO going_back (environment, restores, leaves, plan, gates, asked_by, since)
                 VALUES (?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (environment, restores) DO UPDATE SET
                 since = CASE WHEN leaves = excluded.leaves THEN since ELSE excluded.since END,
                 leaves = excluded.leaves, plan = excluded.plan, gates = excluded.gates,
                 asked_by = excluded.asked_by",
        )
        .bind(environment.as_str())
        .bind(to_column(*to)?)
        .bind(to_column(leaves)?)
        .bind(plan)
        .bind(to_json(gates)?)
        .bind(asked_by.as_ref().map(PersonName::as_str))
        .bind(written_time(*since)?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Who waits to go back from a change, the longest first.
    pub async fn waits_back(
        &self,
        environment: &EnvironmentName,
        leaves: u64,
    ) -> Result<Vec<Back>, StoreError> {
        let rows = sqlx::query(
            "SELECT restores, plan, gates, asked_by, since FROM going_back
                 WHERE environment = ? AND leaves = ? ORDER BY since, restores",
        )
        .bind(environment.as_str())
        .bind(to_column(leaves)?)
        .fetch_all(&self.pool)
        .await?;
        let back = |row: &SqliteRow| {
            let asked_by: Option<String> = row.try_get("asked_by")?;
            Ok(Back {
                to: from_column(row.try_get("restores")?)?,
                plan: row.try_get("plan")?,
                gates: from_json(&row.try_get::<String, _>("gates")?)?,
                asked_by: asked_by.as_deref().map(named).transpose()?,
                since: read_time(&row.try_get::<String, _>("since")?)?,
            })
        };
        rows.iter().map(back).collect()
    }
}

async fn open(
    connection: &mut SqliteConnection,
    environment: &EnvironmentName,
    pull_request: Option<u64>,
) -> Result<Vec<(i64, Wait)>, StoreError> {
    let rows = sqlx::query(
        "SELECT * FROM wait WHERE environment = ?1 AND (?2 IS NULL OR pull_request = ?2)
             AND until IS NULL ORDER BY position",
    )
    .bind(environment.as_str())
    .bind(pull_request.map(to_column).transpose()?)
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

async fn settle(
    connection: &mut SqliteConnection,
    position: i64,
    fate: Fate,
) -> Result<(), StoreError> {
    match fate {
        Fate::GoesOn => return Ok(()),
        Fate::Moot => sqlx::query("DELETE FROM wait WHERE position = ?").bind(position),
        Fate::Over(until) => sqlx::query("UPDATE wait SET until = ?2 WHERE position = ?1")
            .bind(position)
            .bind(written_time(until)?),
    }
    .execute(connection)
    .await?;
    Ok(())
}

fn read(row: &SqliteRow) -> Result<(i64, Wait), StoreError> {
    let until: Option<String> = row.try_get("until")?;
    let wait = Wait {
        pull_request: from_column(row.try_get("pull_request")?)?,
        gate: row.try_get("gate")?,
        head: row.try_get("head")?,
        since: read_time(&row.try_get::<String, _>("since")?)?,
        until: until.as_deref().map(read_time).transpose()?,
    };
    Ok((row.try_get("position")?, wait))
}

#[cfg(test)]
mod tests;
