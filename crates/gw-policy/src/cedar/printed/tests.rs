use crate::sample::{compile, orders};

#[test]
fn grants_are_printed_as_cedar() {
    insta::assert_snapshot!(compile(&orders()).printed(), @r#"
    @id("api/orders/access[0]")
    @source("apis/orders/api.yaml:13")
    permit (
      principal in Gatewright::Identity::"staff",
      action == Gatewright::Action::"call",
      resource in Gatewright::Api::"orders"
    )
    when {
      ["GET"].contains(resource.method)
    };

    @id("api/orders/access[1]")
    @source("apis/orders/api.yaml:15")
    permit (
      principal in Gatewright::Identity::"staff",
      action == Gatewright::Action::"call",
      resource in Gatewright::Api::"orders"
    )
    when {
      ["POST"].contains(resource.method) &&
      principal.hasTag("groups") && principal.getTag("groups").containsAny(["orders-team"])
    };
    "#);
}

#[test]
fn names_cannot_leave_their_quotes() {
    assert_eq!(super::quote("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u{a}d\"");
}
