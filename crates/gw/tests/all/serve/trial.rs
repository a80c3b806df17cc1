//! A stage is tried against the gateway that runs, by tokens of the server's own issuer.

use std::fs;

use gw_testkit::{forge::Forge, wire::free_port};

use super::stage::{File, Stage};

/// Callers are proved by an issuer at that port of this machine.
fn tried_at(port: u16) -> impl FnOnce(&Forge, Vec<File>) -> Vec<File> {
    move |_, mut files| {
        for (path, text) in &mut files {
            if *path == "environments/prod.yaml" {
                // Nobody puts back what the test changes.
                *text = text.replace("every: 1s", "every: 1h");
                text.push_str(&format!(
                    "  identities:
    staff: {{ oidc: {{ issuer: \"http://localhost:{port}\", audiences: [api://orders], algorithms: [ES256] }} }}
"
                ));
            }
        }
        files
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_tried_against_its_gateway() {
    let port = free_port();
    let mut stage = Stage::declaring(tried_at(port)).await;
    stage.kill();
    let path = stage.folder.path().join("gatewright.toml");
    let settings = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("testIssuer = {port}\n{settings}")).unwrap();
    stage.start().await;
    let head = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &head]).1, 0);
    let (told, code) = stage.asks("ann", &["test"]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(told.contains("all as the rules say"), "{told}");

    // What the gateway does not do as it is written is found.
    stage.tamper("orders-team", "nobody").await;
    let (told, code) = stage.asks("ann", &["test"]);
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("POST /orders by staff groups=orders-team"), "{told}");
    let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
    let acts = ["audit", "list", "--act", "environment.tested"];
    let (told, code) = stage.says(&[&acts[..], &ledger].concat());
    assert_eq!((code, told.lines().count()), (0, 2), "{told}");
}
