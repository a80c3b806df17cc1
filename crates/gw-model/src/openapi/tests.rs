use std::{collections::BTreeMap, sync::Arc};

use insta::assert_snapshot;

use super::*;
use crate::{
    diagnostic::Diagnostic,
    load::{Files, ReadError},
    source::{Position, Sources},
};

/// Files as the tests write them: `-- path --` begins one.
#[derive(Debug)]
struct Folder(BTreeMap<String, String>);

impl Folder {
    fn parse(text: &str) -> Self {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let mut current = String::new();
        for line in text.lines() {
            match line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
                Some(path) => current = path.to_owned(),
                None => {
                    let file = files.entry(current.clone()).or_default();
                    file.push_str(line);
                    file.push('\n');
                }
            }
        }
        files.remove("");
        Self(files)
    }
}

impl Files for Folder {
    fn paths(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match self.0.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(ReadError("there is no such file".to_owned())),
        }
    }
}

pub(super) fn say(sources: &Sources, diagnostic: &Diagnostic) -> String {
    let mut said = vec![format!("{} {}", diagnostic.code, diagnostic.message)];
    for label in &diagnostic.labels {
        let file = sources.get(label.span.file).unwrap();
        let Position { line, column } = label.span.start;
        said.push(format!("  {}:{line}:{column} {}", file.path, label.text));
    }
    said.extend(
        diagnostic
            .marks
            .iter()
            .map(|mark| format!("  {}:{} {}", mark.file, mark.start.line, mark.text)),
    );
    said.extend(diagnostic.notes.iter().map(|note| format!("  = {note}")));
    said.extend(diagnostic.help.iter().map(|help| format!("  help: {help}")));
    said.join("\n")
}

fn open(text: &str) -> (Option<Arc<Document>>, String) {
    let (document, said, _) = open_with_sources(text);
    (document, said)
}

pub(super) fn open_with_sources(text: &str) -> (Option<Arc<Document>>, String, Sources) {
    let files = Folder::parse(text);
    let mut sources = Sources::default();
    let declaration = sources.add("api.yaml", "openapi: { file: openapi.yaml }");
    let start = Position { line: 1, column: 18 };
    let named = Span { file: declaration, start, end: Position { column: 30, ..start } };
    let mut diagnostics = vec![];
    let document =
        Library::default().document("openapi.yaml", named, &files, &mut sources, &mut diagnostics);
    let said: Vec<_> = diagnostics.iter().map(|found| say(&sources, found)).collect();
    (document, said.join("\n"), sources)
}

