//! The plan as a comment under a pull request: tables, no HTML, never over sixty lines.

use crate::{
    notice::{AccessRow, AccessTable, fold},
    plan::Plan,
};

const LINES_MAX: usize = 60;
const ROWS_MAX: usize = 20;
const PLANS_MAX: usize = 20;
/// Of more plans, only these say how to look at them.
const ENDS_MAX: usize = 5;

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
    lines.extend(plans.iter().take(PLANS_MAX).map(row));
    if plans.len() > PLANS_MAX {
        lines.push(format!("| and {} more | | | |", plans.len() - PLANS_MAX));
    }
    let ends: Vec<String> = plans
        .iter()
        .take(ENDS_MAX)
        .map(|plan| {
            let Plan { environment, id, .. } = plan;
            format!("`{id}` · check it yourself: `gatewright plan --env {environment}`")
        })
        .collect();
    let noticed = plans.iter().filter(|plan| !plan.notices.is_empty());
    let mut left = ROWS_MAX;
    let mut sections: Vec<Vec<String>> = vec![];
    sections.extend(noticed.map(|plan| changes(plan, &mut left)));
    sections.extend(plans.iter().filter_map(|plan| Some(access(plan, plan.access.as_ref()?))));
    for section in sections {
        if lines.len() + section.len() + ends.len() + 2 <= LINES_MAX {
            lines.extend(section);
        }
    }
    lines.push(String::new());
    lines.extend(ends);
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

fn changes(plan: &Plan, left: &mut usize) -> Vec<String> {
    let folded = fold(&plan.notices);
    let mut lines = vec![
        String::new(),
        format!("**{}, what callers will notice**", plan.environment),
        String::new(),
        "| | api | operation | change | where |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
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
    lines
}

/// Who may call before and after.
fn access(plan: &Plan, table: &AccessTable) -> Vec<String> {
    let AccessTable { classes, rows } = table;
    let classes: Vec<String> = classes.iter().map(|class| cell(class)).collect();
    let mut lines = vec![
        String::new(),
        format!("**{}, access after this change** (rows that change)", plan.environment),
        String::new(),
        format!("| operation | {} |", classes.join(" | ")),
        format!("|---|{}", "---|".repeat(classes.len())),
    ];
    for AccessRow { operation, cells } in rows {
        let cells: Vec<&str> = cells
            .iter()
            .map(|cell| match (cell.before, cell.after) {
                (true, true) => "yes",
                (false, false) => "–",
                (false, true) => "**– → yes**",
                (true, false) => "**yes → –**",
            })
            .collect();
        let operation = cell(&format!("{} {}", operation.method, operation.path));
        lines.push(format!("| {operation} | {} |", cells.join(" | ")));
    }
    lines
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
