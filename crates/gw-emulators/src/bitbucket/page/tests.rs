use serde_json::json;

use super::super::tests::{Somebody, Stage};

async fn click(stage: &Stage, origin: Option<&str>, who: &Somebody, action: &str) -> (u16, String) {
    let fields = [
        ("action", action),
        ("person", who.uuid.as_str()),
        ("repository", "acme/apis"),
        ("pull", "1"),
        ("branch", "orders"),
        ("text", "from the <page>"),
        ("strategy", "squash"),
    ];
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
    headers.extend(origin.map(|origin| ("origin", origin)));
    let reply = stage.send(&headers, "POST", "/_page/click", form.as_bytes()).await;
    let place = reply.header("location").unwrap_or_default().to_owned();
    (reply.status, if place.is_empty() { reply.text() } else { place })
}

#[tokio::test]
async fn a_pull_request_is_opened_judged_and_merged_by_clicks() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "bob").await;
    stage.commit(&work, "orders.yaml", "").await;
    stage.push(&work, &["HEAD:refs/heads/orders"]).await;
    let own = format!("http://{}", stage.bitbucket.address());
    let own = Some(own.as_str());
    assert_eq!(
        click(&stage, own, &stage.bob, "open").await,
        (303, "/acme/apis/pull-requests/1".to_owned())
    );
    let place = (303, "/acme/apis/pull-requests/1".to_owned());
    for action in ["comment", "approve", "unapprove", "approve"] {
        assert_eq!(click(&stage, own, &stage.ann, action).await, place, "{action}");
    }
    let refused = click(&stage, own, &stage.eve, "merge").await;
    assert_eq!(refused.0, 403);
    assert!(refused.1.contains("You do not have write access"), "{}", refused.1);
    assert_eq!(click(&stage, own, &stage.bob, "merge").await, place);
    let pull = stage.get(&stage.eve, "/pullrequests/1").await;
    assert_eq!((&pull["state"], &pull["author"]["nickname"]), (&json!("MERGED"), &json!("bob")));
    stage.git_ok(&work, &["fetch", "--quiet"]).await;
    let parents = stage.git_ok(&work, &["show", "--no-patch", "--format=%p", "origin/main"]).await;
    assert_eq!(parents.split(' ').count(), 1, "a squash has one parent: {parents}");
}

#[tokio::test]
async fn only_the_page_itself_clicks() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    let port = stage.bitbucket.address().port();
    let other = format!("http://localhost:{}", port ^ 1);
    for origin in [None, Some("null"), Some("http://evil.example"), Some(other.as_str())] {
        assert_eq!(click(&stage, origin, &stage.ann, "merge").await.0, 403, "{origin:?}");
    }
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1").await["state"], "OPEN");
}

#[tokio::test]
async fn a_page_says_what_it_is_and_looks_again_only_for_a_while() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    let page = || async { stage.send(&[], "GET", "/acme/apis/pull-requests/1", b"").await.text() };
    let fresh = page().await;
    assert!(fresh.contains("an emulation on this machine only"), "{fresh}");
    assert!(fresh.contains("http-equiv=\"refresh\""), "{fresh}");
    assert!(fresh.contains("<ins>+kind: Api</ins>"), "what the branch changes: {fresh}");
    stage.advance();
    let later = page().await;
    assert!(!later.contains("http-equiv"), "{later}");
}

#[tokio::test]
async fn the_page_shows_what_was_written_as_text() {
    let stage = Stage::new().await;
    let (_, pull) = stage.open(&stage.bob, "orders").await;
    let nasty = "<script>alert('1')</script>&\"";
    let comment = json!({ "content": { "raw": nasty } });
    stage.post(&stage.ann, "/pullrequests/1/comments", comment).await;
    let commit = pull["source"]["commit"]["hash"].as_str().expect("a hash").to_owned();
    let report = json!({
        "title": nasty, "details": nasty, "report_type": "SECURITY", "result": "FAILED",
        "data": [{ "title": nasty, "type": "TEXT", "value": nasty }],
        "link": "javascript:alert(1)",
    });
    let path = format!("/repositories/acme/apis/commit/{commit}/reports/gatewright-plan");
    assert_eq!(stage.call(&stage.bob.header, "PUT", &path, report).await.status, 200);
    let annotation = json!([{
        "external_id": "one", "annotation_type": "BUG", "summary": nasty, "path": nasty, "line": 3,
    }]);
    let path = format!("/commit/{commit}/reports/gatewright-plan/annotations");
    assert_eq!(stage.post(&stage.bob, &path, annotation).await.status, 200);
    let url = "https://gateway.example.test/p/1?a=\"><script>";
    let build = json!({
        "key": "gatewright", "state": "FAILED", "description": nasty, "url": url,
    });
    stage.post(&stage.bob, &format!("/commit/{commit}/statuses/build"), build).await;
    let page = stage.send(&[], "GET", "/acme/apis/pull-requests/1", b"").await;
    assert_eq!(page.status, 200);
    let text = page.text();
    assert!(!text.contains("<script"), "{text}");
    let escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;";
    assert_eq!(text.matches(escaped).count(), 8, "{text}");
    assert!(!text.contains("javascript:"), "{text}");
    let link = "<a href=\"https://gateway.example.test/p/1?a=&quot;&gt;&lt;script&gt;\"";
    assert!(text.contains(link), "{text}");
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    let all = stage.send(&[], "GET", "/", b"").await.text();
    assert!(all.contains("acme/apis/pull-requests/1") && all.contains("FAILED"), "{all}");
    assert_eq!(stage.send(&[], "GET", "/acme/none", b"").await.status, 404);
}
