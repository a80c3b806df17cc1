//! An API in one environment: overrides laid over, values filled in.

use std::collections::BTreeMap;

use crate::{
    api::ApiSpec,
    code::Code,
    declared::Declared,
    diagnostic::Diagnostic,
    document::{Entry, Node, Value},
    environment::EnvironmentSpec,
    id::EnvironmentName,
    load::{Written, discover::Kind},
    placeholder::{self, Piece},
    shape::{Kind as ShapeKind, Shape, check},
    source::{Sources, Span},
};

/// The document of an API as it reads in one environment.
#[derive(Debug)]
pub(crate) struct Merged {
    pub document: Node,
    /// For each text that was filled: where the values stand.
    pub filled: BTreeMap<Span, Vec<Span>>,
}

/// What an API says in an environment.
pub(crate) fn resolve(
    api: &Written<ApiSpec>,
    name: &EnvironmentName,
    environment: &Written<EnvironmentSpec>,
    sources: &Sources,
) -> Result<ApiSpec, Vec<Diagnostic>> {
    let Some(spec) = api.spec_node() else { return Ok(api.spec.clone()) };
    let overridden = spec.at(&["overrides", name.as_str()]).is_some();
    if !overridden && !holds_placeholder(spec) {
        return Ok(api.spec.clone());
    }
    let merged = merge(api, name, environment)?;
    let mut diagnostics = vec![];
    check(&merged.document, Kind::Api.shape(), "Api", &mut diagnostics);
    if !diagnostics.is_empty() {
        let note = format!("with the overrides and values of environment `{name}`");
        return Err(diagnostics.into_iter().map(|told| told.note(note.clone())).collect());
    }
    let read = merged.document.get("spec").and_then(|spec| ApiSpec::read(spec, sources));
    read.ok_or_else(|| {
        let told = Diagnostic::new(Code::WrongValue, "this API cannot be read");
        vec![told.at(api.document.span, format!("in environment `{name}`"))]
    })
}

/// Lays the overrides of an environment over an API and fills its values in.
pub(crate) fn merge(
    api: &Written<ApiSpec>,
    name: &EnvironmentName,
    environment: &Written<EnvironmentSpec>,
) -> Result<Merged, Vec<Diagnostic>> {
    let mut document = api.document.clone();
    if let Value::Map(entries) = &mut document.value
        && let Some(spec) = entries.iter_mut().find(|entry| entry.key == "spec")
    {
        override_with(&mut spec.node, name);
    }
    let values = environment.spec_node().and_then(|spec| spec.get("values"));
    let mut fill = Fill { values, name, filled: BTreeMap::new(), diagnostics: vec![] };
    fill.node(&mut document);
    if fill.diagnostics.is_empty() {
        Ok(Merged { document, filled: fill.filled })
    } else {
        Err(fill.diagnostics)
    }
}

/// Takes `overrides` away, and puts those of one environment in their places.
fn override_with(spec: &mut Node, name: &EnvironmentName) {
    let over = spec.at(&["overrides", name.as_str()]).cloned();
    if let Value::Map(entries) = &mut spec.value {
        entries.retain(|entry| entry.key != "overrides");
    }
    let shape = Kind::Api.shape().field("spec").map(|field| &field.shape);
    if let (Some(over), Some(shape)) = (over, shape) {
        *spec = lay_over(spec, &over, shape);
    }
}

/// Maps are merged field by field; lists, texts and choices are replaced whole.
fn lay_over(base: &Node, over: &Node, shape: &Shape) -> Node {
    let (Value::Map(below), Value::Map(above), ShapeKind::Map(_)) =
        (&base.value, &over.value, &shape.kind)
    else {
        return over.clone();
    };
    let mut entries: Vec<Entry> = below.clone();
    for entry in above {
        let field = shape.field(&entry.key);
        match (entries.iter_mut().find(|known| known.key == entry.key), field) {
            (Some(known), Some(field)) => {
                let node = lay_over(&known.node, &entry.node, &field.shape);
                *known = Entry { node, ..entry.clone() };
            }
            (Some(known), None) => *known = entry.clone(),
            (None, _) => entries.push(entry.clone()),
        }
    }
    Node { value: Value::Map(entries), span: base.span }
}

fn holds_placeholder(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => placeholder::is_in(text),
        Value::List(items) => items.iter().any(holds_placeholder),
        Value::Map(entries) => entries.iter().any(|entry| holds_placeholder(&entry.node)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

struct Fill<'a> {
    values: Option<&'a Node>,
    name: &'a EnvironmentName,
    filled: BTreeMap<Span, Vec<Span>>,
    diagnostics: Vec<Diagnostic>,
}

impl Fill<'_> {
    fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::Text(text) if placeholder::is_in(text) => {
                if let Some(filled) = self.text(text, node.span) {
                    *text = filled;
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Map(entries) => entries.iter_mut().for_each(|entry| self.node(&mut entry.node)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    fn text(&mut self, text: &str, span: Span) -> Option<String> {
        let mut filled = String::new();
        let mut places = vec![];
        for piece in placeholder::pieces(text).ok()? {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Value(value) => {
                    let found = self.values.and_then(|values| values.get(value));
                    let Some((node, written)) =
                        found.and_then(|node| Some((node, node.as_text()?)))
                    else {
                        self.unknown(value, span);
                        return None;
                    };
                    filled.push_str(written);
                    places.push(node.span);
                }
            }
        }
        self.filled.insert(span, places);
        Some(filled)
    }

    fn unknown(&mut self, value: &str, span: Span) {
        let name = self.name;
        let known = self.values.and_then(Node::as_map).unwrap_or_default();
        let known = known.iter().map(|entry| entry.key.as_str());
        let label = match crate::shape::nearest(value, known) {
            Some(near) => format!("did you mean `${{env.{near}}}`?"),
            None => "filled in from `values` of the environment".to_owned(),
        };
        let message = format!("environment `{name}` has no value `{value}`");
        let told = Diagnostic::new(Code::UnknownValue, message).at(span, label);
        self.diagnostics.push(told.help(format!("add `{value}` under `values` of `{name}`")));
    }
}
