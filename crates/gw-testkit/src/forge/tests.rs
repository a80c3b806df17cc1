use std::sync::Arc;

use time::macros::datetime;

use super::{Forge, api};
use crate::clock::FixedClock;

#[tokio::test]
async fn whoever_waits_is_woken_by_what_somebody_writes() {
    let forge = Forge::start(Arc::new(FixedClock::at(datetime!(2026-01-01 00:00 UTC)))).await;
    forge.declare(&forge.files("", String::new())).await;
    let waiting = forge.until("a pull request", || async {
        let found = forge.get("/pullrequests").await;
        found["values"][0]["title"].as_str().map(str::to_owned)
    });
    let api = api("sales", "100/1m");
    let proposed = forge.propose(&forge.bob, "sales", &api);
    let (title, head) = tokio::join!(waiting, proposed);
    assert_eq!((title.as_str(), forge.head("sales").await), ("sales", head));
}
