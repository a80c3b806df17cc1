use serde_json::{Value, json};
use time::macros::datetime;

use super::{super::is_hash, *};

fn user(name: &str) -> Value {
    json!({ "type": "user", "uuid": format!("{{{name}}}"), "display_name": name })
}

fn side(branch: &str, hash: &str) -> Value {
    json!({ "branch": { "name": branch }, "commit": { "hash": hash }, "repository": { "uuid": "{r}" } })
}

/// An update at a minute past twelve: who, to which head, for which branch.
fn update(minute: u8, author: &str, head: &str, destination: &str) -> Value {
    let date = format!("2026-01-01T12:{minute:02}:00.305565+00:00");
    let author = if author.is_empty() { Value::Null } else { user(author) };
    json!({ "update": {
        "date": date, "author": author, "state": "OPEN",
        "source": side("orders", head), "destination": side(destination, "000000000000"),
    } })
}

fn approval(minute: u8, by: &str) -> Value {
    json!({ "approval": { "date": format!("2026-01-01T12:{minute:02}:00+00:00"), "user": user(by) } })
}

/// A pull request with this head for `main`; its activity comes with the newest first.
fn read(head: &str, mut activity: Vec<Value>) -> Result<History, HostError> {
    activity.reverse();
    let part = json!({
        "id": 7, "title": "t", "state": "OPEN", "author": user("bob"), "participants": [],
        "source": side("orders", head), "destination": side("main", "000000000000"),
    });
    let part = serde_json::from_value(part).unwrap();
    let activity: Vec<_> =
        activity.into_iter().map(|it| serde_json::from_value(it).unwrap()).collect();
    history(&part, &activity, "pull request 7")
}

fn names(history: &History) -> Vec<&str> {
    history.pushed_by.iter().map(|it| it.name.as_str()).collect()
}

#[test]
fn whoever_moved_the_head_pushed() {
    let opened = update(0, "bob", "aaaaaaaaaaaa", "main");
    let found = read("aaaaaaaaaaaa", vec![opened.clone()]).unwrap();
    assert_eq!(names(&found), [""; 0]);
    assert_eq!(found.head_since, datetime!(2026-01-01 12:00:00.305565 UTC));
    // A new title is no push, and neither is a merge.
    let renamed = update(1, "eve", "aaaaaaaaaaaa", "main");
    let found = read("aaaaaaaaaaaa", vec![opened.clone(), renamed.clone()]).unwrap();
    assert_eq!((names(&found).len(), found.head_since.minute()), (0, 0));
    let pushes = vec![
        opened.clone(),
        renamed,
        update(2, "carol", "bbbbbbbbbbbb", "main"),
        approval(3, "ann"),
        json!({ "comment": { "id": 1 }, "pull_request": {} }),
        update(4, "bob", "cccccccccccc", "main"),
        update(5, "carol", "aaaaaaaaaaaa", "main"),
        update(6, "eve", "aaaaaaaaaaaa", "main"),
    ];
    let found = read("aaaaaaaaaaaa", pushes.clone()).unwrap();
    assert_eq!(names(&found), ["carol", "bob"]);
    assert_eq!(found.head_since.minute(), 5);
    // The order of the answer does not matter, the time does.
    let turned: Vec<_> = pushes.into_iter().rev().collect();
    assert_eq!(read("aaaaaaaaaaaa", turned).unwrap(), found);
}

#[test]
fn another_destination_is_another_change() {
    let activity =
        vec![update(0, "bob", "aaaaaaaaaaaa", "dev"), update(1, "bob", "aaaaaaaaaaaa", "main")];
    let found = read("aaaaaaaaaaaa", activity).unwrap();
    assert_eq!((names(&found).len(), found.head_since.minute()), (0, 1));
}

