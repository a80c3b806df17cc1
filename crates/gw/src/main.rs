//! `gatewright`, the one binary.

#[cfg_attr(not(test), expect(dead_code, reason = "the command that checks is not wired yet"))]
mod diagnostics;

fn main() {}
