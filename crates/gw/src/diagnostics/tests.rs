use gw_model::{
    code::Code,
    source::{FileId, Origin, Position, Span},
    terminal::is_hidden,
};
use insta::{assert_json_snapshot, assert_snapshot};

use super::{
    machine::{json, sarif},
    *,
};

fn span(file: FileId, line: u32, columns: (u32, u32)) -> Span {
    let at = |column| Position { line, column };
    Span { file, start: at(columns.0), end: at(columns.1) }
}

/// Two files and one diagnostic of each kind.
fn case() -> (Sources, Vec<Diagnostic>) {
    let mut sources = Sources::default();
    let api = sources.add(
        "apis/orders/api.yaml",
        "kind: Api\nspec:\n  access:\n    - operations: [createOrders]\n      methods: [GET]\n  limitz: []\n",
    );
    let openapi = sources
        .add("apis/orders/openapi.yaml", "openapi: 3.0.3\npaths:\n  /orders:\n    get: {}\n");
    sources.add("gatewright.yaml", "kind: Workspace\n");
    let diagnostics = vec![
        Diagnostic::new(
            Code::UnknownOperation,
            "no operation of `apis/orders/openapi.yaml` is called `createOrders`",
        )
        .at(span(api, 4, (20, 32)), "did you mean `createOrder`?"),
        Diagnostic::new(Code::UnknownField, "unknown field `limitz`")
            .at(span(api, 6, (3, 9)), "did you mean `limits`?")
            .at(span(api, 2, (1, 5)), "a field of this")
            .note("an `Api` has `access`, `limits` and others")
            .help("write `limits`")
            .help("or take the field away"),
        Diagnostic::new(
            Code::LoginDisagrees,
            "OpenAPI says `GET /orders` needs no login, access says it does",
        )
        .at(span(openapi, 4, (5, 8)), "no `security`")
        .on(&Origin { file: "apis/orders/api.yaml".to_owned(), line: 5 }, "this rule")
        .on(&Origin { file: "not/read.yaml".to_owned(), line: 7 }, "a file of yesterday"),
    ];
    (sources, diagnostics)
}

#[test]
fn text_shows_code_place_line_and_cure() {
    let (sources, diagnostics) = case();
    assert_snapshot!(text(&diagnostics, &sources, Paint::Plain), @r"
    error[GW1203]: no operation of `apis/orders/openapi.yaml` is called `createOrders`
      ┌─ apis/orders/api.yaml:4:20
      │
    4 │     - operations: [createOrders]
      │                    ^^^^^^^^^^^^ did you mean `createOrder`?

    error[GW1101]: unknown field `limitz`
      ┌─ apis/orders/api.yaml:6:3
      │
    2 │ spec:
      │ ---- a field of this
      ·
    6 │   limitz: []
      │   ^^^^^^ did you mean `limits`?
      │
      = an `Api` has `access`, `limits` and others
      help: write `limits`
            or take the field away

    warning[GW1402]: OpenAPI says `GET /orders` needs no login, access says it does
      ┌─ apis/orders/openapi.yaml:4:5
      │
    4 │     get: {}
      │     ^^^ no `security`
      │
      ┌─ apis/orders/api.yaml:5:7
      │
    5 │       methods: [GET]
      │       -------------- this rule
      │
      = not/read.yaml:7: a file of yesterday

    2 errors, 1 warning in 2 of 3 files. Nothing was sent anywhere.
    ");
}

#[test]
fn colours_only_when_asked() {
    let (sources, diagnostics) = case();
    assert!(!text(&diagnostics, &sources, Paint::Plain).contains('\u{1b}'));
    let coloured = text(&diagnostics, &sources, Paint::Coloured);
    assert!(coloured.contains("\u{1b}["), "{coloured}");
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, text(&diagnostics, &sources, Paint::Plain));
}

#[test]
fn json_holds_everything() {
    let (sources, diagnostics) = case();
    assert_json_snapshot!(json(&diagnostics[1..2], &sources), @r#"
    {
      "schema": "gatewright.io/check/v1",
      "diagnostics": [
        {
          "code": "GW1101",
          "severity": "error",
          "message": "unknown field `limitz`",
          "places": [
            {
              "file": "apis/orders/api.yaml",
              "line": 6,
              "column": 3,
              "endLine": 6,
              "endColumn": 9,
              "text": "did you mean `limits`?"
            },
            {
              "file": "apis/orders/api.yaml",
              "line": 2,
              "column": 1,
              "endLine": 2,
              "endColumn": 5,
              "text": "a field of this"
            }
          ],
          "notes": [
            "an `Api` has `access`, `limits` and others"
          ],
          "help": [
            "write `limits`",
            "or take the field away"
          ]
        }
      ],
      "counts": {
        "errors": 1,
        "warnings": 0,
        "notes": 0,
        "files": 3,
        "filesWithDiagnostics": 1
      }
    }
    "#);
}

#[test]
fn sarif_names_rules_and_places() {
    let (sources, diagnostics) = case();
    assert_json_snapshot!(sarif(&diagnostics[..1], &sources), @r#"
    {
      "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
      "version": "2.1.0",
      "runs": [
        {
          "tool": {
            "driver": {
              "name": "gatewright",
              "version": "0.1.0",
              "rules": [
                {
                  "id": "GW1203",
                  "shortDescription": {
                    "text": "no such operation"
                  },
                  "fullDescription": {
                    "text": "A rule, a limit or a health check names an operation that the OpenAPI document of this API does not have. Operations are called by their `operationId`; one without is called `METHOD path`, for example `GET /orders`."
                  },
                  "defaultConfiguration": {
                    "level": "error"
                  }
                }
              ]
            }
          },
          "columnKind": "unicodeCodePoints",
          "results": [
            {
              "ruleId": "GW1203",
              "ruleIndex": 0,
              "level": "error",
              "message": {
                "text": "no operation of `apis/orders/openapi.yaml` is called `createOrders`"
              },
              "locations": [
                {
                  "id": 0,
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "apis/orders/api.yaml",
                      "uriBaseId": "%SRCROOT%"
                    },
                    "region": {
                      "startLine": 4,
                      "startColumn": 20,
                      "endLine": 4,
                      "endColumn": 32
                    }
                  },
                  "message": {
                    "text": "did you mean `createOrder`?"
                  }
                }
              ],
              "relatedLocations": []
            }
          ]
        }
      ]
    }
    "#);
    let log = sarif(&diagnostics, &sources);
    assert_eq!(log["runs"][0]["results"][1]["relatedLocations"].as_array().map(Vec::len), Some(1));
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(3));
}

