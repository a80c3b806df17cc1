//! What approvals are for: plans that stood below a pull request, and approvals given to us.

use aws_lc_rs::rand;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use gw_audit::{entry::Event, private::SALT_LEN};
use gw_model::id::EnvironmentName;
use gw_plan::plan::Changed;
use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Store, StoreError,
    column::{from_column, from_json, read_time, to_column, to_json, written_time},
    told::{GIVEN, Salt, digest_of_given},
};
use crate::approve::{Given, Shown};

/// So many plans of one pull request are kept for an environment, the newest. What others push takes none
/// of them away: they say who made what is still to be approved.
const KEPT_OF_ONE: i64 = 50;
/// So many approvals of an environment are kept.
const KEPT_APPROVALS: i64 = 5_000;

impl Store {
    /// Keeps what a plan changes that can be read below a pull request from now on. What the last one
    /// there said as well is neither kept nor recorded again.
    pub async fn show(
        &self,
        environment: &EnvironmentName,
        pull_request: u64,
        shown: &Shown,
        event: Event,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let (number, entries) = (to_column(pull_request)?, to_json(&shown.entries)?);
        let last = sqlx::query(
            "SELECT head, entries FROM shown WHERE environment = ? AND pull_request = ?
                 ORDER BY position DESC LIMIT 1",
        )
        .bind(environment.as_str())
        .bind(number)
        .fetch_optional(&mut *writing.transaction)
        .await?;
        if let Some(last) = last {
            let (head, said): (String, String) = (last.try_get("head")?, last.try_get("entries")?);
            if head == shown.head && from_json::<Changed>(&said)? == shown.entries {
                return Ok(());
            }
        }
        sqlx::query(
            "INSERT INTO shown (environment, pull_request, head, shown_at, entries)
                 VALUES (?, ?, ?, ?, ?)",
        )
        .bind(environment.as_str())
        .bind(number)
        .bind(&shown.head)
        .bind(written_time(shown.at)?)
        .bind(entries)
        .execute(&mut *writing.transaction)
        .await?;
        sqlx::query(
            "DELETE FROM shown WHERE environment = ?1 AND pull_request = ?2
                 AND position NOT IN (SELECT position FROM shown
                     WHERE environment = ?1 AND pull_request = ?2 ORDER BY position DESC LIMIT ?3)",
        )
        .bind(environment.as_str())
        .bind(number)
        .bind(KEPT_OF_ONE)
        .execute(&mut *writing.transaction)
        .await?;
        writing.record(event, shown.at).await?;
        writing.commit().await
    }

    /// The pull requests on which plans of the environment were shown, the newest first.
    pub async fn shown_on(&self, environment: &EnvironmentName) -> Result<Vec<u64>, StoreError> {
        let rows = sqlx::query(
            "SELECT pull_request FROM shown WHERE environment = ?
                 GROUP BY pull_request ORDER BY max(position) DESC",
        )
        .bind(environment.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| from_column(row.try_get("pull_request")?)).collect()
    }

    /// The pull requests on which a plan of a commit was shown, the oldest first.
    pub async fn shown_for(
        &self,
        environment: &EnvironmentName,
        head: &str,
    ) -> Result<Vec<u64>, StoreError> {
        let rows = sqlx::query(
            "SELECT pull_request FROM shown WHERE environment = ? AND head = ?
                 GROUP BY pull_request ORDER BY pull_request",
        )
        .bind(environment.as_str())
        .bind(head)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| from_column(row.try_get("pull_request")?)).collect()
    }

    /// The plans that were shown on a pull request, the oldest first.
    pub async fn shown(
        &self,
        environment: &EnvironmentName,
        pull_request: u64,
    ) -> Result<Vec<Shown>, StoreError> {
        let kept = self.kept_shown(environment, pull_request).await?;
        self.only_shown(environment, pull_request, kept).await
    }

    /// What the rows say was shown on a pull request.
    pub(super) async fn kept_shown(
        &self,
        environment: &EnvironmentName,
        pull_request: u64,
    ) -> Result<Vec<Shown>, StoreError> {
        let rows = sqlx::query(
            "SELECT head, shown_at, entries FROM shown
                 WHERE environment = ? AND pull_request = ? ORDER BY position",
        )
        .bind(environment.as_str())
        .bind(to_column(pull_request)?)
        .fetch_all(&self.pool)
        .await?;
        let shown = |row: &SqliteRow| {
            Ok(Shown {
                head: row.try_get("head")?,
                at: read_time(&row.try_get::<String, _>("shown_at")?)?,
                entries: from_json(&row.try_get::<String, _>("entries")?)?,
            })
        };
        rows.iter().map(shown).collect()
    }

    /// Keeps an approval that was given to us.
    pub async fn approve(
        &self,
        environment: &EnvironmentName,
        given: &Given,
        event: Event,
    ) -> Result<(), StoreError> {
        let mut salt = [0; SALT_LEN];
        let drawn = rand::fill(&mut salt);
        drawn.map_err(|_| StoreError::Unwritable { reason: "no random numbers".to_owned() })?;
        let salt = URL_SAFE_NO_PAD.encode(salt);
        let event = event.fact(GIVEN, digest_of_given(given, &salt)?.as_str());
        let mut writing = self.write().await?;
        sqlx::query(
            "INSERT INTO approval (environment, given_by, given_at, commit_sha, entries, salt, restores)
                 VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(environment.as_str())
        .bind(to_json(&given.by)?)
        .bind(written_time(given.at)?)
        .bind(&given.commit)
        .bind(to_json(&given.entries)?)
        .bind(salt)
        .bind(given.restores.map(to_column).transpose()?)
        .execute(&mut *writing.transaction)
        .await?;
        sqlx::query(
            "DELETE FROM approval WHERE environment = ?1 AND position NOT IN
                 (SELECT position FROM approval WHERE environment = ?1
                      ORDER BY position DESC LIMIT ?2)",
        )
        .bind(environment.as_str())
        .bind(KEPT_APPROVALS)
        .execute(&mut *writing.transaction)
        .await?;
        writing.record(event, given.at).await?;
        writing.commit().await
    }

    /// The approvals that were given to us for an environment, the oldest first.
    pub async fn given(&self, environment: &EnvironmentName) -> Result<Vec<Given>, StoreError> {
        let kept = self.kept_approvals(environment).await?;
        self.only_given(environment, kept).await
    }

    /// What the rows say was given, each with its salt.
    pub(super) async fn kept_approvals(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Vec<(Given, Salt)>, StoreError> {
        let rows = sqlx::query(
            "SELECT given_by, given_at, commit_sha, entries, salt, restores FROM approval
                 WHERE environment = ? ORDER BY position",
        )
        .bind(environment.as_str())
        .fetch_all(&self.pool)
        .await?;
        let given = |row: &SqliteRow| {
            let restores: Option<i64> = row.try_get("restores")?;
            let given = Given {
                by: from_json(&row.try_get::<String, _>("given_by")?)?,
                at: read_time(&row.try_get::<String, _>("given_at")?)?,
                commit: row.try_get("commit_sha")?,
                restores: restores.map(from_column).transpose()?,
                entries: from_json(&row.try_get::<String, _>("entries")?)?,
            };
            Ok((given, row.try_get("salt")?))
        };
        rows.iter().map(given).collect()
    }
}

#[cfg(test)]
mod tests;
