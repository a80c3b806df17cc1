//! `gatewright audit report`.

mod csv;

use clap::{Args, ValueEnum};
use gw_audit::{
    entry::{Actor, Subject},
    report::{Cycle, Report as Rows, Row},
    verify::Verified,
};
use gw_control::waits::{Gate, whom, words};
use gw_model::terminal::Visible;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Period, Source, people::People};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    ui::Form,
    words::{clock_text, count},
};

/// Tells who changed what, on whose approval and by which proof; the ledger is verified on the way.
///
/// Each row names the entries that it was made from: `audit prove` proves them one by one. Refusals,
/// erasures and rotations of the key have rows too. A copy of the ledger's folder is enough.
#[derive(Debug, Args)]
pub(crate) struct Report {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    period: Period,
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Csv,
    Json,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    ledger: Whole<'a>,
    rows: &'a [Told],
    gates: Vec<Median>,
    /// None: nothing was applied.
    cycle: Option<Speed>,
}

/// How soon changes were in force, and how many of them took nobody's approval.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Speed {
    changes: usize,
    unapproved: usize,
    median_s: i64,
}

/// How long one waits at a gate.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Median {
    gate: String,
    median_s: i64,
    passed: usize,
}

/// What the rows were made from.
#[derive(Serialize)]
struct Whole<'a> {
    origin: &'a str,
    entries: u64,
    root: String,
}

/// One row, as texts. Times are UTC.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Told {
    at: String,
    ended_at: Option<String>,
    environment: Option<String>,
    change: Option<u64>,
    what: String,
    outcome: String,
    by: String,
    proof: &'static str,
    approved_by: Vec<String>,
    merges: Vec<String>,
    waited_s: Option<i64>,
    waits: Vec<Waited>,
    commit: Option<String>,
    plan: Option<String>,
    decision: Option<String>,
    effect: Option<String>,
    rules: Vec<String>,
    reason: Option<String>,
    deployment: Option<String>,
    entries: Vec<u64>,
}

/// What a change waited for.
#[derive(Debug, Serialize)]
pub(super) struct Waited {
    gate: String,
    s: i64,
}

impl Report {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let opened = self.source.open(context).await?;
        let (mut rows, mut people) = (Rows::default(), People::default());
        let mut unread = None;
        let verified = opened.walk(&[], &mut |entry| {
            rows.meet(&entry);
            if let Err(failure) = people.learn(&opened.files, &entry) {
                unread.get_or_insert(failure);
            }
        })?;
        if let Some(failure) = unread {
            return Err(failure);
        }
        let environment = context.globals.env.as_ref().map(|env| env.as_str());
        let rows: Vec<Row> = rows
            .rows()
            .into_iter()
            .filter(|row| self.period.has(row.at))
            .filter(|row| environment.is_none() || row.environment.as_deref() == environment)
            .collect();
        let told: Vec<Told> = rows.iter().map(|row| Told::of(row, &people)).collect();
        let cycle = Cycle::of(&rows);
        let gates = Gate::all(rows.iter().flat_map(|row| row.waits.clone()));
        match (self.format, context.ui.form) {
            (Format::Json, _) | (Format::Text, Form::Json) => {
                let newest = &verified.newest;
                let ledger = Whole {
                    origin: &newest.origin,
                    entries: newest.size,
                    root: newest.root.to_string(),
                };
                context.ui.json(&Document {
                    schema: "gatewright.io/report/v1",
                    ledger,
                    rows: &told,
                    gates: gates.into_iter().map(Median::from).collect(),
                    cycle: cycle.map(Speed::from),
                });
            }
            (Format::Csv, _) => context.ui.result(&csv::table(&told)),
            (Format::Text, Form::Text) => {
                let mut text = text(&rows, &told, &gates, &verified);
                text.extend(cycle.map(|cycle| format!("{}\n", speed(cycle))));
                context.ui.result(&text);
            }
        }
        Ok(Exit::Done)
    }
}

impl Told {
    fn of(row: &Row, people: &People) -> Self {
        let approved_by = row.approved_by.iter().map(|name| people.shown(name)).collect();
        Self {
            at: utc(row.at),
            ended_at: row.ended_at.map(utc),
            environment: row.environment.clone(),
            change: row.change,
            what: row.what.clone(),
            outcome: row.outcome.clone(),
            by: who(&row.by, people),
            proof: row.by.proof.as_str(),
            approved_by,
            merges: row.merges.iter().map(|(number, by)| merged(*number, by, people)).collect(),
            waited_s: row.waited.map(time::Duration::whole_seconds),
            waits: row.waits.iter().map(Waited::from).collect(),
            commit: row.commit.clone(),
            plan: row.plan.clone(),
            decision: row.decision.clone(),
            effect: row.effect.clone(),
            rules: row.rules.clone(),
            reason: row.reason.clone(),
            deployment: row.deployment.clone(),
            entries: row.entries.clone(),
        }
    }

