use super::*;

#[test]
fn the_document_in_the_repository_is_the_one_that_is_served() {
    let published = include_str!("../../../../openapi/gatewright.v1.json");
    assert!(published == text(), "run `cargo xtask openapi` and commit the file");
}

#[test]
fn every_schema_that_is_named_is_there() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let text = document.to_string();
    let named = text.split("#/components/schemas/").skip(1);
    for name in named.map(|rest| rest.split('"').next().unwrap()) {
        assert!(schemas.get(name).is_some_and(Value::is_object), "{name}");
    }
    assert!(schemas.len() > 20);
}
