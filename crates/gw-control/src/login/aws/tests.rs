use proptest::prelude::*;
use time::{Duration, OffsetDateTime, macros::datetime};
use url::Url;

use super::{
    AwsRefusal, SignedRequest,
    answer::Answered,
    fits, is_like,
    request::{AUDIENCE, check},
};

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const HOST: &str = "https://sts.eu-central-1.amazonaws.com/";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
const SIGNED: &str = "content-type;host;x-amz-date;x-gatewright-audience";

fn authorization(day: &str, service: &str, signed: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{day}/eu-central-1/{service}/aws4_request, \
         SignedHeaders={signed}, Signature={}",
        "0f".repeat(32)
    )
}

fn good() -> SignedRequest {
    let headers = [
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8".to_owned()),
        ("Host", "sts.eu-central-1.amazonaws.com".to_owned()),
        ("User-Agent", "Boto3/1.44".to_owned()),
        ("Content-Length", "43".to_owned()),
        ("X-Amz-Date", "20260301T115500Z".to_owned()),
        ("X-Gatewright-Audience", "https://gatewright.example".to_owned()),
        ("Authorization", authorization("20260301", "sts", SIGNED)),
    ];
    SignedRequest {
        url: HOST.to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value)).into(),
        body: BODY.to_owned(),
    }
}

fn checked(request: &SignedRequest) -> Result<(String, Vec<String>), AwsRefusal> {
    let hosts = ["https://sts.amazonaws.com/", HOST].map(|url| Url::parse(url).unwrap());
    check(request, &hosts, NOON).map(|checked| {
        let sent = checked.headers.iter().map(|(name, _)| (*name).to_owned());
        (checked.host.to_string(), sent.collect())
    })
}

