//! What the ledger says of what decides: which change is in force and by which documents, what is held,
//! which plans were shown and who approved.
//!
//! The tables say the same, whole and quick to find; but whoever writes to the state folder writes to
//! them as well. So a row counts only as far as an entry says the same. Entries of versions that did
//! not say it yet bind nothing.

use std::collections::{BTreeMap, BTreeSet};

use gw_audit::entry::{Act, Entry, Event};
use gw_model::id::EnvironmentName;
use gw_plan::{digest::Digest, plan::Changed};
use serde_json::{Value, json};
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};
use time::OffsetDateTime;
use tokio::sync::MutexGuard;

use super::{
    Begun, Change, Documents, Outcome, Store, StoreError,
    column::{named, to_column, to_json, written_time},
    journal::read_change,
};
use crate::{
    approve::{Given, Shown},
    event,
};

/// The fact of an entry that names the approval that was given.
pub(super) const GIVEN: &str = "given";

/// What an approval is named by; none: it was given to a former version.
pub(super) type Salt = Option<String>;

/// What a row says of a change.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meets {
    InForce,
    UnderWay,
}

/// What a change is kept with that decides later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Document {
    Desired,
    Script,
}

/// What entries say, taken together.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The entries before this one are known.
    next: u64,
    places: BTreeMap<String, Place>,
    /// Plans that were shown, and approvals.
    said: BTreeMap<Said, Vec<Event>>,
}

/// What finds the entry of a row: what it is, where, what is changed, and when.
type Said = (Act, String, String, OffsetDateTime);

/// One environment.
#[derive(Debug, Default)]
struct Place {
    changes: BTreeMap<u64, Course>,
    /// By the digest of the effect.
    held: BTreeMap<String, u64>,
}

/// One change.
#[derive(Debug, Default)]
struct Course {
    began: Option<Event>,
    outcome: Option<Outcome>,
    /// What the Git host made of the step that asked for it.
    deployed: Option<Event>,
}

impl Document {
    /// The fact of the entry that names it by its digest.
    const fn fact(self) -> &'static str {
        match self {
            Self::Desired => "desired",
            Self::Script => "script",
        }
    }
}

impl Told {
    /// Learns what entries say that came since.
    async fn catch_up(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        // An index that somebody made hides what it was made without, and bytes that are kept as a text
        // are like none; who begins looks at the entries themselves.
        let query = match self.next {
            0 => {
                "SELECT CAST(bytes AS BLOB) AS bytes FROM entry NOT INDEXED
                 WHERE substr(CAST(bytes AS BLOB), 1, 15) = x'7b22616374223a226368616e67652e' AND position >= ?
                 ORDER BY position"
            }
            _ => {
                "SELECT bytes FROM entry INDEXED BY entry_of_change
                 WHERE substr(bytes, 1, 15) = x'7b22616374223a226368616e67652e' AND position >= ?
                 ORDER BY position"
            }
        };
        let rows = sqlx::query(query).bind(to_column(self.next)?).fetch_all(connection).await?;
        for row in rows {
            let entry = Entry::parse(&row.try_get::<Vec<u8>, _>("bytes")?);
            let broken = || StoreError::Broken { reason: "an entry is none".to_owned() };
            self.learn(entry.ok_or_else(broken)?);
        }
        Ok(())
    }

    /// Learns what the next entry says.
    fn learn(&mut self, entry: Entry) {
        self.next = self.next.max(entry.index + 1);
        let Entry { at, clock, event, .. } = entry;
        let Some(environment) = event.environment.clone() else { return };
        if let Act::Shown | Act::Approved = event.act {
            let at = clock.unwrap_or(at);
            let changed = fact(&event, "changed").unwrap_or_default().to_owned();
            self.said.entry((event.act, environment, changed, at)).or_default().push(event);
            return;
        }
        let Some(number) = event.change else { return };
        let place = self.places.entry(environment).or_default();
        let course = |place: &mut Place, outcome| {
            place.changes.entry(number).or_default().outcome = Some(outcome);
        };
        match event.act {
            Act::Began => place.changes.entry(number).or_default().began = Some(event),
            Act::Ended => {
                if let Some(outcome) = fact(&event, "outcome").and_then(|it| it.parse().ok()) {
                    course(place, outcome);
                }
            }
            Act::Deployed => {
                place.changes.entry(number).or_default().deployed = Some(event);
            }
            Act::Unhealthy => course(place, Outcome::Unhealthy),
            Act::Held => {
                place.held.insert(event.effect.unwrap_or_default(), number);
            }
            Act::Released => place.held.clear(),
            _ => {}
        }
    }

