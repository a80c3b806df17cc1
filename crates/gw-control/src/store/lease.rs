//! Leases: who may write where. One holder at a time; each gets a token higher than all before it,
//! and every write by a lease is refused once there is a higher one.
//!
//! How long a lease lasts is measured by a clock that nobody can set. It lives with the process:
//! only one process at a time has the lock of a state, so what its predecessor held is free.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use sqlx::{Row, SqliteConnection};
use tokio::time::Instant;

use super::{
    Store, StoreError,
    column::{from_column, to_column},
};

/// The right to write, as long as nobody has a newer one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub name: String,
    pub token: u64,
    lasts: Duration,
}

/// Until when each lease is not given to anybody else.
pub(super) type Terms = Arc<Mutex<BTreeMap<String, Instant>>>;

impl Store {
    /// Takes a lease, where nobody has it or whoever had it let it run out. What is then written
    /// through the store it gives is written only while the lease is the newest.
    pub async fn lease(
        &self,
        name: &str,
        holder: &str,
        lasts: Duration,
    ) -> Result<Option<Self>, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // Looked at inside of the transaction, so that of two who come together one gets it.
        let now = Instant::now();
        if self.terms.lock().get(name).is_some_and(|until| *until > now) {
            return Ok(None);
        }
        let row = sqlx::query(
            "INSERT INTO lease (name, token, holder) VALUES (?, 1, ?)
             ON CONFLICT (name) DO UPDATE SET token = token + 1, holder = excluded.holder
             RETURNING token",
        )
        .bind(name)
        .bind(holder)
        .fetch_one(&mut *transaction)
        .await?;
        let token = from_column(row.try_get("token")?)?;
        transaction.commit().await?;
        self.terms.lock().insert(name.to_owned(), now + lasts);
        let lease = Lease { name: name.to_owned(), token, lasts };
        Ok(Some(Self { lease: Some(Arc::new(lease)), ..self.clone() }))
    }

    /// Makes sure that nobody else has taken over, and begins the term anew. Without a lease there
    /// is nobody else.
    pub async fn renew(&self) -> Result<(), StoreError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        lease.check(&mut *self.pool.acquire().await?).await?;
        self.terms.lock().insert(lease.name.clone(), Instant::now() + lease.lasts);
        Ok(())
    }

    /// Gives the lease back before its time.
    pub async fn let_go(&self) -> Result<(), StoreError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        // Somebody else's term is not ours to end.
        if lease.check(&mut *self.pool.acquire().await?).await.is_ok() {
            self.terms.lock().remove(&lease.name);
        }
        Ok(())
    }
}

impl Lease {
    pub(super) async fn check(&self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        let row = sqlx::query("SELECT token = ? AS ours FROM lease WHERE name = ?")
            .bind(to_column(self.token)?)
            .bind(&self.name)
            .fetch_optional(connection)
            .await?;
        let ours = row.map(|row| row.try_get::<bool, _>("ours")).transpose()?;
        match ours {
            Some(true) => Ok(()),
            Some(false) | None => Err(StoreError::Fenced { lease: self.name.clone() }),
        }
    }
}

#[cfg(test)]
mod tests;