fn with(name: &str, value: &str) -> SignedRequest {
    let mut request = good();
    request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

fn without(name: &str) -> SignedRequest {
    let mut request = good();
    request.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    request
}

#[test]
fn only_what_is_signed_and_meant_is_sent_on() {
    let (host, mut sent) = checked(&good()).unwrap();
    sent.sort();
    assert_eq!(host, HOST);
    assert_eq!(sent, ["authorization", "content-type", "x-amz-date", AUDIENCE]);
}

#[test]
fn what_differs_from_a_question_of_who_it_is_goes_nowhere() {
    let url = |url: &str| SignedRequest { url: url.to_owned(), ..good() };
    let body = |body: &str| SignedRequest { body: body.to_owned(), ..good() };
    let signed = |signed: &str| with("Authorization", &authorization("20260301", "sts", signed));
    let not_signed = |header| AwsRefusal::NotSigned { header };
    let rows = [
        ("another host", url("https://evil.example/"), AwsRefusal::Host),
        ("a host that begins so", url(&format!("{HOST}..evil.example/")), AwsRefusal::Host),
        ("another path", url(&format!("{HOST}x")), AwsRefusal::Host),
        ("a query", url(&format!("{HOST}?Action=AssumeRole")), AwsRefusal::Host),
        ("a user", url("https://a@sts.amazonaws.com/"), AwsRefusal::Host),
        ("http", url("http://sts.amazonaws.com/"), AwsRefusal::Host),
        ("another action", body("Action=AssumeRole&Version=2011-06-15"), AwsRefusal::Body),
        ("two actions", body(&format!("{BODY}&Action=AssumeRole")), AwsRefusal::Body),
        ("more", body(&format!("{BODY}&Policy=x")), AwsRefusal::Body),
        ("an escaped action", body(&BODY.replace("Get", "%47et")), AwsRefusal::Body),
        ("nothing", body(""), AwsRefusal::Body),
        ("JSON", with("Content-Type", "application/json"), AwsRefusal::Body),
        ("no type", without("Content-Type"), AwsRefusal::Body),
        ("a header of somebody else", with("X-Vault-AWS-IAM-Server-ID", "a"), AwsRefusal::Header),
        ("a target", with("X-Amz-Target", "a"), AwsRefusal::Header),
        ("a proxy's", with("X-Forwarded-For", "a"), AwsRefusal::Header),
        ("no authorization", without("Authorization"), AwsRefusal::Signature),
        ("no date", without("X-Amz-Date"), AwsRefusal::Signature),
        ("a bearer", with("Authorization", "Bearer abc"), AwsRefusal::Signature),
        ("no audience", without("X-Gatewright-Audience"), not_signed(AUDIENCE)),
        ("audience not signed", signed("content-type;host;x-amz-date"), not_signed(AUDIENCE)),
        ("host not signed", signed("x-amz-date;x-gatewright-audience"), not_signed("host")),
        ("date not signed", signed("host;x-gatewright-audience"), not_signed("x-amz-date")),
        ("token not signed", with("X-Amz-Security-Token", "t"), not_signed("x-amz-security-token")),
        ("unsorted", signed("x-gatewright-audience;host;x-amz-date"), AwsRefusal::Signature),
        ("twice signed", signed(&SIGNED.replace("host", "host;host")), AwsRefusal::Signature),
        ("signed and absent", signed(&format!("accept;{SIGNED}")), AwsRefusal::Header),
        (
            "for another service",
            with("Authorization", &authorization("20260301", "s3", SIGNED)),
            AwsRefusal::Signature,
        ),
        (
            "of another day",
            with("Authorization", &authorization("20260228", "sts", SIGNED)),
            AwsRefusal::Signature,
        ),
        ("old", with("X-Amz-Date", "20260301T114500Z"), AwsRefusal::Date),
        ("of later", with("X-Amz-Date", "20260301T120501Z"), AwsRefusal::Date),
        ("a date in words", with("X-Amz-Date", "20260301 noon"), AwsRefusal::Signature),
        ("long", with("X-Amz-Security-Token", &"t".repeat(9_000)), AwsRefusal::TooLong),
    ];
    for (name, request, refusal) in rows {
        assert_eq!(checked(&request), Err(refusal), "{name}");
    }
    let mut twice = good();
    twice.headers.push(("x-GATEWRIGHT-audience".to_owned(), "https://other.example".to_owned()));
    assert_eq!(checked(&twice), Err(AwsRefusal::HeaderTwice));
}

#[test]
fn a_proof_is_base64_of_json() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let read = |json: &str| SignedRequest::parse(&BASE64_STANDARD.encode(json));
    let text = r#"{"url": "u", "headers": [["a", "b"]], "body": ""}"#;
    assert_eq!(read(text).unwrap().headers, [("a".to_owned(), "b".to_owned())]);
    for wrong in
        ["", "{}", r#"{"url": 1}"#, &text.replace("url", "URL"), &text.replace('}', ", \"x\": 1}")]
    {
        assert_eq!(read(wrong).unwrap_err(), AwsRefusal::Form, "{wrong}");
    }
    assert_eq!(SignedRequest::parse("not base64!").unwrap_err(), AwsRefusal::Form);
    assert_eq!(SignedRequest::parse(&"a".repeat(9_000)).unwrap_err(), AwsRefusal::TooLong);
}

fn answer(arn: &str, account: &str) -> Option<Answered> {
    let xml = format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn>\
         <UserId>AROAEXAMPLE:erik</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Answered::parse(xml.as_bytes())
}

#[test]
fn a_session_is_its_role() {
    let rows = [
        (
            "arn:aws:iam::123456789012:user/team/deploy",
            Some("arn:aws:iam::123456789012:user/team/deploy"),
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/ci/erik",
            Some("arn:aws:iam::123456789012:role/ci"),
        ),
        (
            "arn:aws-cn:sts::123456789012:assumed-role/ci/x",
            Some("arn:aws-cn:iam::123456789012:role/ci"),
        ),
        (
            "arn:aws:sts::123456789012:federated-user/bob",
            Some("arn:aws:sts::123456789012:federated-user/bob"),
        ),
        ("arn:aws:iam::999999999999:user/deploy", None),
        ("arn:aws:sts::123456789012:assumed-role/ci", None),
        ("arn:aws:s3:::bucket", None),
        ("arn:aws:iam::123456789012:user/a</Arn><Arn>b", None),
        ("", None),
    ];
    for (arn, expected) in rows {
        let found = answer(arn, "123456789012").map(|it| it.arn);
        assert_eq!(found.as_deref(), expected, "{arn}");
    }
    assert_eq!(Answered::parse(b"<Error>no</Error>"), None);
    let identity = gw_model::id::IdentityName::parse("aws").unwrap();
    let found = answer("arn:aws:sts::123456789012:assumed-role/ci/erik", "123456789012").unwrap();
    let principal = found.principal(identity, 7);
    assert_eq!(principal.issuer, "arn:aws:iam::123456789012");
    assert!(!format!("{principal:?}").contains("erik"), "whoever runs a session is no claim of it");
}

#[test]
fn a_star_stays_in_its_part() {
    let rows = [
        ("arn:aws:iam::123456789012:role/ci", "arn:aws:iam::123456789012:role/ci", true),
        ("arn:aws:iam::123456789012:role/*", "arn:aws:iam::123456789012:role/ci", true),
        ("arn:aws:iam::*:role/deploy-*", "arn:aws:iam::123456789012:role/deploy-prod", true),
        ("arn:aws:iam::123456789012:user/*", "arn:aws:iam::123456789012:user/team/erik", false),
        ("arn:aws:iam::123456789012:*", "arn:aws:iam::123456789012:role/ci", false),
        ("arn:aws:*", "arn:aws:iam::123456789012:role/ci", false),
        ("arn:aws:iam::123456789012:role/ci", "arn:aws:iam::123456789012:role/ci2", false),
        ("arn:aws:iam::123456789012:role/*ci", "arn:aws:iam::123456789012:role/ci2", false),
        ("arn:aws:iam::123456789012:role/a*b*c", "arn:aws:iam::123456789012:role/a-b-c", true),
        ("arn:aws:iam::123456789012:role/a*b*c", "arn:aws:iam::123456789012:role/a-c-b", false),
        ("arn:aws:iam::123456789012:role/x*x", "arn:aws:iam::123456789012:role/x", false),
    ];
    for (pattern, arn, expected) in rows {
        assert_eq!(fits(pattern, arn), expected, "{pattern} {arn}");
    }
}

proptest! {
    /// What a pattern is like is what is left when each star is put in.
    #[test]
    fn stars_stand_for_anything(parts in prop::collection::vec("[ab]{0,3}", 1..5), fill in "[abc]{0,3}") {
        let (pattern, text) = (parts.join("*"), parts.join(&fill));
        prop_assert!(is_like(&pattern, &text), "{pattern} {text}");
        prop_assert_eq!(is_like(&pattern, "d"), pattern.replace('*', "").is_empty() && parts.len() > 1);
    }

    /// However late it is handed in, a signature is never taken for longer than AWS takes it.
    #[test]
    fn time_runs_out(seconds in -3_600_i64..3_600) {
        let hosts = [Url::parse(HOST).unwrap()];
        let at = datetime!(2026-03-01 11:55 UTC) + Duration::seconds(seconds);
        let taken = check(&good(), &hosts, at).is_ok();
        prop_assert_eq!(taken, (-300..900).contains(&seconds));
    }
}
