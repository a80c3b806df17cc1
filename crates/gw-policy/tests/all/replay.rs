//! What fuzzing runs, over every input that is kept.

use std::{fs, path::Path};

#[path = "../../../../fuzz/harness/path.rs"]
mod path;
#[path = "../../../../fuzz/harness/token.rs"]
mod token;

#[expect(clippy::disallowed_methods, reason = "the test brings the bytes that the crate is given")]
fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(inputs.len() >= 3, "{target}: {} inputs", inputs.len());
    for input in inputs {
        run(&fs::read(input).unwrap());
    }
}

#[test]
fn paths_replay() {
    replay("path", path::run);
}

#[test]
fn tokens_replay() {
    replay("token", token::run);
}
