//! A call that a gateway refused is judged again from its id, with no gateway running.

use std::time::{SystemTime, UNIX_EPOCH};

use gw_model::terminal::is_hidden;
use gw_testkit::{issuer::Issuer, signer::Signer};
use serde_json::{Value, json};

use super::machine::Machine;

#[expect(
    clippy::disallowed_methods,
    reason = "the program under test has the clock of the machine"
)]
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// The shop with an issuer that answers, and a token of bob in group sales.
pub(super) fn shop() -> (Machine, Issuer, String) {
    let machine = Machine::with_shop();
    let signer = Signer::rs256("one");
    let issuer = Issuer::start(&[&signer]);
    machine.edit("http://localhost:7071", &issuer.url());
    let mut claims = issuer.claims("shop", "bob", now());
    claims["groups"] = json!(["sales"]);
    claims["email"] = json!("bob@example.com");
    let token = signer.token(&claims);
    (machine, issuer, token)
}

fn document(machine: &Machine, arguments: &[&str]) -> Value {
    serde_json::from_str(&machine.says(arguments)).expect("it prints JSON")
}

/// Shows S1.2: holds
#[test]
fn a_refused_call_is_reproduced_offline_from_its_id() {
    let (machine, _issuer, token) = shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let refused = gateway.call_with(&token, "POST", "/orders");
    assert_eq!(refused.status, 403, "{}", refused.text());
    let id = refused.header("gatewright-decision").expect("a refusal has an id").to_owned();
    // It writes down what it remembers before it ends.
    gateway.stop("TERM");

    let (told, code) = machine.tells(&["can", "--decision", &id]);
    assert_eq!(code, 3, "{told}");
    insta::assert_snapshot!(told, @r#"
    DENIED POST /orders → 403 · dev · DATE TIME
      who bob by identity "demo" (http://TIME), token good until DATE TIME
      asked call orders/createOrder
      blocked no rule grants it
      nearest gatewright.yaml:31 ✔ POST ✔ demo ✘ claim groups: needs orders-team; token has sales
                gatewright.yaml:29 ✘ GET only
      cure put bob in group orders-team (identity "demo"), or grant sales at gatewright.yaml:31 (widens access)
    judged again, as of that time
      ✔ by generation 1, which decided it: the same, not_granted
      ✔ by the files as they are now: the same, not_granted
    "#);
    let (told, code) = machine.tells(&["explain", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("needs orders-team; token has sales"), "{told}");

    // The cure is tried on the files before it is applied.
    machine.edit("[orders-team]", "[orders-team, sales]");
    let (told, code) = machine.tells(&["can", "--decision", &id]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("by the files as they are now: not the same, granted"), "{told}");
    let both = document(&machine, &["can", "--decision", &id, "--json"]);
    assert_eq!(both["schema"], "gatewright.io/decision-again/v1");
    assert_eq!((&both["then"]["agrees"], &both["now"]["agrees"]), (&json!(true), &json!(false)));
    assert_eq!(both["decision"]["who"][0]["claims"], json!({"groups": ["sales"]}));
    assert!(!both.to_string().contains(&token));

    // Files that cannot be read take nothing away from what was decided.
    machine.edit("limits:", "limitz:");
    let (told, code) = machine.tells(&["can", "--decision", &id]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("which decided it: the same, not_granted"), "{told}");
    assert!(told.contains("they are wrong"), "{told}");
}

#[test]
fn what_a_caller_made_up_never_reaches_the_terminal_as_it_is() {
    let machine = Machine::with_shop();
    let signer = Signer::rs256("one");
    let issuer = Issuer::start(&[&signer]);
    machine.edit("http://localhost:7071", &issuer.url());
    let mut claims = issuer.claims("shop", "bob\u{1b}[31m\u{202e}\nX", now());
    claims["groups"] = json!(["\u{1b}]0;pwn\u{7}\nDENIED"]);
    let gateway = machine.gateway_with("shop", &["--access-log"]);
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let refused = gateway.call_with(&signer.token(&claims), "POST", "/orders");
    assert_eq!(refused.status, 403, "{}", refused.text());
    let id = refused.header("gatewright-decision").expect("a refusal has an id").to_owned();
    let mut all = vec![gateway.last_words()];
    assert!(all[0].contains(r#""subject":"bob\u001b[31m\u202e\nX""#), "{}", all[0]);
    for command in [&["explain", &id] as &[&str], &["can", "--decision", &id]] {
        let text = machine.says(command);
        // The name stands in its line, and no line is the caller's.
        assert!(text.contains(r"who       bob\u{1b}[31m\u{202e}\u{a}X by identity"), "{text}");
        assert!(text.contains(r"token has \u{1b}]0;pwn\u{7}\u{a}DENIED"), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("DENIED")).count(), 1, "{text}");
        let document = machine.says(&[command, &["--json"]].concat());
        assert!(document.contains(r"bob\u001b[31m\u202e\nX"), "{document}");
        all.extend([text, document]);
    }
    for text in all {
        assert!(!text.chars().any(|sign| sign != '\n' && is_hidden(sign)), "{text:?}");
    }
}

#[test]
fn an_id_that_nobody_knows_is_an_answer() {
    let machine = Machine::with_shop();
    let unknown = ["can", "--decision", "d-01M25C1FZR000G40R4"];
    assert_eq!(machine.ends("shop", &unknown), 6);
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &unknown), 2);
    gateway.stop("TERM");
    assert_eq!(machine.ends("shop", &["can", "--decision", "d-1"]), 2);
}
