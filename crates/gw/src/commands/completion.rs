//! `gatewright completion`.

use clap::Args;
use clap_complete::Shell;

use super::Context;
use crate::exit::{Exit, Failure};

/// Prints what a shell needs to complete gatewright's words.
///
/// For bash: `gatewright completion bash > ~/.local/share/bash-completion/completions/gatewright`
#[derive(Debug, Args)]
pub(crate) struct Completion {
    /// The shell.
    shell: Shell,
}

impl Completion {
    pub(crate) fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        let mut line = crate::command_line();
        clap_complete::generate(self.shell, &mut line, "gatewright", &mut script);
        let text = String::from_utf8(script)
            .map_err(|error| Failure::new(Exit::Failed, format!("no script: {error}")))?;
        context.ui.result(&text);
        Ok(Exit::Done)
    }
}
