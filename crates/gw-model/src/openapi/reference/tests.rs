use insta::assert_snapshot;

use super::*;

fn judge(text: &str) -> String {
    match Reference::parse(text, "apis/orders/openapi.yaml") {
        Ok(Reference { file, target: Target::Tokens(tokens) }) => {
            format!("{text}  =>  {}", Pointer { file, tokens })
        }
        Ok(Reference { file, target: Target::Anchor(anchor) }) => {
            format!("{text}  =>  anchor {anchor} of {file}")
        }
        Err(refusal) => format!("{text}  =>  {refusal:?}"),
    }
}

#[test]
fn where_a_reference_leads() {
    let texts = [
        "#/components/schemas/Order",
        "#/paths/~1orders~1%7Bid%7D",
        "#",
        "#order",
        "order.yaml",
        "./schemas/order.yaml#/Order",
        "../shared/error.yaml#/components/schemas/Error",
        "../../root.yaml",
        "../../../outside.yaml",
        "/etc/passwd",
        "..\\outside.yaml",
        "https://example.com/order.yaml#/Order",
        "//example.com/order.yaml",
        "file:///etc/passwd",
        "C:order.yaml",
        "%2e%2e/%2e%2e/%2e%2e/outside.yaml",
        "#/a%zz",
    ];
    assert_snapshot!(texts.map(judge).join("\n"), @r"
    #/components/schemas/Order  =>  apis/orders/openapi.yaml#/components/schemas/Order
    #/paths/~1orders~1%7Bid%7D  =>  apis/orders/openapi.yaml#/paths/~1orders~1{id}
    #  =>  apis/orders/openapi.yaml#
    #order  =>  anchor order of apis/orders/openapi.yaml
    order.yaml  =>  apis/orders/order.yaml#
    ./schemas/order.yaml#/Order  =>  apis/orders/schemas/order.yaml#/Order
    ../shared/error.yaml#/components/schemas/Error  =>  apis/shared/error.yaml#/components/schemas/Error
    ../../root.yaml  =>  root.yaml#
    ../../../outside.yaml  =>  Outside
    /etc/passwd  =>  Absolute
    ..\outside.yaml  =>  Absolute
    https://example.com/order.yaml#/Order  =>  Remote
    //example.com/order.yaml  =>  Remote
    file:///etc/passwd  =>  Remote
    C:order.yaml  =>  Remote
    %2e%2e/%2e%2e/%2e%2e/outside.yaml  =>  Outside
    #/a%zz  =>  Malformed
    ");
}
