//! What the emulated Bitbucket Cloud checks requests against, as the published contract says it.
//!
//! The contract itself is not copied in: only facts about the operations that Gatewright uses are
//! derived from it. What it says in prose alone is a row of [`said`], and holds only as long as
//! the prose still says it.

mod operations;
mod said;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::PathBuf,
};

use serde_json::{Map, Value, json};

use self::{
    operations::OPERATIONS,
    said::{Fact, SAID},
};
use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const TABLE: &str = "crates/gw-emulators/src/bitbucket/contract.json";
const PUBLISHED: &str = "contracts/bitbucket/cloud/openapi.v3.json";
const SOURCE: &str =
    "Atlassian, dac-static.atlassian.com/cloud/bitbucket/swagger.v3.json, as of 2026-06-22";
const LICENCE: &str = "facts derived from Atlassian's published specification; no text of it";

/// What a schema says about a value's form. Patterns are left out: the only one is that of a hash,
/// and Bitbucket refuses an unknown hash anyway.
const FORM: &[&str] = &[
    "$ref",
    "type",
    "enum",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "required",
];

pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    let path = published(repository);
    let Ok(text) = fs::read_to_string(&path) else {
        let must = mode == Mode::Write || env::var_os("CI").is_some_and(|ci| ci == "true");
        let wrong = "the published contract is missing, so nothing says whether this is current";
        let cure = "put the shared folder beside the checkout, or name it in GATEWRIGHT_SHARED";
        return Ok(if must { vec![Finding::new(TABLE, wrong, cure)] } else { vec![] });
    };
    let published: Value =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let table = derive(&published)?;
    repository.keep_current(TABLE, &print(&table), mode, "contracts")
}

/// The table with a line for each operation and each schema.
fn print(table: &Table) -> String {
    let Table { version, operations, schemas } = table;
    let mut lines = vec![
        "{".to_owned(),
        format!("\"source\": {},", json!(SOURCE)),
        format!("\"version\": {version},"),
        format!("\"licence\": {},", json!(LICENCE)),
        "\"operations\": [".to_owned(),
    ];
    let operations: Vec<_> = operations.iter().map(Value::to_string).collect();
    lines.push(operations.join(",\n"));
    lines.push("],".to_owned());
    lines.push("\"schemas\": {".to_owned());
    let schemas: Vec<_> =
        schemas.iter().map(|(name, schema)| format!("{}: {schema}", json!(name))).collect();
    lines.push(schemas.join(",\n"));
    lines.push("}".to_owned());
    lines.push("}\n".to_owned());
    lines.join("\n")
}

/// What is derived.
struct Table {
    version: Value,
    operations: Vec<Value>,
    schemas: BTreeMap<String, Value>,
}

fn published(repository: &Repository) -> PathBuf {
    let beside = || repository.root.join("../shared");
    env::var_os("GATEWRIGHT_SHARED").map_or_else(beside, PathBuf::from).join(PUBLISHED)
}

fn derive(published: &Value) -> Result<Table, String> {
    let mut operations = Vec::new();
    for (method, path) in OPERATIONS {
        operations.push(operation(published, method, path)?);
    }
    let mut schemas = reachable(published, &operations)?;
    for said in SAID {
        holds(published, said.place, said.words)?;
        if let Fact::AnyValue { schema, member } = said.fact {
            member_of(&mut schemas, schema, member)?.clear();
        }
        if let Fact::MostItems { schema, member, most } = said.fact {
            member_of(&mut schemas, schema, member)?.insert("maxItems".to_owned(), json!(most));
        }
        if let Fact::Optional { schema, member } = said.fact {
            optional(&mut schemas, schema, member)?;
        }
    }
    let version = published.pointer("/info/version").cloned().unwrap_or_default();
    Ok(Table { version, operations, schemas })
}

fn operation(published: &Value, method: &str, path: &str) -> Result<Value, String> {
    let found = find(published, method, path)?;
    let facts = SAID.iter().filter(|said| said.place == (method, path)).map(|said| &said.fact);
    let mut body = found.pointer("/requestBody/content/application~1json/schema").map(form);
    let mut required: Vec<&str> = Vec::new();
    for fact in facts {
        match fact {
            Fact::Body(schema) => {
                body = Some(json!({ "$ref": format!("#/components/schemas/{schema}") }));
            }
            Fact::Required(members) => required.extend(*members),
            Fact::Partial => body = body.map(|body| json!({ "partial": body })),
            Fact::AnyValue { .. } | Fact::MostItems { .. } | Fact::Optional { .. } => {}
        }
    }
    let codes = found.get("responses").and_then(Value::as_object).into_iter().flatten();
    let mut codes: Vec<u16> = codes.filter_map(|(code, _)| code.parse().ok()).collect();
    codes.sort_unstable();
    Ok(json!({
        "method": method,
        "path": path,
        "oauth": oauth(found),
        "apiToken": api_token(found),
        "codes": codes,
        "queries": queries(found),
        "body": body,
        "required": required,
    }))
}

