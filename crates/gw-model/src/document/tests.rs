use insta::assert_snapshot;

use super::*;

fn show(node: &Node, out: &mut String) {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(&flag.to_string()),
        Value::Number(number) => out.push_str(&format!("#{number}")),
        Value::Text(text) => out.push_str(&format!("{text:?}")),
        Value::List(items) => {
            out.push('[');
            for item in items {
                show(item, out);
                out.push(' ');
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for entry in entries {
                out.push_str(&format!("{}: ", entry.key));
                show(&entry.node, out);
                out.push(' ');
            }
            out.push('}');
        }
    }
}

fn outcome(bytes: &[u8], limits: &Limits) -> String {
    let mut sources = Sources::default();
    match read(&mut sources, "a.yaml", bytes.to_vec(), limits).1 {
        Ok(documents) => {
            let mut out = String::new();
            for document in &documents {
                show(document, &mut out);
                out.push('\n');
            }
            out
        }
        Err(refusal) => {
            let mut out = format!("{}: {}", refusal.code, refusal.message);
            for label in &refusal.labels {
                let Span { start, end, .. } = label.span;
                out.push_str(&format!(
                    "\n  {}:{}-{}:{} {}",
                    start.line, start.column, end.line, end.column, label.text
                ));
            }
            out
        }
    }
}

fn check(text: &str) -> String {
    outcome(text.as_bytes(), &Limits::DECLARATION)
}

