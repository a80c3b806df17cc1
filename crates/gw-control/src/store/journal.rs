//! Changes and their steps: written down before they are done, and again after.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use gw_audit::entry::{Actor, Event};
use gw_model::id::{EnvironmentName, TargetName};
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};
use time::OffsetDateTime;

use super::{
    Hold, Store, StoreError,
    column::{column, from_column, from_json, named, read_time, to_column, to_json, written_time},
    entries::Writing,
    told::{self, Document, Meets},
};
use crate::event;

/// Why an environment changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Apply,
    Rollback,
    /// An apply that went round what ordinary ones need.
    BreakGlass,
}

/// How far a change came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Begun and not ended: somebody works on it, or it stopped half way.
    UnderWay,
    /// Written, read back and probed.
    Verified,
    /// Written; nobody serves it yet, so nobody could prove it.
    Applied,
    /// In force, and a backend does not work any more.
    Unhealthy,
    /// Ended before anything was written.
    Failed,
    /// Given up after it stopped half way.
    Abandoned,
    /// It stopped half way because a target refused it, and another change took its place.
    Superseded,
}

/// What is done to a target, as the journal names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ActName {
    Recheck,
    Stage,
    Write,
    Delete,
    Switch,
    ReadBack,
    Probe,
    Retire,
    Abandon,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepState {
    Intended,
    Done,
    Failed,
}

column! {
    Action { Apply = "apply", Rollback = "rollback", BreakGlass = "breakGlass" }
    Outcome {
        UnderWay = "underWay", Verified = "verified", Applied = "applied",
        Unhealthy = "unhealthy", Failed = "failed",
        Abandoned = "abandoned", Superseded = "superseded"
    }
    ActName {
        Recheck = "recheck", Stage = "stage", Write = "write", Delete = "delete",
        Switch = "switch", ReadBack = "read back", Probe = "probe", Retire = "retire",
        Abandon = "abandon"
    }
    StepState { Intended = "intended", Done = "done", Failed = "failed" }
}

/// What is known when a change begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    pub environment: EnvironmentName,
    pub action: Action,
    pub actor: Actor,
    pub reason: Option<String>,
    /// The change whose state a rollback restores.
    pub restores: Option<u64>,
    /// Of one that broke glass: when its time is over.
    pub until: Option<OffsetDateTime>,
    pub source_digest: String,
    pub effect_digest: String,
    pub plan_id: String,
    /// Whose files they are; none: of no commit.
    pub commit: Option<String>,
    pub began_at: OffsetDateTime,
}

/// What a change is kept with, each as the JSON that its owner wrote. They are large, so they are
/// read by those who need them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documents {
    pub plan: String,
    /// What is done, act by act.
    pub script: String,
    /// What must hold after it.
    pub desired: String,
}

/// One numbered change of an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub number: u64,
    pub begun: Begun,
    pub ended_at: Option<OffsetDateTime>,
    pub outcome: Outcome,
    pub detail: Option<String>,
}

/// One step of a change, as the journal knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    pub position: u32,
    pub target: TargetName,
    pub name: ActName,
    pub state: StepState,
    pub detail: Option<String>,
    pub began_at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
}

/// What a change left on one target: object name to document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub target: TargetName,
    pub objects: BTreeMap<String, String>,
}

/// How a change ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub outcome: Outcome,
    pub detail: Option<String>,
    pub at: OffsetDateTime,
    /// `None` where nothing was written, so the former record stays.
    pub written: Option<Vec<Written>>,
}

impl ActName {
    /// Whether callers may meet another state because of it.
    pub const fn reaches_callers(self) -> bool {
        match self {
            Self::Write | Self::Delete | Self::Switch => true,
            Self::Recheck
            | Self::Stage
            | Self::ReadBack
            | Self::Probe
            | Self::Retire
            | Self::Abandon => false,
        }
    }
}

impl fmt::Display for ActName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Outcome {
    /// Whether the state that was wanted is what the environment is in, or was.
    pub(super) const fn took_effect(self) -> bool {
        matches!(self, Self::Verified | Self::Applied | Self::Unhealthy)
    }
}

impl Change {
    /// Whether its state is what the environment is in, or was.
    pub const fn took_effect(&self) -> bool {
        self.outcome.took_effect()
    }
}

