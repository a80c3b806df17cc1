//! What became of something that a server was asked or told to do: for whoever asked, and for the
//! queue that remembers it.

use gw_plan::driver::{Class, TargetError};
use serde::{Deserialize, Serialize};

use crate::{
    apply::{Executed, Halt},
    engine::{Applied, EngineError},
    source::git::GitError,
    stop::Stop,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    pub end: End,
    /// In one sentence.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
}

/// How it ended; each is an exit code of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    Done,
    Failed,
    /// What is declared or asked for is wrong.
    Wrong,
    Denied,
    /// What was shown is not what would be done.
    Differs,
    /// It stopped half way; the same again continues.
    Half,
    /// Somebody could not be reached.
    Unreachable,
    /// The ledger does not verify.
    Unproven,
}

impl Answer {
    pub fn new(end: End, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { end, text, code: None, help: None, change: None, plan: None, decision: None }
    }

    pub fn done(text: impl Into<String>) -> Self {
        Self::new(End::Done, text)
    }

    /// What an apply or a rollback led to.
    pub fn applied(verb: &str, applied: &Applied) -> Self {
        let Applied { number, executed, before: _ } = applied;
        let (end, text) = match executed {
            Executed::Verified => (End::Done, format!("change {number} {verb} and verified")),
            Executed::Hindered(hindrances) => (
                End::Done,
                format!(
                    "change {number} {verb}; its rules are verified, but calls fail: {}",
                    hindrances.join("; ")
                ),
            ),
            Executed::Unproven(reason) => {
                (End::Unreachable, format!("change {number} {verb}, not verified: {reason}"))
            }
        };
        Self { change: Some(*number), ..Self::new(end, text) }
    }
}

impl From<&Stop> for Answer {
    fn from(stop: &Stop) -> Self {
        Self {
            code: stop.code().map(|code| code.to_string()),
            help: stop.help(),
            ..Self::new(end(stop), stop.to_string())
        }
    }
}

fn end(stop: &Stop) -> End {
    let target = |error: &TargetError| match error.class() {
        Class::Retry { .. } | Class::Wait => End::Unreachable,
        Class::Human => End::Failed,
    };
    match stop {
        Stop::Source(GitError::NoCommit { .. }) => End::Wrong,
        Stop::Source(_) | Stop::Host(_) | Stop::Occupied { .. } => match stop.class() {
            Class::Human => End::Failed,
            Class::Retry { .. } | Class::Wait => End::Unreachable,
        },
        Stop::Store(_) | Stop::Untold(_) => End::Failed,
        Stop::Ledger(_) => End::Unproven,
        Stop::Engine(error) => match error {
            EngineError::Store(_) | EngineError::Halt(Halt::Store(_)) => End::Failed,
            EngineError::Target(error) | EngineError::Halt(Halt::NotBegun(error)) => target(error),
            EngineError::OnlyBuiltin { .. }
            | EngineError::Errors
            | EngineError::NoChange { .. }
            | EngineError::Halt(Halt::NoDriver(_)) => End::Wrong,
            EngineError::Denied(_) | EngineError::Held { .. } => End::Denied,
            EngineError::HalfWay { .. }
            | EngineError::Halt(Halt::HalfWay { .. } | Halt::TooLate) => End::Half,
        },
        Stop::Wrong { .. }
        | Stop::Target(_)
        | Stop::Unfit(_)
        | Stop::Foreign { .. }
        | Stop::NoEnvironment { .. }
        | Stop::Unwritable { .. }
        | Stop::NoApi { .. }
        | Stop::NoReference { .. }
        | Stop::NoPlan { .. } => End::Wrong,
        Stop::Rewritten { .. } | Stop::Fought { .. } => End::Denied,
        Stop::Moved(_) => End::Differs,
    }
}