#[test]
fn an_activity_that_lags_behind_is_read_again() {
    let opened = update(0, "bob", "aaaaaaaaaaaa", "main");
    let elsewhere = update(0, "bob", "bbbbbbbbbbbb", "dev");
    for (activity, head) in [
        (vec![opened], "bbbbbbbbbbbb"),
        (vec![], "aaaaaaaaaaaa"),
        (vec![elsewhere], "bbbbbbbbbbbb"),
    ] {
        let refused = read(head, activity).unwrap_err();
        assert!(matches!(refused, HostError::Moved { .. }), "{refused:?}");
    }
    let nobody =
        vec![update(0, "bob", "aaaaaaaaaaaa", "main"), update(1, "", "bbbbbbbbbbbb", "main")];
    let refused = read("bbbbbbbbbbbb", nobody).unwrap_err();
    assert!(matches!(refused, HostError::Garbled { .. }), "{refused:?}");
}

#[test]
fn an_approval_stands_in_both_places_and_is_as_old_as_the_older() {
    let participant = |name: &str, approved: bool, minute: Option<u8>| -> ParticipantPart {
        let at = minute.map(|minute| format!("2026-01-01T12:{minute:02}:00+00:00"));
        let part = json!({
            "user": user(name), "role": "REVIEWER", "approved": approved, "participated_on": at,
        });
        serde_json::from_value(part).unwrap()
    };
    let participants = [
        participant("ann", true, Some(5)),
        participant("bob", true, Some(9)),
        participant("carol", true, None),
        // Said something, and did not approve.
        participant("dave", false, Some(5)),
        // Taken back before the activity was read.
        participant("eve", true, Some(5)),
    ];
    let activity = [
        approval(5, "ann"),
        approval(3, "bob"),
        approval(2, "bob"),
        approval(4, "carol"),
        approval(5, "dave"),
    ];
    let activity = activity.map(|it| serde_json::from_value(it).unwrap());
    let found = approvals(&participants, &activity);
    let found: Vec<_> = found.iter().map(|it| (it.by.name.as_str(), it.at.minute())).collect();
    assert_eq!(found, [("ann", 5), ("bob", 3), ("carol", 4)]);
}

#[test]
fn the_commit_of_a_fork_is_not_ours() {
    let ours = side("orders", "aaaaaaaaaaaa");
    let (mut fork, mut gone, mut bare) = (ours.clone(), ours.clone(), ours.clone());
    fork["repository"]["uuid"] = json!("{f}");
    gone["repository"] = Value::Null;
    bare["commit"] = Value::Null;
    for (part, expected) in [(ours, true), (fork, false), (gone, false), (bare, false)] {
        let part: SidePart = serde_json::from_value(part).unwrap();
        assert_eq!(part.commit_in("{R}").is_some(), expected, "{part:?}");
    }
}

#[test]
fn a_pull_request_of_the_real_host_is_understood() {
    let Some(folder) = gw_testkit::shared::folder("contracts/bitbucket/cloud/api-responses") else {
        return;
    };
    let text = std::fs::read(folder.join("pr.json")).unwrap();
    let part: PullRequestPart = serde_json::from_slice(&text).unwrap();
    assert_eq!((part.id, part.source.branch.name.is_empty()), (4982, false));
    assert!(is_hash(part.source.hash().unwrap(), 12));
    let contract = std::fs::read(folder.join("../openapi.v3.json")).unwrap();
    let contract: Value = serde_json::from_slice(&contract).unwrap();
    let of = "/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}/activity";
    let prose = contract["paths"][of]["get"]["description"].as_str().unwrap();
    let examples = prose.split("```").filter(|it| it.trim_start().starts_with('{'));
    let pages: Vec<Value> = examples.filter_map(|it| serde_json::from_str(it).ok()).collect();
    let parts = pages.iter().flat_map(|page| page["values"].as_array().unwrap());
    let parts: Vec<ActivityPart> =
        parts.map(|it| serde_json::from_value(it.clone()).unwrap()).collect();
    assert!(parts.iter().any(|it| it.update.is_some()));
    assert!(parts.iter().any(|it| it.approval.is_some()));
}
