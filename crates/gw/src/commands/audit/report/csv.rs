//! Rows as a table for spreadsheets: RFC 4180, and no cell that one of them would calculate.

use gw_model::terminal::Visible;

use super::Told;

const HEAD: [&str; 20] = [
    "at",
    "endedAt",
    "environment",
    "change",
    "what",
    "outcome",
    "by",
    "proof",
    "approvedBy",
    "merges",
    "waitedS",
    "waits",
    "commit",
    "plan",
    "decision",
    "effect",
    "rules",
    "reason",
    "deployment",
    "entries",
];

pub(super) fn table(rows: &[Told]) -> String {
    let mut table = line(&HEAD.map(str::to_owned));
    for row in rows {
        let optional = |text: &Option<String>| text.clone().unwrap_or_default();
        table.push_str(&line(&[
            row.at.clone(),
            optional(&row.ended_at),
            optional(&row.environment),
            row.change.map(|change| change.to_string()).unwrap_or_default(),
            row.what.clone(),
            row.outcome.clone(),
            row.by.clone(),
            row.proof.to_owned(),
            row.approved_by.join("; "),
            row.merges.join("; "),
            row.waited_s.map(|waited| waited.to_string()).unwrap_or_default(),
            row.gates().join("; "),
            optional(&row.commit),
            optional(&row.plan),
            optional(&row.decision),
            optional(&row.effect),
            row.rules.join("; "),
            optional(&row.reason),
            optional(&row.deployment),
            row.ranges(),
        ]));
    }
    table
}

fn line(cells: &[String; 20]) -> String {
    let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
    format!("{}\r\n", cells.join(","))
}

/// One cell. Text that others chose is never a formula, and never ends the cell.
fn cell(text: &str) -> String {
    let shown = Visible(text).to_string();
    let first = shown.trim_start().chars().next();
    let calculates = first.is_some_and(|sign| "=+-@＝＋－＠|%".contains(sign));
    let inert = if calculates { format!("'{shown}") } else { shown };
    if inert.contains([',', '"', ';', '\'', '\n', '\r', '\t', ' ']) {
        format!("\"{}\"", inert.replace('"', "\"\""))
    } else {
        inert
    }
}

#[cfg(test)]
mod tests;
