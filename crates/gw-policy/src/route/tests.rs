use proptest::prelude::*;

use super::*;
use crate::{
    sample,
    snapshot::{Routed, Snapshot},
};

#[test]
fn a_path_has_one_normal_form() {
    let cases = [
        ("/", "/"),
        ("/orders", "/orders"),
        ("/orders/", "/orders/"),
        ("/%6Frders", "/orders"),
        ("/a%7eb", "/a~b"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/a%3fb%23", "/a%3Fb%23"),
        ("/100%25", "/100%25"),
        ("/a:b@c!$&'()*+,=", "/a:b@c!$&'()*+,="),
        ("/...", "/..."),
    ];
    for (written, normal) in cases {
        assert_eq!(normalize(written).as_deref(), Ok(normal), "{written}");
    }
    assert!(matches!(normalize("/orders/1"), Ok(Cow::Borrowed(_))), "nothing is copied");
}

/// Ways past rules that have worked on servers which disagree about a path.
const AMBIGUOUS: [(&str, PathRefusal); 30] = [
    ("", PathRefusal::NotAbsolute),
    ("*", PathRefusal::NotAbsolute),
    ("orders", PathRefusal::NotAbsolute),
    ("//orders", PathRefusal::EmptySegment),
    ("/orders//1", PathRefusal::EmptySegment),
    ("/orders//", PathRefusal::EmptySegment),
    ("/./orders", PathRefusal::DotSegment),
    ("/orders/..", PathRefusal::DotSegment),
    ("/public/../admin", PathRefusal::DotSegment),
    ("/public/%2e%2e/admin", PathRefusal::DotSegment),
    ("/public/%2E%2e/admin", PathRefusal::DotSegment),
    ("/public/.%2e/admin", PathRefusal::DotSegment),
    ("/orders%2f1", PathRefusal::EncodedSeparator),
    ("/orders%2F1", PathRefusal::EncodedSeparator),
    ("/orders%5c..", PathRefusal::EncodedSeparator),
    ("/orders\\1", PathRefusal::BadCharacter),
    ("/orders;x=1", PathRefusal::PathParameter),
    ("/orders/..;/admin", PathRefusal::PathParameter),
    ("/orders%00", PathRefusal::Control),
    ("/orders%0d%0aX: y", PathRefusal::Control),
    ("/%252e%252e/admin", PathRefusal::BadEncoding),
    ("/%25%32%65%25%32%65/admin", PathRefusal::BadEncoding),
    ("/%252%65/admin", PathRefusal::BadEncoding),
    ("/orders%2", PathRefusal::BadEncoding),
    ("/orders%zz", PathRefusal::BadEncoding),
    ("/orders%", PathRefusal::BadEncoding),
    ("/%c0%ae%c0%ae/admin", PathRefusal::NotUtf8),
    ("/%e0%80%af", PathRefusal::NotUtf8),
    ("/a b", PathRefusal::BadCharacter),
    ("/caf\u{e9}", PathRefusal::BadCharacter),
];

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    for (path, refusal) in AMBIGUOUS {
        assert_eq!(normalize(path), Err(refusal), "{path}");
    }
    assert_eq!(normalize(&format!("/{}", "a".repeat(8192))), Err(PathRefusal::TooLong));
}

fn shop(operations: &[(&str, Method, &str)]) -> Snapshot {
    sample::compile(&sample::desired(&[("orders", sample::api(vec![], operations))]))
}

/// The id of the operation that answers, or what there is instead.
fn answer(snapshot: &Snapshot, host: &str, method: &str, path: &str) -> String {
    match snapshot.route(host, method, path) {
        Routed::Found(found) => found.operation.id().to_owned(),
        Routed::MethodNotListed(other) => format!("not this method, but {}", other.method()),
        Routed::NoRoute => "no route".to_owned(),
        Routed::Refused(refusal) => refusal.to_string(),
    }
}

/// Shows S2.29: part (a viewer's rights come with the server)
#[test]
fn no_route_and_no_such_method_are_told_apart() {
    let shop = sample::compile(&sample::orders());
    let cases = [
        ("GET", "/orders", "listOrders"),
        ("POST", "/orders", "createOrder"),
        ("GET", "/orders/7", "getOrder"),
        ("GET", "/orders/%37", "getOrder"),
        ("DELETE", "/orders/7", "not this method, but GET"),
        ("HEAD", "/orders/7", "not this method, but GET"),
        ("get", "/orders/7", "not this method, but GET"),
        ("BREW", "/orders/7", "not this method, but GET"),
        ("GET", "/orders/", "no route"),
        ("GET", "/orders/7/items", "no route"),
        ("GET", "/Orders", "no route"),
        ("GET", "/", "no route"),
        ("GET", "/orders//7", "the path has an empty segment (`//`)"),
    ];
    for (method, path, expected) in cases {
        assert_eq!(answer(&shop, "localhost", method, path), expected, "{method} {path}");
    }
}

