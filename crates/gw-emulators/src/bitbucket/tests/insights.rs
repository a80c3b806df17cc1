use super::*;

async fn head(stage: &Stage) -> String {
    let main = stage.get(&stage.eve, "/refs/branches/main").await;
    main["target"]["hash"].as_str().expect("a hash").to_owned()
}

fn report() -> Value {
    json!({
        "title": "What this change does", "details": "Widens access", "report_type": "SECURITY",
        "result": "FAILED", "data": [{ "title": "Widened", "type": "NUMBER", "value": 1 }],
    })
}

async fn put(stage: &Stage, commit: &str, body: Value) -> Reply {
    let path = format!("{REPOSITORY}/commit/{commit}/reports/gatewright-plan");
    stage.call(&stage.bob.header, "PUT", &path, body).await
}

async fn annotate(stage: &Stage, commit: &str, numbers: std::ops::Range<u32>) -> u16 {
    let items = numbers.map(|number| {
        json!({
            "external_id": format!("gatewright-{number}"), "annotation_type": "VULNERABILITY",
            "severity": "MEDIUM", "path": "api.yaml", "line": 1, "summary": "sales gains POST",
        })
    });
    let path = format!("/commit/{commit}/reports/gatewright-plan/annotations");
    stage.post(&stage.bob, &path, Value::Array(items.collect())).await.status
}

#[tokio::test]
async fn a_report_is_put_once_and_then_in_its_place() {
    let stage = Stage::new().await;
    let commit = head(&stage).await;
    let first = put(&stage, render::short(&commit), report()).await.json();
    stage.advance();
    let mut changed = report();
    changed["result"] = json!("PASSED");
    let second = put(&stage, &commit, changed).await.json();
    assert_eq!(first["uuid"], second["uuid"]);
    assert_eq!(second["result"], "PASSED");
    assert_ne!(second["created_on"], second["updated_on"]);
    let list = stage.get(&stage.eve, &format!("/commit/{commit}/reports")).await;
    assert_eq!(list["size"], 1);
}

#[tokio::test]
async fn a_report_that_is_none_is_refused() {
    let stage = Stage::new().await;
    let commit = head(&stage).await;
    let figures = |count: usize| vec![json!({ "title": "n", "type": "NUMBER", "value": 1 }); count];
    let rows = [
        ("title", json!(null)),
        ("details", json!(null)),
        ("report_type", json!("GUESS")),
        ("result", json!("MAYBE")),
        ("data", json!(figures(11))),
        ("data", json!([{ "title": "n", "type": "BOOLEAN", "value": 1 }])),
        ("data", json!([{ "title": "n", "type": "PERCENTAGE", "value": 101 }])),
        ("data", json!([{ "title": "n", "value": [] }])),
        ("data", json!([{ "type": "NUMBER", "value": 1 }])),
    ];
    for (member, value) in rows {
        let mut body = report();
        body[member] = value;
        let reply = put(&stage, &commit, body.clone()).await;
        assert_eq!(reply.status, 400, "{body}");
    }
    let mut body = report();
    body["data"] = json!(figures(10));
    assert_eq!(put(&stage, &commit, body).await.status, 200);
    let unknown = put(&stage, "0123456789ab", report()).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn annotations_have_their_limits() {
    let stage = Stage::new().await;
    let commit = head(&stage).await;
    assert_eq!(annotate(&stage, &commit, 0..1).await, 404, "there is no report yet");
    put(&stage, &commit, report()).await;
    assert_eq!(annotate(&stage, &commit, 0..0).await, 400);
    assert_eq!(annotate(&stage, &commit, 0..101).await, 400);
    for start in 0..10 {
        assert_eq!(annotate(&stage, &commit, start * 100..start * 100 + 100).await, 200);
    }
    assert_eq!(annotate(&stage, &commit, 900..1000).await, 200, "they are known");
    assert_eq!(annotate(&stage, &commit, 1000..1001).await, 400);
    let path = format!("/commit/{commit}/reports/gatewright-plan/annotations");
    assert_eq!(stage.get(&stage.eve, &path).await["size"], 1000);
    let known = json!({ "external_id": "x", "annotation_type": "BUG", "summary": "s" });
    for (member, value) in [
        ("external_id", json!(null)),
        ("line", json!(0)),
        ("severity", json!("BAD")),
        ("summary", json!(null)),
    ] {
        let mut wrong = known.clone();
        wrong[member] = value;
        let reply = stage.post(&stage.bob, &path, json!([wrong])).await;
        assert_eq!(reply.status, 400, "{member}");
    }
    let all = format!("{REPOSITORY}/commit/{commit}/reports/gatewright-plan");
    assert_eq!(stage.call(&stage.bob.header, "DELETE", &all, json!(null)).await.status, 204);
    assert_eq!(stage.call(&stage.bob.header, "GET", &all, json!(null)).await.status, 404);
}

#[tokio::test]
async fn a_build_status_is_one_for_each_key() {
    let stage = Stage::new().await;
    let (work, _) = stage.open(&stage.bob, "orders").await;
    let commit = stage.git_ok(&work, &["rev-parse", "HEAD"]).await;
    let path = format!("/commit/{commit}/statuses/build");
    let status =
        |key: &str, state: &str| json!({ "key": key, "state": state, "refname": "orders" });
    for state in ["INPROGRESS", "SUCCESSFUL"] {
        assert_eq!(stage.post(&stage.bob, &path, status("gatewright", state)).await.status, 201);
    }
    let of_pull = stage.get(&stage.eve, "/pullrequests/1/statuses").await;
    assert_eq!(
        (&of_pull["size"], &of_pull["values"][0]["state"]),
        (&json!(1), &json!("SUCCESSFUL"))
    );
    let one = stage.get(&stage.eve, &format!("{path}/gatewright")).await;
    assert_eq!(one["refname"], "orders");
    let wrong = [
        status(&"k".repeat(41), "SUCCESSFUL"),
        status("k", "GOOD"),
        json!({ "key": "k" }),
        json!({ "state": "FAILED" }),
    ];
    for body in wrong {
        assert_eq!(stage.post(&stage.bob, &path, body.clone()).await.status, 400, "{body}");
    }
}
