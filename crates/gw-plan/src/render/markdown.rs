//! The plan as markdown: tables, no HTML, never over sixty lines.

use gw_model::terminal::is_hidden;

use crate::{
    notice::{AccessRow, AccessTable, fold},
    plan::Plan,
};

/// Longer ones nobody reads.
pub const LINES_MAX: usize = 60;
const ROWS_MAX: usize = 20;
/// A text that is longer pushes the others out of sight.
const CELL_MAX: usize = 300;
/// What stands in front of the rows of environments.
pub const HEAD: [&str; 2] =
    ["| environment | callers | objects | may it be applied? |", "|---|---|---|---|"];

/// One environment alone.
pub fn markdown(plan: &Plan) -> String {
    let commit = match &plan.commit {
        Some(commit) => format!("commit {}", commit.sha.chars().take(7).collect::<String>()),
        None => "files as they are".to_owned(),
    };
    let waits = !plan.is_empty() && !plan.allowed();
    let state = if waits { "⚠ not yet allowed" } else { "✔ may be applied" };
    let allowed = if plan.is_empty() {
        "nothing to do".to_owned()
    } else if plan.allowed() {
        "✔ yes".to_owned()
    } else {
        format!("✘ {}", cell(plan.decision.cure.as_deref().unwrap_or("no")))
    };
    let (callers, objects) = (cell(&super::first_line(plan)), objects(plan));
    let mut lines = vec![format!("**Gatewright** · plan for {commit} · {state}"), String::new()];
    lines.extend(HEAD.map(str::to_owned));
    lines.push(format!("| {} | {callers} | {objects} | {allowed} |", plan.environment));
    lines.extend(tables(&[plan], LINES_MAX - lines.len() - 2));
    let Plan { environment, id, .. } = plan;
    lines.push(String::new());
    lines.push(format!("`{id}` · check it yourself: `gatewright plan --env {environment}`"));
    lines.push(String::new());
    lines.join("\n")
}

/// What is done to objects: `2 change`.
pub fn objects(plan: &Plan) -> String {
    let facts = &plan.facts;
    let counts = [(facts.creates, "create"), (facts.updates, "change"), (facts.deletes, "delete")];
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// What callers will notice in each environment, and who may call before and after. A table that
/// does not fit in so many lines is left out.
pub fn tables(plans: &[&Plan], lines_max: usize) -> Vec<String> {
    let noticed = plans.iter().filter(|plan| !plan.notices.is_empty());
    let mut left = ROWS_MAX;
    let mut sections: Vec<Vec<String>> = vec![];
    sections.extend(noticed.map(|plan| changes(plan, &mut left)));
    sections.extend(plans.iter().filter_map(|plan| Some(access(plan, plan.access.as_ref()?))));
    let mut lines = vec![];
    for section in sections {
        if lines.len() + section.len() <= lines_max {
            lines.extend(section);
        }
    }
    lines
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

/// Text of other people inside a table: it cannot end the cell, begin a link, become markup, call
/// somebody, hide a word, or go on for ever.
pub fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let more = text.chars().nth(CELL_MAX).map(|_| '…');
    for sign in text.chars().take(CELL_MAX).chain(more) {
        match sign {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '!' | '~' => {
                safe.push('\\');
                safe.push(sign);
            }
            // Hosts look for those who are called in the text as it is shown, where a backslash is
            // gone. What is called has to stand right behind.
            '@' => safe.push_str("@\u{2060}"),
            '&' => safe.push_str("&amp;"),
            blank if blank.is_whitespace() => safe.push(' '),
            hidden if is_hidden(hidden) => safe.push_str(&format!("U+{:04X}", u32::from(hidden))),
            other => safe.push(other),
        }
    }
    safe
}
