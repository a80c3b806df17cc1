//! Small things that a server remembers from one time to the next.

use gw_model::id::EnvironmentName;
use sqlx::Row;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{from_column, to_column, written_time},
};

/// A difference that was found, and how often it was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDrift {
    pub digest: String,
    pub put_back: u64,
}

impl Store {
    /// The difference that was found last, where it was not settled since.
    pub async fn drift(&self, at: &EnvironmentName) -> Result<Option<KnownDrift>, StoreError> {
        let row = sqlx::query("SELECT digest, put_back FROM drift WHERE environment = ?")
            .bind(at.as_str())
            .fetch_optional(&self.pool)
            .await?;
        let known = |row: sqlx::sqlite::SqliteRow| {
            let put_back = from_column(row.try_get("put_back")?)?;
            Ok(KnownDrift { digest: row.try_get("digest")?, put_back })
        };
        row.map(known).transpose()
    }

    pub async fn remember_drift(
        &self,
        environment: &EnvironmentName,
        drift: &KnownDrift,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO drift (environment, digest, found_at, put_back) VALUES (?, ?, ?, ?)
             ON CONFLICT (environment) DO UPDATE SET
                 digest = excluded.digest, found_at = excluded.found_at,
                 put_back = excluded.put_back",
        )
        .bind(environment.as_str())
        .bind(&drift.digest)
        .bind(written_time(at)?)
        .bind(to_column(drift.put_back)?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Somebody decided anew what is to be so.
    pub async fn forget_drift(&self, environment: &EnvironmentName) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM drift WHERE environment = ?")
            .bind(environment.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Our comment below a pull request.
    pub async fn comment(&self, pull_request: u64) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query("SELECT id FROM comment WHERE pull_request = ?")
            .bind(to_column(pull_request)?)
            .fetch_optional(&self.pool)
            .await?;
        row.map(|row| from_column(row.try_get("id")?)).transpose()
    }

    pub async fn remember_comment(&self, pull_request: u64, id: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO comment (pull_request, id) VALUES (?, ?)
             ON CONFLICT (pull_request) DO UPDATE SET id = excluded.id",
        )
        .bind(to_column(pull_request)?)
        .bind(to_column(id)?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
