//! `gatewright manual`: every command as Markdown, for `docs/commands.md`.

use clap::{Args, Command};

use super::Context;
use crate::exit::{Exit, Failure};

/// Prints the manual of every command as Markdown.
#[derive(Debug, Args)]
pub(crate) struct Manual {}

const HEAD: &str = "\
# Commands

Made by `cargo xtask reference` from the binary; do not edit it. `gatewright COMMAND --help` prints the
same.

| exit | meaning |
| --- | --- |
| 0 | done, or nothing to do; a command that runs until it is stopped was ended by SIGTERM |
| 1 | failed for an unforeseen reason |
| 2 | declarations or arguments are wrong |
| 3 | denied by a rule; of `plan --exit-code`: what would be done may not be done yet |
| 4 | differences exist (`plan --exit-code`: ones that may be applied; `drift --exit-code`), or a plan would no longer do what it showed |
| 5 | stopped half way; what happened is recorded; running it again continues |
| 6 | a target, a store or another party could not be reached |
| 7 | the ledger, or a proof of it, does not verify |
| 130 | interrupted at the keyboard |
| 143 | ended by SIGTERM before it was done |

";

impl Manual {
    pub(crate) fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let mut line = crate::command_line();
        line.build();
        let mut text = HEAD.to_owned();
        text.push_str("## For every command\n\n| flag | meaning |\n| --- | --- |\n");
        for flag in line.get_arguments().filter(|it| it.is_global_set()) {
            text.push_str(&row(flag));
        }
        for command in line.get_subcommands() {
            describe("gatewright", command, &mut text);
        }
        context.ui.result(&text);
        Ok(Exit::Done)
    }
}

fn describe(before: &str, command: &Command, text: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{before} {}", command.get_name());
    text.push_str(&format!("\n## {name}\n"));
    let about = command.get_long_about().or_else(|| command.get_about());
    if let Some(about) = about {
        text.push_str(&format!("\n{about}\n"));
    }
    let own = |it: &&clap::Arg| {
        !it.is_global_set() && !matches!(it.get_id().as_str(), "help" | "version")
    };
    let rows: Vec<String> = command.get_arguments().filter(own).map(row).collect();
    if !rows.is_empty() {
        text.push_str("\n| argument | meaning |\n| --- | --- |\n");
        rows.iter().for_each(|row| text.push_str(row));
    }
    for below in command.get_subcommands() {
        describe(&name, below, text);
    }
}

fn row(argument: &clap::Arg) -> String {
    let values: Vec<String> =
        argument.get_value_names().into_iter().flatten().map(ToString::to_string).collect();
    let takes = argument.get_action().takes_values();
    let value = if takes { values.join(" ") } else { String::new() };
    let mut names = vec![];
    names.extend(argument.get_short().map(|short| format!("-{short}")));
    names.extend(argument.get_long().map(|long| format!("--{long}")));
    let mut name = if names.is_empty() { value } else { format!("{} {value}", names.join(", ")) };
    name.truncate(name.trim_end().len());
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut help = help.map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    let words: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|_| takes)
        .map(|word| format!("`{}`", word.get_name()))
        .collect();
    if !words.is_empty() {
        help.push_str(&format!(": one of {}", words.join(", ")));
    }
    format!("| `{name}` | {} |\n", help.replace('|', "\\|"))
}
