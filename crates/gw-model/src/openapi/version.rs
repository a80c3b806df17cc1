//! Whether a tree is an OpenAPI document that can be read, and what its `servers` say.

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{Node, Value},
    openapi::{Base, Version},
};

pub(super) fn read(root: &Node, path: &str) -> Result<Version, Box<Diagnostic>> {
    if let Some(swagger) = root.get("swagger") {
        return Err(Box::new(Diagnostic::new(
            Code::UnsupportedOpenapi,
            format!("`{path}` is a Swagger document, which is older than OpenAPI 3"),
        )
        .at(swagger.span, "only OpenAPI 3.0 and 3.1 are read")
        .help("convert it to OpenAPI 3.0 once (the Swagger editor and swagger2openapi do that) and keep the result")));
    }
    let Some(written) = root.get("openapi") else {
        return Err(Box::new(
            Diagnostic::new(
                Code::UnsupportedOpenapi,
                format!("`{path}` is not an OpenAPI document: it has no field `openapi`"),
            )
            .at(root.span, "begins here")
            .help("an OpenAPI document begins with its version, for example `openapi: 3.0.3`"),
        ));
    };
    match &written.value {
        Value::Text(text) if is_release(text, "3.0.") => Ok(Version::V3_0),
        Value::Text(text) if is_release(text, "3.1.") => Ok(Version::V3_1),
        Value::Text(text) => Err(refusal(written, text).into()),
        Value::Number(text) => Err(refusal(written, text)
            .note("a version has three parts; with fewer, YAML takes it for a number")
            .into()),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            Err(Diagnostic::new(Code::UnsupportedOpenapi, "the OpenAPI version is not a text")
                .at(written.span, "only OpenAPI 3.0 and 3.1 are read")
                .help("write for example `openapi: 3.0.3`")
                .into())
        }
    }
}

fn refusal(written: &Node, text: &str) -> Diagnostic {
    Diagnostic::new(
        Code::UnsupportedOpenapi,
        format!("`{text}` is not a version of OpenAPI that can be read"),
    )
    .at(written.span, "only OpenAPI 3.0 and 3.1 are read")
    .help("write for example `openapi: 3.0.3` or `openapi: 3.1.0`, whichever the document follows")
}

fn is_release(text: &str, line: &str) -> bool {
    text.strip_prefix(line).is_some_and(|patch| patch.starts_with(|c: char| c.is_ascii_digit()))
}

/// The path that the first server puts in front of all others.
pub(super) fn base(root: &Node) -> Option<Base> {
    let server = root.get("servers")?.as_list()?.first()?;
    let url = server.get("url")?;
    let mut text = url.as_text()?.to_owned();
    for variable in server.get("variables").and_then(Node::as_map).unwrap_or_default() {
        if let Some(default) = variable.node.get("default").and_then(Node::as_text) {
            text = text.replace(&format!("{{{}}}", variable.key), default);
        }
    }
    let behind_host = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or_default(),
        None => &text,
    };
    let path = behind_host.trim_end_matches('/');
    (path.starts_with('/')).then(|| Base { path: path.to_owned(), at: url.span })
}
