//! When each secret that the settings name was used last.

use std::collections::BTreeMap;

use gw_model::id::SecretName;
use sqlx::Row;
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{named, read_time, written_time},
};
use crate::credentials::Known;

impl Store {
    /// Remembers those that are named now, and forgets the others. A use that is not told here is the
    /// one that was told before.
    pub async fn keep_credentials(
        &self,
        uses: &BTreeMap<SecretName, Option<OffsetDateTime>>,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        for row in sqlx::query("SELECT name FROM credential").fetch_all(&mut *transaction).await? {
            let name: String = row.try_get("name")?;
            if !uses.keys().any(|known| known.as_str() == name) {
                let forget = sqlx::query("DELETE FROM credential WHERE name = ?").bind(name);
                forget.execute(&mut *transaction).await?;
            }
        }
        for (name, last) in uses {
            sqlx::query(
                "INSERT INTO credential VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET last_used = coalesce(?3, last_used)",
            )
            .bind(name.as_str())
            .bind(written_time(now)?)
            .bind(last.map(written_time).transpose()?)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// What is known of each.
    pub async fn credentials(&self) -> Result<BTreeMap<SecretName, Known>, StoreError> {
        let rows = sqlx::query("SELECT name, known_since, last_used FROM credential");
        let mut known = BTreeMap::new();
        for row in rows.fetch_all(&self.pool).await? {
            let name: SecretName = named(&row.try_get::<String, _>("name")?)?;
            let since = read_time(&row.try_get::<String, _>("known_since")?)?;
            let last: Option<String> = row.try_get("last_used")?;
            let last_used = last.as_deref().map(read_time).transpose()?;
            known.insert(name, Known { since, last_used });
        }
        Ok(known)
    }
}
