use std::{collections::BTreeMap, fs, path::PathBuf};

use gw_testkit::shared;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const REPOSITORY: &str = "{bc771cbf-829e-4c4b-b71f-a0eb3ac2b860}";
const SECRET: &str = "It's a Secret to Everybody";

fn keys(in_force: &[&str], retired: &[&str]) -> Result<Keys, NoSecret> {
    let secrets = |texts: &[&str]| -> Vec<_> {
        texts.iter().map(|text| Redacted::new(text.as_bytes().to_vec())).collect()
    };
    Keys::parse(&secrets(in_force), &secrets(retired))
}

fn sign(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let digits: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Reads a body with exactly these header lines.
fn read_with(headers: &[(&str, &str)], body: &[u8]) -> Result<Event, Refused> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    read(&Delivery { headers: &headers, body }, &keys(&[SECRET], &[]).unwrap(), REPOSITORY)
}

fn read_signed(event: &str, body: &[u8]) -> Result<Event, Refused> {
    read_with(&[("X-Hub-Signature", &sign(SECRET, body)), ("X-Event-Key", event)], body)
}

fn push() -> Vec<u8> {
    json!({ "push": { "changes": [] }, "repository": { "uuid": REPOSITORY }, "actor": {} })
        .to_string()
        .into_bytes()
}

