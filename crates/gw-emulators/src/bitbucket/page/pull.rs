//! One pull request: what was written below it, its reports, its difference, and the buttons.

use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};

use super::{
    super::{
        insights::Report,
        pull::{Comment, Pull, Verdict},
        render::{View, escape, short, stamp},
        state::{Repository, World},
    },
    Looks, approvals, builds, button,
    click::STRATEGIES,
    crumbs, document, first_button, form,
    markup::{linked, rendered},
    nickname, people, pill, state,
};

/// So long after something happened somebody may still be about to answer it.
const SOON: Duration = Duration::seconds(15);
/// So much of a difference is shown.
const MOST_LINES: usize = 400;

pub(super) fn page(
    view: View<'_>,
    repository: &Repository,
    pull: &Pull,
    now: OffsetDateTime,
) -> String {
    let title = format!("#{} {}", pull.id, pull.now.title);
    let head = format!(
        "<h1>{}</h1><p class=\"under\">{} <code>{}</code> into <code>{}</code>, commit \
         <code>{}</code>, by {}</p>",
        escape(&title),
        state(pull),
        escape(&pull.source),
        escape(&pull.destination),
        short(&pull.now.head),
        nickname(view.world, &pull.author),
    );
    let looks = if now - last(repository, pull) < SOON { Looks::Again } else { Looks::Once };
    let body = format!(
        "{head}<div class=\"columns\"><div>{}</div><aside>{}</aside></div>",
        talk(view, repository, pull),
        aside(view, repository, pull)
    );
    document(looks, &title, &crumbs(view, repository), &body)
}

/// When something happened here last.
fn last(repository: &Repository, pull: &Pull) -> OffsetDateTime {
    let comments = pull.comments.iter().map(|comment| comment.updated);
    let verdicts = pull.participants.iter().filter_map(|it| it.at);
    let commits = [Some(&pull.now.head), pull.merge_commit.as_ref()];
    let builds = repository.statuses.iter().filter(|it| commits.contains(&Some(&it.commit)));
    let builds = builds.map(|build| build.updated);
    comments.chain(verdicts).chain(builds).max().map_or(pull.updated, |at| at.max(pull.updated))
}

/// The wide column.
fn talk(view: View<'_>, repository: &Repository, pull: &Pull) -> String {
    let mut talk = String::new();
    if !pull.now.description.is_empty() {
        let text = rendered(&pull.now.description);
        talk.push_str(&format!("<section class=\"remark\">{text}</section>"));
    }
    for comment in pull.comments.iter().filter(|comment| !comment.is_deleted) {
        talk.push_str(&remark(view.world, comment));
    }
    if pull.is_open() {
        let inner = format!(
            "<label>a comment <input name=\"text\" required></label>{}{}",
            people(view, repository, |it| *it == pull.author),
            button("comment", "Comment")
        );
        talk.push_str(&format!("<section>{}</section>", form(view, repository, pull.id, &inner)));
    }
    for report in repository.reports.iter().filter(|it| it.commit == pull.now.head) {
        talk.push_str(&report_part(report));
    }
    talk + &difference(repository, pull)
}

/// The narrow column: what holds it, and what can be done.
fn aside(view: View<'_>, repository: &Repository, pull: &Pull) -> String {
    let mut aside = format!(
        "<section><h2>Approvals</h2><p>{}</p></section><section><h2>Builds</h2>{}</section>",
        approvals(view.world, pull),
        builds(repository, &pull.now.head)
    );
    if let Some(merge) = pull.merge_commit.as_ref().filter(|merge| **merge != pull.now.head) {
        aside.push_str(&format!(
            "<section><h2>Builds of the merge <code>{}</code></h2>{}</section>",
            short(merge),
            builds(repository, merge)
        ));
    }
    if pull.is_open() {
        aside.push_str(&buttons(view, repository, pull));
    }
    aside
}

fn buttons(view: View<'_>, repository: &Repository, pull: &Pull) -> String {
    let others = |it: &_| *it != pull.author && pull.verdict(it) != Some(Verdict::Approved);
    let judge = format!(
        "<h2>Judge</h2>{}{}{}",
        people(view, repository, others),
        first_button("approve", "Approve"),
        button("unapprove", "Take approval back")
    );
    let ways: String = STRATEGIES
        .iter()
        .map(|(name, words)| format!("<option value=\"{name}\">{words}</option>"))
        .collect();
    let close = format!(
        "<h2>Close</h2>{}<label>by <select name=\"strategy\">{ways}</select></label>{}{}",
        people(view, repository, |it| *it == pull.author),
        first_button("merge", "Merge"),
        button("decline", "Decline")
    );
    let form = |inner: &str| form(view, repository, pull.id, inner);
    format!("<section>{}</section><section>{}</section>", form(&judge), form(&close))
}

fn remark(world: &World, comment: &Comment) -> String {
    let (name, at) = (nickname(world, &comment.author), stamp(comment.updated));
    let at = at.get(..19).unwrap_or(&at).replace('T', " ");
    let text = rendered(&comment.text);
    format!("<section class=\"remark\"><h3>{name} <time>{at} UTC</time></h3>{text}</section>")
}

fn report_part(report: &Report) -> String {
    let text = |body: &Map<String, Value>, name: &str| match body.get(name) {
        Some(Value::String(text)) => escape(text),
        Some(Value::Bool(value)) => if *value { "yes" } else { "no" }.to_owned(),
        Some(other) => escape(&other.to_string()),
        None => String::new(),
    };
    let body = &report.body;
    let link = body.get("link").and_then(Value::as_str).unwrap_or_default();
    let look = match body.get("result").and_then(Value::as_str) {
        Some("PASSED") => "good",
        Some("FAILED") => "bad",
        _ => "busy",
    };
    let mut part = format!(
        "<section class=\"remark\"><h2>Report: {} {}</h2><p>{}</p><table>",
        linked(link, &text(body, "title")),
        pill(look, body.get("result").and_then(Value::as_str).unwrap_or_default()),
        text(body, "details")
    );
    for figure in body.get("data").and_then(Value::as_array).into_iter().flatten() {
        let Some(figure) = figure.as_object() else { continue };
        let (title, value) = (text(figure, "title"), text(figure, "value"));
        part.push_str(&format!("<tr><td>{title}<td>{value}</tr>"));
    }
    for annotation in &report.annotations {
        let body = &annotation.body;
        part.push_str(&format!(
            "<tr><td><code>{}:{}</code><td>{} {}</tr>",
            text(body, "path"),
            text(body, "line"),
            text(body, "severity"),
            text(body, "summary")
        ));
    }
    part.push_str("</table></section>");
    part
}

/// What the branch changes, as far as it can be told.
fn difference(repository: &Repository, pull: &Pull) -> String {
    let objects = &repository.objects;
    let base = objects.merge_base(&pull.now.base, &pull.now.head);
    let Ok(Some(base)) = base else { return String::new() };
    let Ok(patch) = objects.patch(&base, &pull.now.head) else { return String::new() };
    let mut lines: Vec<String> = patch.lines().take(MOST_LINES).map(marked).collect();
    if patch.lines().nth(MOST_LINES).is_some() {
        lines.push("…".to_owned());
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("<h2>Changed files</h2><pre>{}</pre>", lines.join("\n"))
}

fn marked(line: &str) -> String {
    let text = escape(line);
    match line.as_bytes().first() {
        Some(b'+') => format!("<ins>{text}</ins>"),
        Some(b'-') => format!("<del>{text}</del>"),
        _ => text,
    }
}
