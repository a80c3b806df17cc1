//! What `dev` tells while it runs: lines for people, or one JSON event per line.

use gw_model::clock::Clock;
use serde::Serialize;
use time::{OffsetDateTime, serde::rfc3339};

use crate::{
    compose::SystemClock,
    ui::{Form, Mark, Ui},
};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    /// A gateway or another part runs.
    Started,
    /// Who may call what.
    Access,
    /// A part that somebody else has to start.
    Missing,
    /// What a saved state does to callers.
    Planned,
    /// A saved state is in force.
    Applied,
    /// It is written, and could not be proved.
    Unproven,
    /// A saved state was not taken.
    Refused,
    Drift,
    /// What to do now.
    Next,
}

#[derive(Serialize)]
struct Event<'a> {
    schema: &'static str,
    #[serde(with = "rfc3339")]
    t: OffsetDateTime,
    event: What,
    text: &'a str,
}

/// Where it is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a>(pub(super) &'a Ui);

impl Told<'_> {
    pub(super) fn tell(self, event: What, mark: Option<Mark>, text: &str) {
        let Self(ui) = self;
        match ui.form {
            Form::Json => {
                let t = SystemClock.now();
                let schema = "gatewright.io/dev/v1";
                ui.json(&Event { schema, t, event, text: text.trim() });
            }
            Form::Text => {
                let mark = mark.map(|mark| format!("{} ", Ui::mark(mark))).unwrap_or_default();
                ui.line(&format!("{mark}{text}"));
            }
        }
    }
}
