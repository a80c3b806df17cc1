//! A page to look at and click: repositories, pull requests, and what was written about them.
//!
//! It needs nothing from elsewhere, runs no script, and shows every text escaped. Buttons act as
//! the person who is chosen; only this page itself may send them.

#[cfg(test)]
mod tests;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Host, api,
    contract::{decode, encode},
    insights::Report,
    pull::{Comment, Pull, Verdict},
    refusal::Refusal,
    render::{View, escape, short, stamp},
    state::{AccountKind, Repository, Uuid, World},
};

const CLICK: &str = "/_page/click";

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;\
    color:#172b4d}table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid #dfe1e6;\
    padding:.4rem;text-align:left;vertical-align:top}pre{white-space:pre-wrap;background:#f4f5f7;\
    padding:.8rem}form{display:inline-block;margin:.3rem .6rem .3rem 0}code{background:#f4f5f7}\
    .state{font-size:.8rem;border:1px solid;padding:.1rem .4rem}.wrong{background:#ffebe6;\
    padding:.6rem}";

/// Schemes that a link of somebody else's may have.
const LINKED: &[&str] = &["http://", "https://"];

/// What a browser is told about every page.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("cache-control", "no-store"),
    ("referrer-policy", "same-origin"),
];

#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

pub(super) fn answer(host: &Host, asked: &Asked<'_>) -> Response {
    let parts: Vec<_> = asked.path.trim_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut response = match (asked.method, &parts[..]) {
        ("GET", [""]) => show(host, |view| Some(overview(view))),
        ("GET", [workspace, slug]) => show(host, |view| {
            let repository = view.world.repository(workspace, slug)?;
            Some(document(&view.full_name(repository), &repository_part(view, repository)))
        }),
        ("GET", [workspace, slug, "pull-requests", id, ..]) => show(host, |view| {
            let repository = view.world.repository(workspace, slug)?;
            let pull = repository.pulls.iter().find(|it| it.id.to_string() == *id)?;
            Some(pull_page(view, repository, pull))
        }),
        ("POST", ["_page", "click"]) => clicked(host, asked),
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    for (name, value) in HEADERS {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn show(host: &Host, page: impl FnOnce(View<'_>) -> Option<String>) -> Response {
    let world = host.world.lock();
    match page(View { url: &host.url, world: &world }) {
        Some(page) => Html(page).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>{title}</h1>{body}<p><a href=\"/\">All repositories</a></p></html>"
    )
}

fn overview(view: View<'_>) -> String {
    let mut body = String::from("<p>An emulated Bitbucket Cloud, on this machine only.</p>");
    for repository in &view.world.repositories {
        let name = escape(&view.full_name(repository));
        body.push_str(&format!("<h2><a href=\"/{name}\">{name}</a></h2>"));
        body.push_str(&repository_part(view, repository));
    }
    document("Bitbucket", &body)
}

fn repository_part(view: View<'_>, repository: &Repository) -> String {
    let name = escape(&view.full_name(repository));
    let mut part = format!("<p><code>git clone {}/{name}.git</code></p>", view.url);
    if !repository.pulls.is_empty() {
        part.push_str("<table><tr><th>Pull request<th>State<th>Approvals<th>Builds</tr>");
    }
    for pull in repository.pulls.iter().rev() {
        part.push_str(&format!(
            "<tr><td><a href=\"/{name}/pull-requests/{id}\">#{id} {}</a><td>{}<td>{}<td>{}</tr>",
            escape(&pull.now.title),
            state(pull),
            approvals(view.world, pull),
            builds(repository, pull),
            id = pull.id,
        ));
    }
    if !repository.pulls.is_empty() {
        part.push_str("</table>");
    }
    part.push_str(&open_form(view, repository));
    part
}

fn state(pull: &Pull) -> String {
    format!("<span class=\"state\">{}</span>", pull.now.state.as_str())
}

fn approvals(world: &World, pull: &Pull) -> String {
    let given = pull.participants.iter().filter(|it| it.verdict.is_some());
    let names = given.map(|it| {
        let name = nickname(world, &it.account);
        let asks = it.verdict == Some(Verdict::ChangesRequested);
        if asks { format!("{name} requests changes") } else { name }
    });
    listed(names, ", ")
}

/// The texts, or that there are none.
fn listed(texts: impl Iterator<Item = String>, between: &str) -> String {
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(between) }
}

/// Escaped words that lead somewhere, if that is an address of the web.
fn linked(address: &str, words: &str) -> String {
    if LINKED.iter().any(|scheme| address.starts_with(scheme)) {
        let address = escape(address);
        return format!("<a href=\"{address}\" rel=\"noopener noreferrer\">{words}</a>");
    }
    words.to_owned()
}

fn nickname(world: &World, account: &Uuid) -> String {
    world.account(account).map(|it| escape(&it.nickname)).unwrap_or_default()
}

fn builds(repository: &Repository, pull: &Pull) -> String {
    let statuses = repository.statuses.iter().filter(|it| it.commit == pull.now.head);
    let shown = statuses.map(|it| {
        let text = |name: &str| it.body.get(name).and_then(Value::as_str).unwrap_or_default();
        let words = escape(&format!("{} {} {}", it.key, text("state"), text("description")));
        linked(text("url"), &words)
    });
    listed(shown, "<br>")
}

fn pull_page(view: View<'_>, repository: &Repository, pull: &Pull) -> String {
    let mut body = format!(
        "<p>{} <code>{}</code> into <code>{}</code>, commit <code>{}</code>, by {}</p>",
        state(pull),
        escape(&pull.source),
        escape(&pull.destination),
        short(&pull.now.head),
        nickname(view.world, &pull.author),
    );
    if !pull.now.description.is_empty() {
        body.push_str(&format!("<pre>{}</pre>", escape(&pull.now.description)));
    }
    body.push_str(&format!("<p>Approved by: {}</p>", approvals(view.world, pull)));
    body.push_str(&format!("<p>Builds: {}</p>", builds(repository, pull)));
    if pull.is_open() {
        body.push_str(&buttons(view, repository, pull));
    }
    for comment in pull.comments.iter().filter(|comment| !comment.is_deleted) {
        body.push_str(&comment_part(view.world, comment));
    }
    for report in repository.reports.iter().filter(|it| it.commit == pull.now.head) {
        body.push_str(&report_part(report));
    }
    let title = format!("#{} {}", pull.id, pull.now.title);
    document(&title, &body)
}

fn comment_part(world: &World, comment: &Comment) -> String {
    let (name, at) = (nickname(world, &comment.author), stamp(comment.updated));
    format!("<h3>{name}</h3><p><time>{at}</time></p><pre>{}</pre>", escape(&comment.text))
}

fn report_part(report: &Report) -> String {
    let text = |body: &serde_json::Map<String, Value>, name: &str| match body.get(name) {
        Some(Value::String(text)) => escape(text),
        Some(other) => escape(&other.to_string()),
        None => String::new(),
    };
    let body = &report.body;
    let link = body.get("link").and_then(Value::as_str).unwrap_or_default();
    let mut part = format!(
        "<h3>{} <span class=\"state\">{}</span></h3><p>{}</p><table>",
        linked(link, &text(body, "title")),
        text(body, "result"),
        text(body, "details")
    );
    for figure in body.get("data").and_then(Value::as_array).into_iter().flatten() {
        let Some(figure) = figure.as_object() else { continue };
        part.push_str(&format!(
            "<tr><td>{}<td>{}</tr>",
            text(figure, "title"),
            text(figure, "value")
        ));
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
    part.push_str("</table>");
    part
}

/// Whom a button acts as: those who may read the repository.
fn people(view: View<'_>, repository: &Repository) -> String {
    let people = view.world.accounts.iter().filter(|it| it.kind == AccountKind::Person);
    let people = people.filter(|it| view.world.permission(repository, &it.uuid).is_some());
    let options = people.map(|it| {
        let (uuid, name) = (escape(it.uuid.as_str()), escape(&it.nickname));
        format!("<option value=\"{uuid}\">{name}</option>")
    });
    let options: String = options.collect();
    format!("as <select name=\"person\" aria-label=\"person\">{options}</select> ")
}

fn form(view: View<'_>, repository: &Repository, pull: u64, inner: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{CLICK}\">\
         <input type=\"hidden\" name=\"repository\" value=\"{}\">\
         <input type=\"hidden\" name=\"pull\" value=\"{pull}\">{inner}{}</form>",
        escape(&view.full_name(repository)),
        people(view, repository)
    )
}

fn button(action: &str, words: &str) -> String {
    format!("<button name=\"action\" value=\"{action}\">{words}</button> ")
}

fn buttons(view: View<'_>, repository: &Repository, pull: &Pull) -> String {
    let actions = [
        ("approve", "Approve"),
        ("unapprove", "Take approval back"),
        ("decline", "Decline"),
        ("merge", "Merge"),
    ];
    let all: String = actions.iter().map(|(action, words)| button(action, words)).collect();
    let text = "<input name=\"text\" aria-label=\"comment\" placeholder=\"comment\"> ";
    let comment = format!("{text}{}", button("comment", "Comment"));
    let judge = form(view, repository, pull.id, &all);
    format!("{judge}<br>{}", form(view, repository, pull.id, &comment))
}

/// Branches that no open pull request has yet.
fn open_form(view: View<'_>, repository: &Repository) -> String {
    let is_new = |branch: &&str| {
        let mut open = repository.pulls.iter().filter(|pull| pull.is_open());
        **branch != repository.main && !open.any(|pull| pull.source == **branch)
    };
    let branches = repository.refs.keys().filter_map(|name| name.strip_prefix("refs/heads/"));
    let options: String = branches
        .filter(is_new)
        .map(|branch| format!("<option>{}</option>", escape(branch)))
        .collect();
    if options.is_empty() {
        return String::new();
    }
    let inner = format!(
        "<select name=\"branch\" aria-label=\"branch\">{options}</select> \
         <input name=\"text\" aria-label=\"title\" placeholder=\"title\" required> {}",
        button("open", "Open a pull request")
    );
    form(view, repository, 0, &inner)
}

fn clicked(host: &Host, asked: &Asked<'_>) -> Response {
    // The guard has let in only origins that are this page's own; a form always names one.
    if !asked.headers.contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match click(host, asked.body) {
        Ok(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
        Err(refusal) => {
            let words = format!("<p class=\"wrong\">{}</p>", escape(refusal.message()));
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            (status, Html(document("That was refused", &words))).into_response()
        }
    }
}

/// Does it, and says where to look next.
fn click(host: &Host, body: &[u8]) -> Result<String, Refusal> {
    let fields: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
    let field = |name: &str| {
        let found = fields.iter().find(|(found, _)| found == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let person = {
        let world = host.world.lock();
        let mut accounts = world.accounts.iter();
        let found = accounts.find(|it| it.uuid.as_str() == field("person"));
        found.map(|it| it.uuid.clone()).ok_or_else(|| Refusal::not_found("User"))?
    };
    let (repository, pull) = (encode(field("repository")), encode(field("pull")));
    let of = format!("/repositories/{repository}/pullrequests");
    let (method, path, body) = match field("action") {
        "open" => {
            let source = json!({ "branch": { "name": field("branch") } });
            ("POST", of, json!({ "title": field("text"), "source": source }))
        }
        "comment" => {
            let body = json!({ "content": { "raw": field("text") } });
            ("POST", format!("{of}/{pull}/comments"), body)
        }
        "merge" => {
            let body = json!({ "type": "pullrequest_merge_parameters" });
            ("POST", format!("{of}/{pull}/merge"), body)
        }
        "unapprove" => ("DELETE", format!("{of}/{pull}/approve"), Value::Null),
        action @ ("approve" | "decline") => ("POST", format!("{of}/{pull}/{action}"), Value::Null),
        _ => return Err(Refusal::new(400, "No such button.")),
    };
    api::click(host, &person, method, &path, body)?;
    let is_new = field("action") == "open";
    Ok(if is_new {
        format!("/{repository}")
    } else {
        format!("/{repository}/pull-requests/{pull}")
    })
}
