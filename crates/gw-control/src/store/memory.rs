//! Small things that a server remembers from one time to the next.

use gw_audit::entry::Event;
use gw_model::id::EnvironmentName;
use sqlx::{Row, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{from_column, from_json, read_time, to_column, to_json, written_time},
};

/// A difference that was found, and how often it was put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDrift {
    pub digest: String,
    /// The newest comparison found it.
    pub stands: bool,
    pub put_back: u64,
    /// What differs, for people.
    pub lines: Vec<String>,
}

/// When an environment was compared with its targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    pub at: OffsetDateTime,
    /// Why that came to nothing: then nobody knows what is there.
    pub why: Option<String>,
}

impl Store {
    /// The difference that was found last, where no change decided anew since.
    pub async fn drift(&self, at: &EnvironmentName) -> Result<Option<KnownDrift>, StoreError> {
        let row = self.find("SELECT * FROM drift WHERE environment = ?", at, None).await?;
        let known = |row: SqliteRow| {
            let put_back = from_column(row.try_get("put_back")?)?;
            let lines = from_json(&row.try_get::<String, _>("lines")?)?;
            let (digest, stands) = (row.try_get("digest")?, row.try_get("stands")?);
            Ok(KnownDrift { digest, stands, put_back, lines })
        };
        row.map(known).transpose()
    }

    /// The newest comparison of an environment; none: there was none since the last change.
    pub async fn compared(&self, at: &EnvironmentName) -> Result<Option<Compared>, StoreError> {
        let row = self.find("SELECT * FROM compared WHERE environment = ?", at, None).await?;
        let compared = |row: SqliteRow| {
            let at = read_time(&row.try_get::<String, _>("at")?)?;
            Ok(Compared { at, why: row.try_get("why")? })
        };
        row.map(compared).transpose()
    }

    /// That an environment was compared, and nothing differs.
    pub async fn holds_all(
        &self,
        environment: &EnvironmentName,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE drift SET stands = FALSE WHERE environment = ?")
            .bind(environment.as_str())
            .execute(&self.pool)
            .await?;
        self.remember_compared(environment, at, None).await
    }

    /// That an environment was compared, and what differs.
    pub async fn remember_drift(
        &self,
        environment: &EnvironmentName,
        drift: &KnownDrift,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO drift (environment, digest, found_at, stands, put_back, lines)
                 VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(environment.as_str())
        .bind(&drift.digest)
        .bind(written_time(at)?)
        .bind(drift.stands)
        .bind(to_column(drift.put_back)?)
        .bind(to_json(&drift.lines)?)
        .execute(&self.pool)
        .await?;
        self.remember_compared(environment, at, None).await
    }

    /// That an environment was to be compared, and why that came to nothing; none: it did not.
    pub async fn remember_compared(
        &self,
        environment: &EnvironmentName,
        at: OffsetDateTime,
        why: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO compared (environment, at, why) VALUES (?, ?, ?)")
            .bind(environment.as_str())
            .bind(written_time(at)?)
            .bind(why)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Somebody decided anew what is to be so.
    pub async fn forget_drift(&self, environment: &EnvironmentName) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM drift WHERE environment = ?",
            "DELETE FROM compared WHERE environment = ?",
            "DELETE FROM drift_accepted WHERE environment = ?",
        ] {
            sqlx::query(statement).bind(environment.as_str()).execute(&self.pool).await?;
        }
        Ok(())
    }

    /// Leaves a difference as it is for a while.
    pub async fn accept_drift(
        &self,
        environment: &EnvironmentName,
        digest: &str,
        until: OffsetDateTime,
        accepted: Event,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query("INSERT OR REPLACE INTO drift_accepted VALUES (?, ?, ?)")
            .bind(environment.as_str())
            .bind(digest)
            .bind(written_time(until)?)
            .execute(&mut *writing.transaction)
            .await?;
        writing.record(accepted, at).await?;
        writing.commit().await
    }

    /// Until when somebody left a difference as it is, which may be over; none: nobody did.
    pub async fn drift_accepted(
        &self,
        environment: &EnvironmentName,
        digest: &str,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let row =
            sqlx::query("SELECT until FROM drift_accepted WHERE environment = ? AND digest = ?")
                .bind(environment.as_str())
                .bind(digest)
                .fetch_optional(&self.pool)
                .await?;
        row.map(|row| read_time(&row.try_get::<String, _>("until")?)).transpose()
    }

    /// Remembers whether the gateway said what the rules of these files say.
    pub async fn keep_trial(
        &self,
        environment: &EnvironmentName,
        source_digest: &str,
        passed: bool,
        tested: Event,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query("INSERT OR REPLACE INTO trial VALUES (?, ?, ?, ?)")
            .bind(environment.as_str())
            .bind(source_digest)
            .bind(passed)
            .bind(written_time(at)?)
            .execute(&mut *writing.transaction)
            .await?;
        writing.record(tested, at).await?;
        writing.commit().await
    }

    /// Whether the gateway said what the rules of these files say, when it was tried last.
    pub async fn has_passed_trial(
        &self,
        environment: &EnvironmentName,
        source_digest: &str,
    ) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT 1 FROM trial WHERE environment = ? AND source_digest = ? AND passed",
        )
        .bind(environment.as_str())
        .bind(source_digest)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.is_some())
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
