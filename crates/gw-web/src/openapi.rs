//! The document for programs, made from the contract.

use std::collections::BTreeMap;

use gw_model::environment::ChangeAction;
use serde_json::{Map, Value, json};

use crate::contract::{Access, Body, ENDPOINTS, Endpoint, Problem, TokenRefusal};

/// A type that stands in bodies.
pub trait Shape {
    /// Its schema; one with a name is put among the others, and only named.
    fn shape(schemas: &mut Schemas) -> Value;

    /// Whether it may be left away.
    fn is_optional() -> bool {
        false
    }

    /// Whether it is left away now.
    fn is_absent(&self) -> bool {
        false
    }
}

/// The schemas that have a name.
#[derive(Debug, Default)]
pub struct Schemas(BTreeMap<&'static str, Value>);

/// The fields of one of them.
#[derive(Debug, Default)]
pub struct Fields {
    properties: Map<String, Value>,
    required: Vec<&'static str>,
}

impl Schemas {
    pub(crate) fn named(
        &mut self,
        name: &'static str,
        about: &str,
        fill: impl FnOnce(&mut Self, &mut Fields),
    ) -> Value {
        if !self.0.contains_key(name) {
            self.0.insert(name, Value::Null);
            let mut fields = Fields::default();
            fill(self, &mut fields);
            let Fields { properties, required } = fields;
            let schema = json!({
                "description": about.trim(),
                "type": "object",
                "properties": properties,
                "required": required,
                "additionalProperties": false,
            });
            self.0.insert(name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

impl Fields {
    pub(crate) fn field<T: Shape>(
        &mut self,
        schemas: &mut Schemas,
        name: &'static str,
        about: &str,
    ) {
        let mut schema = T::shape(schemas);
        if let Some(map) = schema.as_object_mut() {
            map.insert("description".to_owned(), about.trim().into());
        }
        self.properties.insert(name.to_owned(), schema);
        if !T::is_optional() {
            self.required.push(name);
        }
    }
}

impl Shape for bool {
    fn shape(_: &mut Schemas) -> Value {
        json!({ "type": "boolean" })
    }
}

impl Shape for String {
    fn shape(_: &mut Schemas) -> Value {
        json!({ "type": "string" })
    }
}

macro_rules! whole {
    ($($kind:ty),+) => {$(
        impl Shape for $kind {
            fn shape(_: &mut Schemas) -> Value {
                json!({ "type": "integer", "minimum": 0 })
            }
        }
    )+};
}

whole!(u16, u32, u64);

/// Anything that is JSON.
impl Shape for Value {
    fn shape(_: &mut Schemas) -> Value {
        json!({})
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn shape(schemas: &mut Schemas) -> Value {
        json!({ "type": "array", "items": T::shape(schemas) })
    }
}

impl<T: Shape> Shape for Option<T> {
    fn shape(schemas: &mut Schemas) -> Value {
        T::shape(schemas)
    }

    fn is_optional() -> bool {
        true
    }

    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

/// The document as it is published.
pub fn text() -> String {
    // It is plain data: writing it as JSON cannot fail.
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

pub fn document() -> Value {
    let mut schemas = Schemas::default();
    let problem = Problem::shape(&mut schemas);
    let refusal = TokenRefusal::shape(&mut schemas);
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in ENDPOINTS {
        let failed = if endpoint.path == "/v1/token" {
            json!({ "application/json": { "schema": refusal } })
        } else {
            json!({ "application/problem+json": { "schema": problem } })
        };
        let operation = operation(endpoint, &failed, &mut schemas);
        let path = endpoint.path.replace("{*", "{");
        let place = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(place) = place.as_object_mut() {
            place.insert(endpoint.method.to_owned(), operation);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gatewright",
            "version": "1",
            "description": "Asks the server that alone decides, does and records. Every refusal is \
                            a problem (RFC 9457) with a word that stays.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "from POST /v1/token; it begins with gwt_",
                },
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-Hub-Signature",
                    "description": "sha256= and the HMAC of the body as it is sent",
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint, failed: &Value, schemas: &mut Schemas) -> Value {
    let Endpoint { path, about, access, ask, done: (status, answer), .. } = endpoint;
    let mut done = json!({ "description": "it is done" });
    if let (Some(content), Some(map)) = (content(*answer, schemas), done.as_object_mut()) {
        map.insert("content".to_owned(), content);
    }
    let mut operation = Map::new();
    operation.insert("summary".to_owned(), json!(about));
    let security = match access {
        Access::Anybody => json!([]),
        Access::Signed => json!([{ "signature": [] }]),
        Access::Bearer => json!([{ "token": [] }]),
    };
    operation.insert("security".to_owned(), security);
    let mut parameters: Vec<Value> = names(path).map(put_in).collect();
    let queries = queries(path).into_iter();
    parameters.extend(queries.map(|(name, about, schema)| {
        json!({ "name": name, "in": "query", "description": about, "schema": schema })
    }));
    if !parameters.is_empty() {
        operation.insert("parameters".to_owned(), json!(parameters));
    }
    if let Some(content) = content(*ask, schemas) {
        let body = json!({ "required": true, "content": content });
        operation.insert("requestBody".to_owned(), body);
    }
    let problem = json!({ "description": "why it is not done", "content": failed });
    let responses = json!({ (status.to_string()): done, "default": problem });
    operation.insert("responses".to_owned(), responses);
    Value::Object(operation)
}

fn content(body: Body, schemas: &mut Schemas) -> Option<Value> {
    match body {
        Body::None => None,
        Body::Json(schema) => Some(json!({ "application/json": { "schema": schema(schemas) } })),
        Body::Other(kind) => Some(json!({ (kind): {} })),
    }
}

/// What is put into a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    let parts = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    parts.map(|name| name.trim_start_matches('*'))
}

/// What may stand behind the `?`.
fn queries(path: &str) -> Vec<(&'static str, &'static str, Value)> {
    match path {
        "/v1/tasks/{id}" => {
            let seconds = json!({ "type": "integer", "minimum": 0, "maximum": 30 });
            vec![("wait", "so many seconds for its end", seconds)]
        }
        "/v1/environments/{environment}/rights" => {
            let actions = ChangeAction::ALL.map(ChangeAction::as_str);
            let claims = json!({ "type": "array", "items": { "type": "string" } });
            vec![
                ("action", "only this one", json!({ "type": "string", "enum": actions })),
                (
                    "who",
                    "`IDENTITY`, `IDENTITY:SUBJECT`, `person/NAME`, `branch/NAME` or `anyone`; \
                     everybody without it",
                    json!({ "type": "string" }),
                ),
                ("claim", "`NAME=VALUE` that they hold", claims),
            ]
        }
        _ => vec![],
    }
}

fn put_in(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

#[cfg(test)]
mod tests;
