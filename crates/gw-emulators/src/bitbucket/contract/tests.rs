use super::*;

fn found(method: &str, path: &str) -> String {
    let contract = Contract::read().expect("the table is one");
    match contract.find(method, path) {
        Found::Operation(operation, parameters) => {
            let given: Vec<_> = parameters.values().map(String::as_str).collect();
            format!("{} {}", operation.path, given.join(" "))
        }
        Found::OtherMethod => "another method".to_owned(),
        Found::Nothing => "nothing".to_owned(),
    }
}

#[test]
fn a_path_leads_to_one_operation() {
    let of = "/repositories/{workspace}/{repo_slug}";
    let rows = [
        ("GET", "/user", "/user ".to_owned()),
        ("GET", "/user/", "/user ".to_owned()),
        ("GET", "/repositories/acme/apis", format!("{of} apis acme")),
        ("GET", "/repositories/%7Bu%7D/%7Bv%7D", format!("{of} {{v}} {{u}}")),
        (
            "GET",
            "/repositories/a/b/refs/branches/feature/x",
            format!("{of}/refs/branches/{{name}} feature/x b a"),
        ),
        (
            "GET",
            "/repositories/a/b/refs/branches/feature%2Fx",
            format!("{of}/refs/branches/{{name}} feature/x b a"),
        ),
        ("POST", "/repositories/a/b/commit/1234567", "another method".to_owned()),
        ("GET", "/repositories/a/b/issues", "nothing".to_owned()),
        ("GET", "/repositories/a/b/commit/1234567/more", "nothing".to_owned()),
        ("GET", "/repositories//b", "nothing".to_owned()),
        ("GET", "", "nothing".to_owned()),
    ];
    for (method, path, expected) in rows {
        assert_eq!(found(method, path), expected, "{method} {path}");
    }
}

#[test]
fn text_in_paths_is_decoded_once() {
    for (encoded, decoded) in
        [("a%2Fb", "a/b"), ("%7Bx%7D", "{x}"), ("100%", "100%"), ("%zz", "%zz"), ("%252F", "%2F")]
    {
        assert_eq!(decode(encoded), decoded);
    }
    assert_eq!(encode("{a b}/ü"), "%7Ba%20b%7D/%C3%BC");
}

#[test]
fn a_body_is_what_is_not_null_in_it() {
    let contract = Contract::read().expect("the table is one");
    let checked = |method: &str, path: &str, body: &str| {
        let Found::Operation(operation, _) = contract.find(method, path) else {
            panic!("{path} is an operation")
        };
        let body = serde_json::from_str(body).expect("JSON");
        contract.check(operation, &[], &body).is_ok()
    };
    let of = |path: &str| format!("/repositories/acme/apis/{path}");
    let rows = [
        ("POST", of("pullrequests/1/merge"), "null", true),
        ("POST", of("pullrequests/1/merge"), "{}", false),
        ("POST", of("pullrequests/1/merge"), r#"{"type":"any"}"#, true),
        ("POST", of("branch-restrictions"), "null", false),
        ("PUT", of("branch-restrictions/1"), "{}", true),
        ("PUT", of("branch-restrictions/1"), r#"{"kind":"guess"}"#, false),
        ("POST", of("pullrequests"), r#"{"title":"a","source":{"branch":{"name":"b"}}}"#, true),
        ("POST", of("pullrequests"), r#"{"title":null,"source":{"branch":{"name":"b"}}}"#, false),
        ("POST", of("pullrequests"), r#"{"title":"a","source":{"branch":{"name":null}}}"#, false),
        ("PUT", of("hooks/1"), r#"{"secret":null}"#, true),
        ("PUT", of("hooks/1"), r#"{"events":[null]}"#, false),
        ("POST", of("commit/1234567/statuses/build"), "null", false),
        ("POST", of("commit/1234567/reports/a/annotations"), "null", false),
        ("POST", of("commit/1234567/reports/a/annotations"), "[{}]", false),
        ("POST", of("commit/1234567/reports/a/annotations"), r#"[{"external_id":"a"}]"#, true),
    ];
    for (method, path, body, expected) in rows {
        assert_eq!(checked(method, &path, body), expected, "{method} {path} {body}");
    }
}