    /// Whether this is the change that an environment is in.
    fn meet_in_force(&self, at: &EnvironmentName, found: Option<u64>) -> Result<(), StoreError> {
        let newest = self.place(at).and_then(|place| {
            let mut newest_first = place.changes.iter().rev();
            newest_first.find(|(_, it)| it.outcome.is_some_and(Outcome::took_effect))
        });
        let newest = newest.map(|(number, _)| *number);
        // What took effect before there was a ledger is told by nobody.
        let is_former =
            found.is_some_and(|number| newest.is_none() && self.knows_nothing(at, number));
        if newest == found || is_former {
            return Ok(());
        }
        Err(unbound(format!("the change that `{at}` is in")))
    }

    fn knows_nothing(&self, at: &EnvironmentName, number: u64) -> bool {
        self.course(at, number).is_none_or(|course| course.outcome.is_none())
    }

    /// Whether a change that began has not ended.
    fn meet_under_way(&self, at: &EnvironmentName, number: u64) -> Result<(), StoreError> {
        match self.knows_nothing(at, number) {
            true => Ok(()),
            false => Err(unbound(format!("that change {number} of `{at}` is under way"))),
        }
    }

    /// How a change began. None: nobody told that of it, nor of any before it what documents it has.
    fn began(&self, at: &EnvironmentName, number: u64) -> Result<Option<&Event>, StoreError> {
        let began = self.course(at, number).and_then(|it| it.began.as_ref());
        let names = |course: &Course| {
            let began = course.began.as_ref();
            began.is_some_and(|began| fact(began, Document::Desired.fact()).is_some())
        };
        let mut before = self.place(at).into_iter().flat_map(|it| it.changes.range(..number));
        if began.is_none() && before.any(|(_, course)| names(course)) {
            return Err(unbound(format!("how change {number} of `{at}` began")));
        }
        Ok(began)
    }

    /// Whether a change began as its row says.
    fn meet_change(&self, change: &Change) -> Result<(), StoreError> {
        let (at, number) = (&change.begun.environment, change.number);
        let Some(began) = self.began(at, number)? else { return Ok(()) };
        let desired = fact(began, Document::Desired.fact());
        let script = fact(began, Document::Script.fact());
        let Some((desired, script)) = desired.zip(script) else { return Ok(()) };
        match bound(event::began(&change.begun, number), desired, script) == *began {
            true => Ok(()),
            false => Err(unbound(format!("how change {number} of `{at}` began"))),
        }
    }

    /// Whether a change ended well, as its row says.
    pub(super) fn meet_verified(&self, change: &Change) -> Result<(), StoreError> {
        self.meet_change(change)?;
        let (at, number) = (&change.begun.environment, change.number);
        match self.course(at, number) {
            None => Ok(()),
            Some(course) if course.outcome == Some(Outcome::Verified) => Ok(()),
            Some(_) => Err(unbound(format!("that change {number} of `{at}` is verified"))),
        }
    }

    /// Whether a change began with this document.
    fn meet_document(
        &self,
        at: &EnvironmentName,
        number: u64,
        document: Document,
        text: &str,
    ) -> Result<(), StoreError> {
        let told = self.began(at, number)?.and_then(|began| fact(began, document.fact()));
        if told.is_none_or(|told| told == digest_of(text).as_str()) {
            return Ok(());
        }
        let what = match document {
            Document::Desired => "declares",
            Document::Script => "does",
        };
        Err(unbound(format!("what change {number} of `{at}` {what}")))
    }

