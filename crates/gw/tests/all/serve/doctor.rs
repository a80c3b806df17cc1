//! What a server can reach, as it says when it starts and to whoever asks.

use std::fs;

use super::stage::Stage;

fn has(told: &str, text: &str) {
    assert!(told.contains(text), "{text}\n{told}");
}

/// Shows S0.24: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_cannot_reach_it_says_with_a_cure() {
    let mut stage = Stage::new().await;
    let (told, code) = stage.asks("ann", &["doctor"]);
    assert_eq!(code, 0, "nothing is in force, and all of it can be reached: {told}");
    has(&told, "an owner brings the first state");
    let head = stage.head("main").await;
    let (told, code) = stage.asks("ann", &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}{}", stage.said());

    let (told, code) = stage.asks("bob", &["doctor"]);
    assert_eq!(code, 1, "a branch that nobody guards needs a repair: {told}");
    has(&told, "Git host");
    has(&told, &format!("acme/apis {} is read", stage.repository));
    has(&told, "secret bitbucket-token");
    has(&told, "identity operators");
    has(&told, "1 key");
    has(&told, "branch main");
    has(&told, "target default");
    has(&told, "2 repairs");
    assert!(!stage.said().contains("error"), "{}", stage.said());

    // Where nobody may see, nothing is told.
    let caller = stage.token("bob", "api://orders", &[]);
    let (told, code) = stage.shows(&caller, &["doctor"]);
    assert_eq!((code, told.contains("branch main")), (3, false), "{told}");

    // Started again with a dead token, and with a secret gone and one that ended.
    stage.kill();
    let folder = stage.folder.path().to_owned();
    fs::write(folder.join("secrets/bitbucket-token"), "ATATTdead").unwrap();
    let settings = fs::read_to_string(folder.join("gatewright.toml")).unwrap();
    let more = "\n[notify.platform]\nurl = \"https://hooks.example.com/\"\nsecrets = [\"hooks\"]\n\
                \n[credentials.bitbucket-webhook]\nowner = \"platform\"\nexpires = 2020-03-01\n";
    fs::write(folder.join("gatewright.toml"), settings + more).unwrap();
    stage.start().await;
    let (told, code) = stage.asks("bob", &["doctor"]);
    assert_eq!(code, 1, "{told}");
    has(&told, "the credential `bitbucket-token` is wrong, expired or revoked");
    has(&told, "repair: make a new one, and put it where this one is");
    has(&told, "the secret store holds no `hooks`");
    has(&told, "secrets/hooks");
    has(&told, "ended on 2020-03-01");
    has(&told, "`expires` of the settings, which are read when `serve` starts");
    assert!(!told.contains("ATATTdead"), "{told}");
    // The same without being asked.
    stage.await_said("ended on 2020-03-01");
    let said = stage.said();
    has(&said, "Git host: the credential `bitbucket-token` is wrong, expired or revoked");
    has(&said, "secret hooks: the secret store holds no `hooks`");
    assert!(!said.contains("ATATTdead"), "{said}");
}