#[test]
fn the_more_exact_path_wins_whatever_the_order() {
    let operations = [
        ("any", Method::Get, "/files/{name}"),
        ("mine", Method::Get, "/files/mine"),
        ("json", Method::Get, "/files/{name}.json"),
        ("compare", Method::Get, "/files/{base}...{head}"),
        ("parts", Method::Get, "/files/{name}/parts"),
        ("other", Method::Get, "/{folder}/mine/parts"),
        ("root", Method::Get, "/"),
        ("folder", Method::Get, "/files/"),
    ];
    let mut reversed = operations;
    reversed.reverse();
    for shop in [shop(&operations), shop(&reversed)] {
        let cases = [
            ("/files/mine", "mine"),
            ("/files/yours", "any"),
            ("/files/a.json", "json"),
            ("/files/.json", "any"),
            ("/files/main...topic", "compare"),
            ("/files/a/parts", "parts"),
            ("/files/mine/parts", "parts"),
            ("/x/mine/parts", "other"),
            ("/", "root"),
            ("/files/", "folder"),
        ];
        for (path, expected) in cases {
            assert_eq!(answer(&shop, "localhost", "GET", path), expected, "{path}");
        }
    }
}

#[test]
fn an_api_with_a_host_answers_there_and_nowhere_else() {
    let mut inside = sample::api(vec![], &[("inside", Method::Get, "/orders")]);
    inside.spec.listen.host = Some("Inside.Acme.test".to_owned());
    let open = sample::api(vec![], &[("open", Method::Get, "/orders")]);
    let snapshot = sample::compile(&sample::desired(&[("inside", inside), ("open", open)]));
    let cases = [
        ("inside.acme.test", "inside"),
        ("INSIDE.acme.test:8080", "inside"),
        ("inside.acme.test.", "inside"),
        ("acme.test", "open"),
        ("", "open"),
        ("[::1]:8080", "open"),
    ];
    for (host, expected) in cases {
        assert_eq!(answer(&snapshot, host, "GET", "/orders"), expected, "{host}");
    }
}

#[test]
fn the_upstream_gets_the_path_that_was_judged() {
    let mut api = sample::api(vec![], sample::ORDERS);
    api.spec.listen.path = Some("/shop/".to_owned());
    for (strip, expected) in [(true, "/orders/caf%C3%A9"), (false, "/shop/orders/caf%C3%A9")] {
        api.spec.listen.strip_path = strip;
        let snapshot = sample::compile(&sample::desired(&[("orders", api.clone())]));
        let found = sample::found(&snapshot, "GET", "/shop/%6frders/caf%c3%a9");
        assert_eq!(found.operation.id(), "getOrder");
        assert_eq!(found.path(), "/shop/orders/caf%C3%A9");
        assert_eq!(found.upstream_path(), expected);
        assert_eq!(answer(&snapshot, "localhost", "GET", "/orders/1"), "no route");
    }
}

fn path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("orders"),
        Just("%2e"),
        Just("."),
        Just("%2F"),
        Just("%6F"),
        Just("%25"),
        Just("2e"),
        Just("%32"),
        Just("%65"),
        Just("%c3%a9"),
        Just("%c0%af"),
        Just(";"),
        Just("%00"),
        Just("%3b"),
        Just("é"),
        Just("~"),
        Just("%7E"),
        Just("%"),
        Just("a"),
        Just("%20"),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own_normal_form(path in path()) {
        if let Ok(normal) = normalize(&path) {
            let again = normalize(&normal);
            prop_assert_eq!(again.as_deref(), Ok(&*normal));
            prop_assert!(normal.is_ascii() && normal.starts_with('/'));
            prop_assert!(!normal.contains("//") && !normal.to_lowercase().contains("%2f"));
            prop_assert!(normal.split('/').all(|segment| segment != "." && segment != ".."));
        }
    }

    #[test]
    fn every_spelling_of_a_path_leads_to_one_operation(path in path()) {
        let shop = sample::compile(&sample::orders());
        if let Ok(normal) = normalize(&path) {
            let one = answer(&shop, "localhost", "GET", &path);
            prop_assert_eq!(one, answer(&shop, "localhost", "GET", &normal));
        }
    }

    #[test]
    fn whatever_bytes_come_nothing_breaks(path in "\\PC*", host in "\\PC*", method in "\\PC*") {
        let shop = sample::compile(&sample::orders());
        assert!(!answer(&shop, &host, &method, &path).is_empty());
    }

    #[test]
    fn a_template_takes_its_own_sample(segments in proptest::collection::vec(
        prop_oneof![Just("orders"), Just("{id}"), Just("{a}.{b}"), Just("x-{y}"), Just("ü")], 1..5,
    )) {
        let path = format!("/{}", segments.join("/"));
        let shop = shop(&[("it", Method::Get, &path)]);
        let sample = Template::parse(&path).unwrap().sample();
        prop_assert_eq!(answer(&shop, "localhost", "GET", &sample), "it");
    }
}