impl Store {
    /// Writes down that a change begins, by which decision and which state it leaves for good, and
    /// gives it its number.
    pub async fn begin(
        &self,
        begun: &Begun,
        documents: &Documents,
        decision: Event,
        left: Option<&Hold>,
    ) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let row = sqlx::query(
            "INSERT INTO change (environment, number, action, actor, reason, restores,
                 source_digest, effect_digest, plan_id, commit_id, began_at, outcome, until)
             SELECT ?1, coalesce(max(number), 0) + 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
             FROM change WHERE environment = ?1
             RETURNING number",
        )
        .bind(begun.environment.as_str())
        .bind(begun.action.as_str())
        .bind(to_json(&begun.actor)?)
        .bind(&begun.reason)
        .bind(begun.restores.map(to_column).transpose()?)
        .bind(&begun.source_digest)
        .bind(&begun.effect_digest)
        .bind(&begun.plan_id)
        .bind(&begun.commit)
        .bind(written_time(begun.began_at)?)
        .bind(Outcome::UnderWay.as_str())
        .bind(begun.until.map(written_time).transpose()?)
        .fetch_one(&mut *writing.transaction)
        .await?;
        let number: i64 = row.try_get("number")?;
        let Documents { plan, script, desired } = documents;
        sqlx::query(
            "INSERT INTO document (environment, number, plan, script, desired)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(begun.environment.as_str())
        .bind(number)
        .bind(plan)
        .bind(script)
        .bind(desired)
        .execute(&mut *writing.transaction)
        .await?;
        let number = from_column(number)?;
        writing.record(decision, begun.began_at).await?;
        writing.record(told::began(begun, number, documents), begun.began_at).await?;
        if let Some(left) = left {
            writing.hold(left, begun.actor.clone(), begun.began_at).await?;
        }
        writing.commit().await?;
        Ok(number)
    }

    /// The change that began and has not ended.
    pub async fn under_way(&self, at: &EnvironmentName) -> Result<Option<Change>, StoreError> {
        let query = "SELECT * FROM change WHERE environment = ? AND outcome = 'underWay'";
        self.agreed(at, query, Meets::UnderWay).await
    }

    /// The newest change that took effect: the state that the environment is in.
    pub async fn in_force(&self, at: &EnvironmentName) -> Result<Option<Change>, StoreError> {
        let newest = "SELECT * FROM change WHERE environment = ?
                          AND outcome IN ('verified', 'applied', 'unhealthy') ORDER BY number DESC LIMIT 1";
        self.agreed(at, newest, Meets::InForce).await
    }

    /// The environments in which files of this digest were verified.
    pub async fn verified_in(
        &self,
        source_digest: &str,
    ) -> Result<BTreeSet<EnvironmentName>, StoreError> {
        let query = "SELECT * FROM change
             WHERE source_digest = ? AND outcome = 'verified' AND action = 'apply'";
        let (told, mut moment) = self.moment().await?;
        let rows = sqlx::query(query).bind(source_digest).fetch_all(&mut *moment).await?;
        moment.rollback().await?;
        let mut verified = BTreeSet::new();
        for row in &rows {
            let change = read_change(row)?;
            told.meet_verified(&change)?;
            verified.insert(change.begun.environment);
        }
        Ok(verified)
    }

    /// The newest change before this one that took effect.
    pub async fn in_force_before(
        &self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<Option<u64>, StoreError> {
        let newest = "SELECT number FROM change WHERE environment = ? AND number < ?
                          AND outcome IN ('verified', 'applied', 'unhealthy') ORDER BY number DESC LIMIT 1";
        let found = self.find(newest, at, Some(number)).await?;
        found.map(|row| from_column(row.try_get("number")?)).transpose()
    }

    /// The change in force or, while glass is broken, the ordinary one before it.
    pub async fn ordinary(&self, at: &EnvironmentName) -> Result<Option<Change>, StoreError> {
        let Some(change) = self.in_force(at).await? else { return Ok(None) };
        if change.begun.action != Action::BreakGlass {
            return Ok(Some(change));
        }
        match self.ordinary_before(at, change.number).await? {
            Some(number) => self.change(at, number).await,
            None => Ok(Some(change)),
        }
    }

    /// The newest change before this one that took effect in the ordinary way.
    pub async fn ordinary_before(
        &self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<Option<u64>, StoreError> {
        let newest = "SELECT number FROM change WHERE environment = ? AND number < ?
                          AND outcome IN ('verified', 'applied', 'unhealthy') AND action <> 'breakGlass'
                          ORDER BY number DESC LIMIT 1";
        let found = self.find(newest, at, Some(number)).await?;
        found.map(|row| from_column(row.try_get("number")?)).transpose()
    }

    pub async fn change(
        &self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<Option<Change>, StoreError> {
        let found = self
            .find("SELECT * FROM change WHERE environment = ? AND number = ?", at, Some(number))
            .await?;
        self.as_told(found.as_ref().map(read_change).transpose()?).await
    }

    /// The plan that a change carried out.
    pub async fn planned(&self, at: &EnvironmentName, number: u64) -> Result<String, StoreError> {
        self.document("SELECT plan FROM document WHERE environment = ? AND number = ?", at, number)
            .await
    }

    /// What a change does, act by act.
    pub async fn script(&self, at: &EnvironmentName, number: u64) -> Result<String, StoreError> {
        let script = "SELECT script FROM document WHERE environment = ? AND number = ?";
        let script = self.document(script, at, number).await?;
        self.meet_document(at, number, Document::Script, &script).await?;
        Ok(script)
    }

    /// What must hold after a change.
    pub async fn desired(&self, at: &EnvironmentName, number: u64) -> Result<String, StoreError> {
        let desired = "SELECT desired FROM document WHERE environment = ? AND number = ?";
        let desired = self.document(desired, at, number).await?;
        self.meet_document(at, number, Document::Desired, &desired).await?;
        Ok(desired)
    }

    /// The one document of a change that a statement asks for.
    async fn document(
        &self,
        statement: &'static str,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<String, StoreError> {
        let found = self.find(statement, at, Some(number)).await?;
        let missing = || StoreError::Broken { reason: format!("change {number} has no documents") };
        Ok(found.ok_or_else(missing)?.try_get(0)?)
    }

    /// The first row that a statement finds for an environment, and for a change of it.
    pub(super) async fn find(
        &self,
        statement: &'static str,
        at: &EnvironmentName,
        number: Option<u64>,
    ) -> Result<Option<SqliteRow>, StoreError> {
        let mut query = sqlx::query(statement).bind(at.as_str());
        if let Some(number) = number {
            query = query.bind(to_column(number)?);
        }
        Ok(query.fetch_optional(&self.pool).await?)
    }

    /// Every change of an environment, the newest first.
    pub async fn changes(&self, at: &EnvironmentName) -> Result<Vec<Change>, StoreError> {
        sqlx::query("SELECT * FROM change WHERE environment = ? ORDER BY number DESC")
            .bind(at.as_str())
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(read_change)
            .collect()
    }

    /// Writes down that a step is about to be done. Doing a step again is said again.
    pub async fn intend(
        &self,
        at: &EnvironmentName,
        number: u64,
        step: &StepRecord,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(
            "INSERT OR REPLACE INTO step
                 (environment, number, position, target, name, state, began_at)
             VALUES (?, ?, ?, ?, ?, 'intended', ?)",
        )
        .bind(at.as_str())
        .bind(to_column(number)?)
        .bind(step.position)
        .bind(step.target.as_str())
        .bind(step.name.as_str())
        .bind(written_time(step.began_at)?)
        .execute(&mut *writing.transaction)
        .await?;
        let (_, by) = writing.begun(at, number).await?;
        writing.record(event::intended(by, at, number, step), step.began_at).await?;
        writing.commit().await
    }

    /// Writes down how a step ended.
    pub async fn settle(
        &self,
        at: &EnvironmentName,
        number: u64,
        step: &StepRecord,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(
            "UPDATE step SET state = ?, detail = ?, ended_at = ?
             WHERE environment = ? AND number = ? AND position = ?",
        )
        .bind(step.state.as_str())
        .bind(&step.detail)
        .bind(step.ended_at.map(written_time).transpose()?)
        .bind(at.as_str())
        .bind(to_column(number)?)
        .bind(step.position)
        .execute(&mut *writing.transaction)
        .await?;
        let (_, by) = writing.begun(at, number).await?;
        let ended_at = step.ended_at.unwrap_or(step.began_at);
        writing.record(event::settled(by, at, number, step), ended_at).await?;
        writing.commit().await
    }

    pub async fn steps(
        &self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<Vec<StepRecord>, StoreError> {
        sqlx::query("SELECT * FROM step WHERE environment = ? AND number = ? ORDER BY position")
            .bind(at.as_str())
            .bind(to_column(number)?)
            .fetch_all(&self.pool)
            .await?
            .iter()
            .map(read_step)
            .collect()
    }

    /// Ends a change: its outcome and what it left on the targets become known together.
    pub async fn end(
        &self,
        at: &EnvironmentName,
        number: u64,
        ending: &Ending,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(
            "UPDATE change SET outcome = ?, detail = ?, ended_at = ?
             WHERE environment = ? AND number = ?",
        )
        .bind(ending.outcome.as_str())
        .bind(&ending.detail)
        .bind(written_time(ending.at)?)
        .bind(at.as_str())
        .bind(to_column(number)?)
        .execute(&mut *writing.transaction)
        .await?;
        for written in ending.written.iter().flatten() {
            write_down(&mut writing.transaction, at, number, written).await?;
        }
        let (action, by) = writing.begun(at, number).await?;
        writing.record(event::ended(by.clone(), at, number, ending), ending.at).await?;
        let took_effect = matches!(ending.outcome, Outcome::Verified | Outcome::Applied);
        // What is put back is no other state: what was left stays left.
        if action == Action::Apply && took_effect && writing.is_another(at, number).await? {
            writing.release(at, number, by, ending.at).await?;
        }
        writing.commit().await
    }

    /// Marks a change that is in force after which a backend does not work any more.
    pub async fn mark_unhealthy(
        &self,
        at: &EnvironmentName,
        number: u64,
        why: &str,
        marked: Event,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        sqlx::query(
            "UPDATE change SET outcome = ?, detail = ? WHERE environment = ? AND number = ?",
        )
        .bind(Outcome::Unhealthy.as_str())
        .bind(why)
        .bind(at.as_str())
        .bind(to_column(number)?)
        .execute(&mut *writing.transaction)
        .await?;
        writing.record(marked, now).await?;
        writing.commit().await
    }

    /// The change that wrote an object of a target last.
    pub async fn writer(
        &self,
        at: &EnvironmentName,
        target: &TargetName,
        object: &str,
    ) -> Result<Option<u64>, StoreError> {
        let row = sqlx::query(
            "SELECT number FROM written WHERE environment = ? AND target = ? AND object = ?",
        )
        .bind(at.as_str())
        .bind(target.as_str())
        .bind(object)
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| from_column(row.try_get("number")?)).transpose()
    }

    /// The environments that anything was ever done to.
    pub async fn environments(&self) -> Result<Vec<EnvironmentName>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT environment FROM change ORDER BY environment")
            .fetch_all(&self.pool)
            .await?;
        rows.iter().map(|row| named(&row.try_get::<String, _>("environment")?)).collect()
    }

    /// The targets that hold something of ours.
    pub async fn written_targets(
        &self,
        at: &EnvironmentName,
    ) -> Result<Vec<TargetName>, StoreError> {
        let rows = sqlx::query(
            "SELECT DISTINCT target FROM written WHERE environment = ? ORDER BY target",
        )
        .bind(at.as_str())
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| named(&row.try_get::<String, _>("target")?)).collect()
    }

    /// What was last written to a target.
    pub async fn written(
        &self,
        at: &EnvironmentName,
        target: &TargetName,
    ) -> Result<Written, StoreError> {
        let mut connection = self.pool.acquire().await?;
        read_written(&mut connection, at, target).await
    }
}