#[test]
fn the_last_line_counts() {
    let (sources, diagnostics) = case();
    let lines = [
        Summary::of(&diagnostics, &sources).line(),
        Summary::of(&diagnostics[..1], &sources).line(),
        Summary::of(&[], &sources).line(),
        Summary::of(&[Diagnostic::new(Code::UnknownField, "nowhere")], &sources).line(),
    ];
    assert_snapshot!(lines.join("\n"), @r"
    2 errors, 1 warning in 2 of 3 files. Nothing was sent anywhere.
    1 error in 1 of 3 files. Nothing was sent anywhere.
    3 files read, nothing to complain about. Nothing was sent anywhere.
    1 error. Nothing was sent anywhere.
    ");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let mut sources = Sources::default();
    let long =
        format!("{{{}\"bad\": 1{}}}", "\"ok\": 1, ".repeat(5_000), ", \"ok\": 1".repeat(5_000));
    let file = sources.add("openapi.json", long);
    let far = span(file, 1, (90_002, 90_004));
    let found = Diagnostic::new(Code::MalformedOpenapi, "`bad` means nothing")
        .at(span(file, 1, (45_002, 45_007)), "here")
        .at(far, "and here");
    assert_snapshot!(one(&found, &sources, Paint::Plain), @r#"
    error[GW1211]: `bad` means nothing
      ┌─ openapi.json:1:45002
      │
    1 │  1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "bad": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "ok": 1, "o
      │                                         ^^^^^ here
      │
      = openapi.json:1:90002: and here
    "#);
}

#[test]
fn lines_far_apart_and_near() {
    let mut sources = Sources::default();
    let file =
        sources.add("a.yaml", "one: 1\ntwo: 2\nthree: 3\nfour: 4\nfive: 5\nsix: 6\nseven: 7\n");
    let near = Diagnostic::new(Code::DuplicateKey, "near")
        .at(span(file, 3, (1, 6)), "second")
        .at(span(file, 1, (1, 4)), "first");
    let apart = Diagnostic::new(Code::DuplicateKey, "apart")
        .at(span(file, 7, (1, 6)), "second")
        .at(span(file, 1, (1, 4)), "first");
    let behind =
        Diagnostic::new(Code::Syntax, "behind the end").at(span(file, 99, (7, 9)), "there");
    let whole =
        Span { file, start: Position { line: 2, column: 1 }, end: Position { line: 5, column: 1 } };
    let many_lines = Diagnostic::new(Code::Syntax, "many lines").at(whole, "begins here");
    let shown = [near, apart, behind, many_lines].map(|found| one(&found, &sources, Paint::Plain));
    assert_snapshot!(shown.join("\n"), @r"
    error[GW1004]: near
      ┌─ a.yaml:3:1
      │
    1 │ one: 1
      │ --- first
    2 │ two: 2
    3 │ three: 3
      │ ^^^^^ second

    error[GW1004]: apart
      ┌─ a.yaml:7:1
      │
    1 │ one: 1
      │ --- first
      ·
    7 │ seven: 7
      │ ^^^^^ second

    error[GW1002]: behind the end
     = a.yaml:99:7: there

    error[GW1002]: many lines
      ┌─ a.yaml:2:1
      │
    2 │ two: 2
      │ ^^^^^^ begins here
    ");
}

#[test]
fn a_file_cannot_steer_the_terminal() {
    let mut sources = Sources::default();
    let file = sources.add("a\u{1b}[2J.yaml", "key\u{1b}[31m: \u{202e}evil\n");
    let found = Diagnostic::new(Code::UnknownField, "unknown field `\u{1b}]0;title\u{7}`")
        .at(span(file, 1, (1, 4)), "\u{9b}31m")
        .note("\u{200b}")
        .help("\u{1b}c");
    let shown = one(&found, &sources, Paint::Plain);
    assert!(!shown.chars().any(|sign| sign != '\n' && is_hidden(sign)), "{shown:?}");
    assert_snapshot!(shown, @r"
    error[GW1101]: unknown field `\u{1b}]0;title\u{7}`
      ┌─ a\u{1b}[2J.yaml:1:1
      │
    1 │ key�[31m: �evil
      │ ^^^ \u{9b}31m
      │
      = \u{200b}
      help: \u{1b}c
    ");
}
