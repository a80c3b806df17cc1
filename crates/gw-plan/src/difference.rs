//! Three-way comparison of objects: declared, last written, live.

use std::collections::{BTreeMap, BTreeSet};

use gw_policy::generation::{Object, ObjectKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{digest::Digest, driver::Driver};

/// One object that is not everywhere the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Difference {
    pub key: ObjectKey,
    pub action: Action,
    /// Whether the live object is not what was last written: somebody else changed it.
    pub drift: Drift,
    /// Whether what is declared is not what was last written.
    pub pending: bool,
    /// The digest of what is declared; none: it is not.
    pub declared: Option<Digest>,
    /// Inside an object that is updated: from what is live to what is declared.
    pub changes: Vec<Leaf>,
    /// Inside an object that was changed there: from what was written to what is live.
    pub drifted: Vec<Leaf>,
}

/// What an apply does to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Create,
    Update,
    Delete,
    /// It drifted to what is declared anyway: nothing to do but to know it.
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Drift {
    None,
    Changed,
    Added,
    Removed,
}

/// A value inside an object that two sides disagree about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Leaf {
    /// As the declaration writes it: `limits[0].rate`.
    pub path: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Difference {
    /// Whether the target holds the object.
    pub fn is_live(&self) -> bool {
        match self.action {
            Action::Update | Action::Delete => true,
            Action::Create => false,
            Action::None => self.drift != Drift::Removed,
        }
    }
}

/// An object as each side has it.
#[derive(Clone, Copy, Debug, Default)]
struct Sides<'a> {
    declared: Option<&'a Object>,
    written: Option<&'a Object>,
    live: Option<&'a Object>,
}

/// Only objects that differ somewhere come out, ordered by key. Texts that are equal mean the same,
/// so only an object whose texts differ is read.
pub fn compare(
    driver: &dyn Driver,
    declared: &[Object],
    written: &[Object],
    live: &[Object],
) -> Vec<Difference> {
    let mut all: BTreeMap<(&str, &str), Sides<'_>> = BTreeMap::new();
    for object in declared {
        all.entry(named(object)).or_default().declared = Some(object);
    }
    for object in written {
        all.entry(named(object)).or_default().written = Some(object);
    }
    for object in live {
        all.entry(named(object)).or_default().live = Some(object);
    }
    all.into_values().filter_map(|sides| sides.difference(driver)).collect()
}

fn named(object: &Object) -> (&str, &str) {
    (&object.kind, &object.name)
}

impl Sides<'_> {
    fn difference(self, driver: &dyn Driver) -> Option<Difference> {
        let Self { declared, written, live } = self;
        let same = |one: Option<&Object>, other: Option<&Object>| match (one, other) {
            (Some(one), Some(other)) => {
                one.body == other.body || driver.canonical(one) == driver.canonical(other)
            }
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let action = match (declared, live) {
            _ if same(declared, live) => Action::None,
            (Some(_), Some(_)) => Action::Update,
            (Some(_), None) => Action::Create,
            (None, _) => Action::Delete,
        };
        let drift = match (written, live) {
            _ if same(written, live) => Drift::None,
            (Some(_), Some(_)) => Drift::Changed,
            (Some(_), None) => Drift::Removed,
            (None, _) => Drift::Added,
        };
        if action == Action::None && drift == Drift::None {
            return None;
        }
        let between = |before: Option<&Object>, after: Option<&Object>| match (before, after) {
            (Some(before), Some(after)) => {
                leaves(&driver.canonical(before), &driver.canonical(after))
            }
            _ => vec![],
        };
        Some(Difference {
            key: declared.or(written).or(live)?.key(),
            action,
            drift,
            pending: !same(declared, written),
            declared: declared.map(|object| Digest::of_bytes(object.body.as_str().as_bytes())),
            changes: between(live, declared),
            drifted: between(written, live),
        })
    }
}

/// The places where two values disagree, in their order.
pub fn leaves(before: &Value, after: &Value) -> Vec<Leaf> {
    let mut found = vec![];
    descend(&mut found, String::new(), Some(before), Some(after));
    for leaf in &mut found {
        leaf.path = as_declared(&leaf.path);
    }
    found
}

/// Levels that objects have and declarations do not.
fn as_declared(path: &str) -> String {
    let path = path.strip_prefix("spec.").unwrap_or(path);
    path.replace(".who.proven", "").replace("secrets.store", "secrets")
}

fn descend(found: &mut Vec<Leaf>, path: String, before: Option<&Value>, after: Option<&Value>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                descend(found, inner, before.get(key), after.get(key));
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                let inner = format!("{path}[{index}]");
                descend(found, inner, before.get(index), after.get(index));
            }
        }
        (before, after) => {
            found.push(Leaf { path, before: before.cloned(), after: after.cloned() });
        }
    }
}

/// A value as people say it: `header (name X-Api-Key, secret orders-key)`. What is empty says nothing.
pub fn in_words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "none".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(_) | Value::Number(_)) => value.map(Value::to_string).unwrap_or_default(),
        Some(Value::Array(items)) => listed(items.iter().map(nested)),
        Some(Value::Object(members)) => {
            let said = members.iter().filter(|(_, member)| !is_nothing(member));
            listed(said.map(|(name, member)| format!("{name} {}", nested(member))))
        }
    }
}

/// What stands inside of another value is kept together.
fn nested(value: &Value) -> String {
    let words = in_words(Some(value));
    let is_several = value.is_object() || value.as_array().is_some_and(|items| items.len() > 1);
    if is_several { format!("({words})") } else { words }
}

fn listed(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_nothing),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The value without the places of its lines: an object in which a file and a line stand, and
/// nothing else, says where something was written and not what.
pub fn without_origins(mut value: Value) -> Value {
    remove_origins(&mut value);
    value
}

fn remove_origins(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !is_origin(member));
            members.values_mut().for_each(remove_origins);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_origins),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_origin(value: &Value) -> bool {
    let Some(members) = value.as_object() else { return false };
    members.len() == 2
        && members.get("file").is_some_and(Value::is_string)
        && members.get("line").is_some_and(Value::is_number)
}

#[cfg(test)]
mod tests;
