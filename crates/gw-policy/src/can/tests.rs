use gw_model::desired::Desired;

use super::*;
use crate::sample::{self, IP, NOW, bob, compile, operation, orders, with_policy};

fn ask(method: &str, path: &str, caller: &Caller) -> Answer {
    let snapshot = compile(&orders());
    snapshot.can(&Question {
        caller,
        method,
        host: "localhost",
        path,
        ip: Known::Given(IP),
        now: Known::Given(NOW),
    })
}

#[test]
fn one_call_is_answered_with_its_reason() {
    let yes = ask("GET", "/orders/7", &bob(&[]));
    assert_eq!(yes.grant, Some(sample::at(13)));
    insta::assert_snapshot!(yes, @r"
    YES  granted
      asked     call orders/getOrder (owner orders-team)
      granted   by apis/orders/api.yaml:13
    ");
    insta::assert_snapshot!(ask("POST", "/orders", &bob(&["sales"])), @r#"
    NO  not_granted (403)
      asked     call orders/createOrder (owner orders-team)
      why       POST needs group orders-team; the token has sales
      nearest   apis/orders/api.yaml:15   ✔ POST  ✔ staff  ✘ claim groups: needs orders-team; token has sales
                apis/orders/api.yaml:13   ✘ GET only
      cure      put bob@acme.com in group orders-team (identity "staff", owner orders-team), or grant sales at apis/orders/api.yaml:15 (widens access)
    "#);
    insta::assert_snapshot!(ask("DELETE", "/orders/7", &bob(&[])), @r"
    NO  method_not_listed (404)
      beside    orders/getOrder (owner orders-team), which has the same path
      why       the path is listed, DELETE is not
      cure      add DELETE to the OpenAPI document of API orders, and a rule
    ");
    insta::assert_snapshot!(ask("GET", "/nothing", &bob(&[])), @r"
    NO  no_route (404)
      why       no API lists this path
      cure      add the path to the OpenAPI document of an API, and a rule
    ");
    insta::assert_snapshot!(ask("GET", "/order", &bob(&[])), @r"
    NO  no_route (404)
      why       no API lists this path
      cure      did you mean /orders? If not, add the path to the OpenAPI document of an API, and a rule
    ");
    assert_eq!(ask("GET", "/orders//7", &bob(&[])).reason, Reason::PathRefused);
}

const NIGHT: &str = "@id(\"no-night\") forbid (principal, action, resource == \
    Gatewright::Operation::\"orders/getOrder\") when { principal.subject == \"eve\" };";

#[test]
fn the_table_tells_every_class_of_callers_apart() {
    insta::assert_snapshot!(compile(&with_policy(orders(), NIGHT)).matrix(NOW), @r"
       1  anyone
       2  staff
       3  staff groups=orders-team

                       1   2   3
    GET /orders        –   ✔   ✔
    POST /orders       –   ?   ✔
    GET /orders/{id}   –   ?   ?

    ✔ may call   ? depends on other claims, the single caller, time or address   – may not
    ");
}

const BY_CLASS: &str = "@id(\"no-sales\") forbid (principal, action, resource) when { \
    principal.hasTag(\"groups\") && principal.getTag(\"groups\").contains(\"orders-team\") };";

#[test]
fn a_policy_that_treats_a_class_alike_is_decided_in_the_table() {
    insta::assert_snapshot!(compile(&with_policy(orders(), BY_CLASS)).matrix(NOW), @r"
       1  anyone
       2  staff
       3  staff groups=orders-team

                       1   2   3
    GET /orders        –   ?   –
    POST /orders       –   ?   –
    GET /orders/{id}   –   ?   –

    ✔ may call   ? depends on other claims, the single caller, time or address   – may not
    ");
    // A policy that spares some of them does not hide one that spares none.
    let both = with_policy(with_policy(orders(), BY_CLASS), NIGHT);
    let rows = compile(&both).matrix(NOW).rows;
    let cells: Vec<_> = rows.iter().map(|row| &row.cells[2]).collect();
    assert_eq!(cells, [&Cell::Refused, &Cell::Refused, &Cell::Refused]);
    assert!(matches!(rows[2].cells[1], Cell::Depends(_)));
}

#[test]
fn everybody_for_one_operation() {
    let snapshot = compile(&with_policy(orders(), NIGHT));
    insta::assert_snapshot!(operation(&snapshot, "createOrder").who_can(NOW), @r"
    POST /orders · orders/createOrder (owner orders-team)
      staff with groups orders-team   apis/orders/api.yaml:15
    ");
    insta::assert_snapshot!(operation(&snapshot, "getOrder").who_can(NOW), @r"
    GET /orders/{id} · orders/getOrder (owner orders-team)
      staff   apis/orders/api.yaml:13
      unless policy no-night forbids it   policies/rules.cedar:1
    ");
}

/// After the examples of the documentation.
const SENIOR: &str =
    "principal.hasTag(\"level\") && principal.getTag(\"level\").contains(\"senior\")";
const INSIDE: &str = "context.ip.isInRange(ip(\"10.0.0.0/8\"))";

fn post_when(condition: &str) -> Desired {
    let mut desired = orders();
    let api = desired.apis.values_mut().next().unwrap();
    for rule in &mut api.spec.access {
        if let (Who::Proven { when, .. }, 15) = (&mut rule.who, rule.at.line) {
            *when = Some(condition.to_owned());
        }
    }
    desired
}

#[test]
fn a_claim_that_a_class_does_not_list_is_unknown() {
    let row =
        |desired: &Desired, index: usize| compile(desired).matrix(NOW).rows[index].cells.clone();
    let cells = row(&post_when(SENIOR), 1);
    assert!(matches!(cells.as_slice(), [Cell::Refused, Cell::Depends(_), Cell::Depends(_)]));
    let contractors = BY_CLASS.replace("orders-team", "contractors");
    let cells = row(&with_policy(orders(), &contractors), 0);
    assert!(matches!(cells.as_slice(), [Cell::Refused, Cell::Depends(_), Cell::Allowed(_)]));
    // A policy for others has no say.
    let others = NIGHT.replace("(principal,", "(principal in Gatewright::Identity::\"partners\",");
    let cells = row(&with_policy(orders(), &others), 2);
    assert!(matches!(cells.as_slice(), [Cell::Refused, Cell::Allowed(_), Cell::Allowed(_)]));
}

fn ask_from(desired: &Desired, method: &str, ip: Known<IpAddr>) -> Answer {
    let (caller, now) = (&bob(&["orders-team"]), Known::Assumed(NOW));
    let path = "/orders";
    compile(desired).can(&Question { caller, method, host: "localhost", path, ip, now })
}

#[test]
fn an_address_that_nobody_said_is_told_where_it_can_decide() {
    let nowhere = Known::Assumed(SOMEWHERE);
    let desired = post_when(INSIDE);
    insta::assert_snapshot!(ask_from(&desired, "POST", nowhere), @r#"
    NO  not_granted (403)
      asked     call orders/createOrder (owner orders-team)
      why       POST is not open to this caller
      assumed   it comes from 127.0.0.1; give --ip, the address can decide
      nearest   apis/orders/api.yaml:15   ✔ POST  ✔ staff  ✔ claim groups: orders-team  ✘ condition `context.ip.isInRange(ip("10.0.0.0/8"))` is false
                apis/orders/api.yaml:13   ✘ GET only
      cure      it depends on the address: give --ip with the one that the call comes from; or change the condition at apis/orders/api.yaml:15 (widens access)
    "#);
    let inside = Known::Given(IpAddr::from([10, 1, 2, 3]));
    let given = ask_from(&desired, "POST", inside);
    assert!(given.allowed && given.assumed.is_empty());
    let outside = ask_from(&desired, "POST", Known::Given(IP));
    assert!(!outside.cure.unwrap().contains("--ip"));
    // Nothing looks at the address of this call.
    assert!(ask_from(&desired, "GET", nowhere).assumed.is_empty());

    let local = format!(
        "forbid (principal, action == Gatewright::Action::\"call\", resource) \
         unless {{ {INSIDE} || context.ip.isLoopback() }};"
    );
    let desired = with_policy(orders(), &local);
    insta::assert_snapshot!(ask_from(&desired, "GET", nowhere), @r"
    YES  granted
      asked     call orders/listOrders (owner orders-team)
      granted   by apis/orders/api.yaml:13
      assumed   it comes from 127.0.0.1; give --ip, the address can decide
    ");
    let json = serde_json::to_value(ask_from(&desired, "GET", nowhere)).unwrap();
    assert_eq!(json["assumed"], serde_json::json!({"address": "127.0.0.1"}));
    let strict = with_policy(orders(), &local.replace(" || context.ip.isLoopback()", ""));
    let cure = ask_from(&strict, "GET", nowhere).cure.unwrap();
    assert!(cure.starts_with("it depends on the address: give --ip"), "{cure}");

    let late = "forbid (principal, action == Gatewright::Action::\"call\", resource) when \
        { context.at > datetime(\"2027-01-01T00:00:00Z\") };";
    insta::assert_snapshot!(ask_from(&with_policy(orders(), late), "GET", nowhere), @r"
    YES  granted
      asked     call orders/listOrders (owner orders-team)
      granted   by apis/orders/api.yaml:13
      assumed   it is 2026-09-10 09:58:03 UTC; the time can decide
    ");
}
