use std::collections::BTreeSet;

use gw_model::{id::SecretName, secret::SecretRefusal, source::Origin};
use gw_policy::denial::{Candidate, PolicyHit};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::*;

/// Stands wherever only an operator may read.
const INSIDE: &str = "canary-inside";

fn denied(reason: Reason) -> Refusal {
    let rule = Origin { file: INSIDE.to_owned(), line: 1 };
    let policy = PolicyHit {
        id: INSIDE.to_owned(),
        source: rule.clone(),
        reason: None,
        error: Some(INSIDE.to_owned()),
    };
    Refusal::Denied(Box::new(Denial {
        reason,
        why: "GET needs group staff".to_owned(),
        needs: (reason == Reason::NotSignedIn).then(|| "a token from the issuer".to_owned()),
        candidates: vec![Candidate { rule, parts: vec![] }],
        policies: vec![policy],
        cure: INSIDE.to_owned(),
    }))
}

fn no_secret() -> Refusal {
    let name = SecretName::parse(INSIDE).expect("a name");
    Refusal::Credential(NotReady::Secret(SecretRefusal::Missing { name }))
}

fn limited() -> Refusal {
    let rate = "10/1m".parse().expect("a rate");
    Refusal::Limited(Exhausted { rate, per: Per::Caller, retry_after_ms: 1_500 })
}

