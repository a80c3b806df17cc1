//! The part of Markdown that comments here are written in: headings in bold, tables, code, links.
//!
//! Everything is escaped before anything is made of it, so what a comment says stays text.

use super::super::render::escape;

/// Schemes that a link of somebody else's may have.
const LINKED: &[&str] = &["http://", "https://"];

/// A comment as a page shows it.
pub(super) fn rendered(text: &str) -> String {
    let mut html = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            continue;
        }
        let follows = |next: &&str| is_row(next) == is_row(line) && !next.trim().is_empty();
        let mut block = vec![line];
        while let Some(next) = lines.next_if(follows) {
            block.push(next);
        }
        html.push_str(&if is_row(line) { table(&block) } else { paragraph(&block) });
    }
    html
}

/// Escaped words that lead somewhere, if that is an address of the web.
pub(super) fn linked(address: &str, words: &str) -> String {
    if LINKED.iter().any(|scheme| address.starts_with(scheme)) {
        let address = escape(address);
        return format!("<a href=\"{address}\" rel=\"noopener noreferrer\">{words}</a>");
    }
    words.to_owned()
}

fn is_row(line: &str) -> bool {
    line.starts_with('|')
}

fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| inline(line)).collect();
    format!("<p>{}</p>", lines.join("<br>"))
}

fn table(rows: &[&str]) -> String {
    let cells = |row: &str| -> Vec<String> {
        let row = row.trim().trim_start_matches('|');
        let row = row.strip_suffix('|').unwrap_or(row);
        split(row).iter().map(|cell| inline(cell.trim())).collect()
    };
    let is_rule = |row: &&&str| row.chars().all(|sign| "|-: ".contains(sign));
    let mut html = String::from("<table>");
    for (place, row) in rows.iter().filter(|row| !is_rule(row)).enumerate() {
        let tag = if place == 0 { "th" } else { "td" };
        let row = cells(row).iter().map(|cell| format!("<{tag}>{cell}")).collect::<String>();
        html.push_str(&format!("<tr>{row}</tr>"));
    }
    html.push_str("</table>");
    html
}

/// The cells of a row; a bar behind a backslash is part of its cell.
fn split(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut signs = row.chars().peekable();
    while let Some(sign) = signs.next() {
        match (sign, cells.last_mut()) {
            ('|', _) => cells.push(String::new()),
            ('\\', Some(cell)) if signs.peek() == Some(&'|') => {
                cell.extend(signs.next());
            }
            (sign, Some(cell)) => cell.push(sign),
            (_, None) => {}
        }
    }
    cells
}

/// One line: code as it stands, and in the rest links and bold.
fn inline(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    // A lone sign at the end marks nothing.
    let whole = if parts.len().is_multiple_of(2) { parts.len() - 1 } else { parts.len() };
    let mut html = String::new();
    for (place, part) in parts.iter().enumerate() {
        match (place % 2 == 1, place < whole) {
            (true, true) => html.push_str(&format!("<code>{}</code>", escape(part))),
            (_, true) => html.push_str(&links(part)),
            (_, false) => html.push_str(&format!("`{}", links(part))),
        }
    }
    let slanted = html.strip_prefix('_').and_then(|html| html.strip_suffix('_'));
    slanted.map(|html| format!("<small>{html}</small>")).unwrap_or(html)
}

fn links(text: &str) -> String {
    let Some((before, rest)) = text.split_once('[') else { return bold(text) };
    let link = rest.split_once("](").and_then(|(words, rest)| {
        let (address, after) = rest.split_once(')')?;
        (!words.contains(['[', ']'])).then_some((words, address, after))
    });
    match link {
        Some((words, address, after)) => {
            format!("{}{}{}", bold(before), linked(address, &escape(words)), links(after))
        }
        None => format!("{}[{}", bold(before), links(rest)),
    }
}

fn bold(text: &str) -> String {
    let parts: Vec<String> = text.split("**").map(escape).collect();
    let Some((last, pairs)) = parts.split_last().filter(|_| parts.len() % 2 == 1) else {
        return escape(text);
    };
    let mut html = String::new();
    for pair in pairs.chunks(2) {
        if let [plain, strong] = pair {
            html.push_str(&format!("{plain}<strong>{strong}</strong>"));
        }
    }
    html + last
}

#[cfg(test)]
mod tests;
