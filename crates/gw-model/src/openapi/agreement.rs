//! Where an OpenAPI document and the declaration of its API say different things. The declaration
//! decides; readers of the document would be misled.

use crate::{
    api::{AccessRule, ApiSpec, Who},
    code::Code,
    diagnostic::Diagnostic,
    openapi::{Described, Document, Login},
    source::Origin,
};

/// Which of the two wants a login.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stricter {
    Access,
    Document,
}

/// What to tell about a document and the API that it belongs to.
pub fn compare(document: &Document, api: &ApiSpec) -> Vec<Diagnostic> {
    [Stricter::Access, Stricter::Document]
        .into_iter()
        .filter_map(|stricter| login(document, api, stricter))
        .chain(base(document, api))
        .collect()
}

/// One diagnostic for all operations: a document is usually silent or loud as a whole.
fn login(document: &Document, api: &ApiSpec, stricter: Stricter) -> Option<Diagnostic> {
    let mut disagreeing = document.operations.iter().filter_map(|described| {
        let rule = disagrees(described, &api.access, stricter)?;
        Some((described, rule))
    });
    let (first, rule) = disagreeing.next()?;
    let others: Vec<&str> = disagreeing.map(|(other, _)| other.operation.id.as_str()).collect();
    let name = &first.operation.id;
    let (message, label) = match stricter {
        Stricter::Access => (
            format!("OpenAPI says `{name}` needs no login, access says it does"),
            "asks for a login",
        ),
        Stricter::Document => {
            (format!("OpenAPI says `{name}` needs a login, access lets anyone call it"), "public")
        }
    };
    let mut diagnostic = Diagnostic::new(Code::LoginDisagrees, message)
        .at(first.at, "by its `security`")
        .on(rule, label)
        .note("the access rule decides");
    if !others.is_empty() {
        diagnostic = diagnostic.note(format!("the same holds for {}", listed(&others)));
    }
    Some(diagnostic)
}

/// The rule that says something else about login than the document.
fn disagrees<'a>(
    described: &Described,
    rules: &'a [AccessRule],
    stricter: Stricter,
) -> Option<&'a Origin> {
    let mut granting = rules.iter().filter(|rule| rule.selection().covers(&described.operation));
    let public = granting.clone().find(|rule| rule.who == Who::Public);
    match (stricter, described.login, public) {
        (Stricter::Access, Login::NotNeeded, None) => granting.next().map(|rule| &rule.at),
        (Stricter::Document, Login::Needed, Some(rule)) => Some(&rule.at),
        _ => None,
    }
}

/// Public paths are those of the document; a path in `servers` would be forgotten in silence.
fn base(document: &Document, api: &ApiSpec) -> Option<Diagnostic> {
    let base = document.base.as_ref()?;
    if api.listen.path.as_deref().map(|path| path.trim_end_matches('/')) == Some(&base.path) {
        return None;
    }
    let path = &base.path;
    Some(
        Diagnostic::new(
            Code::BaseIgnored,
            format!("`{path}` of `servers` is not part of the paths that callers use"),
        )
        .at(base.at, "not put in front of anything")
        .help(format!("if callers use it today: `listen: {{ path: {path} }}`")),
    )
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let mut text: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    if names.len() > SHOWN {
        text.push(format!("{} more", names.len() - SHOWN));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests;
