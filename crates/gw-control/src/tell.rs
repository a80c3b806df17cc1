//! What is told in a Git host about a commit: the comment below its pull request, the report and the
//! build statuses beside it. Pure: texts from plans, findings and refusals.
//!
//! Most of what stands in them was made up by whoever opened the pull request. None of it may end a
//! line, become markup, call somebody or hide a word.

mod comment;
mod links;
mod report;
#[cfg(test)]
pub(crate) mod sample;
mod status;
mod waiting;

use gw_model::{
    diagnostic::{self, Diagnostic},
    source::{Origin, Sources},
    terminal::Visible,
};
use gw_plan::plan::{Note, Plan, Weight};
use time::{Duration, OffsetDateTime};

pub use self::{
    comment::comment,
    links::Links,
    report::report,
    status::{Progress, of_apply, of_plan},
    waiting::Waiting,
};
use crate::{approve::Refused, branches::Absent};

/// What is known about one commit.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    pub pull_request: u64,
    pub commit: &'a str,
    pub at: OffsetDateTime,
    pub links: &'a Links,
    pub news: News<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum News<'a> {
    /// What it would do, environment by environment.
    Plans(&'a [Prospect<'a>]),
    /// What it declares cannot be read.
    Broken(&'a [Note]),
    /// It was to be applied as planned, and may not.
    Refused(&'a Plan),
}

/// What a commit would do to one environment.
#[derive(Clone, Copy, Debug)]
pub struct Prospect<'a> {
    pub plan: &'a Plan,
    /// Approvals that do not count for it.
    pub refused: &'a [Refused],
    /// Branches that it would name and that are not there.
    pub absent: &'a [Absent],
    /// How long one waits at the slowest of its gates, where some came through.
    pub median_wait: Option<Duration>,
}

impl Told<'_> {
    /// The page that says more about what matters most.
    fn page(&self) -> String {
        let plan = match self.news {
            News::Plans(prospects) => {
                let plans = || prospects.iter().map(|prospect| prospect.plan);
                let kept = plans().find(|plan| !plan.is_empty() && !plan.allowed());
                kept.or_else(|| plans().find(|plan| !plan.is_empty())).or_else(|| plans().next())
            }
            News::Broken(_) => None,
            News::Refused(plan) => return self.links.decision(&plan.decision.id),
        };
        plan.map_or_else(|| self.links.server().to_owned(), |plan| self.links.plan(&plan.id))
    }
}

/// So many digits tell one commit from another.
const DIGITS: usize = 7;

fn short(commit: &str) -> String {
    line(&commit.chars().take(DIGITS).collect::<String>())
}

/// A text of other people in a line without markup.
pub(crate) fn line(text: &str) -> String {
    let text: String =
        text.chars().map(|sign| if sign.is_whitespace() { ' ' } else { sign }).collect();
    Visible(&text).to_string()
}

fn errors(notes: &[Note]) -> usize {
    notes.iter().filter(|note| note.severity == Weight::Error).count()
}

fn count_of(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// What was found in declarations, with its place; errors first.
pub fn findings(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<Note> {
    let note = |diagnostic: &Diagnostic| {
        let label = diagnostic.labels.first().map(|label| sources.origin(label.span));
        let mark = diagnostic.marks.first();
        let mark = mark.map(|mark| Origin { file: mark.file.clone(), line: mark.start.line });
        Note {
            code: diagnostic.code.to_string(),
            severity: match diagnostic.severity() {
                diagnostic::Severity::Error => Weight::Error,
                diagnostic::Severity::Warning => Weight::Warning,
                diagnostic::Severity::Note => Weight::Note,
            },
            text: diagnostic.message.clone(),
            at: label.or(mark),
            help: diagnostic.help.clone(),
        }
    };
    let mut notes: Vec<Note> = diagnostics.iter().map(note).collect();
    notes.sort_by_key(|note| note.severity);
    notes
}

#[cfg(test)]
mod tests;
