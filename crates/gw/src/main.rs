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

use crate::{commands::Arguments, config::Surroundings, exit::Exit};

/// Declarations are many small texts, and calls many small headers (decision 0014).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let surroundings = Surroundings::read();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(refusal) => return refuse(&refusal),
    };
    let ui = config::ui(&arguments.globals, &surroundings);
    let ended = commands::run(&ui, &arguments, &surroundings);
    ended
        .unwrap_or_else(|failure| {
            ui.failure(&failure);
            failure.exit
        })
        .into()
}

/// Help and version are answers; everything else that clap says is a mistake in the arguments.
fn refuse(refusal: &clap::Error) -> ExitCode {
    let exit = if refusal.use_stderr() { Exit::Wrong } else { Exit::Done };
    drop(refusal.print());
    exit.into()
}

/// The whole command line, for completions.
fn command_line() -> clap::Command {
    Arguments::command()
}