#[test]
fn the_published_signature_is_made_and_recognised() {
    let Some(folder) = shared::folder("contracts/github-gitlab") else { return };
    let text = fs::read(folder.join("webhook-signature-test-vectors.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let vectors = vectors["vectors"].as_array().unwrap();
    let ours = vectors.iter().find(|it| it["vendor"] == "bitbucket-cloud").unwrap();
    let text = |name: &str| ours[name].as_str().unwrap();
    assert_eq!(text("header").to_lowercase(), SIGNATURE);
    assert_eq!(sign(text("secret_utf8"), text("body_utf8").as_bytes()), text("value"));
    // It is recognised, and only then found to be no JSON.
    let header = [("X-Hub-Signature", text("value")), ("X-Event-Key", "repo:push")];
    assert_eq!(read_with(&header, text("body_utf8").as_bytes()), Err(Refused::Garbled));
    assert_eq!(read_with(&header, b"Hello World"), Err(Refused::Signature));
}

#[test]
fn a_signature_is_one_and_of_one_form() {
    let body = push();
    let good = sign(SECRET, &body);
    let digits = good.strip_prefix("sha256=").unwrap();
    let name = "X-Hub-Signature";
    let one = |value: &str| vec![(name.to_owned(), value.to_owned())];
    let rows = [
        (vec![], Refused::NoSignature),
        (one(""), Refused::NoSignature),
        (vec![("X-Hub-Signature-256".to_owned(), good.clone())], Refused::NoSignature),
        ([one(&good), one(&good)].concat(), Refused::Signatures),
        (
            [one(&good), vec![("x-hub-signature".to_owned(), String::new())]].concat(),
            Refused::Signatures,
        ),
        (one(digits), Refused::SignatureForm),
        (one(&format!("sha1={digits}")), Refused::SignatureForm),
        (one("sha1=0123456789012345678901234567890123456789"), Refused::SignatureForm),
        (one(&format!("SHA256={digits}")), Refused::SignatureForm),
        (one(&format!("sha512={digits}")), Refused::SignatureForm),
        (one(&format!("sha256={}", digits.to_uppercase())), Refused::SignatureForm),
        (one(&format!("{good}0")), Refused::SignatureForm),
        (one(&format!("{good} ")), Refused::SignatureForm),
        (one(&format!("{good}, {good}")), Refused::SignatureForm),
        (one("sha256="), Refused::SignatureForm),
        (one(&sign("another", &body)), Refused::Signature),
        (one(&sign("", &body)), Refused::Signature),
    ];
    for (mut headers, refused) in rows {
        headers.push(("X-Event-Key".to_owned(), "repo:push".to_owned()));
        let lines: Vec<_> = headers.iter().map(|(name, it)| (name.as_str(), it.as_str())).collect();
        assert_eq!(read_with(&lines, &body), Err(refused), "{headers:?}");
    }
    assert!(read_signed("repo:push", &body).is_ok());
}

#[test]
fn there_is_no_unsigned_mode() {
    assert!(matches!(keys(&[], &[]), Err(NoSecret)));
    assert!(matches!(keys(&[], &["former"]), Err(NoSecret)));
    assert!(matches!(keys(&["good", ""], &[]), Err(NoSecret)));
    assert!(keys(&["good"], &[]).is_ok());
}

#[test]
fn a_secret_is_replaced_without_a_gap() {
    let body = push();
    let both = keys(&["new", "old"], &[]).unwrap();
    let read_by = |secret: &str, keys: &Keys| {
        let signature = sign(secret, &body);
        let headers =
            [("X-Hub-Signature", signature.as_bytes()), ("X-Event-Key", &b"repo:push"[..])];
        read(&Delivery { headers: &headers, body: &body }, keys, REPOSITORY).map(|it| it.class)
    };
    assert_eq!(read_by("old", &both), Ok(Class::Push));
    assert_eq!(read_by("new", &both), Ok(Class::Push));
    let after = keys(&["new"], &["old"]).unwrap();
    assert_eq!(read_by("old", &after), Err(Refused::Signature));
}

#[test]
fn a_body_is_of_a_size_and_a_shape() {
    let long = vec![b' '; MOST_BYTES + 1];
    assert_eq!(read_signed("repo:push", &long), Err(Refused::TooLarge));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let twice =
        format!("{{\"repository\":{{\"uuid\":\"{REPOSITORY}\"}},\"push\":{{}},\"push\":{{}}}}");
    let other = format!(
        "{{\"repository\":{{\"uuid\":\"{{x}}\",\"uuid\":\"{REPOSITORY}\"}},\"push\":{{}}}}"
    );
    for body in [
        &b""[..],
        b"{}",
        b"[]",
        b"{\"push\":{}}",
        deep.as_bytes(),
        twice.as_bytes(),
        other.as_bytes(),
    ] {
        assert_eq!(read_signed("repo:push", body), Err(Refused::Garbled));
    }
    let gzip = [0x1f, 0x8b, 8, 0];
    assert_eq!(read_signed("repo:push", &gzip), Err(Refused::Garbled));
}

/// A body about our repository, with these members beside.
fn ours(members: &Value) -> String {
    let mut body = json!({ "repository": { "uuid": REPOSITORY, "full_name": "a/b" } });
    body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    body.to_string()
}

fn class(members: &Value, event: &str) -> Result<Class, Refused> {
    let found = read_signed(event, ours(members).as_bytes());
    if let Ok(Event { pull_request, comment, .. }) = &found {
        let number = |name: &str| members.get(name).and_then(|it| it["id"].as_u64());
        assert_eq!((*pull_request, *comment), (number("pullrequest"), number("comment")));
    }
    found.map(|it| it.class)
}

fn pull(state: &str) -> Value {
    json!({ "pullrequest": { "id": 7, "state": state } })
}

/// An open pull request, and something that happened to it.
fn with(member: &str) -> Value {
    let mut members = pull("OPEN");
    members[member] = json!({ "id": 9 });
    members
}

#[test]
fn the_body_says_what_happened_and_the_header_may_only_agree() {
    let (push, status) = (json!({ "push": {} }), json!({ "commit_status": {} }));
    let rows = [
        (&push, "repo:push", Ok(Class::Push)),
        (&push, "pullrequest:fulfilled", Err(Refused::Header)),
        (&push, "", Err(Refused::Header)),
        (&push, "REPO:PUSH", Err(Refused::Header)),
        (&status, "repo:commit_status_updated", Ok(Class::Status)),
        (&pull("OPEN"), "pullrequest:created", Ok(Class::PullRequestOpen)),
        (&pull("OPEN"), "pullrequest:updated", Ok(Class::PullRequestOpen)),
        // A header alone merges and approves nothing.
        (&pull("OPEN"), "pullrequest:fulfilled", Err(Refused::Header)),
        (&pull("OPEN"), "pullrequest:approved", Err(Refused::Header)),
        (&pull("MERGED"), "pullrequest:fulfilled", Ok(Class::PullRequestMerged)),
        (&pull("DECLINED"), "pullrequest:rejected", Ok(Class::PullRequestDeclined)),
        (&pull("DECLINED"), "pullrequest:fulfilled", Err(Refused::Header)),
        (&with("approval"), "pullrequest:approved", Ok(Class::Approval)),
        (&with("approval"), "pullrequest:unapproved", Ok(Class::Approval)),
        (&with("changes_request"), "pullrequest:changes_request_created", Ok(Class::Approval)),
        (&with("comment"), "pullrequest:comment_created", Ok(Class::Comment)),
        (&with("comment"), "pullrequest:approved", Err(Refused::Header)),
    ];
    for (members, event, expected) in rows {
        assert_eq!(class(members, event), expected, "{members} {event}");
    }
    // The header may be there once.
    let body = ours(&push);
    let signature = sign(SECRET, body.as_bytes());
    let signed = ("X-Hub-Signature", signature.as_str());
    let event = ("X-Event-Key", "repo:push");
    for headers in [vec![signed], vec![signed, event, event]] {
        assert_eq!(read_with(&headers, body.as_bytes()), Err(Refused::Header));
    }
}

#[test]
fn a_body_of_no_class_or_of_two_is_refused() {
    let both = |mut members: Value, member: &str| {
        members[member] = json!({ "id": 9 });
        members
    };
    let rows = [
        (json!({}), "repo:push"),
        (json!({ "issue": {} }), "issue:created"),
        (json!({ "approval": {} }), "pullrequest:approved"),
        (json!({ "comment": { "id": 9 }, "commit": {} }), "repo:commit_comment_created"),
        (pull("OPEN|MERGED|DECLINED"), "pullrequest:created"),
        (both(pull("OPEN"), "push"), "repo:push"),
        (both(pull("OPEN"), "commit_status"), "repo:commit_status_created"),
        (both(json!({ "push": {} }), "approval"), "repo:push"),
        (both(json!({ "push": {} }), "comment"), "repo:push"),
        (both(json!({ "push": {} }), "commit_status"), "repo:push"),
        (both(with("approval"), "comment"), "pullrequest:approved"),
    ];
    for (members, event) in rows {
        assert_eq!(class(&members, event), Err(Refused::Class), "{members}");
    }
}

#[test]
fn a_body_about_another_repository_is_not_ours() {
    let body =
        ours(&json!({ "push": {} })).replace(REPOSITORY, "{00000000-0000-0000-0000-000000000000}");
    assert_eq!(read_signed("repo:push", body.as_bytes()), Err(Refused::Repository));
}

/// What was captured from the real Bitbucket, by its file.
fn captured() -> BTreeMap<String, Vec<u8>> {
    let Some(folder) = shared::folder("contracts/bitbucket/cloud/webhooks/captured") else {
        return BTreeMap::new();
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let json = paths.filter(|path: &PathBuf| path.extension().is_some_and(|it| it == "json"));
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    json.map(|path| (name(&path), fs::read(path).unwrap())).collect()
}

/// What a captured body is, by what its file is called.
fn class_of(name: &str) -> (Class, &'static str) {
    let rows = [
        ("comment", Class::Comment, "pullrequest:comment_created"),
        ("pipeline_hook", Class::Status, "repo:commit_status_created"),
        ("push", Class::Push, "repo:push"),
        ("rejected", Class::PullRequestDeclined, "pullrequest:rejected"),
        ("declined", Class::PullRequestDeclined, "pullrequest:rejected"),
        ("fulfilled", Class::PullRequestMerged, "pullrequest:fulfilled"),
        ("created", Class::PullRequestOpen, "pullrequest:created"),
        ("updated", Class::PullRequestOpen, "pullrequest:updated"),
    ];
    let row = rows.into_iter().find(|(part, ..)| name.contains(part));
    row.map(|(_, class, event)| (class, event)).unwrap()
}

#[test]
fn what_was_captured_is_understood_and_bound_to_its_bytes() {
    for (name, body) in captured() {
        let (class, event) = class_of(&name);
        let whole: Value = serde_json::from_slice(&body).unwrap();
        let repository = whole["repository"]["uuid"].as_str().unwrap();
        let keys = keys(&[SECRET], &[]).unwrap();
        let signature = sign(SECRET, &body);
        let headers =
            [("x-hub-signature", signature.as_bytes()), ("x-event-key", event.as_bytes())];
        let read = |body: &[u8]| read(&Delivery { headers: &headers, body }, &keys, repository);
        let found = read(&body).unwrap();
        assert_eq!(found.class, class, "{name}");
        assert_eq!(found.pull_request, whole["pullrequest"]["id"].as_u64(), "{name}");
        assert_eq!(Some(sign(SECRET, &body)), signature_of(&found), "{name}");
        // The same JSON in other bytes is another body.
        for altered in [
            whole.to_string().into_bytes(),
            serde_json::to_vec_pretty(&whole).unwrap(),
            [&body[..], b" "].concat(),
            [b"\xef\xbb\xbf", &body[..]].concat(),
        ] {
            if altered != body {
                assert_eq!(read(&altered), Err(Refused::Signature), "{name}");
            }
        }
    }
}

fn signature_of(event: &Event) -> Option<String> {
    let digits: String = event.replay_key.iter().map(|byte| format!("{byte:02x}")).collect();
    Some(format!("sha256={digits}"))
}

/// Shows S2.18: holds
#[test]
fn a_wrong_signature_has_a_cause_where_there_is_one() {
    let keys = keys(&["new"], &["old"]).unwrap();
    let whole = json!({ "a": "x: y, \"z\"", "b": [1, 2] });
    let (compact, pretty) = (whole.to_string(), serde_json::to_string_pretty(&whole).unwrap());
    let spaced = r#"{"a": "x: y, \"z\"", "b": [1, 2]}"#;
    let rows = [
        ("old", compact.as_str(), compact.as_str(), Cause::RetiredSecret),
        // Signed as the first, arrived as the second.
        ("new", compact.as_str(), pretty.as_str(), Cause::AlteredBody),
        ("new", spaced, compact.as_str(), Cause::AlteredBody),
        ("new", compact.as_str(), &format!("{compact}\r\n"), Cause::AlteredBody),
        ("new", &format!("{compact}\n"), compact.as_str(), Cause::AlteredBody),
        ("new", compact.as_str(), &compact.replace('1', "3"), Cause::Unknown),
        ("other", compact.as_str(), compact.as_str(), Cause::Unknown),
        ("other", "no json", "no json", Cause::Unknown),
    ];
    for (secret, signed, arrived, expected) in rows {
        let signature = sign(secret, signed.as_bytes());
        let headers = [("x-hub-signature", signature.as_bytes())];
        let delivery = Delivery { headers: &headers, body: arrived.as_bytes() };
        assert_eq!(read(&delivery, &keys, REPOSITORY), Err(Refused::Signature));
        assert_eq!(cause(&delivery, &keys), expected, "{secret} {signed} {arrived}");
    }
    let unsigned = Delivery { headers: &[], body: b"{}" };
    assert_eq!(cause(&unsigned, &keys), Cause::Unknown);
    assert_eq!(
        Refused::NoSignature.to_string(),
        "there is no signature: the webhook has no secret"
    );
}

const NAMES: &[&str] =
    &["push", "pullrequest", "approval", "changes_request", "comment", "commit_status", "x"];

/// JSON that has some of the members which decide.
fn members() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!({})),
        Just(json!(7)),
        Just(json!({ "id": 7, "state": "OPEN" })),
    ];
    proptest::collection::btree_map(prop::sample::select(NAMES), leaf, 0..6).prop_map(|members| {
        let mut members: Value = members.into_iter().collect();
        // One of another repository is never looked at any further.
        members["repository"] = json!({ "uuid": REPOSITORY });
        members
    })
}

