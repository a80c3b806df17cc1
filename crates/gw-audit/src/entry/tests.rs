use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::private::{Opened, SALT_LEN};

fn by() -> Actor {
    let erik = Opened::new("00u1erik", [7; SALT_LEN]);
    Actor {
        identity: "operators".to_owned(),
        issuer: Some("https://acme.okta.com".to_owned()),
        subject: Some(Subject::Person(erik.hash)),
        proof: Proof::Token,
        via: vec![],
    }
}

fn event() -> Event {
    let mut event = Event::new(Act::Decided, Outcome::Refused, by()).fact("action", "apply");
    event.environment = Some("prod".to_owned());
    event.rules.push(Rule {
        id: "env/prod/changes[0]".to_owned(),
        effect: Effect::Permit,
        held: false,
        file: "environments/prod.yaml".to_owned(),
        line: 17,
    });
    event
}

#[test]
fn an_entry_has_one_form() {
    let entry = Entry::place(event(), 3, datetime!(2026-09-10 09:14:05.123_456 UTC), None);
    let bytes = entry.to_bytes().unwrap();
    insta::assert_snapshot!(String::from_utf8_lossy(&bytes), @r#"{"act":"change.decided","at":"2026-09-10T09:14:05.123Z","by":{"identity":"operators","issuer":"https://acme.okta.com","proof":"token","subject":{"person":"salted:fyH5_chEsSNVOe9_6M7cnyxINhkNKy6Kt8RQo933pOA"}},"environment":"prod","facts":{"action":"apply"},"index":3,"outcome":"refused","rules":[{"effect":"permit","file":"environments/prod.yaml","held":false,"id":"env/prod/changes[0]","line":17}]}"#);
    assert!(is_canonical(&bytes));
    assert_eq!(Entry::parse(&bytes), Some(entry));
}

#[test]
fn time_goes_on_where_the_clock_goes_back() {
    let (early, late) = (datetime!(2026-09-10 09:00 UTC), datetime!(2026-09-10 10:00 UTC));
    let entry = Entry::place(event(), 4, early, Some(late));
    assert_eq!((entry.at, entry.clock), (late, Some(early)));
    let entry = Entry::place(event(), 4, late, Some(late));
    assert_eq!((entry.at, entry.clock), (late, None));
}

#[test]
fn another_form_of_the_same_is_not_canonical() {
    for other in
        [r#"{ "a":1}"#, r#"{"b":1,"a":2}"#, r#"{"a":1,"a":1}"#, r#"{"a":1.0}"#, r#"{"a":"\u0041"}"#]
    {
        assert!(!is_canonical(other.as_bytes()), "{other}");
    }
    assert!(is_canonical(r#"{"a":"é\n","b":[1,true,null]}"#.as_bytes()));
    assert!(!is_canonical(b"nothing"));
}

#[test]
fn what_not_every_reader_keeps_exactly_is_refused() {
    let refuse = |value: Value| {
        let event = event().fact("odd", json!([{ "deep": value }]));
        Entry::place(event, 0, OffsetDateTime::UNIX_EPOCH, None).to_bytes()
    };
    for value in [json!(0.5), json!(-1), json!(1u64 << 53)] {
        assert_eq!(
            refuse(value.clone()),
            Err(Unwritable::Number { fact: "odd".to_owned() }),
            "{value}"
        );
    }
    assert!(refuse(json!((1u64 << 53) - 1)).is_ok());
    assert!(matches!(refuse(json!("x".repeat(MAX_BYTES))), Err(Unwritable::TooLong { .. })));
}

#[test]
fn hostile_text_stays_one_entry() {
    let text = "line\nline \u{1b}[31m \u{202e} \"}\u{0}";
    let entry = Entry::place(event().fact("title", text), 0, OffsetDateTime::UNIX_EPOCH, None);
    let bytes = entry.to_bytes().unwrap();
    assert!(bytes.iter().all(|byte| *byte >= b' '), "control characters are escaped");
    assert_eq!(Entry::parse(&bytes), Some(entry));
}

#[test]
fn every_word_reads_back() {
    for act in Act::ALL {
        assert_eq!(serde_json::to_value(act).unwrap(), json!(act.as_str()));
    }
    for outcome in Outcome::ALL {
        assert_eq!(serde_json::to_value(outcome).unwrap(), json!(outcome.as_str()));
    }
}