impl Writing<'_> {
    /// Whether a change brings another state than the one that took effect before it.
    async fn is_another(&mut self, at: &EnvironmentName, number: u64) -> Result<bool, StoreError> {
        let row = sqlx::query(
            "SELECT now.desired IS NOT (
                 SELECT former.desired FROM document AS former JOIN change USING (environment, number)
                 WHERE environment = now.environment AND number < now.number
                     AND outcome IN ('verified', 'applied', 'unhealthy')
                 ORDER BY number DESC LIMIT 1
             ) AS another FROM document AS now WHERE environment = ? AND number = ?",
        )
        .bind(at.as_str())
        .bind(to_column(number)?)
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(row.try_get("another")?)
    }

    /// What a change is, and who makes it.
    async fn begun(
        &mut self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<(Action, Actor), StoreError> {
        let row =
            sqlx::query("SELECT action, actor FROM change WHERE environment = ? AND number = ?")
                .bind(at.as_str())
                .bind(to_column(number)?)
                .fetch_one(&mut *self.transaction)
                .await?;
        let text = |name: &str| row.try_get::<String, _>(name);
        Ok((text("action")?.parse()?, from_json(&text("actor")?)?))
    }
}

async fn read_written(
    connection: &mut SqliteConnection,
    at: &EnvironmentName,
    target: &TargetName,
) -> Result<Written, StoreError> {
    let rows =
        sqlx::query("SELECT object, document FROM written WHERE environment = ? AND target = ?")
            .bind(at.as_str())
            .bind(target.as_str())
            .fetch_all(connection)
            .await?;
    let mut objects = BTreeMap::new();
    for row in rows {
        objects.insert(row.try_get("object")?, row.try_get("document")?);
    }
    Ok(Written { target: target.clone(), objects })
}

