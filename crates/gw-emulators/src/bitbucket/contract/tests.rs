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
