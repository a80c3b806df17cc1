//! The inputs that fuzzing keeps, run again by ordinary tests.

use std::{fs, path::Path};

/// Fewer inputs than this are a folder that was lost or misnamed.
const LEAST: usize = 3;

/// Runs every input that is kept for that fuzz target, in the order of their names.
pub fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let entries = fs::read_dir(folder).expect("the target has a corpus");
    let mut inputs: Vec<_> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    inputs.sort();
    assert!(inputs.len() >= LEAST, "{target}: {} inputs", inputs.len());
    for input in inputs {
        run(&fs::read(input).expect("the input can be read"));
    }
}
