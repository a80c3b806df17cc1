//! What one entry of the ledger says, and its bytes: canonical JSON after RFC 8785.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::private::Private;

/// The longest entry: a bundle counts its bytes in 16 bits.
pub const MAX_BYTES: usize = u16::MAX as usize;

/// Something that was decided or done, as whoever did it tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub act: Act,
    pub outcome: Outcome,
    pub by: Actor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The rules that were asked, and what each said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What is particular to the act: text, whole numbers, yes or no, and lists of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Value>,
}

/// An event with its place in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub index: u64,
    /// Never before the entry in front of it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// What the clock said, where it had gone back.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub clock: Option<OffsetDateTime>,
    #[serde(flatten)]
    pub event: Event,
}

/// Who it was, by which proof; `via` is whoever carried it here, the nearest last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub identity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// A person's subject is personal, a machine's is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    pub proof: Proof,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<Self>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Subject {
    Machine(String),
    Person(Private),
}

/// One rule that was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    pub id: String,
    pub effect: Effect,
    pub held: bool,
    pub file: String,
    pub line: u64,
}

/// Ties an enum to the words that stand in entries.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $note:literal])* $variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $note])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    )+};
}

words! {
    /// What was done, or asked.
    Act {
        LedgerOpened = "ledger.opened",
        KeyRotated = "ledger.keyRotated",
        Erased = "ledger.erased",
        Planned = "change.planned",
        /// A plan was put below a pull request: whoever approves there approves what it says.
        Shown = "change.shown",
        Approved = "change.approved",
        Decided = "change.decided",
        Began = "change.began",
        Ended = "change.ended",
        /// What the Git host calls the deployment of the step that asked for a change.
        Deployed = "change.deployed",
        /// In force, and a backend does not work any more.
        Unhealthy = "change.unhealthy",
        /// A state that was left by going back: it does not come again by itself.
        Held = "change.held",
        /// Another state is in force: what was held may come again.
        Released = "change.released",
        StepIntended = "step.intended",
        StepEnded = "step.ended",
        DriftFound = "drift.found",
        DriftAccepted = "drift.accepted",
        /// It was proposed as a change.
        DriftAdopted = "drift.adopted",
        /// The table of access was tried on the running gateway.
        Tested = "environment.tested",
        LoggedIn = "login",
        TokenIssued = "token.issued",
        TokenRevoked = "token.revoked",
        Read = "read",
        CallsCounted = "calls.counted",
    }

    /// How it ended.
    Outcome {
        Done = "done",
        Refused = "refused",
        Failed = "failed",
        /// Done, and nobody could prove it.
        Unproven = "unproven",
    }

    /// What showed who it was.
    Proof {
        /// The user of this machine, who owns the state folder.
        State = "state",
        Token = "token",
        Signature = "signature",
        Certificate = "certificate",
        /// The Git host reports it.
        GitHost = "gitHost",
        /// Gatewright itself, on an event or a timer.
        Itself = "itself",
    }

    /// What a rule does where it holds.
    Effect {
        Permit = "permit",
        Forbid = "forbid",
    }
}

/// Why an entry has no bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// A number that is not whole, or beyond what every reader of JSON keeps exactly.
    Number {
        fact: String,
    },
    TooLong {
        bytes: usize,
    },
    NotJson {
        because: String,
    },
}

impl Actor {
    /// What carries whoever asks by the step of a pipeline.
    pub const PIPELINE: &str = "pipeline";
    /// The same by the number that people know it by.
    pub const RUN: &str = "run";

    /// The run of a pipeline by which it came: `#12, pipeline {…}, step {…}`.
    pub fn run(&self) -> Option<String> {
        let pipeline = self.carrier(Self::PIPELINE)?;
        let name = self.carrier(Self::RUN).map(|name| format!("{name}, ")).unwrap_or_default();
        let step = self.step().map(|step| format!(", step {step}")).unwrap_or_default();
        Some(format!("{name}pipeline {pipeline}{step}"))
    }

    /// Whether it came by that run: its number, or the UUID of the pipeline or of the step.
    pub fn is_of_run(&self, name: &str) -> bool {
        let Some(pipeline) = self.carrier(Self::PIPELINE) else { return false };
        let names = [self.carrier(Self::RUN), Some(pipeline), self.step()];
        names.into_iter().flatten().any(|own| is_same_run(own, name))
    }

    /// The step that it is, where it is one of a pipeline.
    fn step(&self) -> Option<&str> {
        machine(self.subject.as_ref())?.rsplit(':').next()
    }

