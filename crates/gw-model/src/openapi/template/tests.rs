use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn judge(text: &str) -> String {
    match Template::parse(text) {
        Ok(template) => {
            let names = template.parameters().collect::<Vec<_>>().join(", ");
            format!("{text}  =>  {} [{names}]", template.shape())
        }
        Err(flaw) => format!("{text}  =>  {flaw}"),
    }
}

#[test]
fn what_is_a_path_template() {
    let texts = [
        "/",
        "/orders",
        "/orders/",
        "/orders/{id}",
        "/repos/{owner}/{repo}/compare/{base}...{head}",
        "/v1/{name}:cancel",
        "/report(from={from},to={to})",
        "/a%20b",
        "orders",
        "",
        "/orders?state=open",
        "/#Action=Describe",
        "/orders/{id",
        "/orders/id}",
        "/orders/{}",
        "/orders/{a/b}",
        "/orders/{ id }",
        "/orders/{id}/lines/{id}",
        "/orders/{a}{b}",
        "/orders/../admin",
        "/orders/%2e%2E/admin",
        "/orders//lines",
        "/orders/%zz",
        "/orders/%2",
        "/orders%2Flines",
        "/orders;v=1",
        "/my orders",
        "/zwölf",
    ];
    assert_snapshot!(texts.map(judge).join("\n"), @r"
    /  =>  / []
    /orders  =>  /orders []
    /orders/  =>  /orders/ []
    /orders/{id}  =>  /orders/{} [id]
    /repos/{owner}/{repo}/compare/{base}...{head}  =>  /repos/{}/{}/compare/{}...{} [owner, repo, base, head]
    /v1/{name}:cancel  =>  /v1/{}:cancel [name]
    /report(from={from},to={to})  =>  /report(from={},to={}) [from, to]
    /a%20b  =>  /a%20b []
    orders  =>  it does not begin with `/`
      =>  it does not begin with `/`
    /orders?state=open  =>  a query (`?`) is not part of a path
    /#Action=Describe  =>  callers never send what stands behind `#`
    /orders/{id  =>  a `{` is never closed
    /orders/id}  =>  a `}` was never opened
    /orders/{}  =>  a parameter has no name (`{}`)
    /orders/{a/b}  =>  `a/b` cannot be the name of a parameter
    /orders/{ id }  =>  ` id ` cannot be the name of a parameter
    /orders/{id}/lines/{id}  =>  the parameter `id` stands in it twice
    /orders/{a}{b}  =>  nothing stands between two parameters, so nobody can say where one ends
    /orders/../admin  =>  `.` and `..` are resolved before a path is looked up
    /orders/%2e%2E/admin  =>  `.` and `..` are resolved before a path is looked up
    /orders//lines  =>  nothing stands between two slashes
    /orders/%zz  =>  `%` must be followed by two hexadecimal digits
    /orders/%2  =>  `%` must be followed by two hexadecimal digits
    /orders%2Flines  =>  an escaped slash (`%2F`, `%5C`) is never let through
    /orders;v=1  =>  some servers cut a path off at `;`
    /my orders  =>  ` ` must be percent-encoded in a path
    /zwölf  =>  `\u{f6}` must be percent-encoded in a path
    ");
}

proptest! {
    /// Whatever is accepted says its own text, and its shape has as many holes as it has names.
    #[test]
    fn pieces_add_up_to_the_text(text in "(/([a-z.]{0,3}|\\{[a-z]{0,2}\\}?|%[0-9a-f]{1,2}){0,3}){0,4}") {
        if let Ok(template) = Template::parse(&text) {
            let again: String = template.pieces().iter().map(|piece| match piece {
                Piece::Literal(literal) => literal.clone(),
                Piece::Parameter(name) => format!("{{{name}}}"),
            }).collect();
            prop_assert_eq!(&again, &text);
            prop_assert_eq!(template.shape().matches("{}").count(), template.parameters().count());
        }
    }
}
