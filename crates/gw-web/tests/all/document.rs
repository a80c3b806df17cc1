//! Whether an answer is one that the published document has.

use serde_json::Value;

/// Asserts that this is what may be answered there.
pub(super) fn check(method: &str, path: &str, status: u16, kind: &str, body: &[u8]) {
    let document = gw_web::openapi::document();
    let path = path.split('?').next().unwrap();
    let paths = document["paths"].as_object().unwrap();
    let Some((_, place)) = paths.iter().find(|(template, _)| fits(template, path)) else {
        // What the document does not have is not there.
        return assert_eq!(status, 404, "{path}");
    };
    let Some(operation) = place.get(method.to_lowercase()) else {
        return assert_eq!(status, 404, "{method} {path}");
    };
    let responses = &operation["responses"];
    let named = &responses[status.to_string()];
    let response = if named.is_null() { &responses["default"] } else { named };
    let place = format!("{method} {path} {status}");
    assert!(!named.is_null() || status >= 400, "{place} is not in the document");
    let Some(content) = response.get("content") else {
        return assert!(body.is_empty(), "{place}: a body");
    };
    let kind = kind.split(';').next().unwrap();
    let found = content.get(kind).or_else(|| {
        // Also the token's place answers problems of the server itself.
        (kind == "application/problem+json").then_some(&Value::Null)
    });
    let found = found.unwrap_or_else(|| panic!("{place}: `{kind}` is not in the document"));
    if kind == "application/json" || (kind == "application/problem+json" && !found.is_null()) {
        let value: Value = serde_json::from_slice(body).unwrap();
        holds(&document, &found["schema"], &value, &place);
    }
}

fn fits(template: &str, path: &str) -> bool {
    if let Some((start, "path}")) = template.split_once('{') {
        return path.starts_with(start);
    }
    let (mut parts, mut wanted) = (path.split('/'), template.split('/'));
    loop {
        match (parts.next(), wanted.next()) {
            (None, None) => return true,
            (Some(part), Some(wanted)) if part == wanted || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

fn holds(document: &Value, schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = document.pointer(name.trim_start_matches('#')).unwrap();
        return holds(document, schema, value, place);
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    match schema["type"].as_str() {
        None => {}
        Some("string") => assert!(value.is_string(), "{place}: {value}"),
        Some("integer") => assert!(value.is_u64(), "{place}: {value}"),
        Some("boolean") => assert!(value.is_boolean(), "{place}: {value}"),
        Some("array") => {
            for (number, item) in value.as_array().unwrap().iter().enumerate() {
                holds(document, &schema["items"], item, &format!("{place}[{number}]"));
            }
        }
        Some("object") => {
            let fields = value.as_object().unwrap_or_else(|| panic!("{place}: {value}"));
            for name in schema["required"].as_array().unwrap() {
                assert!(fields.contains_key(name.as_str().unwrap()), "{place}: no {name}");
            }
            for (name, value) in fields {
                let schema = &schema["properties"][name];
                assert!(!schema.is_null(), "{place}: `{name}` is not in the document");
                holds(document, schema, value, &format!("{place}.{name}"));
            }
        }
        Some(other) => panic!("{place}: the document has the type `{other}`"),
    }
}
