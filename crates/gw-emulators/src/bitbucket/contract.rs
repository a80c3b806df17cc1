//! The facts of the published contract: which operations there are, and what each takes.
//!
//! `cargo xtask contracts` derives `contract.json` from Atlassian's specification.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    refusal::Refusal,
    shape::{Breach, Wrong, breaches},
};

const TABLE: &str = include_str!("contract.json");

/// Parameters that take the rest of a path: names of branches and tags have slashes.
const REST: &[&str] = &["{name}", "{revision}", "{revspec}", "{spec}"];

#[derive(Debug, Deserialize)]
pub(super) struct Contract {
    operations: Vec<Operation>,
    schemas: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    pub(super) method: String,
    pub(super) path: String,
    /// Scopes of OAuth that are all needed.
    pub(super) oauth: Vec<String>,
    /// Scopes of API tokens that are all needed; `None` where no API token is let in.
    pub(super) api_token: Option<Vec<String>>,
    #[cfg_attr(not(test), expect(dead_code, reason = "what is answered is checked in tests"))]
    pub(super) codes: Vec<u16>,
    queries: BTreeMap<String, Vec<String>>,
    body: Option<Value>,
    required: Vec<String>,
}

/// Parameters of a path by name.
pub(super) type Parameters = BTreeMap<String, String>;

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Operation(&'a Operation, Parameters),
    OtherMethod,
    Nothing,
}

impl Contract {
    /// `None` when the table is not one; a test shows that it is.
    pub(super) fn read() -> Option<Self> {
        serde_json::from_str(TABLE).ok()
    }

    #[cfg(test)]
    pub(super) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// The operation at a path below `/2.0`.
    pub(super) fn find(&self, method: &str, path: &str) -> Found<'_> {
        let path: Vec<_> = path.trim_matches('/').split('/').map(decode).collect();
        let mut here = self.operations.iter().filter_map(|operation| {
            parameters(&operation.path, &path).map(|parameters| (operation, parameters))
        });
        let mut other = Found::Nothing;
        for (operation, parameters) in &mut here {
            if operation.method == method {
                return Found::Operation(operation, parameters);
            }
            other = Found::OtherMethod;
        }
        other
    }

    /// Whether the request is one that the operation takes.
    pub(super) fn check(
        &self,
        operation: &Operation,
        queries: &[(String, String)],
        body: &Value,
    ) -> Result<(), Refusal> {
        if queries.iter().any(|(name, _)| name == "fields") {
            return Err(Refusal::new(400, "Partial answers (`fields`) are not emulated."));
        }
        for (name, value) in queries {
            let allowed = operation.queries.get(name);
            if let Some(allowed) = allowed.filter(|allowed| !allowed.contains(value)) {
                return Err(Refusal::field(name, &Wrong::NotOneOf(allowed.clone()).words()));
            }
        }
        let Some(schema) = &operation.body else { return Ok(()) };
        let (schema, partial) = schema.get("partial").map_or((schema, false), |it| (it, true));
        let given = given(body);
        let mut found = breaches(&self.schemas, schema, &given);
        // No body at all is one that leaves everything out, even what only names its own form.
        let unnamed = |breach: &Breach| body.is_null() && breach.at == "type";
        found.retain(|it| it.wrong != Wrong::Missing || !(partial || unnamed(it)));
        found.extend(missing(&operation.required, &given));
        if found.is_empty() {
            return Ok(());
        }
        Err(Refusal::fields(found.into_iter().map(|breach| (breach.at, breach.wrong.words()))))
    }
}

/// A body without the members that are null: they were not given.
fn given(body: &Value) -> Value {
    match body {
        Value::Null => Value::Object(Map::new()),
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            Value::Object(members.map(|(name, member)| (name.clone(), given(member))).collect())
        }
        Value::Array(items) => {
            // An item that is null stands where something else should.
            let item = |it: &Value| if it.is_null() { Value::Null } else { given(it) };
            Value::Array(items.iter().map(item).collect())
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => body.clone(),
    }
}

/// What the prose requires and the body, or an item of it, does not have.
fn missing(required: &[String], body: &Value) -> Vec<Breach> {
    let items: Vec<_> = match body {
        Value::Array(items) => items.iter().collect(),
        _ => vec![body],
    };
    let absent = |item: &Value, path: &str| {
        let found = path.split('.').try_fold(item, |value, name| value.get(name));
        found.is_none_or(Value::is_null)
    };
    let paths = required.iter().filter(|path| items.iter().any(|item| absent(item, path)));
    let breach =
        |path: &String| Breach { at: path.clone(), place: path.clone(), wrong: Wrong::Missing };
    paths.map(breach).collect()
}

/// The parameters of a path that fits the template.
fn parameters(template: &str, path: &[String]) -> Option<Parameters> {
    let mut found = Parameters::new();
    let mut path = path.iter();
    for part in template.trim_start_matches('/').split('/') {
        let given = path.next()?;
        let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
            if part != given {
                return None;
            }
            continue;
        };
        let mut value = given.clone();
        if REST.contains(&part) {
            for more in path.by_ref() {
                value.push('/');
                value.push_str(more);
            }
        }
        if value.is_empty() {
            return None;
        }
        found.insert(name.to_owned(), value);
    }
    path.next().is_none().then_some(found)
}

/// Text without percent signs. What is no UTF-8 becomes what no name has.
pub(super) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name as a part of a path: braces are percent-encoded, as Bitbucket does in its links.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
