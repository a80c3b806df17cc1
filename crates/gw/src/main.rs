//! `gatewright`, the one binary.

fn main() {}
