//! Plans that were shown, and states that are held back.

use gw_audit::entry::{Actor, Event};
use gw_model::id::EnvironmentName;
use sqlx::Row;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{from_column, to_column, written_time},
    entries::Writing,
};
use crate::event;

/// So many shown plans of an environment are kept; the oldest go first.
const KEPT_PLANS: i64 = 50;

/// A state that was left by going back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub environment: EnvironmentName,
    /// The change that brought it.
    pub number: u64,
    pub effect_digest: String,
    pub reason: Option<String>,
}

impl Store {
    /// Keeps a plan that was shown, so that exactly it can be applied.
    pub async fn keep_plan(
        &self,
        id: &str,
        environment: &EnvironmentName,
        document: &str,
        planned: Event,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let known = sqlx::query("SELECT id FROM plan WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *writing.transaction)
            .await?;
        sqlx::query(
            "INSERT OR REPLACE INTO plan (id, environment, made_at, document) VALUES (?, ?, ?, ?)",
        )
        .bind(id)
        .bind(environment.as_str())
        .bind(written_time(at)?)
        .bind(document)
        .execute(&mut *writing.transaction)
        .await?;
        sqlx::query(
            "DELETE FROM plan WHERE environment = ?1 AND id NOT IN
                 (SELECT id FROM plan WHERE environment = ?1 ORDER BY made_at DESC LIMIT ?2)",
        )
        .bind(environment.as_str())
        .bind(KEPT_PLANS)
        .execute(&mut *writing.transaction)
        .await?;
        // The same plan on the same ground says nothing new.
        if known.is_none() {
            writing.record(planned, at).await?;
        }
        writing.commit().await
    }

    /// A plan that was shown.
    pub async fn plan(&self, id: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT document FROM plan WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("document")).transpose()?)
    }

    /// Holds a state back where nothing else changes because of it.
    pub async fn hold(&self, hold: &Hold, by: Actor, at: OffsetDateTime) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        writing.hold(hold, by, at).await?;
        writing.commit().await
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
        match number {
            Some(number) => from_column(number).map(Some),
            // What the ledger holds is held, whether or not a row still says so.
            None => self.told_held(environment, effect_digest).await,
        }
    }
}

impl Store {
    /// The changes whose states are held, as rows say it: for telling, not for judging.
    pub async fn holds(&self, environment: &EnvironmentName) -> Result<Vec<u64>, StoreError> {
        let in_force = self.in_force(environment).await?.map(|change| change.begun.effect_digest);
        let rows = sqlx::query(
            "SELECT number FROM hold WHERE environment = ? AND effect_digest IS NOT ? ORDER BY number",
        )
            .bind(environment.as_str())
            .bind(in_force)
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| from_column(row.try_get("number")?)).collect()
    }
}

impl Writing<'_> {
    /// Holds a state back until a newer one is applied.
    pub(super) async fn hold(
        &mut self,
        hold: &Hold,
        by: Actor,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO hold (environment, effect_digest, number, reason, held_at)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(hold.environment.as_str())
        .bind(&hold.effect_digest)
        .bind(to_column(hold.number)?)
        .bind(&hold.reason)
        .bind(written_time(at)?)
        .execute(&mut *self.transaction)
        .await?;
        self.record(event::held(by, hold), at).await
    }

    /// Lets go of every held state, because a change brought another one.
    pub(super) async fn release(
        &mut self,
        environment: &EnvironmentName,
        number: u64,
        by: Actor,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let released = sqlx::query("DELETE FROM hold WHERE environment = ?")
            .bind(environment.as_str())
            .execute(&mut *self.transaction)
            .await?;
        match released.rows_affected() {
            0 => Ok(()),
            _ => self.record(event::released(by, environment, number), at).await,
        }
    }
}
