//! `gatewright audit list`.

use clap::Args;
use gw_audit::entry::{Act, Entry, Event, Subject};
use gw_model::terminal::Visible;
use serde::Serialize;
use serde_json::Value;

use super::{Period, Source};
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
    /// Only what this identity did.
    #[arg(long, value_name = "IDENTITY")]
    by: Option<String>,
}

/// One entry, for machines: what was hashed, unchanged.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    entry: &'a Entry,
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
        found.iter().for_each(|entry| tell(context, entry));
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
            && self.by.as_ref().is_none_or(|by| event.by.identity == *by)
            && env.is_none_or(|env| event.environment.as_deref() == Some(env.as_str()))
    }
}

/// Tells one entry, in the form that was asked for.
pub(super) fn tell(context: Context<'_>, entry: &Entry) {
    match context.ui.form {
        Form::Json => context.ui.json(&Document { schema: "gatewright.io/entry/v1", entry }),
        Form::Text => context.ui.line(&line(entry)),
    }
}

fn line(entry: &Entry) -> String {
    let Entry { index, at, event, .. } = entry;
    let (at, act, outcome) = (clock_text(*at), event.act.as_str(), event.outcome.as_str());
    let what = what(event);
    let line = format!("{index:>6}  {at}  {act:<15} {outcome:<8} {:<8} {what}", who(event));
    Visible(line.trim_end()).to_string()
}

fn who(event: &Event) -> String {
    let by = &event.by;
    match &by.subject {
        Some(Subject::Machine(subject)) => format!("{} ({subject})", by.identity),
        Some(Subject::Person(_)) | None => by.identity.clone(),
    }
}

/// What it was about: what is particular to the act first. Digests and places are for machines.
fn what(event: &Event) -> String {
    const FIRST: [&str; 4] = ["step", "action", "outcome", "why"];
    const LEFT_OUT: [&str; 3] = ["source", "planDigest", "position"];

    let fact = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        value => format!("{name} {value}"),
    };
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

fn act(text: &str) -> Result<Act, String> {
    let found = Act::ALL.iter().find(|act| act.as_str() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<&str> = Act::ALL.iter().map(|act| act.as_str()).collect();
        format!("the acts are {}", names.join(", "))
    })
}
