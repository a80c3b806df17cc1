//! The credentials of the path, as a server lists them, and as the files here do.

use std::fs;

use serde_json::Value;

use super::stage::Stage;

/// Shows S0.2: part (the reference set-up has the API token of an administrator, or an OAuth consumer)
/// Shows S2.6: part (what others issued is told; whoever issued it ends it)
/// Shows S2.24: part (what is unused, ended or nobody's is told; whoever issued it takes it away)
/// Shows S2.7: holds
#[tokio::test(flavor = "multi_thread")]
async fn every_credential_is_listed_with_owner_source_end_and_last_use() {
    let mut stage = Stage::declaring(|_, files| {
        let store = "  secrets: { files: { directory: secrets }, names: { orders-old-key: old } }\n  \
                     changes:";
        let more = |(path, text): (_, String)| match path {
            "environments/prod.yaml" => (path, text.replace("  changes:", store)),
            _ => (path, text),
        };
        files.into_iter().map(more).collect()
    })
    .await;
    let head = stage.head("main").await;
    let (told, code) = stage.asks("ann", &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}{}", stage.said());
    let has = |told: &str, text: &str| assert!(told.contains(text), "{text}\n{told}");

    let (told, code) = stage.asks("bob", &["show", "secrets", "--json"]);
    assert_eq!(code, 0, "{told}");
    let json: Value = serde_json::from_str(&told).unwrap();
    let secrets = &json["environments"][0]["secrets"];
    let named = |name: &str| {
        let all = secrets.as_array().unwrap();
        all.iter().find(|it| it["name"] == name).unwrap_or_else(|| panic!("{name}: {told}"))
    };
    let token = named("bitbucket-token");
    assert_eq!(token["owner"], stage.ann.email.as_str());
    assert_eq!(token["purpose"], "the Git host, an API token");
    assert!(token["source"].as_str().unwrap().ends_with("secrets/bitbucket-token"));
    assert!(token["lastUsed"].is_string(), "{told}");
    assert_eq!(token["warnings"].as_array().unwrap().len(), 0, "{told}");
    let hook = named("bitbucket-webhook");
    assert!(hook["warnings"][0].as_str().unwrap().contains("[credentials.bitbucket-webhook]"));
    assert_eq!(named("orders-old-key")["purpose"], "declared, and sent by no API");
    for secret in [stage.ann.token.reveal().as_str(), gw_testkit::forge::HOOK_SECRET] {
        assert!(!told.contains(secret), "{told}");
    }

    // A delivery is a use of what proves it; an owner takes the warning away; both outlive the process.
    stage.propose(&stage.bob, "limit", &gw_testkit::forge::api("orders-team", "90/1m")).await;
    stage.comment(1, "plan").await;
    let (told, _) = stage.asks("bob", &["show", "secrets", "--json"]);
    let json: Value = serde_json::from_str(&told).unwrap();
    let used = json["environments"][0]["secrets"][1]["lastUsed"].clone();
    assert!(used.is_string(), "{told}");
    stage.kill();
    let settings = stage.folder.path().join("gatewright.toml");
    let more = "\n[credentials.bitbucket-webhook]\nowner = \"platform\"\nexpires = 2020-03-01\n";
    fs::write(&settings, fs::read_to_string(&settings).unwrap() + more).unwrap();
    stage.start().await;
    let (told, code) = stage.asks("bob", &["show", "secrets"]);
    assert_eq!(code, 0, "{told}");
    has(&told, "bitbucket-webhook  proves webhooks of the Git host");
    has(&told, "owner platform · ");
    has(&told, "ends 2020-03-01 · last used ");
    has(&told, "warning: it ended on 2020-03-01");
    has(&told, "orders-old-key  declared, and sent by no API");
    assert!(!told.contains("owner`"), "{told}");

    // Who may not see is told nothing; the files here tell of what they name.
    let caller = stage.token("bob", "api://orders", &[]);
    let (told, code) = stage.shows(&caller, &["show", "secrets"]);
    assert_eq!((code, told.contains("bitbucket-token")), (3, false), "{told}");
    let (told, code) = stage.says(&["show", "secrets", "--workspace", "desk"]);
    assert_eq!(code, 0, "{told}");
    has(&told, "prod  1 secret, ");
    has(&told, "the secret store holds no `orders-old-key`");
}