    /// Whether this was put below a pull request.
    fn has_shown(&self, at: &EnvironmentName, pull_request: u64, shown: &Shown) -> bool {
        let said = self.said(Act::Shown, at, &shown.entries, shown.at);
        said.iter().any(|event| {
            event.facts.get("pullRequest") == Some(&Value::from(pull_request))
                && event.commit.as_ref().is_some_and(|commit| commit.starts_with(&shown.head))
        })
    }

    /// Whether somebody gave this approval.
    fn has_given(
        &self,
        at: &EnvironmentName,
        given: &Given,
        salt: &Salt,
    ) -> Result<bool, StoreError> {
        let digest = digest_of_given(given, salt.as_deref().unwrap_or_default())?;
        let said = self.said(Act::Approved, at, &given.entries, given.at);
        Ok(said.iter().any(|event| {
            event.commit.as_ref() == Some(&given.commit)
                && fact(event, GIVEN).is_none_or(|named| named == digest.as_str())
        }))
    }

    fn said(
        &self,
        act: Act,
        environment: &EnvironmentName,
        changed: &Changed,
        at: OffsetDateTime,
    ) -> &[Event] {
        // Entries tell the time in milliseconds.
        let at = at.replace_millisecond(at.millisecond()).unwrap_or(at);
        let key = (act, environment.to_string(), event::digest_of(changed).to_string(), at);
        self.said.get(&key).map(Vec::as_slice).unwrap_or_default()
    }

    fn place(&self, at: &EnvironmentName) -> Option<&Place> {
        self.places.get(at.as_str())
    }

    fn course(&self, at: &EnvironmentName, number: u64) -> Option<&Course> {
        self.place(at)?.changes.get(&number)
    }
}

