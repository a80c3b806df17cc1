//! The plan as a comment under a pull request: tables, no HTML, never over sixty lines.

use crate::{notice::fold, plan::Plan};

const ROWS_MAX: usize = 20;

/// One environment alone.
pub fn markdown(plan: &Plan) -> String {
    comment(std::slice::from_ref(plan))
}

/// Several environments of one commit in one comment.
pub fn comment(plans: &[Plan]) -> String {
    let mut lines = vec![];
    let sha = plans.iter().find_map(|plan| plan.commit.as_ref()).map(|commit| &commit.sha);
    let commit = match sha {
        Some(sha) => format!("commit {}", sha.chars().take(7).collect::<String>()),
        None => "files as they are".to_owned(),
    };
    let waits = plans.iter().any(|plan| !plan.is_empty() && !plan.allowed());
    let state = if waits { "⚠ not yet allowed" } else { "✔ may be applied" };
    lines.push(format!("**Gatewright** · plan for {commit} · {state}"));
    lines.push(String::new());
    lines.push("| environment | callers | objects | may it be applied? |".to_owned());
    lines.push("|---|---|---|---|".to_owned());
    lines.extend(plans.iter().map(row));
    let mut left = ROWS_MAX;
    for plan in plans.iter().filter(|plan| !plan.notices.is_empty()) {
        changes(&mut lines, plan, &mut left);
    }
    lines.push(String::new());
    for plan in plans {
        let Plan { environment, id, .. } = plan;
        lines.push(format!("`{id}` · check it yourself: `gatewright plan --env {environment}`"));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn row(plan: &Plan) -> String {
    let facts = &plan.facts;
    let objects: Vec<String> =
        [(facts.creates, "create"), (facts.updates, "change"), (facts.deletes, "delete")]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
    let objects = if objects.is_empty() { "none".to_owned() } else { objects.join(", ") };
    let allowed = if plan.is_empty() {
        "nothing to do".to_owned()
    } else if plan.allowed() {
        "✔ yes".to_owned()
    } else {
        format!("✘ {}", cell(plan.decision.cure.as_deref().unwrap_or("no")))
    };
    let callers = cell(&super::first_line(plan));
    format!("| {} | {callers} | {objects} | {allowed} |", plan.environment)
}

fn changes(lines: &mut Vec<String>, plan: &Plan, left: &mut usize) {
    let folded = fold(&plan.notices);
    lines.push(String::new());
    lines.push(format!("**{}, what callers will notice**", plan.environment));
    lines.push(String::new());
    lines.push("| | api | operation | change | where |".to_owned());
    lines.push("|---|---|---|---|---|".to_owned());
    let shown = folded.len().min(*left);
    for (notice, operations) in folded.iter().take(shown) {
        let sign = if notice.effect.is_risk() { "⚠" } else { "" };
        let api = notice.api.as_ref().map(ToString::to_string).unwrap_or_default();
        let operations = match operations.as_slice() {
            [] => String::new(),
            [one] => format!("{} {}", one.method, one.path),
            many => format!("{} operations", many.len()),
        };
        let at = notice.at.as_ref().map(ToString::to_string).unwrap_or_default();
        let (operations, text) = (cell(&operations), cell(&notice.text));
        let mark = notice.effect.mark();
        let text = if mark.is_empty() { text } else { format!("{text} **{mark}**") };
        lines.push(format!("| {sign} | {api} | {operations} | {text} | {} |", cell(&at)));
    }
    if folded.len() > shown {
        lines.push(format!("| | | | and {} more | |", folded.len() - shown));
    }
    *left -= shown;
}

/// Text of other people inside a table: it cannot end the cell, begin a link or become markup.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '~' | '@' => {
                safe.push('\\');
                safe.push(sign);
            }
            control if control.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}
