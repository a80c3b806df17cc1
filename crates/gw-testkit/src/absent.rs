//! What a machine may lack. A test that needs it says that it was not run; in CI nothing may be missing.

use std::{
    env,
    io::{self, Write as _},
};

/// Says what is missing and how to get it, past the harness, which swallows what a passing test prints.
#[expect(clippy::disallowed_methods, reason = "whether this is CI is a setting")]
pub fn not_run(said: &str) {
    assert!(!env::var("CI").is_ok_and(|ci| ci == "true"), "{said}");
    writeln!(io::stderr(), "NOT RUN: {said}").expect("standard error is open");
}
