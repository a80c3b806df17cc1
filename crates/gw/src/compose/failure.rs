//! What a refusal of the engine means for whoever asked.

use gw_control::{
    apply::{Halt, Reach},
    engine::EngineError,
    ledger::LedgerError,
    store::{ActName, StoreError},
};
use gw_plan::driver::{Class, TargetError};

use crate::exit::{Exit, Failure};

const AGAIN: &str = "run the same command again to continue";
const GO_BACK: &str = "or go back to a change before it: `gatewright rollback --to NUMBER`";

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        let failure = Self::new(Exit::from(error), error.to_string()).coded(error.code());
        match error {
            StoreError::Unwritable { .. } => failure.help("give a shorter `--reason`"),
            StoreError::Busy { .. } => failure.help("wait until the other one ends, or stop it"),
            StoreError::Closed { .. } => failure.help(
                "see that the folder is there, that it is yours, and that it can be written to",
            ),
            StoreError::Broken { .. } => failure
                .help("put a copy of the state folder in its place; gateways serve on meanwhile"),
            StoreError::Unwitnessed { .. }
            | StoreError::Distrusted { .. }
            | StoreError::Unbound { .. } => {
                let way_out = format!("`gatewright explain {}` tells what to do", error.code());
                failure.note("nothing was changed").help(way_out)
            }
            _ => failure,
        }
    }
}

impl From<&LedgerError> for Failure {
    fn from(error: &LedgerError) -> Self {
        let exit = match error {
            LedgerError::Store(error) => Exit::from(error),
            LedgerError::Write { .. } => Exit::Failed,
            LedgerError::NoKey => Exit::Wrong,
            LedgerError::Restless => Exit::Unreachable,
            LedgerError::Read(_)
            | LedgerError::Checkpoint(_)
            | LedgerError::Ahead { .. }
            | LedgerError::Forked { .. }
            | LedgerError::Rewritten { .. }
            | LedgerError::Disputed { .. }
            | LedgerError::Misfit { .. } => Exit::Unproven,
        };
        Self::new(exit, error.to_string()).coded(error.code())
    }
}

impl From<&EngineError> for Failure {
    fn from(error: &EngineError) -> Self {
        let told = tell(error);
        match error.code() {
            Some(code) => told.coded(code),
            None => told,
        }
    }
}

fn tell(error: &EngineError) -> Failure {
    let untouched = |exit| Failure::new(exit, error.to_string()).note("nothing was written");
    match error {
        EngineError::Store(reason) | EngineError::Halt(Halt::Store(reason)) => {
            Failure::from(reason)
        }
        EngineError::Target(reason) | EngineError::Halt(Halt::NotBegun(reason)) => {
            untouched(Exit::from(reason)).help(reason.help())
        }
        EngineError::OnlyBuiltin { .. }
        | EngineError::Errors
        | EngineError::Halt(Halt::NoDriver(_)) => untouched(Exit::Wrong),
        EngineError::Denied(denial) => untouched(Exit::Denied).help(denial.cure.clone()),
        EngineError::Held { number } => untouched(Exit::Denied)
            .help("change the declarations, then apply")
            .help(format!("to have just that state again: `gatewright rollback --to {number}`")),
        EngineError::HalfWay { .. } => {
            Failure::new(Exit::Half, error.to_string()).help("`gatewright apply` continues it")
        }
        EngineError::NoChange { .. } => {
            Failure::wrong(error.to_string()).help("`gatewright history` lists them")
        }
        EngineError::Halt(Halt::HalfWay { step, reach, error: reason, .. }) => {
            half_way(Failure::new(Exit::Half, error.to_string()), *step, *reach, reason)
        }
        EngineError::Halt(Halt::TooLate) => Failure::new(Exit::Half, error.to_string())
            .help("`gatewright apply` continues it, or puts what you declare now in its place")
            .help(GO_BACK),
    }
}

fn half_way(failure: Failure, step: ActName, reach: Reach, reason: &TargetError) -> Failure {
    if matches!(step, ActName::ReadBack | ActName::Probe) {
        return failure
            .note("it is written, and not proved")
            .help("`gatewright apply` looks at it again")
            .help(reason.help());
    }
    let failure = failure.note(match reach {
        Reach::Former => "callers still meet the former state",
        Reach::New => "callers may meet the new state already",
    });
    let failure = match reason.class() {
        Class::Human if !reason.may_have_acted() => failure.help(
            "mend what it names in the declarations, then apply: that takes the place of this \
             change",
        ),
        Class::Retry { .. } => failure.help(reason.help()),
        Class::Human | Class::Wait => failure.help(reason.help()).help(AGAIN),
    };
    match reach {
        Reach::Former => failure.help("or give it up: `gatewright apply --abandon`"),
        Reach::New => failure.help(GO_BACK),
    }
}

#[cfg(test)]
mod tests;
