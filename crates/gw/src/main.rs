//! `gatewright`, the one binary: reads arguments and environment, runs one command, tells how it
//! ended. What the commands do stands in `commands/`; what they are made of, in `compose`.

mod commands;
mod compose;
mod config;
mod diagnostics;
mod exit;
mod ui;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::{
    commands::Arguments,
    config::Surroundings,
    exit::{Exit, Failure},
    ui::Form,
};

/// Declarations are many small texts, and calls many small headers (decision 0014).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    config::leave_no_core();
    let surroundings = Surroundings::read();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return refuse(&refusal, &surroundings),
    };
    let ui = config::ui(&arguments.globals, &surroundings);
    let ended = commands::run(&ui, &arguments, &surroundings);
    let exit = ended.unwrap_or_else(|failure| {
        ui.failure(&failure);
        failure.exit
    });
    let Some(lost) = ui.lost() else { return exit.into() };
    ui.failure(&lost.note(format!("the command itself ended with {}", exit as u8)));
    Exit::Failed.into()
}

/// Help and version are answers; everything else that clap says is a mistake in the arguments.
fn refuse(refusal: &clap::Error, surroundings: &Surroundings) -> ExitCode {
    let ui = config::ui_of_refusal(surroundings);
    if refusal.use_stderr() {
        match ui.form {
            Form::Json => ui.failure(&wrong_arguments(&refusal.to_string())),
            // Where it cannot be told, the exit code still says it.
            Form::Text => drop(refusal.print()),
        }
        return Exit::Wrong.into();
    }
    match ui::reached(refusal.print()) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            ui.failure(&ui::unwritten(&error));
            Exit::Failed.into()
        }
    }
}

/// The mistake, what is said of it, and the ways out.
fn wrong_arguments(text: &str) -> Failure {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let failure = Failure::wrong(first.strip_prefix("error: ").unwrap_or(first));
    let is_help =
        |line: &str| ["tip: ", "Usage: ", "For more "].iter().any(|begin| line.starts_with(begin));
    lines.fold(failure, |failure, line| match is_help(line) {
        true => failure.help(line),
        false => failure.note(line),
    })
}

/// The whole command line, for completions.
fn command_line() -> clap::Command {
    Arguments::command()
}
