//! `gatewright version`.

use clap::Args;
use serde::Serialize;

use super::Context;
use crate::{
    exit::{Exit, Failure},
    ui::Form,
};

/// Prints which Gatewright this is.
#[derive(Debug, Args)]
pub(crate) struct Version {}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    version: &'static str,
}

impl Version {
    #[expect(clippy::unnecessary_wraps, reason = "every command ends in the same shape")]
    pub(crate) fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let version = env!("CARGO_PKG_VERSION");
        match context.ui.form {
            Form::Json => {
                context.ui.json(&Document { schema: "gatewright.io/version/v1", version });
            }
            Form::Text => context.ui.line(&format!("gatewright {version}")),
        }
        Ok(Exit::Done)
    }
}
