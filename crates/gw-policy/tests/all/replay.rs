//! What fuzzing runs, over every input that is kept.

use gw_testkit::corpus::replay;

#[path = "../../../../fuzz/harness/path.rs"]
mod path;
#[path = "../../../../fuzz/harness/token.rs"]
mod token;

#[test]
fn paths_replay() {
    replay("path", path::run);
}

#[test]
fn tokens_replay() {
    replay("token", token::run);
}
