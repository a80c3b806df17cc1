use super::*;

fn polled(status: u16, body: &str) -> String {
    match Polled::read(status, body.as_bytes()) {
        Ok(Polled::Waiting) => "waiting".to_owned(),
        Ok(Polled::TooOften) => "too often".to_owned(),
        Ok(Polled::SignedIn(tokens)) => format!("{tokens:?}"),
        Err(error) => format!("{error:?}"),
    }
}

#[test]
fn each_answer_means_one_thing() {
    let rows = [
        (400, r#"{"error": "authorization_pending"}"#, "waiting"),
        (400, r#"{"error": "slow_down"}"#, "too often"),
        (400, r#"{"error": "access_denied"}"#, "Denied"),
        (400, r#"{"error": "expired_token"}"#, "Expired"),
        (400, r#"{"error": "invalid_grant"}"#, "Refused { error: \"invalid_grant\" }"),
        (401, r#"{"error": "invalid_client"}"#, "Refused { error: \"invalid_client\" }"),
        (400, r#"{"error": "\u001b[2J"}"#, "Garbled"),
        (500, "<html>", "Garbled"),
        (200, "<html>", "Garbled"),
        (200, r#"{"id_token": "a"}"#, "Garbled"),
        (
            200,
            r#"{"access_token": "canary"}"#,
            "SignedIn { access_token: [redacted], refresh_token: None, life: None }",
        ),
        (
            200,
            r#"{"access_token": "canary", "refresh_token": "canary", "expires_in": 600}"#,
            "SignedIn { access_token: [redacted], refresh_token: Some([redacted]), life: Some(600s) }",
        ),
    ];
    for (status, body, expected) in rows {
        assert_eq!(polled(status, body), expected, "{status} {body}");
    }
}

#[test]
fn each_time_it_is_too_often_waits_longer_and_never_for_ever() {
    assert_eq!(slower(5), 10);
    assert_eq!(slower(slower(5)), 15);
    assert_eq!(slower(u64::MAX), LONGEST_S);
}

#[test]
fn addresses_are_as_safe_as_the_issuer() {
    let url = |text: &str| Url::parse(text).unwrap();
    let (https, local) = (url("https://issuer.example"), url("http://127.0.0.1:1"));
    assert!(safe("https://elsewhere.example/device", &https).is_some());
    assert!(safe("http://127.0.0.1:1/device", &local).is_some());
    assert!(safe("http://127.0.0.1:1/device", &https).is_none());
    assert!(safe("http://issuer.example/device", &local).is_none());
    assert!(safe("javascript:alert(1)", &https).is_none());
}