    /// `approval by team security 7800 s`, each.
    fn gates(&self) -> Vec<String> {
        self.waits.iter().map(|Waited { gate, s }| format!("{gate} {s} s")).collect()
    }

    /// `34, 36-48`.
    fn ranges(&self) -> String {
        let mut ranges: Vec<(u64, u64)> = vec![];
        for &index in &self.entries {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == index => *last = index,
                _ => ranges.push((index, index)),
            }
        }
        let range = |(first, last): &(u64, u64)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        ranges.iter().map(range).collect::<Vec<_>>().join(", ")
    }
}

impl From<&(String, time::Duration)> for Waited {
    fn from((gate, waited): &(String, time::Duration)) -> Self {
        Self { gate: gate.clone(), s: waited.whole_seconds() }
    }
}

impl From<Cycle> for Speed {
    fn from(Cycle { changes, unapproved, median }: Cycle) -> Self {
        Self { changes, unapproved, median_s: median.whole_seconds() }
    }
}

/// `14 changes applied, 10 without anybody's approval; median from plan to verified: 4 min`.
fn speed(cycle: Cycle) -> String {
    let Cycle { changes, unapproved, median } = cycle;
    let (changes, median) = (count(changes, "change"), words(median));
    format!(
        "{changes} applied, {unapproved} without anybody's approval; median from plan to verified: \
         {median}"
    )
}

impl From<Gate> for Median {
    fn from(Gate { name, median, passed }: Gate) -> Self {
        Self { gate: name, median_s: median.whole_seconds(), passed }
    }
}

/// `pull request 7 merged by ann`.
fn merged(number: u64, by: &str, people: &People) -> String {
    match by {
        "" => format!("pull request {number} merged"),
        by => format!("pull request {number} merged by {}", people.shown(by)),
    }
}

/// Who it was, and through whom it came, the nearest last.
pub(super) fn who(by: &Actor, people: &People) -> String {
    let mut who = match &by.subject {
        Some(Subject::Machine(subject)) => format!("{} ({subject})", by.identity),
        Some(Subject::Person(hash)) => format!("{} ({})", by.identity, people.text(hash)),
        None => by.identity.clone(),
    };
    for via in &by.via {
        who.push_str(&format!(" via {}", self::who(via, people)));
    }
    who
}

fn text(rows: &[Row], told: &[Told], gates: &[Gate], verified: &Verified) -> String {
    let mut text = String::new();
    for (row, told) in rows.iter().zip(told) {
        let at = clock_text(row.at);
        let change = told.change.map(|change| format!("change {change}"));
        let subject = [told.environment.clone(), change].into_iter().flatten();
        let subject: String = subject.map(|word| format!("{word} ")).collect();
        let Told { what, outcome, by, proof, .. } = told;
        let mut lines = vec![format!("{at}  {subject}{what}: {outcome}, by {by} ({proof})")];
        let mut about = vec![];
        if !told.approved_by.is_empty() {
            about.push(format!("approved by {}", told.approved_by.join(", ")));
        }
        about.extend(told.merges.iter().cloned());
        about.extend(told.waited_s.filter(|waited| *waited > 0).map(|it| format!("waited {it} s")));
        let waits = row.waits.iter();
        about.extend(waits.map(|(gate, it)| format!("{} for {}", words(*it), whom(gate))));
        about.extend(told.commit.as_ref().map(|commit| format!("commit {commit}")));
        about.extend(told.plan.clone());
        about.extend(told.decision.clone());
        if !told.rules.is_empty() {
            about.push(format!("rules {}", told.rules.join(", ")));
        }
        if !about.is_empty() {
            lines.push(format!("  {}", about.join(" · ")));
        }
        lines.extend(told.reason.as_ref().map(|reason| format!("  reason {reason}")));
        lines.extend(told.deployment.as_ref().map(|it| format!("  deployment {it}")));
        lines.push(format!("  entries {}", told.ranges()));
        for line in lines {
            text.push_str(&format!("{}\n", Visible(&line)));
        }
    }
    text.extend(gates.iter().map(|gate| format!("{}\n", Visible(&gate.to_string()))));
    let size = usize::try_from(verified.newest.size).unwrap_or(usize::MAX);
    let (rows, all) = (count(told.len(), "row"), count(size, "entry"));
    text.push_str(&format!(
        "{rows} of a ledger of {all}, verified (root {})\n",
        verified.newest.root
    ));
    text
}

fn utc(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}