    fn carrier(&self, identity: &str) -> Option<&str> {
        let mut via = self.via.iter().filter(|via| via.identity == identity);
        machine(via.next()?.subject.as_ref())
    }
}

fn machine(subject: Option<&Subject>) -> Option<&str> {
    match subject? {
        Subject::Machine(subject) => Some(subject),
        Subject::Person(_) => None,
    }
}

/// A number with or without its sign, a UUID with or without braces.
fn is_same_run(one: &str, other: &str) -> bool {
    let bare = |text: &str| text.trim_matches(['{', '}', '#']).to_ascii_lowercase();
    let other = bare(other);
    !other.is_empty() && bare(one) == other
}

impl Event {
    /// Whether a run of a pipeline asked for it, or it tells of that run.
    pub fn is_of_run(&self, name: &str) -> bool {
        let facts = ["run", "pipeline", "pipelineStep"].iter();
        let mut told = facts.filter_map(|fact| self.facts.get(*fact)?.as_str());
        self.by.is_of_run(name)
            || (self.act == Act::Deployed && told.any(|own| is_same_run(own, name)))
    }

    pub fn new(act: Act, outcome: Outcome, by: Actor) -> Self {
        Self {
            act,
            outcome,
            by,
            environment: None,
            target: None,
            change: None,
            decision: None,
            plan: None,
            effect: None,
            commit: None,
            rules: vec![],
            facts: BTreeMap::new(),
        }
    }

    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}

impl Entry {
    /// Gives an event its place. Time goes on even where the clock goes back; then both are kept.
    pub fn place(
        event: Event,
        index: u64,
        clock: OffsetDateTime,
        former: Option<OffsetDateTime>,
    ) -> Self {
        let clock = clock.replace_millisecond(clock.millisecond()).unwrap_or(clock);
        match former.filter(|former| clock < *former) {
            Some(former) => Self { index, at: former, clock: Some(clock), event },
            None => Self { index, at: clock, clock: None, event },
        }
    }

    /// The bytes that are hashed and kept.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Unwritable> {
        for (fact, value) in &self.event.facts {
            if !exact(value) {
                return Err(Unwritable::Number { fact: fact.clone() });
            }
        }
        let bytes = canonical(self)?;
        if bytes.len() <= MAX_BYTES {
            Ok(bytes)
        } else {
            Err(Unwritable::TooLong { bytes: bytes.len() })
        }
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// Every hash in it that stands for a text about a person.
    pub fn people(&self) -> Vec<Private> {
        let mut hashes = vec![];
        of_actor(&self.event.by, &mut hashes);
        // A reason is whatever somebody typed.
        for (_, value) in self.event.facts.iter().filter(|(name, _)| *name != "reason") {
            of_value(value, &mut hashes);
        }
        hashes
    }
}

fn of_actor(actor: &Actor, hashes: &mut Vec<Private>) {
    if let Some(Subject::Person(hash)) = &actor.subject {
        hashes.push(hash.clone());
    }
    for via in &actor.via {
        of_actor(via, hashes);
    }
}

fn of_value(value: &Value, hashes: &mut Vec<Private>) {
    match value {
        Value::String(text) => hashes.extend(Private::parse(text)),
        Value::Array(items) => items.iter().for_each(|item| of_value(item, hashes)),
        Value::Object(members) => members.values().for_each(|item| of_value(item, hashes)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether bytes are JSON in the one form that RFC 8785 leaves.
pub fn is_canonical(bytes: &[u8]) -> bool {
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    value.is_some_and(|value| canonical(&value).is_ok_and(|form| form == bytes))
}

fn canonical(value: &impl Serialize) -> Result<Vec<u8>, Unwritable> {
    serde_json_canonicalizer::to_vec(value)
        .map_err(|error| Unwritable::NotJson { because: error.to_string() })
}

/// Whether every number is whole and below 2^53.
fn exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some_and(|number| number < 1 << 53),
        Value::Array(items) => items.iter().all(exact),
        Value::Object(members) => members.values().all(exact),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

impl std::fmt::Display for Unwritable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number { fact } => write!(f, "the fact `{fact}` has a number that is not exact"),
            Self::TooLong { .. } => write!(f, "an entry has at most {MAX_BYTES} bytes"),
            Self::NotJson { because } => f.write_str(because),
        }
    }
}

impl std::error::Error for Unwritable {}

#[cfg(test)]
mod tests;
