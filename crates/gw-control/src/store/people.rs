//! What the ledger says of people: a salted hash. Salt and text stand beside it, and can be erased.

use aws_lc_rs::rand;
use gw_audit::{
    entry::{Act, Actor, Event, Outcome, Subject},
    private::{Opened, Private, SALT_LEN},
};
use sqlx::{Row, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{Store, StoreError, entries::Writing};

impl Writing<'_> {
    /// The hash that stands for a text about a person: always the same one, until it is erased.
    pub(super) async fn hide(&mut self, text: &str) -> Result<Private, StoreError> {
        let known = sqlx::query("SELECT hash, salt, text FROM opened WHERE text = ?")
            .bind(text)
            .fetch_optional(&mut *self.transaction)
            .await?;
        if let Some(row) = known {
            return read(&row).map(|opened| opened.hash);
        }
        let mut salt = [0; SALT_LEN];
        let drawn = rand::fill(&mut salt);
        drawn.map_err(|_| StoreError::Unwritable { reason: "no random numbers".to_owned() })?;
        let Opened { hash, salt, text } = Opened::new(text, salt);
        sqlx::query("INSERT INTO opened (hash, salt, text) VALUES (?, ?, ?)")
            .bind(hash.as_str())
            .bind(salt)
            .bind(text)
            .execute(&mut *self.transaction)
            .await?;
        Ok(hash)
    }
}

impl Store {
    /// The hash that stands for a text about a person in entries that are written from now on.
    pub async fn hide(&self, text: &str) -> Result<Private, StoreError> {
        let mut writing = self.write().await?;
        let hash = writing.hide(text).await?;
        writing.transaction.commit().await?;
        Ok(hash)
    }

    /// Whom a hash of the ledger stands for, unless that was erased.
    pub async fn opened(&self, hash: &Private) -> Result<Option<String>, StoreError> {
        let row = sqlx::query("SELECT text FROM opened WHERE hash = ?")
            .bind(hash.as_str())
            .fetch_optional(&self.pool)
            .await?;
        Ok(row.map(|row| row.try_get("text")).transpose()?)
    }

    /// Who that was: identity and subject; a person by name, unless that was erased.
    pub async fn who(&self, actor: &Actor) -> Result<String, StoreError> {
        let subject = match &actor.subject {
            Some(Subject::Machine(subject)) => Some(subject.clone()),
            Some(Subject::Person(hash)) => self.opened(hash).await?,
            None => None,
        };
        Ok(match subject {
            Some(subject) => format!("{} ({subject})", actor.identity),
            None => actor.identity.clone(),
        })
    }

    /// Everything about people that was not erased.
    pub async fn people(&self) -> Result<Vec<Opened>, StoreError> {
        let rows = sqlx::query("SELECT hash, salt, text FROM opened").fetch_all(&self.pool).await?;
        rows.iter().map(read).collect()
    }

    /// Forgets a text about a person, told by itself or by its hash, and says which hash stands for
    /// nobody from now on. `None`: nothing of it is known.
    pub async fn erase(
        &self,
        who: &str,
        by: Actor,
        at: OffsetDateTime,
    ) -> Result<Option<Private>, StoreError> {
        let mut writing = self.write().await?;
        let erased = sqlx::query(
            "DELETE FROM opened WHERE text = ?1 OR hash = ?1 RETURNING hash, salt, text",
        )
        .bind(who)
        .fetch_optional(&mut *writing.transaction)
        .await?;
        let Some(erased) = erased else { return Ok(None) };
        let Opened { hash, .. } = read(&erased)?;
        let event = Event::new(Act::Erased, Outcome::Done, by).fact("erased", hash.as_str());
        writing.record(event, at).await?;
        writing.commit().await?;
        // The log of the database would keep the text until somebody writes over it.
        sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&self.pool).await?;
        Ok(Some(hash))
    }
}

fn read(row: &SqliteRow) -> Result<Opened, StoreError> {
    let hash: String = row.try_get("hash")?;
    let hash = Private::parse(&hash)
        .ok_or_else(|| StoreError::Broken { reason: format!("`{hash}` is not a salted hash") })?;
    Ok(Opened { hash, salt: row.try_get("salt")?, text: row.try_get("text")? })
}