fn list(document: &Document) -> String {
    let line = |described: &Described| {
        let Operation { id, method, path } = &described.operation;
        format!("{id}: {method} {path} {:?} {}", described.login, described.place)
    };
    document.operations.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// What a document means and what is told about it.
fn read(text: &str) -> String {
    let (document, said) = open(text);
    let listed = document.map(|document| list(&document)).unwrap_or_default();
    [listed, said].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A document of these paths, indented as below `paths:`.
fn paths(text: &str) -> String {
    read(&format!(
        "-- openapi.yaml --\nopenapi: 3.0.3\ninfo: {{ title: t, version: '1' }}\npaths:\n{text}"
    ))
}

#[test]
fn operations_are_ordered_and_named() {
    assert_snapshot!(paths("  /b:\n    post: { operationId: make }\n    get: {}\n  /a: { put: {} }\n  x-own: 1\n"), @r"
    PUT /a: PUT /a Unsaid openapi.yaml#/paths/~1a/put
    GET /b: GET /b Unsaid openapi.yaml#/paths/~1b/get
    make: POST /b Unsaid openapi.yaml#/paths/~1b/post
    ");
}

#[test]
fn references_are_followed_through_files() {
    let text = "
-- openapi.yaml --
openapi: 3.1.0
paths:
  /orders: { $ref: 'paths/orders.yaml#/orders' }
  /orders/{id}: { $ref: './paths/order.yaml', delete: { operationId: drop } }
  /again: { $ref: '#/components/pathItems/again' }
components:
  pathItems:
    again: { get: { operationId: again } }
-- paths/orders.yaml --
orders:
  get:
    operationId: list
    responses: { '200': { $ref: '../openapi-shared.yaml#/responses/ok' } }
-- paths/order.yaml --
parameters: [{ $ref: '../openapi-shared.yaml#/parameters/id' }]
get: { operationId: show }
-- openapi-shared.yaml --
parameters: { id: { $ref: '#/parameters/order' }, order: { name: id, in: path, required: true } }
responses: { ok: { description: fine } }
";
    assert_snapshot!(read(text), @r"
    again: GET /again Unsaid openapi.yaml#/components/pathItems/again/get
    list: GET /orders Unsaid paths/orders.yaml#/orders/get
    show: GET /orders/{id} Unsaid paths/order.yaml#/get
    drop: DELETE /orders/{id} Unsaid openapi.yaml#/paths/~1orders~1{id}/delete
    ");
}

#[test]
fn a_document_gives_access_to_all_that_it_read() {
    let text = "
-- openapi.yaml --
openapi: 3.1.0
servers: [{ url: 'https://{region}.example.com/{stage}/', variables: { stage: { default: v1 } } }]
paths:
  /orders:
    post:
      requestBody: { $ref: 'shared.yaml#/body' }
-- shared.yaml --
body: { $ref: '#/real' }
real: { content: { application/json: { schema: { type: object } } } }
";
    let (document, said) = open(text);
    let document = document.unwrap();
    assert_eq!(said, "");
    assert_eq!(document.version, Version::V3_1);
    assert_eq!(document.base.as_ref().unwrap().path, "/v1");
    let described = &document.operations[0];
    let body = document.get(&described.place.join("requestBody")).unwrap();
    let (file, body) = document.resolve(&described.place.file, body).unwrap();
    assert_eq!(file, "shared.yaml");
    assert!(body.get("content").is_some());
    assert_eq!(
        document.files().map(|(path, _)| path).collect::<Vec<_>>(),
        ["openapi.yaml", "shared.yaml"]
    );
}

#[test]
fn a_schema_may_contain_itself() {
    let text = "
-- openapi.yaml --
openapi: 3.1.0
paths: { /tree: { get: {} } }
components:
  schemas:
    Tree:
      $anchor: tree
      properties:
        left: { $ref: '#/components/schemas/Tree' }
        right: { $ref: '#tree' }
        $ref: { type: string }
      example: { $ref: 'https://example.com/not-followed' }
";
    assert_snapshot!(read(text), @"GET /tree: GET /tree Unsaid openapi.yaml#/paths/~1tree/get");
}

/// Anchors of a file are looked for once; of two with one name the first in the file is meant.
#[test]
fn anchors_are_found_wherever_they_stand() {
    let schemas: String = (0..3_000)
        .map(|number| {
            format!(
                "    S{number}: {{ $anchor: s{number}, properties: {{ next: {{ $ref: '#s{}' }} }} }}\n",
                (number + 1) % 3_000
            )
        })
        .collect();
    let text = format!(
        "
-- openapi.yaml --
openapi: 3.1.0
paths: {{ /chain: {{ get: {{ responses: {{ '200': {{ $ref: 'more.yaml#answer' }} }} }} }} }}
components:
  schemas:
{schemas}    Lost: {{ $ref: '#nobody' }}
-- more.yaml --
list:
  - {{ $dynamicAnchor: answer, description: the first }}
  - {{ $anchor: answer, description: the second }}
"
    );
    let (document, said) = open(&text);
    let document = document.unwrap();
    assert!(said.contains("`#nobody` leads nowhere") && said.lines().count() <= 4, "{said}");
    let answer = document.operations[0].place.join("responses").join("200");
    let (file, node) = document.resolve(&answer.file, document.get(&answer).unwrap()).unwrap();
    assert_eq!(
        (file, node.get("description").unwrap().as_text()),
        ("more.yaml", Some("the first"))
    );
}

#[test]
fn references_that_are_refused() {
    let text = "
-- openapi.yaml --
openapi: 3.0.3
paths:
  /remote: { get: { responses: { '200': { $ref: 'https://example.com/api.yaml#/ok' } } } }
  /above: { get: { responses: { '200': { $ref: '../../api.yaml#/ok' } } } }
  /absolute: { get: { responses: { '200': { $ref: '/etc/api.yaml#/ok' } } } }
  /missing: { get: { responses: { '200': { $ref: 'gone.yaml' } } } }
  /nowhere: { get: { responses: { '200': { $ref: '#/components/responses/Gone' } } } }
  /circle: { $ref: '#/paths/~1round' }
  /round: { $ref: '#/paths/~1circle' }
  /self: { $ref: '#/paths/~1self' }
  /good: { get: { parameters: [{ $ref: '#/components/parameters/a' }] } }
components:
  parameters:
    a: { $ref: '#/components/parameters/b' }
    b: { $ref: '#/components/parameters/a' }
";
    assert_snapshot!(read(text), @r"
    GET /above: GET /above Unsaid openapi.yaml#/paths/~1above/get
    GET /absolute: GET /absolute Unsaid openapi.yaml#/paths/~1absolute/get
    GET /good: GET /good Unsaid openapi.yaml#/paths/~1good/get
    GET /missing: GET /missing Unsaid openapi.yaml#/paths/~1missing/get
    GET /nowhere: GET /nowhere Unsaid openapi.yaml#/paths/~1nowhere/get
    GET /remote: GET /remote Unsaid openapi.yaml#/paths/~1remote/get
    GW1204 `https://example.com/api.yaml#/ok` is not in this workspace, and nothing is fetched while reading
      openapi.yaml:3:49 a remote reference
      help: keep a copy of the file in the workspace and refer to it by its path from this file
    GW1204 `../../api.yaml#/ok` leads out of the workspace
      openapi.yaml:4:48 above the root of the workspace
      help: keep a copy of the file in the workspace and refer to that
    GW1204 `/etc/api.yaml#/ok` is a path of one machine
      openapi.yaml:5:51 not a path from this file
      help: write the path from this file, with `/`, for example `../shared/errors.yaml#/NotFound`
    GW1206 `gone.yaml` leads nowhere
      openapi.yaml:6:50 `gone.yaml` cannot be read: there is no such file
      help: a path in a reference begins at the file that holds it
    GW1206 `#/components/responses/Gone` leads nowhere
      openapi.yaml:7:50 `openapi.yaml` has no such place
    GW1205 `#/paths/~1round` leads to references only, and back to where it began
      openapi.yaml:8:20 followed from here
      openapi.yaml:9:19 on to here
      help: let one of them hold the thing itself instead of a `$ref`
    GW1205 `#/paths/~1self` leads to references only, and back to where it began
      openapi.yaml:10:18 followed from here
      help: let one of them hold the thing itself instead of a `$ref`
    GW1205 `#/components/parameters/a` leads to references only, and back to where it began
      openapi.yaml:11:40 followed from here
      openapi.yaml:14:16 on to here
      openapi.yaml:15:16 and back again
      help: let one of them hold the thing itself instead of a `$ref`
    ");
}

#[test]
fn two_paths_of_one_shape_may_share_methods_out() {
    assert_snapshot!(paths(
        "  /a/{x}: { get: { parameters: [{ name: x, in: path }] } }\n  /a/{y}: { put: { parameters: [{ name: y, in: path }] } }\n"
    ), @r"
    GET /a/{x}: GET /a/{x} Unsaid openapi.yaml#/paths/~1a~1{x}/get
    PUT /a/{y}: PUT /a/{y} Unsaid openapi.yaml#/paths/~1a~1{y}/put
    ");
}

#[test]
fn paths_that_are_refused() {
    assert_snapshot!(paths(
        "  orders: { get: {} }
  /a/{x}: { get: { operationId: one, parameters: [{ name: x, in: path }] } }
  /a/{y}: { get: { operationId: two, parameters: [{ name: y, in: path }] } }
  /b: { get: { operationId: one } }
  /c/{id}: { get: { parameters: [{ name: orderId, in: path }] } }
  /d: { parameters: [{ name: id, in: path }], get: {} }
  /e: { GET: {}, fetch: {}, gett: {} }
  /f: [get]
  /g: { get: nothing }
  /h: { get: { operationId: 7 } }
"
    ), @r"
    one: GET /a/{x} Unsaid openapi.yaml#/paths/~1a~1{x}/get
    GET /c/{id}: GET /c/{id} Unsaid openapi.yaml#/paths/~1c~1{id}/get
    GET /d: GET /d Unsaid openapi.yaml#/paths/~1d/get
    GW1207 `orders` is not a path
      openapi.yaml:4:3 it does not begin with `/`
      help: write a `/` in front of it
    GW1208 `/a/{y}` and `/a/{x}` answer the same calls of GET
      openapi.yaml:6:13 GET of `/a/{y}`
      openapi.yaml:5:13 GET of `/a/{x}`
      = the name of a parameter does not tell one path from another
      help: give one of them another fixed part, or describe both as one operation
    GW1209 two operations are called `one`
      openapi.yaml:7:29 the second one
      openapi.yaml:5:33 the first one
      help: access rules name operations, so every name may be used once
    GW1210 GET of `/c/{id}` does not declare the parameter `id`
      openapi.yaml:8:14 no parameter `id` with `in: path`
      openapi.yaml:8:34 `orderId` is not part of the path
      help: declare it: `parameters: [{ name: id, in: path, required: true, schema: { type: string } }]`
    GW1210 `/d` has no parameter `id`, which GET declares
      openapi.yaml:9:22 `in: path`, but not part of the path
      help: write `{id}` into the path, or take the parameter away
    GW1211 `GET` means nothing in a path of OpenAPI
      openapi.yaml:10:9 did you mean `get`?
      help: a path holds `get`, `put`, `post`, `delete`, `options`, `head`, `patch`, `trace`; fields of your own begin with `x-`
    GW1211 `fetch` means nothing in a path of OpenAPI
      openapi.yaml:10:18 neither a method nor a field of a path
      help: a path holds `get`, `put`, `post`, `delete`, `options`, `head`, `patch`, `trace`; fields of your own begin with `x-`
    GW1211 `gett` means nothing in a path of OpenAPI
      openapi.yaml:10:29 did you mean `get`?
      help: a path holds `get`, `put`, `post`, `delete`, `options`, `head`, `patch`, `trace`; fields of your own begin with `x-`
    GW1211 `/f` is a list
      openapi.yaml:11:7 OpenAPI wants a map here
    GW1211 `GET /g` is a text
      openapi.yaml:12:14 OpenAPI wants a map here
    GW1211 the `operationId` of `GET /h` is a number
      openapi.yaml:13:29 a text is wanted here
    ");
}

#[test]
fn what_is_no_openapi() {
    let roots = [
        "swagger: '2.0'",
        "openapi: 3.0",
        "openapi: 2.0.0",
        "openapi: 3.2.0",
        "openapi: [3]",
        "info: {}",
        "- a",
        "",
        "openapi: 3.0.3\npaths: []",
        "openapi: 3.1.0\nwebhooks: {}",
        "openapi: 3.0.3\npaths: {}",
        "openapi: 3.0.3\npaths: {}\n---\nopenapi: 3.0.3",
    ];
    let all = roots
        .map(|root| format!("{root}\n  => {}", read(&format!("-- openapi.yaml --\n{root}\n"))));
    assert_snapshot!(all.join("\n"), @r"
    swagger: '2.0'
      => GW1202 `openapi.yaml` is a Swagger document, which is older than OpenAPI 3
      openapi.yaml:1:10 only OpenAPI 3.0 and 3.1 are read
      help: convert it to OpenAPI 3.0 once (the Swagger editor and swagger2openapi do that) and keep the result
    openapi: 3.0
      => GW1202 `3.0` is not a version of OpenAPI that can be read
      openapi.yaml:1:10 only OpenAPI 3.0 and 3.1 are read
      = a version has three parts; with fewer, YAML takes it for a number
      help: write for example `openapi: 3.0.3` or `openapi: 3.1.0`, whichever the document follows
    openapi: 2.0.0
      => GW1202 `2.0.0` is not a version of OpenAPI that can be read
      openapi.yaml:1:10 only OpenAPI 3.0 and 3.1 are read
      help: write for example `openapi: 3.0.3` or `openapi: 3.1.0`, whichever the document follows
    openapi: 3.2.0
      => GW1202 `3.2.0` is not a version of OpenAPI that can be read
      openapi.yaml:1:10 only OpenAPI 3.0 and 3.1 are read
      help: write for example `openapi: 3.0.3` or `openapi: 3.1.0`, whichever the document follows
    openapi: [3]
      => GW1202 the OpenAPI version is not a text
      openapi.yaml:1:10 only OpenAPI 3.0 and 3.1 are read
      help: write for example `openapi: 3.0.3`
    info: {}
      => GW1202 `openapi.yaml` is not an OpenAPI document: it has no field `openapi`
      openapi.yaml:1:1 begins here
      help: an OpenAPI document begins with its version, for example `openapi: 3.0.3`
    - a
      => GW1202 `openapi.yaml` is not an OpenAPI document: it has no field `openapi`
      openapi.yaml:1:1 begins here
      help: an OpenAPI document begins with its version, for example `openapi: 3.0.3`

      => GW1202 `openapi.yaml` is empty
      openapi.yaml:1:1 an OpenAPI document is wanted here
    openapi: 3.0.3
    paths: []
      => GW1211 `paths` is a list
      openapi.yaml:2:8 OpenAPI wants a map here
    openapi: 3.1.0
    webhooks: {}
      => GW1403 `openapi.yaml` describes no operation
      openapi.yaml:1:1 nothing can be called
    openapi: 3.0.3
    paths: {}
      => GW1403 `openapi.yaml` describes no operation
      openapi.yaml:2:8 nothing can be called
    openapi: 3.0.3
    paths: {}
    ---
    openapi: 3.0.3
      => GW1003 more than one document
      openapi.yaml:4:1 one too many
    ");
}

#[test]
fn a_document_that_is_not_there() {
    assert_snapshot!(read("-- other.yaml --\n"), @r"
    GW1201 `openapi.yaml` cannot be read: there is no such file
      api.yaml:1:18 named here
      help: the path begins at the root of the workspace
    ");
}

#[test]
fn login_is_what_security_says() {
    let text = "
-- openapi.yaml --
openapi: 3.0.3
security: [{ oauth: [] }]
paths:
  /default: { get: {} }
  /open: { get: { security: [] } }
  /optional: { get: { security: [{ oauth: [] }, {}] } }
components: { securitySchemes: { oauth: { type: http, scheme: bearer } } }
";
    assert_snapshot!(read(text), @r"
    GET /default: GET /default Needed openapi.yaml#/paths/~1default/get
    GET /open: GET /open NotNeeded openapi.yaml#/paths/~1open/get
    GET /optional: GET /optional NotNeeded openapi.yaml#/paths/~1optional/get
    ");
    assert_snapshot!(read(&text.replace("security: [{ oauth: [] }]\n", "\n")), @r"
    GET /default: GET /default NotNeeded openapi.yaml#/paths/~1default/get
    GET /open: GET /open NotNeeded openapi.yaml#/paths/~1open/get
    GET /optional: GET /optional NotNeeded openapi.yaml#/paths/~1optional/get
    ");
}

#[test]
fn many_alike_are_counted() {
    let wrong: String = (0..25).map(|number| format!("  /#{number}: {{ get: {{}} }}\n")).collect();
    let said = paths(&wrong);
    assert_eq!(said.matches("GW1207").count(), 10);
    assert!(said.contains("= 15 more like this in the document"), "{said}");
}