impl Store {
    /// What the entries of the state say, up to the newest one.
    async fn told(&self) -> Result<MutexGuard<'_, Told>, StoreError> {
        let (told, moment) = self.moment().await?;
        moment.rollback().await?;
        Ok(told)
    }

    /// Whether what is in force, and what stopped half way, is what the ledger says.
    pub async fn meet_ledger(&self) -> Result<(), StoreError> {
        for at in &self.known_environments().await? {
            let in_force = self.in_force(at).await?;
            let under_way = self.under_way(at).await?;
            for change in in_force.iter().chain(&under_way) {
                self.desired(at, change.number).await?;
                self.script(at, change.number).await?;
            }
        }
        Ok(())
    }

    /// Whether everything that decides, or ever did, is what the ledger says.
    pub async fn meet_whole_ledger(&self) -> Result<(), StoreError> {
        self.meet_ledger().await?;
        for at in &self.known_environments().await? {
            for change in self.changes(at).await? {
                self.told().await?.meet_change(&change)?;
                self.desired(at, change.number).await?;
                self.script(at, change.number).await?;
            }
            for number in self.shown_on(at).await? {
                for shown in self.kept_shown(at, number).await? {
                    if !self.told().await?.has_shown(at, number, &shown) {
                        return Err(unbound(format!("what was shown below pull request {number}")));
                    }
                }
            }
            for (given, salt) in self.kept_approvals(at).await? {
                if !self.told().await?.has_given(at, &given, &salt)? {
                    return Err(unbound(format!("an approval for `{at}`")));
                }
            }
        }
        Ok(())
    }

    /// The environments that the tables or the entries know.
    async fn known_environments(&self) -> Result<BTreeSet<EnvironmentName>, StoreError> {
        let mut known: BTreeSet<_> = self.environments().await?.into_iter().collect();
        for name in self.told().await?.places.keys() {
            known.insert(named(name)?);
        }
        Ok(known)
    }

    /// What the ledger says of the deployment that brought a change.
    pub async fn deployed(
        &self,
        at: &EnvironmentName,
        number: u64,
    ) -> Result<Option<Event>, StoreError> {
        let told = self.told().await?;
        Ok(told.course(at, number).and_then(|course| course.deployed.clone()))
    }

    /// The same change, where its row is what the ledger says of it.
    pub(super) async fn as_told(
        &self,
        change: Option<Change>,
    ) -> Result<Option<Change>, StoreError> {
        if let Some(change) = &change {
            self.told().await?.meet_change(change)?;
        }
        Ok(change)
    }

    /// What the entries say, and the tables as of the same moment. A row and its entry come together: a
    /// change that ends meanwhile makes nothing differ.
    pub(super) async fn moment(
        &self,
    ) -> Result<(MutexGuard<'_, Told>, Transaction<'_, Sqlite>), StoreError> {
        let mut told = self.told.lock().await;
        let mut moment = self.pool.begin().await?;
        // Whoever reads anything waits for this: without the box, all of their futures hold it.
        Box::pin(told.catch_up(&mut moment)).await?;
        Ok((told, moment))
    }

    /// The change that a row tells of, where the ledger tells the same.
    pub(super) async fn agreed(
        &self,
        at: &EnvironmentName,
        query: &'static str,
        meets: Meets,
    ) -> Result<Option<Change>, StoreError> {
        let (told, mut moment) = self.moment().await?;
        let row = sqlx::query(query).bind(at.as_str()).fetch_optional(&mut *moment).await?;
        moment.rollback().await?;
        let found = row.as_ref().map(read_change).transpose()?;
        match (meets, &found) {
            (Meets::InForce, found) => {
                told.meet_in_force(at, found.as_ref().map(|change| change.number))?;
            }
            (Meets::UnderWay, Some(change)) => told.meet_under_way(at, change.number)?,
            (Meets::UnderWay, None) => {}
        }
        if let Some(change) = &found {
            told.meet_change(change)?;
        }
        Ok(found)
    }

    pub(super) async fn meet_document(
        &self,
        at: &EnvironmentName,
        number: u64,
        document: Document,
        text: &str,
    ) -> Result<(), StoreError> {
        self.told().await?.meet_document(at, number, document, text)
    }

    /// The change that the ledger says is held with this effect.
    pub(super) async fn told_held(
        &self,
        at: &EnvironmentName,
        effect: &str,
    ) -> Result<Option<u64>, StoreError> {
        Ok(self.told().await?.place(at).and_then(|place| place.held.get(effect).copied()))
    }

    /// Those of a pull request that entries tell of.
    pub(super) async fn only_shown(
        &self,
        at: &EnvironmentName,
        pull_request: u64,
        kept: Vec<Shown>,
    ) -> Result<Vec<Shown>, StoreError> {
        let told = self.told().await?;
        Ok(kept.into_iter().filter(|it| told.has_shown(at, pull_request, it)).collect())
    }

    /// Those that entries tell of.
    pub(super) async fn only_given(
        &self,
        at: &EnvironmentName,
        kept: Vec<(Given, Salt)>,
    ) -> Result<Vec<Given>, StoreError> {
        let told = self.told().await?;
        let mut given = vec![];
        for (one, salt) in kept {
            if told.has_given(at, &one, &salt)? {
                given.push(one);
            }
        }
        Ok(given)
    }
}

/// What names an approval in the ledger: the whole of it behind its salt, so that nobody can tell from
/// it who it was.
pub(super) fn digest_of_given(given: &Given, salt: &str) -> Result<Digest, StoreError> {
    let Given { by, at, commit, restores, entries } = given;
    let (by, at) = (to_json(by)?, written_time(*at)?);
    Ok(Digest::of_json(&json!([salt, by, at, commit, restores, entries])))
}

/// The entry of a change that begins with these documents.
pub(super) fn began(begun: &Begun, number: u64, documents: &Documents) -> Event {
    let Documents { plan: _, script, desired } = documents;
    bound(event::began(begun, number), digest_of(desired).as_str(), digest_of(script).as_str())
}

fn bound(began: Event, desired: &str, script: &str) -> Event {
    began.fact(Document::Desired.fact(), desired).fact(Document::Script.fact(), script)
}

fn digest_of(text: &str) -> Digest {
    Digest::of_bytes(text.as_bytes())
}

fn fact<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.facts.get(name).and_then(Value::as_str)
}

fn unbound(what: String) -> StoreError {
    StoreError::Unbound { what }
}

#[cfg(test)]
mod tests;
