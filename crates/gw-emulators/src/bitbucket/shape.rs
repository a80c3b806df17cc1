//! Whether a JSON value has the form that a schema of the contract gives it.
//!
//! It knows what Bitbucket's contract uses of JSON Schema, and nothing else. It collects every
//! breach, because the one who asks decides which of them matter.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

/// One place where a value is not what the schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Breach {
    /// Where in the value, from its root: `source.branch.name`.
    pub(super) at: String,
    /// Where in the contract: the nearest named schema and the members below it.
    pub(super) place: String,
    pub(super) wrong: Wrong,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    Missing,
    Null,
    /// The schema names every member, and not this one.
    Unknown,
    NotA(String),
    NotOneOf(Vec<String>),
    Below(i64),
    Above(i64),
    Shorter(usize),
    Longer(usize),
    FewerItems(usize),
    MoreItems(usize),
}

impl Wrong {
    /// As Bitbucket says it to whoever sent the value.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Missing => "This field is required.".to_owned(),
            Self::Null => "This field may not be null.".to_owned(),
            Self::Unknown => "This field is not known.".to_owned(),
            Self::NotA(kind) => format!("Expected {kind}."),
            Self::NotOneOf(values) => format!("Must be one of: {}.", values.join(", ")),
            Self::Below(least) => format!("Must be at least {least}."),
            Self::Above(most) => format!("Must be at most {most}."),
            Self::Shorter(least) => format!("Must have at least {least} characters."),
            Self::Longer(most) => format!("Must have at most {most} characters."),
            Self::FewerItems(least) => format!("Must have at least {least} items."),
            Self::MoreItems(most) => format!("Must have at most {most} items."),
        }
    }
}

/// Every breach of the schema; `schemas` are those it may name.
pub(super) fn breaches(schemas: &Map<String, Value>, schema: &Value, value: &Value) -> Vec<Breach> {
    let mut check = Check { schemas, found: Vec::new() };
    check.value(schema, value, &Place { at: String::new(), place: String::new() });
    check.found
}

#[derive(Clone, Debug)]
struct Place {
    at: String,
    place: String,
}

impl Place {
    fn member(&self, name: &str) -> Self {
        let join = |path: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        Self { at: join(&self.at), place: join(&self.place) }
    }

    fn item(&self, place: usize) -> Self {
        Self { at: format!("{}[{place}]", self.at), place: format!("{}[]", self.place) }
    }
}

struct Check<'a> {
    schemas: &'a Map<String, Value>,
    found: Vec<Breach>,
}

impl Check<'_> {
    fn wrong(&mut self, place: &Place, wrong: Wrong) {
        let breach = Breach { at: place.at.clone(), place: place.place.clone(), wrong };
        // A member that two parts of one schema name is wrong once.
        if !self.found.contains(&breach) {
            self.found.push(breach);
        }
    }

    fn value(&mut self, schema: &Value, value: &Value, place: &Place) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            // Whether it may be null is said by who names the schema, not by the schema.
            if value.is_null() {
                return self.wrong(place, Wrong::Null);
            }
            let name = name.rsplit('/').next().unwrap_or(name);
            let place = Place { at: place.at.clone(), place: name.to_owned() };
            if let Some(named) = self.schemas.get(name) {
                self.value(named, value, &place);
            }
            return;
        }
        let allowed = schema.get("enum").and_then(Value::as_array);
        if value.is_null() {
            if !allowed.is_some_and(|allowed| allowed.contains(value)) {
                self.wrong(place, Wrong::Null);
            }
            return;
        }
        if let Some(kind) = schema.get("type").and_then(Value::as_str)
            && !is_a(kind, value)
        {
            return self.wrong(place, Wrong::NotA(kind.to_owned()));
        }
        if let Some(allowed) = allowed
            && !allowed.contains(value)
        {
            let texts = allowed.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            self.wrong(place, Wrong::NotOneOf(texts));
        }
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(part, value, place);
        }
        match value {
            Value::Object(members) => self.object(schema, members, place),
            Value::Array(items) => self.array(schema, items, place),
            Value::String(text) => self.text(schema, text, place),
            Value::Number(number) => self.number(schema, number.as_i64(), place),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn object(&mut self, schema: &Value, members: &Map<String, Value>, place: &Place) {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.wrong(&place.member(name), Wrong::Missing);
            }
        }
        let Some(known) = schema.get("properties").and_then(Value::as_object) else { return };
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, member) in members {
            match known.get(name) {
                Some(schema) => self.value(schema, member, &place.member(name)),
                None if closed => self.wrong(&place.member(name), Wrong::Unknown),
                None => {}
            }
        }
    }

    fn array(&mut self, schema: &Value, items: &[Value], place: &Place) {
        if let Some(least) = size(schema, "minItems").filter(|least| items.len() < *least) {
            self.wrong(place, Wrong::FewerItems(least));
        }
        if let Some(most) = size(schema, "maxItems").filter(|most| items.len() > *most) {
            self.wrong(place, Wrong::MoreItems(most));
        }
        let Some(each) = schema.get("items") else { return };
        for (number, item) in items.iter().enumerate() {
            self.value(each, item, &place.item(number));
        }
    }

    fn text(&mut self, schema: &Value, text: &str, place: &Place) {
        let length = text.chars().count();
        if let Some(least) = size(schema, "minLength").filter(|least| length < *least) {
            self.wrong(place, Wrong::Shorter(least));
        }
        if let Some(most) = size(schema, "maxLength").filter(|most| length > *most) {
            self.wrong(place, Wrong::Longer(most));
        }
    }

    fn number(&mut self, schema: &Value, number: Option<i64>, place: &Place) {
        let Some(number) = number else { return };
        let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
        if let Some(least) = bound("minimum").filter(|least| number < *least) {
            self.wrong(place, Wrong::Below(least));
        }
        if let Some(most) = bound("maximum").filter(|most| number > *most) {
            self.wrong(place, Wrong::Above(most));
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        _ => true,
    }
}

fn size(schema: &Value, name: &str) -> Option<usize> {
    schema.get(name).and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok())
}
