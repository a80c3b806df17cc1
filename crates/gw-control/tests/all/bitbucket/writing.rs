use gw_control::host::report::{
    Annotation, Comment, Figure, FigureValue, Report, ReportOutcome, Severity, Status, StatusState,
};
use gw_emulators::bitbucket::Fault;

use super::*;

fn comment(text: &str) -> Comment {
    Comment { start: "**Gatewright**".to_owned(), text: text.to_owned() }
}

/// Comments of pull request 1: id, author, text; without those that were deleted.
async fn comments(stage: &Stage) -> Vec<(u64, String, String)> {
    let found = stage.get("/pullrequests/1/comments?pagelen=100").await;
    let found = found["values"].as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown = found.iter().filter(|it| it["deleted"] == false);
    shown
        .map(|it| {
            let id = it["id"].as_u64().unwrap();
            (id, text(&it["user"]["nickname"]), text(&it["content"]["raw"]))
        })
        .collect()
}

#[tokio::test]
async fn one_comment_is_written_over_and_over() {
    let stage = Stage::new().await;
    stage.propose().await;
    let host = stage.writer();
    // Somebody wrote before us, and begins as we do.
    let theirs = json!({ "content": { "raw": "**Gatewright** all is well" } });
    stage.post(&stage.eve, "/pullrequests/1/comments", theirs).await;
    let id = host.comment(1, &comment(" · waits"), None).await.unwrap();
    assert_eq!(host.comment(1, &comment(" · allowed"), Some(id)).await, Ok(id));
    // Nobody remembers the id, or it is of another.
    assert_eq!(host.comment(1, &comment(" · applied"), None).await, Ok(id));
    let foreign = comments(&stage).await[0].0;
    assert_eq!(host.comment(1, &comment(" · verified"), Some(foreign)).await, Ok(id));
    assert_eq!(host.comment(1, &comment(" · verified"), Some(4711)).await, Ok(id));
    let expected = [
        (foreign, "eve".to_owned(), "**Gatewright** all is well".to_owned()),
        (id, "gatewright".to_owned(), "**Gatewright** · verified".to_owned()),
    ];
    assert_eq!(comments(&stage).await, expected);
    // An administrator took it away.
    let own = format!("/pullrequests/1/comments/{id}");
    stage.ask(&stage.ann, "DELETE", &own, Value::Null).await;
    let fresh = host.comment(1, &comment(" · verified"), Some(id)).await.unwrap();
    assert_ne!(fresh, id);
    assert_eq!(comments(&stage).await.len(), 2);
}

#[tokio::test]
async fn a_comment_whose_answer_was_lost_is_not_written_twice() {
    let stage = Stage::new().await;
    stage.propose().await;
    let host = stage.writer();
    for place in ["GET", "POST"] {
        stage.bitbucket.fail_next(place, Fault::Status(502));
        let refused = host.comment(1, &comment(" · waits"), None).await.unwrap_err();
        assert!(matches!(refused, HostError::Failing { status: 502, .. }), "{refused:?}");
    }
    assert_eq!(comments(&stage).await, []);
    // It is written, and the id that would have been answered never becomes known.
    stage.bitbucket.fail_next("POST", Fault::Unsaid(504));
    assert!(host.comment(1, &comment(" · waits"), None).await.is_err());
    let written = comments(&stage).await;
    let id = host.comment(1, &comment(" · waits"), None).await.unwrap();
    assert_eq!((written.len(), written.first().map(|it| it.0)), (1, Some(id)));
    // The same where it is written over.
    stage.bitbucket.fail_next("PUT", Fault::Unsaid(504));
    assert!(host.comment(1, &comment(" · allowed"), Some(id)).await.is_err());
    assert_eq!(host.comment(1, &comment(" · allowed"), Some(id)).await, Ok(id));
    assert_eq!(comments(&stage).await.len(), 1);
}

#[tokio::test]
async fn a_report_whose_answers_were_lost_is_whole_after_all() {
    let stage = Stage::new().await;
    let (_, head) = stage.propose().await;
    let host = stage.writer();
    let all = format!("/commit/{head}/reports/gatewright-plan/annotations?pagelen=100");
    host.report(&head, &report(0..3)).await.unwrap();
    // It is replaced, and after each of its steps nobody hears that it was done.
    for place in ["DELETE", "PUT", "POST"] {
        stage.bitbucket.fail_next(place, Fault::Unsaid(502));
        let refused = host.report(&head, &report(3..5)).await.unwrap_err();
        assert!(matches!(refused, HostError::Failing { .. }), "{place}: {refused:?}");
    }
    host.report(&head, &report(3..5)).await.unwrap();
    assert_eq!(stage.get(&all).await["size"], 2);
}

