//! What the entries say, taken together: who changed what, on whose approval, and how it ended. Each
//! row names the entries that it was made from, so nothing of it has to be believed.

use std::collections::BTreeMap;

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use crate::entry::{Act, Actor, Effect, Entry, Event, Outcome};

/// One change, one refusal, or one act on the ledger itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// `apply`, `rollback`, `refused`, or the act.
    pub what: String,
    pub environment: Option<String>,
    pub change: Option<u64>,
    pub at: OffsetDateTime,
    pub ended_at: Option<OffsetDateTime>,
    /// From the first time that somebody planned it until it began.
    pub waited: Option<Duration>,
    /// What it waited for on the way, in the words of the rules, and how long.
    pub waits: Vec<(String, Duration)>,
    pub by: Actor,
    /// Whose approvals counted, as the decision says it.
    pub approved_by: Vec<String>,
    /// The pull requests that were merged for it, and by whom, where that is known.
    pub merges: Vec<(u64, String)>,
    pub commit: Option<String>,
    pub plan: Option<String>,
    pub decision: Option<String>,
    pub effect: Option<String>,
    /// The rules that held, permits first.
    pub rules: Vec<String>,
    pub outcome: String,
    pub reason: Option<String>,
    /// What the Git host calls the deployment that brought it.
    pub deployment: Option<String>,
    /// Ascending.
    pub entries: Vec<u64>,
}

/// How soon what people wanted was in force, and for how much of it somebody had to approve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Changes that were applied and verified.
    pub changes: usize,
    /// Nobody had to approve these.
    pub unapproved: usize,
    /// Half of the changes took at most this long, from the first plan of them until they were verified.
    pub median: Duration,
}

/// Takes the entries of a ledger one by one, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    /// The row of each change, by environment and number.
    changes: BTreeMap<(String, u64), usize>,
    /// What was said of plans that did not begin yet, by environment and by each thing that a plan
    /// is known by.
    heard: BTreeMap<(String, String), Vec<Heard>>,
}

/// What was said of a plan.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    index: u64,
    at: OffsetDateTime,
    event: Event,
}

impl Report {
    /// Learns from the next entry.
    pub fn meet(&mut self, entry: &Entry) {
        let event = &entry.event;
        match event.act {
            Act::Planned | Act::Shown | Act::Approved => self.hear(entry),
            Act::Decided => {
                self.hear(entry);
                if event.outcome != Outcome::Done {
                    self.rows.push(Row::of(entry, event.outcome.as_str()));
                }
            }
            Act::Began => self.begin(entry),
            Act::StepIntended
            | Act::StepEnded
            | Act::Ended
            | Act::Deployed
            | Act::Unhealthy
            | Act::Held
            | Act::Released => self.go_on(entry),
            Act::KeyRotated
            | Act::Erased
            | Act::DriftAccepted
            | Act::DriftAdopted
            | Act::Tested => {
                self.rows.push(Row::of(entry, event.act.as_str()));
            }
            // They change nothing; whoever asks for them lists entries.
            Act::LedgerOpened
            | Act::DriftFound
            | Act::LoggedIn
            | Act::TokenIssued
            | Act::TokenRevoked
            | Act::Read
            | Act::CallsCounted => {}
        }
    }

    /// The rows, in the order in which they began.
    pub fn rows(self) -> Vec<Row> {
        self.rows
    }

    fn hear(&mut self, entry: &Entry) {
        let Entry { index, at, event, .. } = entry;
        for key in keys(event) {
            let heard = Heard { index: *index, at: *at, event: event.clone() };
            self.heard.entry(key).or_default().push(heard);
        }
    }

    fn begin(&mut self, entry: &Entry) {
        let event = &entry.event;
        let mut row = Row::of(entry, text(event, "action").unwrap_or("change"));
        // What led to one change led to no other.
        let mut heard: Vec<Heard> =
            keys(event).into_iter().filter_map(|key| self.heard.remove(&key)).flatten().collect();
        heard.sort_by_key(|heard| heard.index);
        heard.dedup_by_key(|heard| heard.index);
        row.waited = heard.first().map(|first| entry.at - first.at);
        for Heard { index, event: said, .. } in &heard {
            row.entries.push(*index);
            row.commit = row.commit.take().or_else(|| said.commit.clone());
            if said.act == Act::Decided && said.outcome == Outcome::Done {
                row.decide(said);
            }
        }
        row.entries.sort_unstable();
        if let (Some(environment), Some(change)) = (&event.environment, event.change) {
            self.changes.insert((environment.clone(), change), self.rows.len());
        }
        self.rows.push(row);
    }

    /// A step of a change, or its end. One that began before there was a ledger has a row from its
    /// first entry on.
    fn go_on(&mut self, entry: &Entry) {
        let event = &entry.event;
        let (Some(environment), Some(change)) = (&event.environment, event.change) else { return };
        let place = (environment.clone(), change);
        let known = self.changes.get(&place).copied();
        let position = known.unwrap_or_else(|| {
            self.changes.insert(place, self.rows.len());
            self.rows.push(Row { entries: vec![], ..Row::of(entry, "change") });
            self.rows.len() - 1
        });
        let Some(row) = self.rows.get_mut(position) else { return };
        row.entries.push(entry.index);
        if event.act == Act::Ended {
            row.ended_at = Some(entry.at);
            row.outcome = text(event, "outcome").unwrap_or(event.outcome.as_str()).to_owned();
        }
        if event.act == Act::Deployed {
            row.deployment = Some(deployed(event));
        }
        if event.act == Act::Unhealthy {
            row.outcome = "unhealthy".to_owned();
            row.reason = text(event, "why").map(str::to_owned).or_else(|| row.reason.take());
        }
    }
}

