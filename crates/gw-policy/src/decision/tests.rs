use gw_model::terminal::is_hidden;

use super::*;
use crate::{can, sample};

#[test]
fn ids_sort_by_time_and_are_read_back() {
    let one = DecisionId::new(1_789_034_283_000, [0, 1, 2, 3, 4]);
    let two = DecisionId::new(1_789_034_283_001, [0; 5]);
    assert!(one < two);
    assert_eq!(DecisionId::parse(one.as_str()), Ok(one.clone()));
    assert_eq!((one.unix_ms(), two.unix_ms()), (1_789_034_283_000, 1_789_034_283_001));
    assert_eq!(one.as_str().len(), 20);
    insta::assert_snapshot!(one, @"d-01M25C1FZR000G40R4");
    for wrong in ["", "d-", "d-01", "d-01M25GTMAR00G2081g", "x-01M25GTMAR00G2081G"] {
        assert_eq!(DecisionId::parse(wrong), Err(NotADecision), "{wrong}");
    }
}

#[test]
fn every_reason_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = Reason::ALL.iter().map(|it| it.code()).collect();
    assert_eq!(words.len(), Reason::ALL.len());
    for reason in Reason::ALL {
        let written = serde_json::to_value(reason).unwrap();
        assert_eq!(written, reason.code(), "what is stored is the word");
        assert_eq!(serde_json::from_value::<Reason>(written).unwrap(), *reason);
    }
}

fn record() -> Record {
    let snapshot = sample::compile(&sample::orders());
    let bob = sample::bob(&["everyone", "sales"]);
    let operation = sample::operation(&snapshot, "createOrder");
    let denial = operation.authorize(&bob, sample::IP, sample::NOW).unwrap_err();
    let looked_at = operation.looked_at();
    let mut who: Vec<_> = bob.principals.iter().map(|one| looked_at.asker(one)).collect();
    who[0].expires_at = Some(1_789_035_163);
    Record {
        id: DecisionId::new(1_789_034_283_000, [7; 5]),
        at_ms: 1_789_034_283_000,
        environment: EnvironmentName::parse("prod").unwrap(),
        target: TargetName::parse("default").unwrap(),
        generation: Some(42),
        client: Some(sample::IP),
        method: "POST".to_owned(),
        host: "localhost".to_owned(),
        path: "/orders".to_owned(),
        reason: denial.reason,
        status: denial.reason.status(),
        detail: None,
        who,
        looked_at: looked_at.names(&bob),
        operation: Some(can::asked(operation)),
        grant: None,
        candidates: denial.candidates,
        policies: denial.policies,
        cure: Some(denial.cure),
        upstream_status: None,
        took_us: 90,
        count: 1,
    }
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    let record = record();
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
}

/// Shows S1.2: holds
#[test]
fn a_refused_call_is_explained() {
    insta::assert_snapshot!(record(), @r#"
    DENIED  POST /orders → 403 · prod · 2026-09-10 09:58:03Z
      who       bob@acme.com by identity "staff" (https://acme.okta.com/oauth2/default), token good until 2026-09-10 10:12:43Z
      asked     call orders/createOrder (owner orders-team)
      blocked   no rule grants it
      nearest   apis/orders/api.yaml:15   ✔ POST  ✔ staff  ✘ claim groups: needs orders-team; token has everyone, sales
                apis/orders/api.yaml:13   ✘ GET only
      cure      put bob@acme.com in group orders-team (identity "staff", owner orders-team), or grant one of everyone, sales at apis/orders/api.yaml:15 (widens access)
    "#);
}

/// Shows S2.29: part (a viewer's rights come with the server)
#[test]
fn the_upstreams_own_404_is_told_from_ours() {
    let mut upstream = record();
    (upstream.reason, upstream.status) = (Reason::Granted, 404);
    (upstream.upstream_status, upstream.grant) = (Some(404), Some(sample::at(15)));
    (upstream.candidates, upstream.cure) = (vec![], None);
    insta::assert_snapshot!(upstream, @r#"
    ALLOWED POST /orders → 404 · prod · 2026-09-10 09:58:03Z
      who       bob@acme.com by identity "staff" (https://acme.okta.com/oauth2/default), token good until 2026-09-10 10:12:43Z
      asked     call orders/createOrder (owner orders-team)
      granted   by apis/orders/api.yaml:15
      answered  404 by the upstream itself
    "#);
    let mut none = record();
    (none.reason, none.status) = (Reason::NoRoute, 404);
    (none.candidates, none.cure, none.operation) = (vec![], None, None);
    assert!(none.to_string().contains("no API lists this path"));
    none.reason = Reason::MethodNotListed;
    assert!(none.to_string().contains("the path is listed, this method is not"));
    assert_eq!(
        Problem::new(Reason::NoRoute, none.id.clone()).title,
        Problem::new(Reason::MethodNotListed, none.id.clone()).title,
        "a caller cannot tell the two apart"
    );
}

#[test]
fn what_a_caller_made_up_stays_in_its_line() {
    let quiet = record().to_string().lines().count();
    let hostile = "bob\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\nDENIED";
    let mut record = record();
    let texts = [&mut record.method, &mut record.path, &mut record.who[0].subject];
    texts.into_iter().for_each(|text| *text = hostile.to_owned());
    record.who[0].issuer = hostile.to_owned();
    record.candidates[0].parts[0].text = hostile.to_owned();
    record.cure = Some(hostile.to_owned());
    record.detail = Some(hostile.to_owned());
    let told = record.to_string();
    assert_eq!(told.lines().count(), quiet, "{told}");
    assert!(!told.chars().any(|sign| sign != '\n' && is_hidden(sign)), "{told:?}");
    assert_eq!(told.matches(r"bob\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\u{a}DENIED").count(), 7);
}