fn finding(number: usize) -> Annotation {
    Annotation {
        id: format!("gatewright-widen-{number}"),
        severity: Severity::Medium,
        path: Some("orders.yaml".to_owned()),
        line: Some(1),
        summary: "Group sales gains POST /orders in prod".to_owned(),
        details: None,
    }
}

fn report(findings: impl Iterator<Item = usize>) -> Report {
    let figure = |title: &str, value| Figure { title: title.to_owned(), value };
    Report {
        id: "gatewright-plan".to_owned(),
        title: "Gatewright: what this change does to callers".to_owned(),
        details: "Widens access in prod".to_owned(),
        link: Some("https://gatewright.acme.example/p/p-7Q2M".to_owned()),
        outcome: ReportOutcome::Failed,
        figures: vec![
            figure("Access widened", FigureValue::Number(1)),
            figure("May be applied", FigureValue::YesOrNo(false)),
        ],
        annotations: findings.map(finding).collect(),
    }
}

#[tokio::test]
async fn a_report_is_replaced_with_everything_in_it() {
    let stage = Stage::new().await;
    let (_, head) = stage.propose().await;
    let host = stage.writer();
    let path = format!("/commit/{head}/reports/gatewright-plan");
    let all = format!("{path}/annotations?pagelen=100");
    host.report(&head, &report(0..3)).await.unwrap();
    let first = stage.get(&path).await;
    assert_eq!((&first["result"], &first["reporter"]), (&json!("FAILED"), &json!("Gatewright")));
    assert_eq!(first["link"], "https://gatewright.acme.example/p/p-7Q2M");
    let figures = json!([
        { "title": "Access widened", "type": "NUMBER", "value": 1 },
        { "title": "May be applied", "type": "BOOLEAN", "value": false },
    ]);
    assert_eq!(first["data"], figures);
    assert_eq!(stage.get(&all).await["size"], 3);
    // The same, and more, go into the same report.
    host.report(&head, &report(0..3)).await.unwrap();
    host.report(&head, &report(0..4)).await.unwrap();
    assert_eq!(stage.get(&path).await["uuid"], first["uuid"]);
    assert_eq!(stage.get(&all).await["size"], 4);
    // What is no longer so is no longer shown.
    let mut other = report(2..3);
    other.outcome = ReportOutcome::Passed;
    host.report(&head, &other).await.unwrap();
    let found = stage.get(&all).await;
    assert_eq!(
        (&found["size"], &found["values"][0]["external_id"]),
        (&json!(1), &json!("gatewright-widen-2"))
    );
    assert_eq!(stage.get(&path).await["result"], "PASSED");
    host.report(&head, &report(0..0)).await.unwrap();
    assert_eq!(stage.get(&all).await["size"], 0);
}

#[tokio::test]
async fn a_report_takes_a_thousand_findings_and_survives_a_failure_in_their_middle() {
    let stage = Stage::new().await;
    let (_, head) = stage.propose().await;
    let host = stage.writer();
    let all = format!("/commit/{head}/reports/gatewright-plan/annotations");
    stage.bitbucket.fail_next("POST", Fault::Slow(Duration::from_millis(1)));
    stage.bitbucket.fail_next("POST", Fault::Status(500));
    let refused = host.report(&head, &report(0..1200)).await.unwrap_err();
    assert!(matches!(refused, HostError::Failing { .. }), "{refused:?}");
    assert_eq!(stage.get(&all).await["size"], 100);
    host.report(&head, &report(0..1200)).await.unwrap();
    assert_eq!(stage.get(&all).await["size"], 1000);
}

/// Shows S2.9: holds
#[tokio::test]
async fn a_build_status_follows_what_happens() {
    let stage = Stage::new().await;
    let (_, head) = stage.propose().await;
    let host = stage.writer();
    let key = "gatewright/production/of-the-whole-company";
    for state in
        [StatusState::Running, StatusState::Failed, StatusState::Stopped, StatusState::Passed]
    {
        let status = Status {
            key: key.to_owned(),
            name: "Gatewright prod".to_owned(),
            description: "waits for security".to_owned(),
            state,
            url: "https://gatewright.acme.example/p/{repository.full_name}".to_owned(),
            branch: Some("orders".to_owned()),
        };
        host.status(short(&head), &status).await.unwrap();
    }
    let found = stage.get("/pullrequests/1/statuses").await;
    assert_eq!(found["size"], 1);
    let found = &found["values"][0];
    assert_eq!((&found["state"], &found["refname"]), (&json!("SUCCESSFUL"), &json!("orders")));
    assert_eq!(found["commit"]["hash"], json!(head));
    assert_eq!(found["url"], "https://gatewright.acme.example/p/%7Brepository.full_name%7D");
    let key = found["key"].as_str().unwrap();
    assert!(key.len() == 40 && key.starts_with("gatewright/production/o-"), "{key}");
}
