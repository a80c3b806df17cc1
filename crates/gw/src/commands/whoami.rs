//! `gatewright whoami`.

use clap::Args;

/// Tells who you are for a server: every identity that what you show proves.
#[derive(Debug, Args)]
pub(crate) struct Whoami {}
