//! Why somebody did not get what he wanted of an environment.

use std::fmt;

use gw_model::{code::Code, id::TargetName};
use gw_plan::driver::TargetError;
use gw_policy::change::ChangeDenial;

use crate::{apply::Halt, store::StoreError};

#[derive(Debug)]
pub enum EngineError {
    Store(StoreError),
    /// A target did not say how it is.
    Target(TargetError),
    /// It is not a built-in target.
    OnlyBuiltin {
        target: TargetName,
    },
    /// What is declared cannot be done on these targets; the plan says why.
    Errors,
    Denied(Box<ChangeDenial>),
    /// The state was rolled back and nothing newer was applied since.
    Held {
        number: u64,
    },
    /// Another change has to end first.
    HalfWay {
        number: u64,
    },
    NoChange {
        number: u64,
    },
    Halt(Halt),
}

impl EngineError {
    pub(crate) fn broken(error: &impl fmt::Display) -> Self {
        Self::Store(StoreError::Broken { reason: error.to_string() })
    }

    /// The code; none where the plan itself tells what is wrong.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Store(error) | Self::Halt(Halt::Store(error)) => Some(error.code()),
            Self::Target(error) | Self::Halt(Halt::NotBegun(error)) => Some(error.code()),
            Self::OnlyBuiltin { .. } | Self::Halt(Halt::NoDriver(_)) => Some(Code::OnlyBuiltin),
            Self::Errors => None,
            Self::Denied(_) => Some(Code::ChangeDenied),
            Self::Held { .. } => Some(Code::StateHeld),
            Self::HalfWay { .. } | Self::Halt(Halt::TooLate) => Some(Code::HalfWay),
            Self::NoChange { .. } => Some(Code::NoSuchChange),
            Self::Halt(Halt::HalfWay { error, .. }) => Some(error.code()),
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => write!(f, "{error}"),
            Self::Target(error) => write!(f, "{error}"),
            Self::OnlyBuiltin { target } => {
                write!(
                    f,
                    "target `{target}` is not built in, and without a server only those are written"
                )
            }
            Self::Errors => f.write_str("what is declared cannot be done on this target"),
            Self::Denied(denial) => f.write_str(&denial.why),
            Self::Held { number } => write!(
                f,
                "this is the state of change {number}, which was rolled back; it is held until another \
                 state is applied"
            ),
            Self::HalfWay { number } => write!(f, "change {number} stopped half way"),
            Self::NoChange { number } => {
                write!(f, "there is no change {number} that took effect here")
            }
            Self::Halt(halt) => write!(f, "{halt}"),
        }
    }
}

impl std::error::Error for EngineError {}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Halt> for EngineError {
    fn from(halt: Halt) -> Self {
        Self::Halt(halt)
    }
}
