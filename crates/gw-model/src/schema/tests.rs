use std::{collections::BTreeSet, path::Path};

use insta::assert_snapshot;

use super::*;

#[test]
fn the_file_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/gatewright.schema.json");
    #[expect(clippy::disallowed_methods, reason = "the test compares with the repository")]
    let file = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        file == text(),
        "run `cargo xtask schema`: schemas/gatewright.schema.json is not current"
    );
}

/// Every difference from the format's reference schema: stricter than it, of the same meaning, or decided
/// (docs/decisions/0030).
#[test]
fn the_schema_is_as_strict_as_the_reference() {
    let Some(reference) = reference() else { return };
    let mut differences = vec![];
    compare(&json_schema(), &reference, "", &mut differences);
    differences.sort();
    differences.dedup();
    assert_snapshot!(differences.join("\n"), @r#"
    + /oneOf/0/properties/spec/properties/identities/additionalProperties/properties/oidc/properties/rename/propertyNames: {"maxLength":256,"minLength":1}
    + /oneOf/0/properties/spec/properties/people/additionalProperties/properties/signingKeys/items/pattern: "^(-----BEGIN PGP PUBLIC KEY BLOCK-----[\\s\\S]+-----END PGP PUBLIC KEY BLOCK-----\\s*|(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\\.com) [A-Za-z0-9+/]+=*( .*)?\\s*)$"
    + /oneOf/0/properties/spec/properties/teams/additionalProperties/properties/holders/properties/claims/propertyNames: {"maxLength":256,"minLength":1}
    + /oneOf/1/properties/spec/properties/changes/items/properties/claims/propertyNames: {"maxLength":256,"minLength":1}
    + /oneOf/1/properties/spec/properties/deletions/default: {"mode":"byRule","ceiling":5}
    + /oneOf/1/properties/spec/properties/deletions/properties/ceiling/maximum: 4294967295
    + /oneOf/1/properties/spec/properties/drift/default: {"every":"5m","then":"report"}
    + /oneOf/1/properties/spec/properties/identities/additionalProperties/properties/oidc/properties/rename/propertyNames: {"maxLength":256,"minLength":1}
    + /oneOf/1/properties/spec/properties/targets/additionalProperties/properties/builtin/properties/replicas/maximum: 4294967295
    + /oneOf/2/properties/spec/properties/access/items/properties/claims/propertyNames: {"maxLength":256,"minLength":1}
    + /oneOf/2/properties/spec/properties/headers/properties/request/properties/remove/items/minLength: 1
    + /oneOf/2/properties/spec/properties/headers/properties/request/properties/set/propertyNames: {"maxLength":128,"minLength":1}
    + /oneOf/2/properties/spec/properties/headers/properties/response/properties/remove/items/minLength: 1
    + /oneOf/2/properties/spec/properties/headers/properties/response/properties/set/propertyNames: {"maxLength":128,"minLength":1}
    + /oneOf/2/properties/spec/properties/upstream/properties/timeout/default: "30s"
    ~ /oneOf/0/properties/spec/properties/identities/additionalProperties/properties/oidc/properties/clockSkew/default: "1m" instead of "60s"
    ~ /oneOf/1/properties/spec/properties/identities/additionalProperties/properties/oidc/properties/clockSkew/default: "1m" instead of "60s"
    ~ /oneOf/1/properties/spec/properties/notify/items/properties/on/items/enum: ["denied","drift","waiting","failed","rotationDue","breakGlass"] instead of ["denied","drift","waiting","failed","rotationDue"]
    "#);
}

/// The reference lies beside the repository; only there can the comparison be made.
#[expect(clippy::disallowed_methods, reason = "the test reads the reference beside the repository")]
fn reference() -> Option<Json> {
    let path = gw_testkit::shared::folder("design/schema")?.join("gatewright.schema.json");
    Some(serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
}

fn compare(ours: &Json, theirs: &Json, path: &str, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Json::Object(one), Json::Object(two)) => {
            let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let words = matches!(key.as_str(), "description" | "title" | "$schema");
                if words && !path.ends_with("/properties") {
                    continue;
                }
                let path = match key.as_str() {
                    "properties" | "items" | "additionalProperties" | "oneOf"
                        if one.contains_key("type") && one[key.as_str()].is_object() =>
                    {
                        format!("{path}/{key}")
                    }
                    _ => format!("{path}/{key}"),
                };
                match (one.get(key), two.get(key)) {
                    (Some(one), Some(two)) => compare(one, two, &path, differences),
                    (Some(one), None) => differences.push(format!("+ {path}: {one}")),
                    (None, Some(two)) => differences.push(format!("- {path}: {two}")),
                    (None, None) => {}
                }
            }
        }
        (Json::Array(one), Json::Array(two))
            if path.ends_with("/oneOf") && one.len() == two.len() =>
        {
            for (index, (one, two)) in one.iter().zip(two).enumerate() {
                compare(one, two, &format!("{path}/{index}"), differences);
            }
        }
        (Json::Array(one), Json::Array(two)) => {
            let sorted = |items: &[Json]| {
                let mut items: Vec<String> = items.iter().map(Json::to_string).collect();
                items.sort();
                items
            };
            if sorted(one) != sorted(two) {
                differences.push(format!("~ {path}: {ours} instead of {theirs}"));
            }
        }
        (one, two) if one == two => {}
        (one, two) => differences.push(format!("~ {path}: {one} instead of {two}")),
    }
}

/// The reference and the hover of an editor are made of these.
#[test]
fn every_field_says_what_it_means() {
    fn find(schema: &Json, path: &str, silent: &mut Vec<String>) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            if field["description"].as_str().is_none_or(str::is_empty) {
                silent.push(path.clone());
            }
            find(field, &path, silent);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                find(&schema[below], &format!("{path}.*"), silent);
            }
        }
    }
    let mut silent = vec![];
    for kind in json_schema()["oneOf"].as_array().into_iter().flatten() {
        find(kind, "", &mut silent);
    }
    assert!(silent.is_empty(), "{silent:?}");
}
