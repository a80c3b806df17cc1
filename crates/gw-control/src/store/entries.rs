//! The entries of the ledger, in the order in which they became true. Each is written in the
//! transaction of what it tells of, so neither is ever there without the other.

use std::sync::atomic::Ordering;

use gw_audit::{
    entry::{Act, Actor, Entry, Event, Outcome, Proof},
    key::Keys,
    note::{Note, Verifier},
};
use gw_model::id::{EnvironmentName, IdentityName};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{from_column, read_time, to_column, written_time},
};

/// So many entries of one decision are told; a change that goes on and on has more.
const FOUND: i64 = 200;

/// What is being written: all of it becomes true together, or nothing.
pub(super) struct Writing<'a> {
    pub(super) transaction: Transaction<'a, Sqlite>,
    store: &'a Store,
}

/// The end of the ledger.
struct Newest {
    position: u64,
    at: OffsetDateTime,
}

impl Store {
    /// Begins to write. Nobody else writes until it ends, and nobody whose lease has gone over to
    /// somebody else.
    pub(super) async fn write(&self) -> Result<Writing<'_>, StoreError> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(lease) = &self.lease {
            lease.check(&mut transaction).await?;
        }
        Ok(Writing { transaction, store: self })
    }

    /// Puts something in the ledger that changes nothing else.
    pub async fn record(&self, event: Event, at: OffsetDateTime) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        writing.record(event, at).await?;
        writing.commit().await
    }

    /// Whether anything was put in the ledger since it was opened here.
    pub fn has_recorded(&self) -> bool {
        self.recorded.load(Ordering::Acquire)
    }

    /// Whether the key at hand is the one that signs the ledger, where there is one yet.
    pub async fn check_key(&self) -> Result<(), StoreError> {
        same_key(&mut *self.pool.acquire().await?, &self.at_hand()).await
    }

    /// The key that the state says is in force; none where nothing was recorded yet.
    pub async fn key_in_force(&self) -> Result<Option<String>, StoreError> {
        in_force(&mut *self.pool.acquire().await?).await
    }

    /// Every key that signs, each handed over to by the one before it.
    pub async fn keys(&self) -> Result<Keys, StoreError> {
        let rows = sqlx::query(
            "SELECT position, bytes FROM entry WHERE position IN (SELECT position FROM ledger_key)
             ORDER BY position",
        )
        .fetch_all(&self.pool)
        .await?;
        let mut entries: Vec<(u64, Vec<u8>)> = vec![];
        for row in rows {
            entries.push((from_column(row.try_get("position")?)?, row.try_get("bytes")?));
        }
        let named = entries.iter().map(|(index, bytes)| (*index, bytes.as_slice()));
        Keys::of(named).map_err(|(index, _)| StoreError::PlantedKey { index })
    }

    /// Makes another key the one that signs, where `size` is still all that there is. Says whether
    /// it was. From then on this store goes with the next key.
    pub async fn hand_over(
        &self,
        size: u64,
        next: &Verifier,
        rotated: Event,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let newest = writing.newest().await?;
        if newest.is_none_or(|newest| newest.position + 1 != size) {
            return Ok(false);
        }
        writing.record(rotated, at).await?;
        writing.name_key(size, next).await?;
        writing.commit().await?;
        *self.ledger.write() = next.clone();
        Ok(true)
    }

    fn at_hand(&self) -> Verifier {
        self.ledger.read().clone()
    }

    /// How many entries the ledger has.
    pub async fn entry_count(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT coalesce(max(position) + 1, 0) AS size FROM entry")
            .fetch_one(&self.pool)
            .await?;
        from_column(row.try_get("size")?)
    }

    /// Remembers the newest checkpoint that was signed.
    pub async fn seal(&self, size: u64, note: &Note) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO sealed (only, size, note) VALUES (1, ?, ?)")
            .bind(to_column(size)?)
            .bind(note.to_string())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// The newest checkpoint that was signed, and over how many entries.
    pub async fn sealed(&self) -> Result<Option<(u64, Note)>, StoreError> {
        let row = sqlx::query("SELECT size, note FROM sealed").fetch_optional(&self.pool).await?;
        let sealed = |row: sqlx::sqlite::SqliteRow| {
            let text: String = row.try_get("note")?;
            let note = Note::parse(text.as_bytes());
            let note = note.map_err(|why| StoreError::Broken { reason: why.to_string() })?;
            Ok((from_column(row.try_get("size")?)?, note))
        };
        row.map(sealed).transpose()
    }

    /// So many entries from a position on.
    pub async fn entries(&self, from: u64, count: u32) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows =
            sqlx::query("SELECT bytes FROM entry WHERE position >= ? ORDER BY position LIMIT ?")
                .bind(to_column(from)?)
                .bind(count)
                .fetch_all(&self.pool)
                .await?;
        rows.iter().map(|row| Ok(row.try_get("bytes")?)).collect()
    }

    /// The newest decision on a change of an environment.
    pub async fn newest_decided(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        // Bytes are canonical, and within a text every quote is escaped: nothing else reads like this.
        let act = format!("\"act\":\"{}\"", Act::Decided.as_str());
        let place = format!("\"environment\":\"{environment}\"");
        let row = sqlx::query(
            "SELECT bytes FROM entry WHERE instr(bytes, ?) > 0 AND instr(bytes, ?) > 0
             ORDER BY position DESC LIMIT 1",
        )
        .bind(act.into_bytes())
        .bind(place.into_bytes())
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get("bytes")).transpose()?)
    }

    /// Entries of an environment in which a text stands as an id does, the newest first.
    pub async fn entries_about(
        &self,
        environment: &EnvironmentName,
        id: &str,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let place = format!("\"environment\":\"{environment}\"");
        let rows = sqlx::query(
            "SELECT bytes FROM entry WHERE instr(bytes, ?) > 0 AND instr(bytes, ?) > 0
             ORDER BY position DESC LIMIT ?",
        )
        .bind(place.into_bytes())
        .bind(id.as_bytes())
        .bind(FOUND)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("bytes")?)).collect()
    }

    /// What the ledger tells of a decision, the oldest first.
    pub async fn entries_of(&self, decision: &str) -> Result<Vec<Vec<u8>>, StoreError> {
        let rows = sqlx::query(
            "SELECT bytes FROM decided JOIN entry USING (position)
             WHERE decision = ? ORDER BY position LIMIT ?",
        )
        .bind(decision)
        .bind(FOUND)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("bytes")?)).collect()
    }
}

