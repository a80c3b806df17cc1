//! The reference for people who write declarations: every field and every code, out of the types; and
//! every command, out of the binary.

use std::process::Command;

use gw_model::{
    api,
    code::Code,
    declared::Declared,
    diagnostic::Severity,
    environment::EnvironmentSpec,
    schema::document,
    shape::{Field, Kind, Map, Shape},
    workspace::WorkspaceSpec,
};

use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const REFERENCE: &str = "docs/reference.md";
const COMMANDS: &str = "docs/commands.md";

/// Places whose fields are described elsewhere, and where.
const DESCRIBED_ELSEWHERE: [(&str, &str, &str); 2] = [
    ("Environment", "spec.identities", "written as in `Workspace`"),
    ("Api", "spec.overrides", "written as in the API itself, none of them needed"),
];

/// The commands are compared by a test of the binary, which is built there anyway.
pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    if mode == Mode::Write {
        repository.keep_current(COMMANDS, &commands(repository)?, mode, "reference")?;
    }
    repository.keep_current(REFERENCE, &text(), mode, "reference")
}

fn commands(repository: &Repository) -> Result<String, String> {
    let output = Command::new("cargo")
        .current_dir(&repository.root)
        .args(["run", "--quiet", "--package", "gw", "--", "manual"])
        .output()
        .map_err(|error| format!("the binary cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn text() -> String {
    let mut text = String::from(
        "# Reference\n\n\
         Made by `cargo xtask reference` from the types that read declarations; do not edit it.\n\
         [Commands](commands.md) stand on a page of their own, [policies](policies.md) too. A field \
         that is neither\nrequired nor has a default may be left away. `<name>` stands for a name of \
         your own, `[]` for\neach item of a list.\n",
    );
    for (kind, about, spec) in [
        ("Workspace", "One per repository.", WorkspaceSpec::shape()),
        ("Environment", "Where it runs, and who may change it.", EnvironmentSpec::shape()),
        ("Api", "What a team owns.", api::written()),
    ] {
        text.push_str(&format!("\n## {kind}\n\n{about}\n\n"));
        text.push_str(
            "| field | what is written | default | meaning |\n| --- | --- | --- | --- |\n",
        );
        let mut table = Table { kind, text: &mut text };
        table.fields("", &document(kind, spec));
    }
    text.push_str(
        "\n## Codes\n\n`gatewright explain GW1101` tells more of each. GW1xxx are about \
         declarations, GW2xxx about what\ntargets can do, GW3xxx about changes and the state of \
         targets, GW4xxx about identities, GW5xxx about\nthe ledger, GW6xxx about sources, GW7xxx about settings and the store.\n\n\
         | code | | title |\n| --- | --- | --- |\n",
    );
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.number());
    for code in codes {
        let severity = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        text.push_str(&format!("| {code} | {severity} | {} |\n", cell(code.title())));
    }
    text
}

struct Table<'t> {
    kind: &'static str,
    text: &'t mut String,
}

impl Table<'_> {
    /// A row for each field below a place.
    fn fields(&mut self, path: &str, shape: &Shape) {
        match &shape.kind {
            Kind::Map(Map { fields, .. }) | Kind::Choice(fields) => {
                for field in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    self.field(&format!("{path}{dot}{}", field.name), field);
                }
            }
            Kind::List { item, .. } => self.fields(&format!("{path}[]"), item),
            Kind::Table { value, .. } => self.fields(&format!("{path}.<name>"), value),
            Kind::Text(_)
            | Kind::Whole { .. }
            | Kind::Flag { .. }
            | Kind::Word(_)
            | Kind::Foreign
            | Kind::Fixed(_) => {}
        }
    }

    fn field(&mut self, path: &str, field: &Field) {
        let default = match (&field.default, field.required) {
            (Some(default), _) => format!("`{default}`"),
            (None, true) => "required".to_owned(),
            (None, false) => String::new(),
        };
        let elsewhere = DESCRIBED_ELSEWHERE
            .iter()
            .find(|(kind, place, _)| *kind == self.kind && *place == path)
            .map(|(_, _, words)| *words);
        let mut about = field.about.to_owned();
        if about.is_empty() {
            about.push_str(field.shape.about);
        }
        if let Some(words) = elsewhere {
            about.push_str(&format!("; {words}"));
        }
        let written = cell(&written(&field.shape));
        self.text.push_str(&format!("| `{path}` | {written} | {default} | {} |\n", cell(&about)));
        if elsewhere.is_none() {
            self.fields(path, &field.shape);
        }
    }
}

/// What may be written at a place, in words.
fn written(shape: &Shape) -> String {
    match &shape.kind {
        Kind::Text(text) => match text.form {
            Some(form) => form.expected.to_owned(),
            None => "text".to_owned(),
        },
        Kind::Whole { least, most: Some(most) } if *most < u64::from(u32::MAX) => {
            format!("{least} to {most}")
        }
        Kind::Whole { least, .. } => format!("a number from {least}"),
        Kind::Flag { only_true: true } => "`true`".to_owned(),
        Kind::Flag { only_true: false } => "`true` or `false`".to_owned(),
        Kind::Word(words) => {
            words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
        }
        Kind::List { item, .. } => match &item.kind {
            Kind::Map(_) | Kind::Choice(_) => "a list".to_owned(),
            _ => format!("a list of: {}", written(item)),
        },
        Kind::Table { value, .. } => match &value.kind {
            Kind::Map(_) | Kind::Choice(_) => "a map of names".to_owned(),
            _ => format!("a map of names to: {}", written(value)),
        },
        Kind::Map(map) if map.one_of.len() > 1 => {
            format!("a map with exactly one of {}", names(&map.one_of))
        }
        Kind::Map(_) => "a map".to_owned(),
        Kind::Choice(fields) => {
            let keys: Vec<&str> = fields.iter().map(|field| field.name).collect();
            format!("exactly one of {}", names(&keys))
        }
        Kind::Foreign => "a map".to_owned(),
        Kind::Fixed(word) => format!("`{word}`"),
    }
}

fn names(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A text that does not end a cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}
