//! Who may do what, as a server tells it beside what the Git host allows.

use gw_emulators::bitbucket::{Exempt, Permission, Rule};
use serde_json::Value;

use super::stage::Stage;

/// Shows S0.24: holds
/// Shows S0.27: holds
/// Shows S0.3: holds
#[tokio::test(flavor = "multi_thread")]
async fn the_rules_are_held_against_the_git_host() {
    let stage = Stage::new().await;
    let (told, code) = stage.asks("ann", &["can", "--who-can", "apply"]);
    assert_eq!(code, 2, "nothing is in force: {told}");
    let head = stage.head("main").await;
    let (told, code) = stage.asks("ann", &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}{}", stage.said());

    let (told, code) = stage.asks("bob", &["can", "--who-can", "apply"]);
    assert_eq!(code, 0, "{told}");
    let has = |told: &str, text: &str| assert!(told.contains(text), "{text}\n{told}");
    has(&told, "apply in prod\n  ✔ environments/prod.yaml:10   server or pipeline or operators\n");
    has(&told, "provided: a commit on branch main, 1 approval, nothing is deleted");
    has(&told, "policy widening-needs-security (policies/changes.cedar:1) may take it away");
    has(&told, "✘ branch main  may be pushed to without a pull request");
    has(&told, "✘ branch main  merges with no approval, and environments/prod.yaml:10 wants 1");
    has(&told, "repair: Repository settings → Branch restrictions → main → minimum approvals: 1");

    // The branch is guarded; somebody merges whom the rules do not know, another may apply and not merge.
    let exempt = Exempt { people: std::slice::from_ref(&stage.bob.uuid), groups: &[] };
    let guard = |kind, value, exempt| Rule { kind, pattern: "main", value, exempt };
    for rule in [
        guard("push", None, Exempt::default()),
        guard("require_approvals_to_merge", Some(1), Exempt::default()),
        guard("enforce_merge_checks", None, Exempt::default()),
    ] {
        stage.bitbucket.restrict(&stage.repository, &rule).unwrap();
    }
    let mallory = stage.bitbucket.add_person("mallory").unwrap();
    stage.bitbucket.permit(&stage.repository, &mallory.uuid, Some(Permission::Write)).unwrap();
    stage.bitbucket.permit(&stage.repository, &stage.carol.uuid, Some(Permission::Read)).unwrap();
    let (told, _) = stage.asks("bob", &["can", "--who-can", "apply"]);
    has(&told, "✔ branch main      is guarded, and merges with 1 approval");
    has(&told, "✘ account mallory  may merge into main, and is nobody under `people`");
    has(&told, "carol may apply to prod by environments/prod.yaml:10 and not merge into main");
    assert!(!told.contains("eve"), "she only reads: {told}");
    stage.bitbucket.restrict(&stage.repository, &guard("restrict_merges", None, exempt)).unwrap();
    let (told, _) = stage.asks("bob", &["can", "--who-can", "apply"]);
    assert!(!told.contains("mallory"), "{told}");
    has(&told, "ann may apply to prod by environments/prod.yaml:10 and not merge into main");

    // Of one person, of a pipeline, of a branch; as text and for programs.
    let (told, code) = stage.asks("bob", &["can", "person/carol", "rollback"]);
    assert_eq!(code, 0, "{told}");
    has(&told, "YES  person/carol may rollback in prod");
    let (told, code) = stage.asks("bob", &["can", "pipeline", "rollback"]);
    assert_eq!(code, 3, "{told}");
    has(&told, "NO   pipeline may not rollback in prod");
    has(&told, "lacks: identity operators (this is pipeline)");
    let (told, code) = stage.asks("bob", &["can", "branch/release", "changes", "--json"]);
    assert_eq!(code, 0, "{told}");
    let json: Value = serde_json::from_str(&told).unwrap();
    let apply = json["rights"].as_array().unwrap().iter().find(|it| it["action"] == "apply");
    assert_eq!(apply.unwrap()["grants"].as_array().unwrap().len(), 0, "{told}");
    assert_eq!(apply.unwrap()["others"][0]["lacks"][0], "a commit on branch main", "{told}");

    // Nobody is told who may not see, and what is not asked well is not answered.
    let caller = stage.token("bob", "api://orders", &[]);
    let (told, code) = stage.shows(&caller, &["can", "--who-can", "apply"]);
    assert_eq!((code, told.contains("environments/prod.yaml:10")), (3, false), "{told}");
    let (told, code) = stage.asks("bob", &["can", "person/nobody", "apply"]);
    assert_eq!((code, told.contains("nobody is called `person/nobody`")), (2, true), "{told}");
    let (told, code) = stage.asks("bob", &["can", "staff", "GET", "/orders"]);
    assert_eq!((code, told.contains("leave out `--server`")), (2, true), "{told}");
}