/// Brings the record of a target up to date. What stays as it was stays the work of the change that
/// wrote it.
async fn write_down(
    connection: &mut SqliteConnection,
    at: &EnvironmentName,
    number: u64,
    written: &Written,
) -> Result<(), StoreError> {
    // Many objects go in one parameter: a statement for each would take most of the time.
    let former = read_written(connection, at, &written.target).await?.objects;
    let gone: Vec<&String> =
        former.keys().filter(|object| !written.objects.contains_key(*object)).collect();
    let new: Vec<(&String, &String)> = written
        .objects
        .iter()
        .filter(|(object, document)| former.get(*object) != Some(*document))
        .collect();
    sqlx::query(
        "DELETE FROM written WHERE environment = ? AND target = ?
             AND object IN (SELECT value FROM json_each(?))",
    )
    .bind(at.as_str())
    .bind(written.target.as_str())
    .bind(to_json(&gone)?)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT OR REPLACE INTO written (environment, target, object, document, number)
             SELECT ?, ?, value ->> 0, value ->> 1, ? FROM json_each(?)",
    )
    .bind(at.as_str())
    .bind(written.target.as_str())
    .bind(to_column(number)?)
    .bind(to_json(&new)?)
    .execute(&mut *connection)
    .await?;
    Ok(())
}

