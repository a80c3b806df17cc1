//! Tokens of ours, by their hashes, and the proofs that may be used once.

use gw_audit::entry::{Actor, Proof, Subject};
use sqlx::{Row, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    Store, StoreError,
    column::{from_json, to_json},
    entries::Writing,
};
use crate::{
    asker::Asker,
    event,
    login::{Scope, exchange},
};

/// A token that is about to be given.
#[derive(Debug)]
pub struct Fresh<'a> {
    pub id: &'a str,
    pub hash: [u8; 32],
    pub scope: &'a Scope,
    pub expires_at: OffsetDateTime,
    /// The subject, where it is a person.
    pub person: Option<&'a str>,
    /// Whoever the Git host says carried it here, the farthest first.
    pub carried: Vec<Carried>,
}

/// Somebody at whose wish a machine asks, as the Git host reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub by: &'static str,
    pub whom: Whom,
}

/// Whoever that was. A person stands in the ledger behind a salt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    Person(String),
    Machine(String),
}

/// What may be used once.
#[derive(Clone, Copy, Debug)]
pub struct Unique {
    pub key: [u8; 32],
    /// Until then nobody may use it again.
    pub until: OffsetDateTime,
}

/// Who holds a token, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub id: String,
    pub asker: Asker,
    pub scope: Scope,
    pub expires_at: OffsetDateTime,
}

impl Store {
    /// Keeps a token, with the entry that says so. False: what may be used once was used before, and
    /// nothing is kept.
    pub async fn issue(
        &self,
        fresh: Fresh<'_>,
        asker: Asker,
        unique: Option<Unique>,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let Fresh { id, hash, scope, expires_at, person, carried } = fresh;
        let mut writing = self.write().await?;
        writing.forget_tokens(at).await?;
        if let Some(unique) = unique
            && !writing.use_once(unique).await?
        {
            return Ok(false);
        }
        let Asker { caller, mut actor } = asker;
        if let Some(person) = person {
            actor.subject = Some(Subject::Person(writing.hide(person).await?));
        }
        for (place, Carried { by, whom }) in carried.into_iter().enumerate() {
            let subject = match whom {
                Whom::Person(name) => Subject::Person(writing.hide(&name).await?),
                Whom::Machine(name) => Subject::Machine(name),
            };
            let carried = Actor {
                identity: by.to_owned(),
                issuer: None,
                subject: Some(subject),
                proof: Proof::GitHost,
                via: vec![],
            };
            actor.via.insert(place, carried);
        }
        sqlx::query(
            "INSERT INTO token (hash, id, caller, actor, scope, expires_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(hash.as_slice())
        .bind(id)
        .bind(to_json(&caller)?)
        .bind(to_json(&actor)?)
        .bind(to_json(scope)?)
        .bind(expires_at.unix_timestamp())
        .execute(&mut *writing.transaction)
        .await?;
        writing.record(event::issued(actor, id, scope, expires_at), at).await?;
        writing.commit().await?;
        Ok(true)
    }

    /// Who holds this token, if it is one of ours and still good.
    pub async fn token(
        &self,
        text: &str,
        now: OffsetDateTime,
    ) -> Result<Option<Granted>, StoreError> {
        let row = sqlx::query(
            "SELECT id, caller, actor, scope, expires_at FROM token
             WHERE hash = ? AND expires_at > ?",
        )
        .bind(exchange::hash_of(text).as_slice())
        .bind(now.unix_timestamp())
        .fetch_optional(&self.pool)
        .await?;
        row.as_ref().map(granted).transpose()
    }

    /// The tokens, still good, of whoever is this subject for this issuer.
    pub async fn tokens_of(
        &self,
        issuer: &str,
        subject: &str,
        now: OffsetDateTime,
    ) -> Result<Vec<Granted>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, caller, actor, scope, expires_at FROM token WHERE expires_at > ?",
        )
        .bind(now.unix_timestamp())
        .fetch_all(&self.pool)
        .await?;
        let mut held = vec![];
        for row in &rows {
            let token = granted(row)?;
            let mut principals = token.asker.caller.principals.iter();
            if principals.any(|it| it.issuer == issuer && it.subject == subject) {
                held.push(token);
            }
        }
        Ok(held)
    }

    /// Takes a token back. False: there is none of that id, or its time is over.
    pub async fn revoke(
        &self,
        id: &str,
        by: Actor,
        at: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let gone = sqlx::query("DELETE FROM token WHERE id = ? AND expires_at > ?")
            .bind(id)
            .bind(at.unix_timestamp())
            .execute(&mut *writing.transaction)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(false);
        }
        writing.record(event::revoked(by, id), at).await?;
        writing.commit().await?;
        Ok(true)
    }
}

fn granted(row: &SqliteRow) -> Result<Granted, StoreError> {
    let text = |column: &str| row.try_get::<String, _>(column);
    let asker = Asker { caller: from_json(&text("caller")?)?, actor: from_json(&text("actor")?)? };
    let expires_at = OffsetDateTime::from_unix_timestamp(row.try_get("expires_at")?)
        .map_err(|error| StoreError::Broken { reason: error.to_string() })?;
    Ok(Granted { id: text("id")?, asker, scope: from_json(&text("scope")?)?, expires_at })
}

impl Writing<'_> {
    /// Whether nobody used it before; from now on somebody did.
    async fn use_once(&mut self, unique: Unique) -> Result<bool, StoreError> {
        let used = sqlx::query("INSERT OR IGNORE INTO proof_used (key, until) VALUES (?, ?)")
            .bind(unique.key.as_slice())
            .bind(unique.until.unix_timestamp())
            .execute(&mut *self.transaction)
            .await?;
        Ok(used.rows_affected() == 1)
    }

    /// What is over leaves: what a token says of people is kept no longer than the token is good.
    async fn forget_tokens(&mut self, at: OffsetDateTime) -> Result<(), StoreError> {
        for statement in
            ["DELETE FROM token WHERE expires_at <= ?", "DELETE FROM proof_used WHERE until <= ?"]
        {
            sqlx::query(statement)
                .bind(at.unix_timestamp())
                .execute(&mut *self.transaction)
                .await?;
        }
        Ok(())
    }
}
