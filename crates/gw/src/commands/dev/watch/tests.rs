use std::fs;

use tokio::time::timeout;

use super::*;

/// What `dev` does every two seconds: it stops waiting and looks at something else.
#[tokio::test]
async fn what_was_saved_is_told_however_often_the_wait_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut watch = Watch::start(folder.path()).unwrap();
    for round in ["first", "second"] {
        fs::write(folder.path().join("gatewright.yaml"), round).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while timeout(SILENCE / 20, watch.saved()).await.is_err() {
            assert!(Instant::now() < end, "the {round} save was never told");
        }
    }
}
