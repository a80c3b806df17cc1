//! `gatewright audit list`.

use std::collections::BTreeMap;

use clap::Args;
use gw_audit::entry::{Act, Entry, Event, Subject};
use gw_model::terminal::Visible;
use serde::Serialize;
use serde_json::Value;

use super::{Period, Source, people::People, report::who};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    ui::Form,
    words::clock_text,
};

/// Lists entries of the ledger, the oldest first. It is verified on the way.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    period: Period,
    /// Only entries of this change.
    #[arg(long, value_name = "NUMBER")]
    change: Option<u64>,
    /// Only entries of this act, for example `change.decided`.
    #[arg(long, value_name = "ACT", value_parser = act)]
    act: Option<Act>,
    /// Only what this run of a pipeline asked for: its number, or the UUID of the pipeline or step.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// Only what this identity did, or this person.
    #[arg(long, value_name = "IDENTITY")]
    by: Option<String>,
}

/// One entry, for machines: what was hashed, unchanged.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    entry: &'a Entry,
    /// Whom the hashes in it stand for; `null` where that was erased.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    people: BTreeMap<String, Option<&'a str>>,
}

impl List {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let opened = self.source.open(context).await?;
        let mut found = vec![];
        opened.walk(&[], &mut |entry| {
            if self.has(context, &entry) {
                found.push(entry);
            }
        })?;
        let mut people = People::default();
        for entry in &found {
            people.learn(&opened.files, entry)?;
        }
        found.retain(|entry| self.is_by(&people, entry));
        found.iter().for_each(|entry| tell(context, entry, &people));
        if found.is_empty() {
            context.ui.say("no entry is like that");
        }
        Ok(Exit::Done)
    }

    fn has(&self, context: Context<'_>, entry: &Entry) -> bool {
        let event = &entry.event;
        let env = context.globals.env.as_ref();
        self.period.has(entry.at)
            && self.act.is_none_or(|act| event.act == act)
            && self.change.is_none_or(|change| event.change == Some(change))
            && self.run.as_ref().is_none_or(|run| event.is_of_run(run))
            && env.is_none_or(|env| event.environment.as_deref() == Some(env.as_str()))
    }

    fn is_by(&self, people: &People, entry: &Entry) -> bool {
        let actor = &entry.event.by;
        let subject = match &actor.subject {
            Some(Subject::Person(hash)) => Some(people.text(hash)),
            Some(Subject::Machine(subject)) => Some(subject.as_str()),
            None => None,
        };
        self.by.as_ref().is_none_or(|by| actor.identity == *by || subject == Some(by.as_str()))
    }
}

/// Tells one entry, in the form that was asked for.
pub(super) fn tell(context: Context<'_>, entry: &Entry, people: &People) {
    match context.ui.form {
        Form::Json => {
            let (schema, people) = ("gatewright.io/entry/v1", people.of(entry));
            context.ui.json(&Document { schema, entry, people });
        }
        Form::Text => context.ui.line(&line(entry, people)),
    }
}

fn line(entry: &Entry, people: &People) -> String {
    let Entry { index, at, event, .. } = entry;
    let (at, act, outcome) = (clock_text(*at), event.act.as_str(), event.outcome.as_str());
    let (who, what) = (who(&event.by, people), what(event, people));
    let line = format!("{index:>6}  {at}  {act:<15} {outcome:<8} {who:<8} {what}");
    Visible(line.trim_end()).to_string()
}

/// What it was about: what is particular to the act first. Digests and places are for machines.
fn what(event: &Event, people: &People) -> String {
    const FIRST: [&str; 4] = ["step", "action", "outcome", "why"];
    const LEFT_OUT: [&str; 3] = ["source", "planDigest", "position"];

    let fact = |(name, value): (&String, &Value)| format!("{name} {}", told(value, people));
    let mut words = vec![];
    words.extend(FIRST.iter().filter_map(|name| event.facts.get_key_value(*name)).map(fact));
    words.extend(event.change.map(|change| format!("change {change}")));
    words.extend(event.environment.clone());
    words.extend(event.target.as_ref().map(|target| format!("target {target}")));
    words.extend(event.plan.clone());
    let is_rest = |name: &str| !FIRST.contains(&name) && !LEFT_OUT.contains(&name);
    words.extend(event.facts.iter().filter(|(name, _)| is_rest(name)).map(fact));
    words.join(" · ")
}

fn told(value: &Value, people: &People) -> String {
    match value {
        Value::String(text) => people.shown(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| told(item, people)).collect();
            items.join(", ")
        }
        value => value.to_string(),
    }
}

fn act(text: &str) -> Result<Act, String> {
    let found = Act::ALL.iter().find(|act| act.as_str() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Act::ALL.iter().map(|act| act.as_str()).collect();
        format!("the acts are {}", names.join(", "))
    })
}
