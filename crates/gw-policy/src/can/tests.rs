use super::*;
use crate::sample::{self, IP, NOW, bob, compile, operation, orders, with_policy};

fn ask(method: &str, path: &str, caller: &Caller) -> Answer {
    let snapshot = compile(&orders());
    snapshot.can(&Question { caller, method, host: "localhost", path, ip: IP, now: NOW })
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
    POST /orders       –   –   ✔
    GET /orders/{id}   –   ?   ?

    ✔ may call   ? depends on the single caller, time or address   – may not
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
    GET /orders        –   ✔   –
    POST /orders       –   –   –
    GET /orders/{id}   –   ✔   –

    ✔ may call   ? depends on the single caller, time or address   – may not
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

/// Where no policy has a say, a cell says what the gateway would answer.
#[test]
fn the_table_and_the_gateway_agree() {
    let snapshot = compile(&orders());
    let Matrix { columns, rows } = snapshot.matrix(NOW);
    for (row, operation) in rows.iter().zip(snapshot.operations()) {
        for (cell, column) in row.cells.iter().zip(&columns) {
            let principal = column.identity.as_ref().map(|identity| {
                let held: Vec<_> = column
                    .claims
                    .iter()
                    .map(|(name, value)| (name.as_str(), [value.as_str()]))
                    .collect();
                let held: Vec<_> = held.iter().map(|(name, value)| (*name, &value[..])).collect();
                sample::principal(identity.as_str(), "someone", &held)
            });
            let caller = Caller { principals: principal.into_iter().collect() };
            let allowed = operation.authorize(&caller, IP, NOW).is_ok();
            assert_eq!(allowed, matches!(cell, Cell::Allowed(_)), "{} {column}", row.operation);
        }
    }
}
