//! A page to look at and click: repositories, pull requests, and what was written about them.
//!
//! It needs nothing from elsewhere, runs no script, and shows every text escaped. Buttons act as
//! the person who is chosen; only this page itself may send them.

mod click;
mod markup;
mod pull;
#[cfg(test)]
mod tests;

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use serde_json::Value;
use time::OffsetDateTime;

use self::{click::CLICK, markup::linked};
use super::{
    Host,
    contract::decode,
    pull::{Pull, Verdict},
    refusal::Refusal,
    render::{View, escape},
    state::{AccountKind, Repository, Status, Uuid, World},
};

const STYLE: &str = include_str!("page/style.css");

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

/// Whether the page looks again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Once,
    /// Something happened just now, and somebody may be about to answer it.
    Again,
}

pub(super) fn answer(host: &Host, asked: &Asked<'_>) -> Response {
    let parts: Vec<_> = asked.path.trim_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut response = match (asked.method, &parts[..]) {
        ("GET", [""]) => show(host, |view, _| Some(overview(view))),
        ("GET", [workspace, slug]) => show(host, |view, _| {
            let repository = view.world.repository(workspace, slug)?;
            let body = format!("<h1>{}</h1>{}", slug_of(repository), part(view, repository));
            Some(document(
                Looks::Once,
                &view.full_name(repository),
                &crumbs(view, repository),
                &body,
            ))
        }),
        ("GET", [workspace, slug, "pull-requests", id, ..]) => show(host, |view, now| {
            let repository = view.world.repository(workspace, slug)?;
            let pull = repository.pulls.iter().find(|it| it.id.to_string() == *id)?;
            Some(pull::page(view, repository, pull, now))
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

fn show(host: &Host, page: impl FnOnce(View<'_>, OffsetDateTime) -> Option<String>) -> Response {
    let (now, world) = (host.clock.now(), host.world.lock());
    match page(View { url: &host.url, world: &world }, now) {
        Some(page) => Html(page).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn clicked(host: &Host, asked: &Asked<'_>) -> Response {
    // The guard has let in only origins that are this page's own; a form always names one.
    if !asked.headers.contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    match click::click(host, asked.body) {
        Ok(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
        Err((refusal, place)) => refused(&refusal, &place).into_response(),
    }
}

fn refused(refusal: &Refusal, place: &str) -> (StatusCode, Html<String>) {
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = format!(
        "<h1>That was refused</h1><p class=\"wrong\">{}</p><p><a href=\"{}\">Back</a></p>",
        escape(refusal.message()),
        escape(place)
    );
    (status, Html(document(Looks::Once, "That was refused", "", &body)))
}

fn document(looks: Looks, title: &str, crumbs: &str, body: &str) -> String {
    let title = escape(title);
    let again = match looks {
        Looks::Once => "",
        Looks::Again => "<meta http-equiv=\"refresh\" content=\"2\">",
    };
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\">{again}<style>{STYLE}</style>\
         <header><a href=\"/\">Bitbucket, emulated</a>{crumbs}\
         <em>an emulation on this machine only, with nobody's account</em></header>\
         <main>{body}</main><footer>This is Gatewright's emulation of Bitbucket Cloud. It is no \
         product of Atlassian, and nothing here leaves this machine.</footer></html>"
    )
}

/// Where in the whole a page is.
fn crumbs(view: View<'_>, repository: &Repository) -> String {
    let name = escape(&view.full_name(repository));
    format!("<span>/ <a href=\"/{name}\">{name}</a></span>")
}

fn slug_of(repository: &Repository) -> String {
    escape(&repository.slug)
}

fn overview(view: View<'_>) -> String {
    let mut body = String::from("<h1>Repositories</h1>");
    for repository in &view.world.repositories {
        let name = escape(&view.full_name(repository));
        body.push_str(&format!("<h2><a href=\"/{name}\">{name}</a></h2>"));
        body.push_str(&part(view, repository));
    }
    document(Looks::Once, "Bitbucket, emulated", "", &body)
}

/// A repository: how to get it, its pull requests, and the form for another one.
fn part(view: View<'_>, repository: &Repository) -> String {
    let name = escape(&view.full_name(repository));
    let mut part = format!("<pre>git clone {}/{name}.git</pre>", escape(view.url));
    if repository.pulls.is_empty() {
        let words = "No pull request yet. Push a branch, then open one here.";
        part.push_str(&format!("<p class=\"under\">{words}</p>"));
    } else {
        part.push_str("<table><tr><th>Pull request<th>State<th>Approvals<th>Builds</tr>");
        for pull in repository.pulls.iter().rev() {
            part.push_str(&format!(
                "<tr><td><a href=\"/{name}/pull-requests/{id}\">#{id} {}</a><td>{}<td>{}<td>{}</tr>",
                escape(&pull.now.title),
                state(pull),
                approvals(view.world, pull),
                builds(repository, &pull.now.head),
                id = pull.id,
            ));
        }
        part.push_str("</table>");
    }
    part.push_str(&open_form(view, repository));
    part
}

fn state(pull: &Pull) -> String {
    let word = pull.now.state.as_str();
    let look = match word {
        "MERGED" => "good",
        "DECLINED" => "bad",
        _ => "busy",
    };
    pill(look, word)
}

fn pill(look: &str, word: &str) -> String {
    format!("<span class=\"pill {look}\">{}</span>", escape(word))
}

fn approvals(world: &World, pull: &Pull) -> String {
    let given = pull.participants.iter().filter(|it| it.verdict.is_some());
    let names: Vec<String> = given
        .map(|it| {
            let name = nickname(world, &it.account);
            let asks = it.verdict == Some(Verdict::ChangesRequested);
            if asks { format!("{name} requests changes") } else { format!("✔ {name}") }
        })
        .collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn nickname(world: &World, account: &Uuid) -> String {
    world.account(account).map(|it| escape(&it.nickname)).unwrap_or_default()
}

/// What was built of a commit, and how that went.
fn builds(repository: &Repository, commit: &str) -> String {
    let statuses = repository.statuses.iter().filter(|it| it.commit == commit);
    let shown: String = statuses.map(build).collect();
    if shown.is_empty() { "none".to_owned() } else { format!("<ul>{shown}</ul>") }
}

fn build(status: &Status) -> String {
    let text = |name: &str| status.body.get(name).and_then(Value::as_str).unwrap_or_default();
    let look = match text("state") {
        "SUCCESSFUL" => "good",
        "FAILED" | "STOPPED" => "bad",
        _ => "busy",
    };
    let key = linked(text("url"), &escape(&status.key));
    format!("<li>{} {key}<br>{}", pill(look, text("state")), escape(text("description")))
}

/// Whom a button acts as: those who may read the repository, and at first whoever was last to be
/// preferred.
fn people(view: View<'_>, repository: &Repository, prefer: impl Fn(&Uuid) -> bool) -> String {
    let people = view.world.accounts.iter().filter(|it| it.kind == AccountKind::Person);
    let people: Vec<_> =
        people.filter(|it| view.world.permission(repository, &it.uuid).is_some()).collect();
    let chosen = people.iter().find(|it| prefer(&it.uuid)).map(|it| it.uuid.clone());
    let options = people.iter().map(|it| {
        let (uuid, name) = (escape(it.uuid.as_str()), escape(&it.nickname));
        let selected = if chosen.as_ref() == Some(&it.uuid) { " selected" } else { "" };
        format!("<option value=\"{uuid}\"{selected}>{name}</option>")
    });
    let options: String = options.collect();
    format!("<label>as <select name=\"person\">{options}</select></label>")
}

fn form(view: View<'_>, repository: &Repository, pull: u64, inner: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{CLICK}\">\
         <input type=\"hidden\" name=\"repository\" value=\"{}\">\
         <input type=\"hidden\" name=\"pull\" value=\"{pull}\">{inner}</form>",
        escape(&view.full_name(repository)),
    )
}

fn button(action: &str, words: &str) -> String {
    format!("<button name=\"action\" value=\"{action}\">{words}</button>")
}

fn first_button(action: &str, words: &str) -> String {
    format!("<button class=\"first\" name=\"action\" value=\"{action}\">{words}</button>")
}

/// For branches that no open pull request has yet.
fn open_form(view: View<'_>, repository: &Repository) -> String {
    let is_new = |branch: &&str| {
        let mut open = repository.pulls.iter().filter(|pull| pull.is_open());
        let head = repository.branch(branch);
        let mut merged = repository.pulls.iter().filter(|pull| !pull.is_open());
        **branch != repository.main
            && !open.any(|pull| pull.source == **branch)
            && !merged.any(|pull| Some(pull.now.head.as_str()) == head)
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
        "<h2>Open a pull request</h2>\
         <label>of the branch <select name=\"branch\">{options}</select></label>\
         <label>title <input name=\"text\" required></label>{}{}",
        people(view, repository, |_| true),
        first_button("open", "Open a pull request")
    );
    format!("<section>{}</section>", form(view, repository, 0, &inner))
}
