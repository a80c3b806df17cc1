//! Three-way comparison of objects: declared, last written, live.

use std::collections::{BTreeMap, BTreeSet};

use gw_policy::generation::{Object, ObjectKey};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::driver::Driver;

/// One object that is not everywhere the same, in its canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Difference {
    pub key: ObjectKey,
    pub action: Action,
    /// Whether the live object is not what was last written: somebody else changed it.
    pub drift: Drift,
    pub declared: Option<Value>,
    pub written: Option<Value>,
    pub live: Option<Value>,
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

/// Only objects that differ somewhere come out, ordered by key.
pub fn compare(
    driver: &dyn Driver,
    declared: &[Object],
    written: &[Object],
    live: &[Object],
) -> Vec<Difference> {
    let index = |objects: &[Object]| -> BTreeMap<ObjectKey, Value> {
        objects
            .iter()
            .map(|object| {
                let Object { kind, name, body } = driver.canonical(object);
                (ObjectKey { kind, name }, body)
            })
            .collect()
    };
    let (mut declared, mut written, mut live) = (index(declared), index(written), index(live));
    let keys: BTreeSet<ObjectKey> =
        declared.keys().chain(written.keys()).chain(live.keys()).cloned().collect();
    let differ = |key: ObjectKey| {
        let (declared, written, live) =
            (declared.remove(&key), written.remove(&key), live.remove(&key));
        let action = match (&declared, &live) {
            (Some(declared), Some(live)) if declared == live => Action::None,
            (None, None) => Action::None,
            (Some(_), Some(_)) => Action::Update,
            (Some(_), None) => Action::Create,
            (None, Some(_)) => Action::Delete,
        };
        let drift = match (&written, &live) {
            (Some(written), Some(live)) if written == live => Drift::None,
            (None, None) => Drift::None,
            (Some(_), Some(_)) => Drift::Changed,
            (Some(_), None) => Drift::Removed,
            (None, Some(_)) => Drift::Added,
        };
        let same = action == Action::None && drift == Drift::None;
        (!same).then_some(Difference { key, action, drift, declared, written, live })
    };
    keys.into_iter().filter_map(differ).collect()
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

/// The value without the places of its lines: an object in which a file and a line stand, and
/// nothing else, says where something was written and not what.
pub fn without_origins(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .filter(|(_, member)| !is_origin(member))
                .map(|(key, member)| (key.clone(), without_origins(member)))
                .collect::<Map<_, _>>(),
        ),
        Value::Array(items) => Value::Array(items.iter().map(without_origins).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
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