proptest! {
    #[test]
    fn what_is_signed_is_understood_or_refused_and_never_guessed(
        members in members(), event in prop::sample::select(&["repo:push", "pullrequest:created"][..]),
    ) {
        if let Ok(event) = read_signed(event, members.to_string().as_bytes()) {
            let is_push = event.class == Class::Push;
            prop_assert_eq!(is_push, members.get("push").is_some_and(|it| !it.is_null()));
            prop_assert_eq!(!is_push, event.pull_request == Some(7));
        }
    }

    #[test]
    fn no_other_body_and_no_other_signature_is_genuine(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        place in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let good = push();
        let signature = sign(SECRET, &good);
        if body != good {
            let headers = [("X-Hub-Signature", signature.as_str()), ("X-Event-Key", "repo:push")];
            prop_assert_eq!(read_with(&headers, &body), Err(Refused::Signature));
        }
        let mut altered = good.clone();
        altered[place.index(good.len())] ^= 1 << bit;
        let headers = [("X-Hub-Signature", signature.as_str()), ("X-Event-Key", "repo:push")];
        prop_assert_eq!(read_with(&headers, &altered), Err(Refused::Signature));
        let mut wrong = signature.clone().into_bytes();
        let at = place.index(wrong.len());
        wrong[at] ^= 1 << bit;
        if let Ok(wrong) = String::from_utf8(wrong) {
            let headers = [("X-Hub-Signature", wrong.as_str()), ("X-Event-Key", "repo:push")];
            prop_assert!(read_with(&headers, &good).is_err());
        }
    }
}
