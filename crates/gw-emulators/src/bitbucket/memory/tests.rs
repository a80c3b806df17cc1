use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use gw_model::clock::Clock;
use serde_json::json;

use super::super::{
    Bitbucket,
    tests::{Somebody, Stage},
};

/// The same once more, as if the machine had been switched off.
async fn again(stage: &mut Stage) {
    let clock: Arc<dyn Clock> = Arc::new(stage.clock.clone());
    let again = Bitbucket::resume(0, &stage.repositories(), clock).await.expect("it can be read");
    stage.bitbucket = again.expect("it was remembered");
}

async fn propose(stage: &Stage, who: &Somebody) {
    let comment = json!({ "content": { "raw": "remember me" } });
    stage.open(who, "orders").await;
    assert_eq!(stage.post(who, "/pullrequests/1/comments", comment).await.status, 201);
}

#[tokio::test]
async fn everything_is_there_after_another_start() {
    let mut stage = Stage::new().await;
    stage.bitbucket.remember().expect("it can be written");
    let hook = "http://localhost:9/hook";
    let added = stage.bitbucket.add_hook(&stage.repository, hook, &["repo:push"], Some("secret"));
    added.expect("a hook");
    propose(&stage, &stage.bob).await;
    let before = stage.get(&stage.ann, "/pullrequests/1").await;
    again(&mut stage).await;
    let after = stage.get(&stage.ann, "/pullrequests/1").await;
    for member in ["title", "state", "author", "created_on"] {
        let without_port = |value: &serde_json::Value| {
            let text = value[member].to_string();
            text.split("localhost:")
                .map(|part| part.trim_start_matches(char::is_numeric).to_owned())
                .collect::<String>()
        };
        assert_eq!(without_port(&before), without_port(&after), "{member}");
    }
    let comments = stage.get(&stage.ann, "/pullrequests/1/comments").await;
    assert_eq!(comments["values"][0]["content"]["raw"], "remember me");
    stage.post(&stage.ann, "/pullrequests/1/approve", json!(null)).await;
    let body = json!({ "type": "pullrequest_merge_parameters" });
    assert_eq!(stage.post(&stage.bob, "/pullrequests/1/merge", body).await.status, 200);
    again(&mut stage).await;
    assert_eq!(stage.get(&stage.ann, "/pullrequests/1").await["state"], "MERGED");
    let kept = stage.repositories().join("bitbucket.json");
    let mode = fs::metadata(&kept).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_push_that_was_cut_off_is_seen_after_another_start() {
    let mut stage = Stage::new().await;
    stage.bitbucket.remember().expect("it can be written");
    propose(&stage, &stage.bob).await;
    let kept = stage.repositories().join("bitbucket.json");
    let before = fs::read(&kept).expect("it is there");
    let work = stage.clone_as(&stage.bob, "more").await;
    stage.git_ok(&work, &["checkout", "--quiet", "orders"]).await;
    let head = stage.commit(&work, "more.yaml", "").await;
    stage.push(&work, &["HEAD"]).await;
    // Git has it, and nobody wrote it down.
    fs::write(&kept, before).expect("it can be written");
    again(&mut stage).await;
    let pull = stage.get(&stage.ann, "/pullrequests/1").await;
    let seen = pull["source"]["commit"]["hash"].as_str().expect("a hash").to_owned();
    assert!(head.starts_with(&seen), "{seen}");
}

#[tokio::test]
async fn what_cannot_be_read_is_no_beginning() {
    let stage = Stage::new().await;
    let clock: Arc<dyn Clock> = Arc::new(stage.clock.clone());
    let folder = stage.repositories();
    let none = Bitbucket::resume(0, &folder, Arc::clone(&clock)).await.expect("nothing is wrong");
    assert!(none.is_none(), "nothing was remembered");
    fs::write(folder.join("bitbucket.json"), "{").expect("it can be written");
    let wrong = Bitbucket::resume(0, &folder, clock).await.expect_err("it is broken");
    assert!(wrong.to_string().contains("bitbucket.json` cannot be read"), "{wrong}");
}