impl Cycle {
    /// None: nothing was applied.
    pub fn of(rows: &[Row]) -> Option<Self> {
        let is_done = |row: &&Row| row.what == "apply" && row.outcome == "verified";
        let took = |row: &Row| Some(row.ended_at? - row.at + row.waited.unwrap_or_default());
        let done: Vec<&Row> = rows.iter().filter(is_done).collect();
        let median = median(done.iter().filter_map(|row| took(row)).collect())?;
        let unapproved = done.iter().filter(|row| row.approved_by.is_empty()).count();
        Some(Self { changes: done.len(), unapproved, median })
    }
}

impl Row {
    fn of(entry: &Entry, what: &str) -> Self {
        let event = &entry.event;
        let mut row = Self {
            what: what.to_owned(),
            environment: event.environment.clone(),
            change: event.change,
            at: entry.at,
            ended_at: None,
            waited: None,
            waits: waits(event),
            by: event.by.clone(),
            approved_by: names(event),
            merges: merges(event),
            commit: event.commit.clone(),
            plan: event.plan.clone(),
            decision: event.decision.clone(),
            effect: event.effect.clone(),
            rules: vec![],
            outcome: match event.act {
                Act::Began | Act::StepIntended | Act::StepEnded => "underWay".to_owned(),
                _ => event.outcome.as_str().to_owned(),
            },
            reason: ["reason", "why"].iter().find_map(|name| text(event, name)).map(str::to_owned),
            deployment: None,
            entries: vec![entry.index],
        };
        row.judge(event);
        row
    }

    /// By what it was allowed.
    fn decide(&mut self, decided: &Event) {
        self.decision.clone_from(&decided.decision);
        self.waits.extend(waits(decided));
        self.approved_by.extend(names(decided));
        self.merges.extend(merges(decided));
        self.judge(decided);
    }

    fn judge(&mut self, event: &Event) {
        for effect in [Effect::Permit, Effect::Forbid] {
            let held = event.rules.iter().filter(|rule| rule.held && rule.effect == effect);
            self.rules.extend(held.map(|rule| rule.id.clone()));
        }
    }
}

/// Each thing that a plan is known by, in its environment.
fn keys(event: &Event) -> Vec<(String, String)> {
    let Some(environment) = &event.environment else { return vec![] };
    // A state that comes back was planned, shown and approved when it came first: nothing of that led
    // to its coming back.
    let is_back = event.act == Act::Began && text(event, "action") == Some("rollback");
    let effect = event.effect.as_ref().filter(|_| !is_back);
    let commit = event.commit.as_ref().filter(|_| !is_back);
    let named = [("plan", event.plan.as_ref()), ("effect", effect), ("commit", commit)];
    let key = |(name, value): (&str, Option<&String>)| {
        Some((environment.clone(), format!("{name} {}", value?)))
    };
    named.into_iter().filter_map(key).collect()
}

/// Who approved at a Git host, as the entry says it.
fn names(event: &Event) -> Vec<String> {
    let names = event.facts.get("approvedBy").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// What was merged at a Git host, as the entry says it.
fn merges(event: &Event) -> Vec<(u64, String)> {
    let merges = event.facts.get("merges").and_then(Value::as_array);
    let merge = |merge: &Value| Some((merge.get(0)?.as_u64()?, merge.get(1)?.as_str()?.to_owned()));
    merges.into_iter().flatten().filter_map(merge).collect()
}

/// What it waited for, as the entry says it.
fn waits(event: &Event) -> Vec<(String, Duration)> {
    let waits = event.facts.get("waits").and_then(Value::as_array);
    let wait = |wait: &Value| {
        let secs = i64::try_from(wait.get(1)?.as_u64()?).ok()?;
        Some((wait.get(0)?.as_str()?.to_owned(), Duration::seconds(secs)))
    };
    waits.into_iter().flatten().filter_map(wait).collect()
}

/// What the Git host says of a deployment: `prod #12 failed (https://…): the change is verified`.
pub fn deployed(event: &Event) -> String {
    let state = match text(event, "state") {
        Some("underWay") => Some("under way"),
        state => state,
    };
    let words = [text(event, "deployment"), text(event, "run"), state].into_iter().flatten();
    let mut told: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    if told.is_empty() {
        told.push("unknown");
    }
    let mut told = told.join(" ");
    if let Some(url) = text(event, "url") {
        told.push_str(&format!(" ({url})"));
    }
    if let Some(why) = text(event, "why") {
        told.push_str(&format!(": {why}"));
    }
    told
}

/// Half of them are at most this long; of an even number the shorter one in the middle.
pub fn median(mut durations: Vec<Duration>) -> Option<Duration> {
    durations.sort_unstable();
    let middle = durations.len().checked_sub(1)? / 2;
    durations.get(middle).copied()
}

fn text<'a>(event: &'a Event, name: &str) -> Option<&'a str> {
    event.facts.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
