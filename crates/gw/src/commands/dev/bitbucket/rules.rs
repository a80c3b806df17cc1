//! What a folder becomes when a Bitbucket is its source: the same files, and in them who is who and who
//! may change what. The rules are files of the repository like all others, so they can be read, and a
//! pull request may change them.

use std::{collections::BTreeMap, fmt};

use gw_control::{declared::Declared, source::Snapshot};
use gw_model::{
    diagnostic::Severity,
    document::{Entry, Limits, Node, Value, read},
    load::{Files, ReadError},
    source::{Position, Sources, Span},
};

/// Where the policy lies.
const POLICY: &str = "policies/changes.cedar";
const POLICY_TEXT: &str = r#"// Who gains access is looked at by somebody else than whoever asks for it.
@id("widening-needs-security")
@reason("giving anyone new access needs a review by security")
forbid (principal, action in [Gatewright::Action::"apply", Gatewright::Action::"rollback"], resource)
when { context.plan.widensAccess }
unless { context.approverTeams.contains("security") };

// Without it one change could take the policy above away, and the next one widen.
@id("rules-need-security")
@reason("changing who may change what needs a review by security")
forbid (principal, action in [Gatewright::Action::"apply", Gatewright::Action::"rollback"], resource)
when { context.plan.touchesChangeRules }
unless { context.approverTeams.contains("security") };
"#;

const KIND: &str = "apiVersion";
const WORKSPACE: &str = "Workspace";
const ENVIRONMENT: &str = "Environment";

/// The identity that people prove to the server.
pub(super) const OPERATORS: &str = "operators";
/// For whom their tokens are.
pub(super) const AUDIENCE: &str = "gatewright";

/// What the rules are about.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) repository: String,
    pub(super) repository_uuid: String,
    pub(super) workspace_uuid: String,
    /// Where people prove who they are.
    pub(super) issuer: String,
    /// Name, account, and team.
    pub(super) people: Vec<(String, String, Option<&'static str>)>,
}

/// Why a folder cannot follow the emulated Bitbucket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It says already what a Bitbucket would bring.
    Declares { what: &'static str, file: String, line: u32 },
    /// A part of it is written so that nothing can be put into it.
    Dense { what: &'static str, file: String, line: u32 },
    /// With the rules it would be wrong.
    Wrong(String),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Declares { what, file, line } => write!(
                f,
                "`{what}` at {file}:{line} is for another source than the emulated Bitbucket"
            ),
            Self::Dense { what, file, line } => {
                write!(f, "the rules cannot be put beside `{what}` at {file}:{line}")
            }
            Self::Wrong(why) => write!(f, "with the rules of the emulated Bitbucket: {why}"),
        }
    }
}

type Texts = BTreeMap<String, String>;

/// The files that differ from those of the folder.
pub(super) fn written(files: &Texts, place: &Place) -> Result<Texts, Unfit> {
    let mut changed = Texts::new();
    for (path, text) in files.iter().filter(|(path, _)| is_yaml(path)) {
        let mut sources = Sources::default();
        let (_, nodes) = read(&mut sources, path, text.clone().into_bytes(), &Limits::DECLARATION);
        let nodes = nodes.map_err(|found| Unfit::Wrong(found.message))?;
        let mut edits = Edits { file: path, text, all: vec![] };
        for node in nodes.iter().filter(|node| node.get(KIND).is_some()) {
            match node.get("kind").and_then(Node::as_text) {
                Some(WORKSPACE) => edits.workspace(node, place)?,
                Some(ENVIRONMENT) => edits.environment(node)?,
                _ => {}
            }
        }
        if !edits.all.is_empty() {
            changed.insert(path.clone(), edits.made());
        }
    }
    changed.insert(POLICY.to_owned(), POLICY_TEXT.to_owned());
    let mut all = files.clone();
    all.extend(changed.clone());
    match first_error(&all) {
        Some(why) => Err(Unfit::Wrong(why)),
        None => Ok(changed),
    }
}

fn is_yaml(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|end| path.ends_with(end))
}

