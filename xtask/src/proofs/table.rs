//! The two tables as Markdown.

use std::collections::BTreeMap;

use crate::proofs::{
    catalogue::{self, Id, Part},
    marks::{Mark, State},
};

type Shown<'m> = BTreeMap<Id, Vec<&'m Mark>>;

const REQUIREMENTS: &str = "\
# What holds

Made by `cargo xtask proofs` from the marks above tests; edit those, not this file. A row is as strong
as the weakest of its marks. States: *holds*, *against the emulator* (shown against a part that stands
in for the real one), *part* (what is missing), *documented limit* (it cannot be, and the documentation
says so), *open*.
";

const THREATS: &str = "\
# What was attacked

Made by `cargo xtask proofs` from the marks above tests; edit those, not this file. A row counts only
if its test runs through `gw_testkit::attack`, which asserts that nothing reached the backend, that
there is exactly one record with a stable reason, that no secret shows, and that a good request is
served afterwards. Letters: J tokens and keys, H HTTP, W webhooks, R what Git brings, G the way of a
change, K secrets, L the ledger, X other doors, F faults.
";

pub(crate) fn requirements(shown: &Shown<'_>) -> String {
    table(REQUIREMENTS, shown, |id| !id.is_threat())
}

pub(crate) fn threats(shown: &Shown<'_>) -> String {
    table(THREATS, shown, Id::is_threat)
}

fn table(head: &str, shown: &Shown<'_>, belongs: fn(Id) -> bool) -> String {
    let mut text = head.to_owned();
    let rows: Vec<Id> = catalogue::all().filter(|id| belongs(*id)).collect();
    let closed = rows.iter().filter(|id| shown.contains_key(id)).count();
    text.push_str(&format!("\n{closed} of {} rows are not open.\n", rows.len()));
    let mut part = None;
    for id in rows {
        if part != Some(id.part) {
            part = Some(id.part);
            let title = title(id.part);
            text.push_str(&format!(
                "\n## {title}\n\n| id | state | shown by |\n| --- | --- | --- |\n"
            ));
        }
        text.push_str(&row(id, shown.get(&id).map_or(&[], Vec::as_slice)));
    }
    text
}

fn title(part: Part) -> String {
    match part {
        Part::Requirement(pairing) => format!("S{pairing}"),
        Part::Threat(letter) => letter.to_string(),
    }
}

fn row(id: Id, marks: &[&Mark]) -> String {
    let mut tests: Vec<String> =
        marks.iter().map(|mark| format!("`{}` in {}", mark.test, mark.path)).collect();
    tests.sort();
    tests.dedup();
    format!("| {id} | {} | {} |\n", state(marks), tests.join("; "))
}

/// The weakest state; what is missing is gathered from all marks.
fn state(marks: &[&Mark]) -> String {
    let mut missing: Vec<&str> = marks
        .iter()
        .filter_map(|mark| match &mark.state {
            State::Part { missing } => Some(missing.as_str()),
            State::DocumentedLimit | State::AgainstTheEmulator | State::Holds => None,
        })
        .collect();
    missing.sort_unstable();
    missing.dedup();
    match marks.iter().map(|mark| &mark.state).min() {
        None => "open".to_owned(),
        Some(State::Part { .. }) => format!("part ({})", missing.join("; ")),
        Some(State::DocumentedLimit) => "documented limit".to_owned(),
        Some(State::AgainstTheEmulator) => "against the emulator".to_owned(),
        Some(State::Holds) => "holds".to_owned(),
    }
}