impl Writing<'_> {
    /// Puts an event at the end of the ledger. The first one opens it.
    pub(super) async fn record(
        &mut self,
        event: Event,
        at: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.is_watched(event.act, at).await?;
        let newest = match self.newest().await? {
            Some(newest) => {
                same_key(&mut self.transaction, &self.store.at_hand()).await?;
                newest
            }
            None => self.open(at).await?,
        };
        let Newest { position, at: former } = newest;
        self.place(Entry::place(event, position + 1, at, Some(former))).await
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await?;
        self.store.recorded.store(true, Ordering::Release);
        Ok(())
    }

    /// The first entry names the key that signs.
    async fn open(&mut self, at: OffsetDateTime) -> Result<Newest, StoreError> {
        let key = self.store.at_hand();
        let by = Actor {
            identity: IdentityName::SERVER.to_owned(),
            issuer: None,
            subject: None,
            proof: Proof::Itself,
            via: vec![],
        };
        let opened = Event::new(Act::LedgerOpened, Outcome::Done, by);
        let entry = Entry::place(opened.naming(&key, None), 0, at, None);
        let newest = Newest { position: 0, at: entry.at };
        self.place(entry).await?;
        self.name_key(0, &key).await?;
        Ok(newest)
    }

    async fn name_key(&mut self, position: u64, key: &Verifier) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO ledger_key (position, verifier) VALUES (?, ?)")
            .bind(to_column(position)?)
            .bind(key.to_string())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    async fn newest(&mut self) -> Result<Option<Newest>, StoreError> {
        let row = sqlx::query("SELECT position, at FROM entry ORDER BY position DESC LIMIT 1")
            .fetch_optional(&mut *self.transaction)
            .await?;
        let newest = |row: sqlx::sqlite::SqliteRow| {
            let at: String = row.try_get("at")?;
            Ok(Newest { position: from_column(row.try_get("position")?)?, at: read_time(&at)? })
        };
        row.map(newest).transpose()
    }

    async fn place(&mut self, entry: Entry) -> Result<(), StoreError> {
        let unwritable = |error: gw_audit::entry::Unwritable| StoreError::Unwritable {
            reason: error.to_string(),
        };
        let bytes = entry.to_bytes().map_err(unwritable)?;
        sqlx::query("INSERT INTO entry (position, at, bytes) VALUES (?, ?, ?)")
            .bind(to_column(entry.index)?)
            .bind(written_time(entry.at)?)
            .bind(bytes)
            .execute(&mut *self.transaction)
            .await?;
        if let Some(decision) = &entry.event.decision {
            sqlx::query("INSERT INTO decided (decision, position) VALUES (?, ?)")
                .bind(decision)
                .bind(to_column(entry.index)?)
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }
}

/// What nobody could sign is not begun: the key at hand must be the one in force.
async fn same_key(connection: &mut SqliteConnection, at_hand: &Verifier) -> Result<(), StoreError> {
    let in_force = in_force(connection).await?;
    if in_force.is_none_or(|in_force| in_force == at_hand.to_string()) {
        Ok(())
    } else {
        Err(StoreError::OtherKey)
    }
}

async fn in_force(connection: &mut SqliteConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT verifier FROM ledger_key ORDER BY position DESC LIMIT 1")
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get("verifier")).transpose()?)
}