fn find<'a>(published: &'a Value, method: &str, path: &str) -> Result<&'a Value, String> {
    let methods = published.get("paths").and_then(|paths| paths.get(path));
    let found = methods.and_then(|methods| methods.get(method.to_lowercase()));
    found.ok_or_else(|| format!("the contract has no {method} {path}"))
}

/// The OAuth scopes that are all needed.
fn oauth(operation: &Value) -> Vec<&Value> {
    let ways = operation.get("security").and_then(Value::as_array).into_iter().flatten();
    let scopes = ways.filter_map(|way| way.get("oauth2")).filter_map(Value::as_array);
    scopes.flatten().collect()
}

/// The scopes of API tokens that are all needed; `None` where no API token is let in.
fn api_token(operation: &Value) -> Option<Vec<&Value>> {
    let kinds = operation.get("x-atlassian-auth-types").and_then(Value::as_array);
    if kinds.is_some_and(|kinds| !kinds.contains(&json!("api-token"))) {
        return None;
    }
    let sets = operation.get("x-atlassian-oauth2-scopes").and_then(Value::as_array);
    let current = |set: &&Value| set.get("state") == Some(&json!("Current"));
    let sets = sets.into_iter().flatten().filter(current);
    Some(sets.filter_map(|set| set.get("scopes")).filter_map(Value::as_array).flatten().collect())
}

/// The values that a query parameter may have.
fn queries(operation: &Value) -> Map<String, Value> {
    let parameters = operation.get("parameters").and_then(Value::as_array).into_iter().flatten();
    let queries = parameters.filter(|parameter| parameter.get("in") == Some(&json!("query")));
    let values = queries.filter_map(|query| {
        let values = query.pointer("/schema/enum")?;
        Some((query.get("name")?.as_str()?.to_owned(), values.clone()))
    });
    values.collect()
}

/// A schema without its prose.
fn form(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else { return schema.clone() };
    let mut kept = Map::new();
    for (key, value) in schema {
        match key.as_str() {
            "properties" => {
                let members = value.as_object().into_iter().flatten();
                let members = members.map(|(name, member)| (name.clone(), form(member))).collect();
                kept.insert(key.clone(), Value::Object(members));
            }
            "items" => {
                kept.insert(key.clone(), form(value));
            }
            "allOf" => {
                let parts = value.as_array().into_iter().flatten().map(form).collect();
                kept.insert(key.clone(), Value::Array(parts));
            }
            key if FORM.contains(&key) => {
                kept.insert(key.to_owned(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(kept)
}

/// Every schema that a request's body may come to.
fn reachable(published: &Value, operations: &[Value]) -> Result<BTreeMap<String, Value>, String> {
    let mut schemas = BTreeMap::new();
    let mut open = BTreeSet::new();
    operations.iter().filter_map(|operation| operation.get("body")).for_each(|body| {
        references(body, &mut open);
    });
    while let Some(name) = open.pop_first() {
        if schemas.contains_key(&name) {
            continue;
        }
        let schema = published.pointer(&format!("/components/schemas/{name}"));
        let schema = form(schema.ok_or_else(|| format!("the contract has no schema {name}"))?);
        references(&schema, &mut open);
        schemas.insert(name, schema);
    }
    Ok(schemas)
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let name = members.get("$ref").and_then(Value::as_str);
            found.extend(name.and_then(|name| name.rsplit('/').next()).map(str::to_owned));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The parts of a schema: itself, or what it is all of.
fn parts<'a>(
    schemas: &'a mut BTreeMap<String, Value>,
    schema: &str,
) -> Result<Vec<&'a mut Value>, String> {
    let found = schemas.get_mut(schema).ok_or_else(|| format!("no schema {schema} is used"))?;
    if found.get("allOf").is_none() {
        return Ok(vec![found]);
    }
    Ok(found.get_mut("allOf").and_then(Value::as_array_mut).into_iter().flatten().collect())
}

fn member_of<'a>(
    schemas: &'a mut BTreeMap<String, Value>,
    schema: &str,
    member: &str,
) -> Result<&'a mut Map<String, Value>, String> {
    let pointer = format!("/properties/{member}");
    let mut members = parts(schemas, schema)?.into_iter();
    let found = members.find_map(|part| part.pointer_mut(&pointer)?.as_object_mut());
    found.ok_or_else(|| format!("{schema} has no {member}"))
}

fn optional(
    schemas: &mut BTreeMap<String, Value>,
    schema: &str,
    member: &str,
) -> Result<(), String> {
    for part in parts(schemas, schema)? {
        let Some(required) = part.get_mut("required").and_then(Value::as_array_mut) else {
            continue;
        };
        required.retain(|name| name != member);
    }
    Ok(())
}

/// Whether the prose of the operation, or of the schemas, still has the words.
fn holds(published: &Value, place: (&str, &str), words: &str) -> Result<(), String> {
    let (method, path) = place;
    let prose = if method == "schema" {
        let schema = published.pointer(&format!("/components/schemas/{path}"));
        schema.map(Value::to_string).unwrap_or_default()
    } else {
        let found = find(published, method, path)?;
        found.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain(&prose).contains(&plain(words)) {
        return Ok(());
    }
    Err(format!("{method} {path} no longer says `{words}`: read it, and mend contracts/said.rs"))
}
