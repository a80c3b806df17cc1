//! How much of the ledger a second place remembers, and what may still be done where it does not.

use std::time::Duration;

use gw_audit::entry::Act;
use sqlx::Row;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{read_time, to_column},
    entries::Writing,
};

impl Store {
    /// So many entries are remembered elsewhere.
    pub async fn witnessed(&self, size: u64, patience: Duration) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO witness (only, size, patience_ms) VALUES (1, ?, ?)")
            .bind(to_column(size)?)
            .bind(to_column(millis(patience))?)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Nobody could be asked. What was recorded before there was a witness does not wait for one.
    pub async fn unwitnessed(&self, patience: Duration) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO witness (only, size, patience_ms)
             SELECT 1, coalesce(max(position) + 1, 0), ?1 FROM entry WHERE true
             ON CONFLICT (only) DO UPDATE SET patience_ms = ?1",
        )
        .bind(to_column(millis(patience))?)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Another ledger than this one is remembered elsewhere: nothing is done until somebody looked.
    pub async fn distrust(&self, why: &str, patience: Duration) -> Result<(), StoreError> {
        self.unwitnessed(patience).await?;
        sqlx::query("UPDATE witness SET trouble = ?").bind(why).execute(&self.pool).await?;
        Ok(())
    }

    /// There is no witness any more.
    pub async fn dismiss_witness(&self) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM witness").execute(&self.pool).await?;
        Ok(())
    }
}

impl Writing<'_> {
    /// Whether something may begin now that only counts if nobody can deny it later.
    pub(super) async fn is_watched(
        &mut self,
        act: Act,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        if !is_privileged(act) {
            return Ok(());
        }
        let row = sqlx::query(
            "SELECT patience_ms, trouble,
                 (SELECT at FROM entry WHERE position = witness.size) AS oldest FROM witness",
        )
        .fetch_optional(&mut *self.transaction)
        .await?;
        let Some(row) = row else { return Ok(()) };
        if let Some(why) = row.try_get("trouble")? {
            return Err(StoreError::Distrusted { why });
        }
        let oldest: Option<String> = row.try_get("oldest")?;
        let Some(since) = oldest.as_deref().map(read_time).transpose()? else { return Ok(()) };
        let patience = time::Duration::milliseconds(row.try_get("patience_ms")?);
        if at - since > patience { Err(StoreError::Unwitnessed { since }) } else { Ok(()) }
    }
}

/// Whether an act begins something. What goes on, ends or is only looked at is recorded whatever the
/// witness does: an end that is not on the record would be worse.
const fn is_privileged(act: Act) -> bool {
    !matches!(
        act,
        Act::LedgerOpened
            | Act::Planned
            | Act::Shown
            | Act::Decided
            | Act::Ended
            | Act::Deployed
            | Act::Held
            | Act::Released
            | Act::StepIntended
            | Act::StepEnded
            | Act::DriftFound
            | Act::LoggedIn
            | Act::TokenRevoked
            | Act::Read
            | Act::CallsCounted
    )
}

fn millis(patience: Duration) -> u64 {
    u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)
}