pub(super) fn read_change(row: &SqliteRow) -> Result<Change, StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let ended: Option<String> = row.try_get("ended_at")?;
    let restores: Option<i64> = row.try_get("restores")?;
    let until: Option<String> = row.try_get("until")?;
    Ok(Change {
        number: from_column(row.try_get("number")?)?,
        begun: Begun {
            environment: named(&text("environment")?)?,
            action: text("action")?.parse()?,
            actor: from_json(&text("actor")?)?,
            reason: row.try_get("reason")?,
            restores: restores.map(from_column).transpose()?,
            until: until.as_deref().map(read_time).transpose()?,
            source_digest: text("source_digest")?,
            effect_digest: text("effect_digest")?,
            plan_id: text("plan_id")?,
            commit: row.try_get("commit_id")?,
            began_at: read_time(&text("began_at")?)?,
        },
        ended_at: ended.as_deref().map(read_time).transpose()?,
        outcome: text("outcome")?.parse()?,
        detail: row.try_get("detail")?,
    })
}

fn read_step(row: &SqliteRow) -> Result<StepRecord, StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name);
    let ended: Option<String> = row.try_get("ended_at")?;
    Ok(StepRecord {
        position: row.try_get("position")?,
        target: named(&text("target")?)?,
        name: text("name")?.parse()?,
        state: text("state")?.parse()?,
        detail: row.try_get("detail")?,
        began_at: read_time(&text("began_at")?)?,
        ended_at: ended.as_deref().map(read_time).transpose()?,
    })
}
