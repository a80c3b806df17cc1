//! The final document of an object in an environment, each line with the place it comes from.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::{
    document::{Entry, Node, Value},
    id::{ApiName, EnvironmentName},
    load::{Declarations, Kind},
    shape::{Kind as ShapeKind, Shape},
    source::{Origin, Sources, Span},
};

/// What can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Object {
    Workspace,
    Environment(EnvironmentName),
    Api { api: ApiName, environment: EnvironmentName },
}

/// A line of YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// Where it was written; with a value that was filled in, also where that stands. Empty: it was
    /// written nowhere and holds by default.
    pub origins: Vec<Origin>,
}

impl Declarations {
    /// The lines of an object; `None` if there is none of that name.
    pub fn show(&self, object: &Object) -> Option<Vec<Line>> {
        let none = BTreeMap::new();
        match object {
            Object::Workspace => {
                let shape = Kind::Workspace.shape();
                Some(write(self.workspace_document(), shape, &none, self.sources()))
            }
            Object::Environment(name) => {
                let shape = Kind::Environment.shape();
                Some(write(self.environment_document(name)?, shape, &none, self.sources()))
            }
            Object::Api { api, environment } => {
                let merged = self.api_document(api, environment)?;
                let shape = Kind::Api.shape();
                Some(write(&merged.document, shape, &merged.filled, self.sources()))
            }
        }
    }
}

fn write(
    document: &Node,
    shape: &Shape,
    filled: &BTreeMap<Span, Vec<Span>>,
    sources: &Sources,
) -> Vec<Line> {
    let mut writer = Writer { sources, filled, lines: vec![] };
    writer.map(document, Some(shape), "", 0);
    writer.lines
}

struct Writer<'a> {
    sources: &'a Sources,
    filled: &'a BTreeMap<Span, Vec<Span>>,
    lines: Vec<Line>,
}

impl Writer<'_> {
    fn line(&mut self, text: String, span: Span) {
        let values = self.filled.get(&span).map(Vec::as_slice).unwrap_or_default();
        let places = std::iter::once(&span).chain(values);
        let origins = places.map(|span| self.sources.origin(*span)).collect();
        self.lines.push(Line { text, origins });
    }

    /// The fields of a map, then what holds by default. The first line begins with `head`.
    fn map(&mut self, node: &Node, shape: Option<&Shape>, head: &str, indent: usize) {
        let mut lead = head.to_owned();
        for entry in node.as_map().unwrap_or_default() {
            let inner = shape.and_then(|shape| inner_shape(shape, &entry.key));
            let key = format!("{lead}{}:", word(&entry.key));
            self.value(&entry.node, inner, key, entry.key_span, indent);
            lead = " ".repeat(indent);
        }
        for field in shape.map(Shape::fields).unwrap_or_default() {
            if let Some(default) = field.default.as_ref().filter(|_| node.get(field.name).is_none())
            {
                let text = format!("{lead}{}: {}", field.name, json_word(default));
                self.lines.push(Line { text, origins: vec![] });
                lead = " ".repeat(indent);
            }
        }
    }

    fn value(
        &mut self,
        node: &Node,
        shape: Option<&Shape>,
        key: String,
        span: Span,
        indent: usize,
    ) {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.line(key, span);
                self.map(node, shape, &" ".repeat(indent + 2), indent + 2);
            }
            Value::List(items) if items.iter().any(|item| item.as_map().is_some()) => {
                self.line(key, span);
                let item_shape = shape.and_then(|shape| match &shape.kind {
                    ShapeKind::List { item, .. } => Some(item.as_ref()),
                    _ => None,
                });
                for item in items {
                    let head = format!("{}- ", " ".repeat(indent + 2));
                    if item.as_map().is_some_and(|entries| !entries.is_empty()) {
                        self.map(item, item_shape, &head, indent + 4);
                    } else {
                        self.line(format!("{head}{}", flow(item)), item.span);
                    }
                }
            }
            Value::List(items) => {
                self.line(format!("{key} {}", flow(node)), node.span);
                let inside = items.iter().filter_map(|item| self.filled.get(&item.span));
                let values: Vec<Span> = inside.flatten().copied().collect();
                let origins: Vec<Origin> =
                    values.into_iter().map(|span| self.sources.origin(span)).collect();
                if let Some(line) = self.lines.last_mut() {
                    line.origins.extend(origins);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                self.line(format!("{key} {}", flow(node)), node.span);
            }
        }
    }
}

fn inner_shape<'a>(shape: &'a Shape, key: &str) -> Option<&'a Shape> {
    match &shape.kind {
        ShapeKind::Table { value, .. } => Some(value),
        _ => shape.field(key).map(|field| &field.shape),
    }
}

/// A value on one line.
fn flow(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.clone(),
        Value::Text(text) => word(text),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(entries) => {
            let entry = |entry: &Entry| format!("{}: {}", word(&entry.key), flow(&entry.node));
            let entries: Vec<String> = entries.iter().map(entry).collect();
            if entries.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// A text as YAML reads it back, by the rules of 1.1 as well: in quotes unless it is plainly a word.
fn word(text: &str) -> String {
    const KEYWORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-_./".contains(sign);
    let keyword = KEYWORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    let begins = text.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '/');
    let measure = text.starts_with(|sign: char| ('1'..='9').contains(&sign))
        && text.ends_with(['s', 'm', 'h', 'd', 'B']);
    let url = text.starts_with("https://") || text.starts_with("http://");
    let plain_url = |sign: char| plain(sign) || ":%~+@=&".contains(sign);
    let is_word = !keyword && (begins || measure) && text.chars().all(plain);
    if is_word || (url && text.chars().all(plain_url) && !text.ends_with(':')) {
        text.to_owned()
    } else {
        Json::String(text.to_owned()).to_string()
    }
}

fn json_word(value: &Json) -> String {
    match value {
        Json::String(text) => word(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(json_word).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{key}: {}", json_word(value)));
            let fields: Vec<String> = fields.collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