type Row = (Refusal, Reason, u16, &'static [(&'static str, &'static str)]);

/// Every refusal: its reason and status, and the headers that belong to it.
fn table() -> Vec<Row> {
    const PLAIN: &[(&str, &str)] = &[];
    const CLOSE: &[(&str, &str)] = &[("connection", "close")];
    const BEARER: &[(&str, &str)] = &[("www-authenticate", "Bearer")];
    const AWAY: &[(&str, &str)] = &[("connection", "close"), ("retry-after", "5")];
    const LATER: &[(&str, &str)] = &[("retry-after", "5")];
    let token = Refusal::Token;
    let audience = TokenRefusal::Audience { accepted: vec![INSIDE.to_owned()] };
    vec![
        (Refusal::Malformed(Malformed::NoHost), Reason::RequestRefused, 400, CLOSE),
        (Refusal::Path(PathRefusal::DotSegment), Reason::PathRefused, 400, PLAIN),
        (Refusal::Overloaded, Reason::Overloaded, 503, AWAY),
        (Refusal::NoSnapshot, Reason::NoSnapshot, 503, LATER),
        (Refusal::NoRoute, Reason::NoRoute, 404, PLAIN),
        (Refusal::MethodNotListed, Reason::MethodNotListed, 404, PLAIN),
        (Refusal::SeveralTokens, Reason::TokenRefused, 401, BEARER),
        (
            token(TokenRefusal::Signature),
            Reason::TokenRefused,
            401,
            &[("www-authenticate", r#"Bearer error="invalid_token", error_description="#)],
        ),
        (
            token(TokenRefusal::Time(Moment::Expired { seconds: 90 })),
            Reason::TokenExpired,
            401,
            &[("www-authenticate", r#"Bearer error="invalid_token""#)],
        ),
        (
            token(TokenRefusal::Time(Moment::NotYet { seconds: 90 })),
            Reason::TokenNotYetValid,
            401,
            &[("www-authenticate", r#"Bearer error="invalid_token""#)],
        ),
        (
            token(audience),
            Reason::TokenAudience,
            401,
            &[("www-authenticate", r#"Bearer error="invalid_token""#)],
        ),
        (
            token(TokenRefusal::UnknownIssuer),
            Reason::TokenIssuer,
            401,
            &[("www-authenticate", r#"Bearer error="invalid_token""#)],
        ),
        (token(TokenRefusal::NoKeys), Reason::KeysUnavailable, 503, LATER),
        (Refusal::Certificate, Reason::CertificateRefused, 401, BEARER),
        (denied(Reason::NotSignedIn), Reason::NotSignedIn, 401, BEARER),
        (denied(Reason::NotGranted), Reason::NotGranted, 403, PLAIN),
        (denied(Reason::ForbiddenByPolicy), Reason::ForbiddenByPolicy, 403, PLAIN),
        (denied(Reason::PolicyError), Reason::PolicyError, 403, PLAIN),
        (
            limited(),
            Reason::Limit,
            429,
            &[
                ("retry-after", "2"),
                ("ratelimit", r#""limit";r=0;t=2"#),
                ("ratelimit-policy", r#""limit";q=10;w=60"#),
            ],
        ),
        (Refusal::BodyTooLarge { allowed: 2048 }, Reason::BodyTooLarge, 413, CLOSE),
        (Refusal::BodyTooSlow, Reason::RequestTimeout, 408, CLOSE),
        (no_secret(), Reason::SecretUnavailable, 503, LATER),
        (Refusal::Upstream(UpstreamFault::Tls), Reason::UpstreamUnreachable, 502, PLAIN),
        (Refusal::UpstreamTimeout(Duration::from_secs(7)), Reason::UpstreamTimeout, 504, PLAIN),
        (Refusal::UpstreamInvalid(INSIDE), Reason::UpstreamInvalid, 502, PLAIN),
        (Refusal::Internal(INSIDE), Reason::Internal, 500, PLAIN),
    ]
}

fn decision() -> DecisionId {
    DecisionId::new(1_789_034_283_000, [7; 5])
}

/// Status, headers and body of what a caller is told.
fn told(refusal: &Refusal) -> (u16, HeaderMap, String) {
    let (parts, body) = refuse(refusal, &decision()).into_parts();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let bytes = runtime.block_on(body.collect()).expect("a whole body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    (parts.status.as_u16(), parts.headers, text)
}

#[test]
fn every_refusal_is_a_problem_with_the_headers_that_belong_to_it() {
    for (refusal, reason, status, headers) in table() {
        let (answered, given, body) = told(&refusal);
        assert_eq!((refusal.reason(), answered), (reason, status), "{refusal:?}");
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        assert_eq!(problem["status"], status, "{refusal:?}");
        assert_eq!(problem["title"], reason.title(), "{refusal:?}");
        assert_eq!(problem["decision"], decision().as_str(), "{refusal:?}");
        let slug =
            problem["type"].as_str().and_then(|it| it.strip_prefix("urn:gatewright:problem:"));
        assert_eq!(slug, Some(reason.title().to_lowercase().replace(' ', "-").as_str()));
        let always = [("content-type", "application/problem+json"), ("cache-control", "no-store")];
        for (name, value) in always.iter().chain(headers) {
            let given = given.get(*name).and_then(|given| given.to_str().ok()).unwrap_or_default();
            assert!(given.starts_with(value), "{refusal:?}: {name}: {given}");
        }
        let allowed: BTreeSet<&str> = always.iter().chain(headers).map(|(name, _)| *name).collect();
        let others: Vec<_> = given.keys().filter(|name| !allowed.contains(name.as_str())).collect();
        assert!(others.is_empty(), "{refusal:?}: {others:?}");
    }
}

#[test]
fn what_is_inside_is_told_to_operators_only() {
    for (refusal, reason, ..) in table() {
        let (_, headers, body) = told(&refusal);
        let seen = format!("{headers:?}{body}");
        assert!(!seen.contains(INSIDE), "{refusal:?}: {seen}");
        // Which reason it was exactly, callers learn only by its title.
        let problem: Value = serde_json::from_str(&body).expect("JSON");
        let members = problem.as_object().expect("an object").iter();
        let coded =
            |(name, value): &(&String, &Value)| *name == "reason" || *value == reason.code();
        assert!(!members.clone().any(|member| coded(&member)), "{refusal:?}: {body}");
        // What is the gateway's own fault says no more than that.
        if reason.status() >= 500 && reason != Reason::KeysUnavailable {
            assert!(problem.get("why").is_none(), "{refusal:?}: {body}");
            assert!(refusal.detail().is_some() || matches!(refusal, Refusal::NoSnapshot));
        }
    }
}

#[test]
fn a_path_that_is_not_listed_and_a_method_that_is_not_look_the_same() {
    let (one, other) = (told(&Refusal::NoRoute), told(&Refusal::MethodNotListed));
    assert_eq!(one, other);
}

#[test]
fn callers_learn_what_to_do_differently() {
    let why = |refusal: &Refusal| {
        let problem: Value = serde_json::from_str(&told(refusal).2).expect("JSON");
        problem["why"].as_str().unwrap_or_default().to_owned()
    };
    for (refusal, expected) in [
        (limited(), "the limit is 10/1m per caller"),
        (Refusal::BodyTooLarge { allowed: 2048 }, "the body may have 2KiB at most"),
        (Refusal::BodyTooLarge { allowed: 10 }, "the body may have 10 bytes at most"),
        (Refusal::BodyTooSlow, "the body comes too slowly"),
        (Refusal::Malformed(Malformed::SeveralHosts), "the request has more than one Host header"),
        (Refusal::SeveralTokens, "the request has more than one Authorization"),
    ] {
        assert_eq!(why(&refusal), expected);
    }
    let (_, _, body) = told(&denied(Reason::NotSignedIn));
    let problem: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(problem["needs"], "a token from the issuer");
}
