//! Plans that were shown, and states that are held back.

use gw_model::id::EnvironmentName;
use sqlx::Row;
use time::OffsetDateTime;

use super::{Store, StoreError, journal::written_time};

/// So many shown plans of an environment are kept; the oldest go first.
const KEPT_PLANS: i64 = 50;

impl Store {
    /// Keeps a plan that was shown, so that exactly it can be applied.
    pub async fn keep_plan(
        &self,
        id: &str,
        environment: &EnvironmentName,
        document: &str,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO plan (id, environment, made_at, document) VALUES (?, ?, ?, ?)",
        )
        .bind(id)
        .bind(environment.as_str())
        .bind(written_time(at)?)
        .bind(document)
        .execute(&self.pool)
        .await?;
        sqlx::query(
            "DELETE FROM plan WHERE environment = ?1 AND id NOT IN
                 (SELECT id FROM plan WHERE environment = ?1 ORDER BY made_at DESC LIMIT ?2)",
        )
        .bind(environment.as_str())
        .bind(KEPT_PLANS)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// A plan that was shown.
    pub async fn plan(&self, id: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT document FROM plan WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("document")).transpose()?)
    }

    /// Holds the state of a change back until a newer state is applied.
    pub async fn hold(
        &self,
        environment: &EnvironmentName,
        effect_digest: &str,
        number: u64,
        reason: Option<&str>,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO hold (environment, effect_digest, number, reason, held_at)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(environment.as_str())
        .bind(effect_digest)
        .bind(i64::try_from(number).unwrap_or(i64::MAX))
        .bind(reason)
        .bind(written_time(at)?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The number of the rolled-back change whose state this is.
    pub async fn held(
        &self,
        environment: &EnvironmentName,
        effect_digest: &str,
    ) -> Result<Option<u64>, StoreError> {
        let row =
            sqlx::query("SELECT number FROM hold WHERE environment = ? AND effect_digest = ?")
                .bind(environment.as_str())
                .bind(effect_digest)
                .fetch_optional(&self.pool)
                .await?;
        let number: Option<i64> = row.map(|row| row.try_get("number")).transpose()?;
        Ok(number.and_then(|number| u64::try_from(number).ok()))
    }

    /// Lets go of every held state: a newer one is in force.
    pub async fn release(&self, environment: &EnvironmentName) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM hold WHERE environment = ?")
            .bind(environment.as_str())
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
