//! `gatewright check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gw_model::{clock::Clock, diagnostic::Severity};

use super::Context;
use crate::{
    compose::{SystemClock, Workspace},
    diagnostics::{self, Paint, machine},
    exit::{Exit, Failure},
    ui::Form,
};

/// Reads and validates everything, offline, and sends nothing anywhere.
///
/// Every mistake is told with its code, its place and a way out; `gatewright explain CODE` tells
/// more. Exits with 2 where there is an error.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The folder of declarations, instead of that of `--workspace`.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// The form of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Sarif,
}

impl Check {
    pub(crate) fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let path = self.path.as_ref().unwrap_or(&context.globals.workspace);
        let workspace = Workspace::read(path)?;
        let found = workspace.check(SystemClock.now().date());
        let format = match context.ui.form {
            Form::Json => Format::Json,
            Form::Text => self.format,
        };
        match format {
            Format::Text => {
                let paint = if context.ui.coloured() { Paint::Coloured } else { Paint::Plain };
                context.ui.result(&diagnostics::text(&found, &workspace.declared.sources, paint));
            }
            Format::Json => context.ui.json(&machine::json(&found, &workspace.declared.sources)),
            Format::Sarif => context.ui.json(&machine::sarif(&found, &workspace.declared.sources)),
        }
        let wrong = found.iter().any(|found| found.severity() == Severity::Error);
        Ok(if wrong { Exit::Wrong } else { Exit::Done })
    }
}
