//! A value where a name belongs.

use serde_json::Value;

use super::machine::Machine;

/// Every place of a declaration where somebody in a hurry would paste it.
const PLACES: [(&str, &str); 4] = [
    (
        "  upstream: { url: http://localhost:7072 }",
        "  upstream: { url: http://localhost:7072, auth: { header: { name: X-Key, secret: PASTED } } }",
    ),
    ("metadata: { name: orders }", "metadata: { name: orders, labels: { key: PASTED } }"),
    ("http://localhost:7072", "http://user:PASTED@localhost:7072"),
    ("groups: [orders-team]", "groups: [PASTED]"),
];

/// What only a secret has; the prefix alone gives nothing away.
const TAIL: &str = "J7Q2M4X9B3N8V5T1";

/// Shows S0.13: holds
/// Shows S4.19: part (rotations are not counted yet)
#[test]
fn a_pasted_secret_is_refused_counted_and_never_repeated() {
    for (from, to) in PLACES {
        let machine = Machine::with_shop();
        machine.edit(from, &to.replace("PASTED", &format!("AKIA{TAIL}")));
        for command in [
            &["check"] as &[&str],
            &["check", "--format", "json"],
            &["check", "--format", "sarif"],
            &["status"],
            &["plan"],
            &["apply", "--json"],
        ] {
            let (told, code) = machine.tells(command);
            assert_eq!(code, 2, "{command:?} with {to}:\n{told}");
            assert!(!told.contains(TAIL), "{command:?} repeats it");
        }
        let (told, _) = machine.tells(&["check"]);
        assert!(told.contains("gatewright.yaml:"), "{told}");
        assert!(machine.says(&["status"]).contains("literal secrets  1"), "{to}");
        // For a program every line is a document, the count first.
        let (told, code) = machine.tells(&["status", "--json"]);
        let documents = told.lines().map(serde_json::from_str::<Value>);
        let documents: Vec<Value> = documents.map(|it| it.expect("it is JSON")).collect();
        let schemas: Vec<_> = documents.iter().filter_map(|it| it["schema"].as_str()).collect();
        assert_eq!(code, 2);
        assert_eq!(
            schemas,
            ["gatewright.io/status/v1", "gatewright.io/check/v1", "gatewright.io/failure/v1"]
        );
        assert_eq!(documents[0]["literalSecrets"], 1);
        assert!(!told.contains(TAIL), "{told}");
        assert!(!machine.has_state());
    }
}

/// Shows S0.13: holds
/// Shows S4.1: part (history is not searched)
#[test]
fn settings_among_the_declarations_are_searched_too() {
    let machine = Machine::with_shop();
    machine.folder.write("shop/gatewright.toml", &format!("[gateway]\n# AKIA{TAIL}\n"));
    for command in [&["check"] as &[&str], &["plan"], &["apply"]] {
        let (told, code) = machine.tells(command);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("GW1501") && told.contains("gatewright.toml:2"), "{told}");
        assert!(!told.contains(TAIL), "{told}");
    }
    assert!(machine.says(&["status"]).contains("literal secrets  1"));
}