#[test]
fn reads_the_core_schema_of_yaml_1_2() {
    assert_snapshot!(check("[no, yes, on, off, 0777, 0o17, 0x1F, 1e3, 1., .5, ., +1, true, ~, 12:30, 1_000]"), @r#"["no" "yes" "on" "off" #0777 #0o17 #0x1F #1e3 #1. #.5 "." #+1 true null "12:30" "1_000" ]"#);
    assert_snapshot!(check("a: 1\n'b': '1'\n200: x\nc:\n"), @r#"{a: #1 b: "1" 200: "x" c: null }"#);
}

#[test]
fn reads_several_documents_and_json() {
    assert_snapshot!(check("---\na: 1\n---\n{\"b\": [\"\\u00e9\", null]}\n...\n%YAML 1.2\n---\nc\n"), @r#"
    {a: #1 }
    {b: ["é" null ] }
    "c"
    "#);
}

#[test]
fn reads_aliases_of_whole_values() {
    assert_snapshot!(check("a: &x [1, 2]\nb: *x\nc: *x\n"), @"{a: [#1 #2 ] b: [#1 #2 ] c: [#1 #2 ] }");
}

#[test]
fn every_key_and_value_has_its_place() {
    let mut sources = Sources::default();
    let text = "spec:\n  é: [a, bc]\n  d: \"x y\"\n";
    let document = read(&mut sources, "a.yaml", text.into(), &Limits::DECLARATION).1.unwrap();
    let mut places = vec![];
    fn walk(node: &Node, places: &mut Vec<String>) {
        let place = |span: Span| {
            let Span { start, end, .. } = span;
            format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
        };
        for entry in node.as_map().unwrap_or_default() {
            places.push(format!(
                "{} {} {}",
                entry.key,
                place(entry.key_span),
                place(entry.node.span)
            ));
            walk(&entry.node, places);
        }
        for item in node.as_list().unwrap_or_default() {
            places.push(format!("- {}", place(item.span)));
        }
    }
    walk(&document[0], &mut places);
    assert_snapshot!(places.join("\n"), @r"
    spec 1:1-1:5 2:3-4:1
    é 2:3-2:4 2:6-2:13
    - 2:7-2:8
    - 2:10-2:12
    d 3:3-3:4 3:6-3:11
    ");
}

#[test]
fn refuses_what_is_not_read() {
    let cases: &[&[u8]] = &[
        b"a: 1\nb: 2\na: 3\n",
        b"base: &b {a: 1}\nc:\n  <<: *b\n",
        b"a: !!str 1\n",
        b"a: !include x\n",
        b"%TAG ! tag:x,2000:\n---\na: 1\n",
        b"%FOO bar\n---\na: 1\n",
        b"a: &x [1, *x]\n",
        b"a: *nowhere\n",
        b"? [a]\n: 1\n",
        b"a: &x b\n*x : 1\n",
        b": 1\n",
        b"a: [1, 2\n",
        b"a: 1\n\tb: 2\n",
        b"a: \xff\n",
        b"\xff\xfea\0:\0",
        b"a: \0\n",
        b"a: 1\rb: 2\n",
        "a: b\u{feff}c\n".as_bytes(),
        "a: b\u{202e}c\n".as_bytes(),
    ];
    let told: Vec<String> = cases.iter().map(|case| outcome(case, &Limits::DECLARATION)).collect();
    assert_snapshot!(told.join("\n"), @r"
    GW1004: key `a` stands here twice
      3:1-3:2 the second time
      1:1-1:2 the first time
    GW1005: merge keys are not part of YAML 1.2
      3:3-3:5 written out, everybody sees what holds
    GW1006: tags are not read
      1:4-1:11 this value carries a tag
    GW1006: tags are not read
      1:4-1:14 this value carries a tag
    GW1007: directive `%TAG ! tag:x,2000:`
      1:1-1:19 only `%YAML 1.2` is known
    GW1007: directive `%FOO bar`
      1:1-1:9 only `%YAML 1.2` is known
    GW1008: an alias that stands inside what it names
      1:11-1:13 this would never end
    GW1002: this is not YAML
      1:4-1:5 while parsing node, found unknown anchor
    GW1009: a key that is a list or a map
      1:3-1:4 here
    GW1009: an alias as a key
      2:1-2:3 write the key itself
    GW1009: a key without a name
      1:1-1:1 here
    GW1002: this is not YAML
      2:1-2:2 while parsing a flow sequence, expected ',' or ']'
    GW1002: this is not YAML
      1:4-1:5 while scanning a plain scalar, found a tab
    GW1001: `a.yaml` is not UTF-8 text
      1:4-1:5 the first byte that is not
    GW1001: `a.yaml` is not UTF-8 text
      1:1-1:2 the first byte that is not
    GW1001: a control character (U+0000)
      1:4-1:5 may not stand here
    GW1001: a carriage return without a line feed (U+000D)
      1:5-1:6 may not stand here
    GW1001: a byte order mark inside the text (U+FEFF)
      1:5-1:6 may not stand here
    GW1001: a sign that turns the direction of text (U+202E)
      1:5-1:6 may not stand here
    ");
}

#[test]
fn a_byte_order_mark_at_the_beginning_is_left_away() {
    assert_snapshot!(check("\u{feff}a: 1\n"), @"{a: #1 }");
}

/// Nine lines of nine aliases each unfold into more than 3 * 10^8 values.
#[test]
fn a_laugh_bomb_is_refused_by_count() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in "bcdefghi".chars().zip("abcdefgh".chars()) {
        let aliases = vec![format!("*{before}"); 9].join(", ");
        bomb.push_str(&format!("{name}: &{name} [{aliases}]\n"));
    }
    assert_snapshot!(check(&bomb), @r"
    GW1003: more than 100000 values once aliases are followed
      5:4-5:43 the limit is reached here
    ");
}

#[test]
fn depth_size_and_number_are_limited() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    assert_snapshot!(check(&deep), @r"
    GW1003: lists and maps more than 64 deep
      1:65-1:66 one too deep
    ");
    let block: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_snapshot!(check(&block), @r"
    GW1003: lists and maps more than 64 deep
      65:65-65:65 one too deep
    ");
    let by_alias = format!(
        "a: &a {}{}\nb: {}*a{}",
        "[".repeat(40),
        "]".repeat(40),
        "[".repeat(40),
        "]".repeat(40)
    );
    assert_snapshot!(check(&by_alias), @r"
    GW1003: lists and maps more than 64 deep
      2:44-2:46 one too deep
    ");
    assert_snapshot!(check(&"---\na\n".repeat(1_001)), @r"
    GW1003: more than 1000 documents
      2002:1-2002:2 one too many
    ");
    assert_snapshot!(check(&format!("[{}]", "a,".repeat(100_000))), @r"
    GW1003: more than 100000 values once aliases are followed
      1:200000-1:200001 the limit is reached here
    ");
    assert_snapshot!(check(&"a".repeat(70_000)), @r"
    GW1003: a text of 70000 bytes
      1:1-1:70001 at most 65536 are read
    ");
    let small = Limits { bytes: 10, ..Limits::DECLARATION };
    assert_snapshot!(outcome(b"abcdefghijk", &small), @r"
    GW1003: a file of 11 bytes
      1:1-1:1 at most 10 are read
    ");
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_an_answer(bytes: Vec<u8>) {
        outcome(&bytes, &Limits::DECLARATION);
    }

    #[test]
    fn arbitrary_yaml_like_text_is_an_answer(text in "[-a&*!|>%@`'\"#:,?{}\\[\\] \n\t<~0-9]{0,60}") {
        check(&text);
    }
}

#[test]
fn json_with_characters_in_two_halves_is_read() {
    let text = r#"{ "a": "\ud83d\uDE00 \u00e9 \/ \\ud83d", "b": 1 }"#;
    assert_eq!(check(text), "{a: \"\u{1f600} \u{e9} / \\\\ud83d\" b: #1 }\n");
}

#[test]
fn half_a_character_is_refused() {
    for half in [r"\ud83d", r"\ude00\ud83d", r"\ud83d\u0041"] {
        let told = check(&format!("{{ \"a\": \"{half}\" }}"));
        assert!(told.starts_with("GW10"), "{half}: {told}");
    }
}
