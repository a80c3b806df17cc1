//! What else a merge brings than who may call: routes and policies, in the same change.

use std::fs;

use super::stage::Stage;

const POLICY: &str = r#"@id("no-deletions-in-audits")
@reason("nobody cancels orders while auditors look")
forbid (principal, action == Gatewright::Action::"call", resource)
when { principal.hasTag("groups") && principal.getTag("groups").contains("auditors") };
"#;

/// Shows S1.10: holds
/// Shows S1.12: holds
/// Shows S0.10: holds
/// Shows S2.10: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_brings_routes_and_policies() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let status = |path: &str, groups: &[&str]| stage.call_at("GET", path, groups).unwrap().status;
    assert_eq!(status("/orders/open", &[]), 404);
    assert_ne!(status("/orders", &["auditors"]), 403);

    let desk = stage.desk();
    stage.git(&desk, &["checkout", "--quiet", "-b", "open", "main"]).await;
    let openapi = desk.join("apis/orders/openapi.yaml");
    let text = fs::read_to_string(&openapi).unwrap();
    let route = "  /orders/open:\n    get: { operationId: listOpen, responses: { \"200\": { description: ok } } }\n";
    fs::write(&openapi, text + route).unwrap();
    fs::write(desk.join("policies/calls.cedar"), POLICY).unwrap();
    let proposed = stage.commit(&desk, "open").await;
    stage.push(&stage.bob, &desk, &["HEAD:refs/heads/open"]).await;
    stage.open(&stage.bob, "open", "open").await;
    let comment = stage.comment(1, "waits for").await;
    assert!(comment.contains("/orders/open"), "{comment}");
    stage.bring(&proposed).await;
    assert!(![403, 404].contains(&status("/orders/open", &[])));
    assert_eq!(status("/orders", &["auditors"]), 403);
}
