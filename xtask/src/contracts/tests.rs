use super::*;

#[test]
fn prose_that_changed_is_named() {
    let operation = json!({ "description": "Give  a\n title." });
    let published = json!({ "paths": { "/a": { "post": operation } } });
    assert_eq!(holds(&published, ("POST", "/a"), "Give a title."), Ok(()));
    let gone = holds(&published, ("POST", "/a"), "Give a name.").expect_err("it is not said");
    assert_eq!(gone, "POST /a no longer says `Give a name.`: read it, and mend contracts/said.rs");
}

#[test]
fn a_schema_keeps_its_form_and_loses_its_prose() {
    let schema = json!({
        "type": "object",
        "description": "prose",
        "properties": { "description": { "type": "string", "maxLength": 3, "title": "prose" } },
        "allOf": [{ "$ref": "#/components/schemas/object", "discriminator": {} }],
    });
    let kept = json!({
        "type": "object",
        "properties": { "description": { "type": "string", "maxLength": 3 } },
        "allOf": [{ "$ref": "#/components/schemas/object" }],
    });
    assert_eq!(form(&schema), kept);
}

#[test]
fn an_operation_without_api_tokens_lets_none_in() {
    let scopes = json!([{ "state": "Current", "scopes": ["read:user:bitbucket"] }]);
    let mut operation = json!({
        "x-atlassian-oauth2-scopes": scopes, "x-atlassian-auth-types": ["api-token"],
    });
    assert_eq!(api_token(&operation), Some(vec![&json!("read:user:bitbucket")]));
    operation["x-atlassian-auth-types"] = json!(["forge-oauth2"]);
    assert_eq!(api_token(&operation), None);
}
