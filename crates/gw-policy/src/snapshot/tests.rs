use gw_model::api::{Per, Version, VersionPlace};

use super::*;
use crate::sample::{self, ORDERS, api, desired, rule, staff, target};

fn errors(desired: &Desired) -> Vec<String> {
    let found = Snapshot::compile(desired, &target()).unwrap_err();
    found.iter().map(|found| format!("{}: {}", found.code, found.message)).collect()
}

fn warnings(desired: &Desired) -> Vec<String> {
    let (snapshot, found) = Snapshot::compile_with_warnings(desired, &target());
    assert!(snapshot.is_some(), "{found:?}");
    found.iter().map(|found| format!("{}: {}", found.code, found.message)).collect()
}

#[test]
fn two_apis_that_answer_one_path_are_an_error_that_names_both() {
    let one = api(vec![], &[("list", Method::Get, "/orders/{id}")]);
    let two = api(vec![], &[("other", Method::Post, "/orders/{order}")]);
    let both = desired(&[("one", one), ("two", two.clone())]);
    assert_eq!(
        errors(&both),
        ["GW1301: `/orders/{order}` is answered by API `one` and by API `two`"]
    );
    let found = Snapshot::compile(&both, &target()).unwrap_err();
    assert_eq!(found[0].marks.len(), 2, "both files are shown");

    let mut apart = two;
    apart.spec.listen.host = Some("two.test".to_owned());
    let one = api(vec![], &[("list", Method::Get, "/orders/{id}")]);
    assert_eq!(warnings(&desired(&[("one", one), ("two", apart)])), [""; 0]);
}

#[test]
fn one_operation_listed_twice_is_an_error() {
    let twice = [("a", Method::Get, "/orders/{id}"), ("b", Method::Get, "/orders/{order}")];
    let listed = errors(&desired(&[("orders", api(vec![], &twice))]));
    assert_eq!(listed, ["GW1301: API `orders` lists GET `/orders/{order}` twice"]);
}

#[test]
fn a_route_that_hides_calls_of_another_api_is_told() {
    let shop = api(vec![], &[("shop", Method::Get, "/shop/orders")]);
    let any = api(vec![], &[("any", Method::Get, "/{tenant}/orders")]);
    let cross = api(vec![], &[("cross", Method::Get, "/shop/{list}")]);
    assert_eq!(
        warnings(&desired(&[("any", any.clone()), ("shop", shop)])),
        ["GW1412: `/shop/orders` of API `shop` hides calls that `/{tenant}/orders` of API `any` \
          would answer"]
    );
    assert_eq!(
        warnings(&desired(&[("any", any.clone()), ("cross", cross)])),
        ["GW1412: `/shop/{list}` of API `cross` hides calls that `/{tenant}/orders` of API `any` \
          would answer"]
    );
    let longer = api(vec![], &[("longer", Method::Get, "/shop/orders/all")]);
    assert_eq!(warnings(&desired(&[("any", any), ("longer", longer)])), [""; 0]);
    let own = [("mine", Method::Get, "/orders/mine"), ("one", Method::Get, "/orders/{id}")];
    assert_eq!(warnings(&desired(&[("orders", api(vec![], &own))])), [""; 0], "one API knows");
}

#[test]
fn a_path_that_no_call_can_have_is_an_error() {
    let paths = [("a", Method::Get, "/orders//x"), ("b", Method::Get, "/a/../b")];
    assert_eq!(
        errors(&desired(&[("orders", api(vec![], &paths))])),
        [
            "GW1302: no call can have the path `/orders//x`: the path has an empty segment (`//`)",
            "GW1302: no call can have the path `/a/../b`: the path has a segment `.` or `..`",
        ]
    );
    let mut mounted = api(vec![], ORDERS);
    mounted.spec.listen.path = Some("shop".to_owned());
    assert_eq!(
        errors(&desired(&[("orders", mounted)])),
        ["GW1302: no call can have the path `shop`: the path does not begin with `/`"]
    );
}

#[test]
fn versions_are_refused_and_never_left_out() {
    let mut versioned = api(vec![], ORDERS);
    let (set, name, place) = ("orders".to_owned(), "v2".to_owned(), VersionPlace::Header);
    versioned.spec.version = Some(Version { set, name, place });
    assert_eq!(
        errors(&desired(&[("orders", versioned)])),
        ["GW2401: API `orders` declares a `version`"]
    );
}

#[test]
fn an_api_of_another_target_is_not_served() {
    let mut elsewhere = api(vec![], ORDERS);
    elsewhere.spec.targets = vec![TargetName::parse("edge").unwrap()];
    let snapshot = sample::compile(&desired(&[("orders", elsewhere)]));
    assert_eq!(snapshot.operations().count(), 0);
    assert!(matches!(snapshot.route("x", "GET", "/orders"), Routed::NoRoute));
}

#[test]
fn limits_count_the_operations_that_they_name() {
    let limit = |methods: &[Method], operations: &[&str]| Limit {
        at: sample::at(20),
        methods: methods.to_vec(),
        operations: operations.iter().map(|id| (*id).to_owned()).collect(),
        rate: "100/1m".parse().unwrap(),
        per: Per::Caller,
    };
    let mut limited = api(vec![], ORDERS);
    limited.spec.limits =
        vec![limit(&[], &[]), limit(&[Method::Post], &[]), limit(&[], &["getOrder"])];
    let snapshot = sample::compile(&desired(&[("orders", limited)]));
    let places = |id| -> Vec<usize> {
        sample::operation(&snapshot, id).limits().map(|(place, _)| place).collect()
    };
    assert_eq!(places("listOrders"), [0]);
    assert_eq!(places("createOrder"), [0, 1]);
    assert_eq!(places("getOrder"), [0, 2]);
}

#[test]
fn ten_thousand_apis_compile_and_are_found() {
    let apis = (0..10_000).map(|number| {
        let path = |tail: &str| format!("/api-{number}{tail}");
        let (list, item) = (path("/items"), path("/items/{id}"));
        let operations = [
            ("list", Method::Get, list.as_str()),
            ("create", Method::Post, list.as_str()),
            ("get", Method::Get, item.as_str()),
            ("update", Method::Put, item.as_str()),
            ("delete", Method::Delete, item.as_str()),
        ];
        let access = vec![
            rule(13, &[Method::Get], staff(&[])),
            rule(15, &[], staff(&[("groups", &["owners"])])),
        ];
        (ApiName::parse(&format!("api-{number}")).unwrap(), api(access, &operations))
    });
    let mut many = desired(&[]);
    many.apis = apis.collect();
    let many = sample::with_policy(
        many,
        "forbid (principal, action, resource in \
        Gatewright::Api::\"api-77\") when { principal.subject == \"eve\" };",
    );
    let snapshot = sample::compile(&many);
    assert_eq!(snapshot.operations().count(), 50_000);
    let found = sample::found(&snapshot, "PUT", "/api-9876/items/7");
    assert_eq!(found.operation.api().name.as_str(), "api-9876");
    let guarded = snapshot.operations().filter(|operation| operation.forbids().next().is_some());
    assert_eq!(guarded.count(), 5, "only the operations of one API meet Cedar");
}