/// What is wrong with files, if something is.
fn first_error(files: &Texts) -> Option<String> {
    let declared = Declared::read(&Held(files));
    let error = declared.found.iter().find(|found| found.severity() == Severity::Error)?;
    let at = error.labels.first().map(|label| format!("{}: ", declared.sources.origin(label.span)));
    Some(format!("{}{}", at.unwrap_or_default(), error.message))
}

/// A text that comes between two places of a file.
#[derive(Debug)]
struct Edit {
    from: usize,
    to: usize,
    text: String,
}

#[derive(Debug)]
struct Edits<'a> {
    file: &'a str,
    text: &'a str,
    all: Vec<Edit>,
}

impl Edits<'_> {
    fn workspace(&mut self, node: &Node, place: &Place) -> Result<(), Unfit> {
        let spec = spec(node);
        for what in ["people", "teams", "policies"] {
            if let Some(entry) = entry(spec, what) {
                return Err(self.declares(what, entry.key_span));
            }
        }
        let source = entry(spec, "source").filter(|it| it.node.get("local").is_some());
        let Some(source) = source else {
            let at = entry(spec, "source").map_or(node.span, |it| it.key_span);
            return Err(self.declares("source", at));
        };
        let indent = self.indent("source", source.key_span)?;
        let text = indented(&source_text(place), &indent);
        self.replace(source, text);
        self.identity(spec, place, &indent)
    }

    /// Those who may change it are another identity than callers.
    fn identity(&mut self, spec: &[Entry], place: &Place, indent: &str) -> Result<(), Unfit> {
        let oidc = format!("oidc: {{ issuer: {}, audiences: [{AUDIENCE}] }}", place.issuer);
        let Some(identities) = entry(spec, "identities") else {
            return self.beside(spec, format!("identities:\n  {OPERATORS}:\n    {oidc}"));
        };
        match identities.node.as_map() {
            Some([first, ..]) if !self.is_flow(&identities.node) => {
                let inner = self.indent("identities", first.key_span)?;
                let text = indented(&format!("{OPERATORS}:\n  {oidc}\n"), &inner);
                self.insert(first.key_span.start, text);
            }
            Some([]) | None => {
                let text = format!("identities:\n  {OPERATORS}:\n    {oidc}");
                self.replace(identities, indented(&text, indent));
            }
            Some(_) => {
                let Span { start, .. } = identities.node.span;
                let inside = Position { column: start.column + 1, ..start };
                self.insert(inside, format!(" {OPERATORS}: {{ {oidc} }},"));
            }
        }
        Ok(())
    }

    fn environment(&mut self, node: &Node) -> Result<(), Unfit> {
        let spec = spec(node);
        let mut text = CHANGES.to_owned();
        for (what, more) in [("on", ON), ("egress", EGRESS)] {
            if entry(spec, what).is_none() {
                text.push_str(more);
            }
        }
        let Some(changes) = entry(spec, "changes") else { return self.beside(spec, text) };
        let indent = self.indent("changes", changes.key_span)?;
        self.replace(changes, indented(&text, &indent));
        Ok(())
    }

    /// Puts an entry before the first one.
    fn beside(&mut self, spec: &[Entry], text: String) -> Result<(), Unfit> {
        let Some(first) = spec.first() else {
            let what = "spec";
            return Err(Unfit::Dense { what, file: self.file.to_owned(), line: 1 });
        };
        let indent = self.indent("spec", first.key_span)?;
        self.insert(first.key_span.start, indented(&(text + "\n"), &indent));
        Ok(())
    }

    /// What stands before a key that begins its line.
    fn indent(&self, what: &'static str, key: Span) -> Result<String, Unfit> {
        let begin = self.offset(Position { column: 1, ..key.start });
        let before = self.text.get(begin..self.offset(key.start)).unwrap_or_default();
        if before.trim().is_empty() {
            return Ok(before.to_owned());
        }
        Err(Unfit::Dense { what, file: self.file.to_owned(), line: key.start.line })
    }

    fn declares(&self, what: &'static str, at: Span) -> Unfit {
        Unfit::Declares { what, file: self.file.to_owned(), line: at.start.line }
    }

    fn insert(&mut self, at: Position, text: String) {
        let at = self.offset(at);
        self.all.push(Edit { from: at, to: at, text });
    }

    fn replace(&mut self, entry: &Entry, text: String) {
        let (from, to) = (self.offset(entry.key_span.start), self.offset(self.end(&entry.node)));
        self.all.push(Edit { from, to, text });
    }

    /// Where the last word of a value ends: what follows a block, such as a comment, is not part of it.
    fn end(&self, node: &Node) -> Position {
        let last = match &node.value {
            _ if self.is_flow(node) => None,
            Value::Map(entries) => entries.last().map(|entry| &entry.node),
            Value::List(items) => items.last(),
            _ => None,
        };
        last.map_or(node.span.end, |last| self.end(last))
    }

    fn is_flow(&self, node: &Node) -> bool {
        let rest = self.text.get(self.offset(node.span.start)..).unwrap_or_default();
        rest.starts_with(['{', '['])
    }

    fn offset(&self, at: Position) -> usize {
        let count = |number: u32| usize::try_from(number.saturating_sub(1)).unwrap_or_default();
        let begin: usize = self.text.split_inclusive('\n').take(count(at.line)).map(str::len).sum();
        let line = self.text.get(begin..).unwrap_or_default();
        begin + line.char_indices().nth(count(at.column)).map_or(line.len(), |(place, _)| place)
    }

    /// The text with everything put in.
    fn made(mut self) -> String {
        // Of two at one place the one that came first stands first.
        self.all.sort_by_key(|edit| edit.from);
        let (mut made, mut done) = (String::new(), 0);
        for Edit { from, to, text } in &self.all {
            made.push_str(self.text.get(done..*from).unwrap_or_default());
            made.push_str(text);
            done = *to;
        }
        made.push_str(self.text.get(done..).unwrap_or_default());
        made
    }
}

