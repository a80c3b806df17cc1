//! The JSON schema for editors, out of the same shapes by which declarations are checked.

use serde_json::{Map as Object, Value as Json, json};

use crate::{
    API_VERSION, api,
    declared::Declared,
    environment::EnvironmentSpec,
    id::IdentityName,
    shape::{Field, Kind, Map, Reserved, Shape, Text, name},
    workspace::WorkspaceSpec,
};

/// `schemas/gatewright.schema.json`.
pub fn json_schema() -> Json {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Gatewright declarations",
        "oneOf": [
            json_of(&document("Workspace", WorkspaceSpec::shape())),
            environment(),
            json_of(&document("Api", api::written())),
        ],
    })
}

/// The file as it stands in the repository.
pub fn text() -> String {
    format!("{:#}\n", json_schema())
}

/// A document of one kind around its `spec`.
pub fn document(kind: &'static str, spec: Shape) -> Shape {
    let metadata = Map::default()
        .field(Field::new("name", name(), "what others call it").required())
        .field(Field::new("namespace", crate::shape::text(usize::MAX), "of the custom resource"))
        .field(Field::new("labels", Shape::of(Kind::Foreign), "for other tools"))
        .field(Field::new("annotations", Shape::of(Kind::Foreign), "for other tools"));
    let (version, kind) = (Shape::of(Kind::Fixed(API_VERSION)), Shape::of(Kind::Fixed(kind)));
    let metadata = Shape::of(Kind::Map(metadata));
    let map = Map::default()
        .field(Field::new("apiVersion", version, "version of this format").required())
        .field(Field::new("kind", kind, "what the document declares").required())
        .field(Field::new("metadata", metadata, "its name").required())
        .field(Field::new("spec", spec, "what is declared").required());
    Shape::of(Kind::Map(map))
}

/// The user of this machine may change only what stands on this machine.
fn environment() -> Json {
    let mut schema = json_of(&document("Environment", EnvironmentSpec::shape()));
    if let Some(Json::Object(spec)) = schema.pointer_mut("/properties/spec") {
        let builtin = json!({ "additionalProperties": { "required": ["builtin"] } });
        let others = json!({ "items": { "not": { "const": IdentityName::LOCAL } } });
        let identities = json!({ "items": { "properties": { "identities": others } } });
        spec.insert("if".to_owned(), json!({ "properties": { "targets": builtin } }));
        spec.insert("else".to_owned(), json!({ "properties": { "changes": identities } }));
    }
    schema
}

fn json_of(shape: &Shape) -> Json {
    let mut schema = match &shape.kind {
        Kind::Text(text) => text_json(text),
        Kind::Fixed(word) => object([("const", json!(word))]),
        Kind::Word(words) => object([("type", json!("string")), ("enum", json!(words))]),
        Kind::Flag { only_true: true } => {
            object([("type", json!("boolean")), ("enum", json!([true]))])
        }
        Kind::Flag { only_true: false } => object([("type", json!("boolean"))]),
        Kind::Whole { least, most } => {
            let mut schema = object([("type", json!("integer")), ("minimum", json!(least))]);
            if let Some(most) = most {
                schema.insert("maximum".to_owned(), json!(most));
            }
            schema
        }
        Kind::List { item, least, most, unique } => {
            let mut schema = object([("type", json!("array")), ("items", json_of(item))]);
            bounds(&mut schema, ("minItems", *least), ("maxItems", *most));
            if *unique {
                schema.insert("uniqueItems".to_owned(), json!(true));
            }
            schema
        }
        Kind::Table { keys, value, least, most } => {
            let mut schema =
                object([("type", json!("object")), ("additionalProperties", json_of(value))]);
            bounds(&mut schema, ("minProperties", *least), ("maxProperties", *most));
            let mut keys = text_json(keys);
            keys.remove("type");
            schema.insert("propertyNames".to_owned(), Json::Object(keys));
            schema
        }
        Kind::Map(map) => map_json(map),
        Kind::Choice(fields) => {
            let mut schema = fields_json(fields);
            bounds(&mut schema, ("minProperties", 1), ("maxProperties", 1));
            schema
        }
        Kind::Foreign => object([("type", json!("object"))]),
    };
    describe(&mut schema, shape.about);
    Json::Object(schema)
}

fn text_json(text: &Text) -> Object<String, Json> {
    let mut schema = object([("type", json!("string"))]);
    bounds(&mut schema, ("minLength", text.least), ("maxLength", text.most));
    if let Some(form) = text.form {
        schema.insert("pattern".to_owned(), json!(form.pattern));
    }
    match text.reserved {
        // Too many to list, and their spelling does not matter: `check` tells them.
        Reserved::Nothing | Reserved::Headers(_) => {}
        Reserved::Names([word]) => drop(schema.insert("not".to_owned(), json!({ "const": word }))),
        Reserved::Names(words) => drop(schema.insert("not".to_owned(), json!({ "enum": words }))),
    }
    schema
}

fn map_json(map: &Map) -> Object<String, Json> {
    let mut schema = fields_json(&map.fields);
    let each = |names: &[&str]| -> Vec<Json> {
        names.iter().map(|name| json!({ "required": [name] })).collect()
    };
    if !map.one_of.is_empty() {
        schema.insert("oneOf".to_owned(), Json::Array(each(&map.one_of)));
    }
    if !map.any_of.is_empty() {
        schema.insert("anyOf".to_owned(), Json::Array(each(&map.any_of)));
    }
    if map.not_empty {
        schema.insert("minProperties".to_owned(), json!(1));
    }
    if !map.needs.is_empty() {
        let needs = map.needs.iter().map(|(name, other)| ((*name).to_owned(), json!([other])));
        schema.insert("dependencies".to_owned(), Json::Object(needs.collect()));
    }
    schema
}

fn fields_json(fields: &[Field]) -> Object<String, Json> {
    let properties = fields.iter().map(|field| {
        let mut schema = json_of(&field.shape);
        if let Json::Object(schema) = &mut schema {
            describe(schema, field.about);
            if let Some(default) = &field.default {
                schema.insert("default".to_owned(), default.clone());
            }
        }
        (field.name.to_owned(), schema)
    });
    let properties = Json::Object(properties.collect());
    let mut schema = object([("type", json!("object")), ("properties", properties)]);
    let required: Vec<&str> =
        fields.iter().filter(|field| field.required).map(|field| field.name).collect();
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

fn describe(schema: &mut Object<String, Json>, about: &str) {
    if !about.is_empty() {
        schema.insert("description".to_owned(), json!(about));
    }
}

fn bounds(schema: &mut Object<String, Json>, least: (&str, usize), most: (&str, usize)) {
    if least.1 > 0 {
        schema.insert(least.0.to_owned(), json!(least.1));
    }
    if most.1 < usize::MAX {
        schema.insert(most.0.to_owned(), json!(most.1));
    }
}

fn object<const N: usize>(entries: [(&str, Json); N]) -> Object<String, Json> {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
