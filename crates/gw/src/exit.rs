//! How a run ends: the exit code, and the failure that is told before it.

use std::{fmt, process::ExitCode};

use gw_control::store::StoreError;
use gw_model::code::Code;
use gw_plan::driver::TargetError;

use crate::config::Stop;

/// The exit codes. Scripts rely on them, so none ever changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// Failed for a reason nobody foresaw.
    Failed = 1,
    /// Declarations or arguments are wrong.
    Wrong = 2,
    /// A rule does not allow it.
    Denied = 3,
    /// Differences exist, and the command was asked to say so.
    Differs = 4,
    /// Stopped half way; what happened is recorded, and running it again continues.
    Half = 5,
    /// A target, a store or another party could not be reached.
    Unreachable = 6,
    /// The ledger, or a proof of it, does not verify.
    Unproven = 7,
    /// The person at the keyboard stopped it.
    Interrupted = 130,
    /// Whoever supervises it ended it before it was done.
    Terminated = 143,
}

impl Exit {
    /// How a command ends that had not come to its end.
    pub(crate) const fn unfinished(stop: Stop) -> Self {
        match stop {
            Stop::Keyboard => Self::Interrupted,
            Stop::Supervisor => Self::Terminated,
        }
    }

    /// How a command ends that runs until it is stopped: to a supervisor that is success.
    pub(crate) const fn stopped(stop: Stop) -> Self {
        match stop {
            Stop::Keyboard => Self::Interrupted,
            Stop::Supervisor => Self::Done,
        }
    }
}

impl From<&TargetError> for Exit {
    fn from(error: &TargetError) -> Self {
        match error {
            TargetError::Unreachable { .. } | TargetError::Busy { .. } => Self::Unreachable,
            TargetError::Moved { .. } => Self::Differs,
            TargetError::Foreign { .. } => Self::Denied,
            TargetError::Refused { .. }
            | TargetError::Differs { .. }
            | TargetError::Misbehaves { .. }
            | TargetError::Broken { .. } => Self::Failed,
        }
    }
}

impl From<&StoreError> for Exit {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Busy { .. }
            | StoreError::Fenced { .. }
            | StoreError::Unwitnessed { .. } => Self::Unreachable,
            StoreError::PlantedKey { .. }
            | StoreError::Distrusted { .. }
            | StoreError::Unbound { .. } => Self::Unproven,
            StoreError::Closed { .. }
            | StoreError::Newer { .. }
            | StoreError::Broken { .. }
            | StoreError::OtherKey
            | StoreError::Unwritable { .. } => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked. Told by `ui`, once, at the end.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) code: Option<Code>,
    pub(crate) message: String,
    pub(crate) notes: Vec<String>,
    /// Ways out, the best first.
    pub(crate) help: Vec<String>,
    pub(crate) fault: Fault,
}

/// Where it is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// In the files of the workspace, by saving them.
    Declarations,
    Elsewhere,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            code: None,
            message: message.into(),
            notes: vec![],
            help: vec![],
            fault: Fault::Elsewhere,
        }
    }

    /// What the reader wrote is wrong.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::new(Exit::Wrong, message)
    }

    #[must_use]
    pub(crate) fn coded(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    #[must_use]
    pub(crate) fn in_declarations(mut self) -> Self {
        self.fault = Fault::Declarations;
        self
    }

    #[must_use]
    pub(crate) fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    #[must_use]
    pub(crate) fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