const CHANGES: &str = "\
# The rules in force judge a change, also a change of these rules: see policies/changes.cedar.
changes:
  - { actions: [view, plan, approve, rollback], identities: [operators] }
  - { actions: [apply], identities: [server, operators], commit: { branch: main }, deletes: true }";

const ON: &str = "
on:
  - { event: pullRequest, do: plan }
  - { event: merge, branch: main, do: apply }";

const EGRESS: &str = "
egress: [localhost]";

fn source_text(place: &Place) -> String {
    let Place { repository, repository_uuid, workspace_uuid, issuer: _, people } = place;
    let mut text = format!(
        "source:\n  bitbucket:\n    repository: {repository}\n    \
         repositoryUuid: \"{repository_uuid}\"\n    workspaceUuid: \"{workspace_uuid}\"\n\
         # Their accounts there, and who they are for the server.\npeople:\n"
    );
    let mut teams: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, account, team) in people {
        text.push_str(&format!(
            "  {name}: {{ bitbucket: \"{account}\", subjects: {{ {OPERATORS}: {name} }} }}\n"
        ));
        if let Some(team) = team {
            teams.entry(team).or_default().push(name);
        }
    }
    text.push_str("teams:");
    for (team, members) in teams {
        text.push_str(&format!("\n  {team}: {{ people: [{}] }}", members.join(", ")));
    }
    text
}

/// Every line but the first behind the indent, where the first stands already.
fn indented(text: &str, indent: &str) -> String {
    text.replace('\n', &format!("\n{indent}"))
}

fn spec(node: &Node) -> &[Entry] {
    node.get("spec").and_then(Node::as_map).unwrap_or_default()
}

fn entry<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| entry.key == key)
}

/// Files that are only texts yet.
#[derive(Debug)]
struct Held<'a>(&'a Texts);

impl Files for Held<'_> {
    fn paths(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let text = self.0.get(path).map(|text| text.clone().into_bytes());
        text.ok_or_else(|| ReadError("there is no such file".to_owned()))
    }
}

impl Snapshot for Held<'_> {
    fn was_read(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.iter().map(|(path, text)| (path.clone(), text.clone().into_bytes())).collect()
    }
}

#[cfg(test)]
mod tests;
