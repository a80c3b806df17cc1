//! Why a server did not do what it was asked or told to, and what follows from that.

use std::fmt;

use gw_model::{
    code::Code,
    diagnostic::{Diagnostic, Severity},
    id::{ApiName, EnvironmentName},
    source::Sources,
};
use gw_plan::{
    driver::Class,
    plan::{EffectMoved, Note},
};

use crate::{
    apply::Halt, engine::EngineError, host::HostError, ledger::LedgerError, notify::NotifyError,
    source::git::GitError, store::StoreError,
};

#[derive(Debug)]
pub enum Stop {
    Source(GitError),
    Host(HostError),
    Store(StoreError),
    Ledger(LedgerError),
    Engine(EngineError),
    /// The declarations of a commit are wrong.
    Wrong {
        commit: String,
        found: Vec<Diagnostic>,
        sources: Sources,
    },
    /// What a commit declares is for another repository or another workspace.
    Foreign {
        commit: String,
        what: &'static str,
        declared: String,
        ours: String,
    },
    /// Channels that did not take what they were to be told.
    Untold(Vec<NotifyError>),
    /// A target cannot do what is declared; what its plan says first.
    Unfit(Note),
    /// Nobody can speak to a target.
    Target(Box<Diagnostic>),
    NoEnvironment {
        commit: String,
        environment: EnvironmentName,
    },
    /// What a target holds cannot be put into the words of a declaration.
    Unwritable {
        what: String,
    },
    /// Nothing that is meant has this name.
    NoApi {
        name: ApiName,
        declared: Vec<ApiName>,
    },
    NoReference {
        name: String,
    },
    NoPlan {
        id: String,
    },
    /// The commit in force is not before the one that is to follow it.
    Rewritten {
        commit: String,
        in_force: String,
    },
    /// What was shown is not what would be done.
    Moved(EffectMoved),
    /// Somebody else works on the environment.
    Occupied {
        environment: EnvironmentName,
    },
    /// The same difference was put back too often: somebody else wants it otherwise.
    Fought {
        environment: EnvironmentName,
        times: u64,
    },
}

/// How soon whoever waits for a lease looks again.
const OCCUPIED_MS: u64 = 1_000;

impl Stop {
    /// What comes next.
    pub fn class(&self) -> Class {
        match self {
            Self::Source(error) => error.class(),
            Self::Host(error) => error.class(),
            // A disk that is full may have room again.
            Self::Store(StoreError::Closed { .. } | StoreError::Broken { .. })
            | Self::Ledger(LedgerError::Write { .. } | LedgerError::Store(_)) => Class::Wait,
            Self::Occupied { .. }
            | Self::Store(StoreError::Busy { .. } | StoreError::Fenced { .. }) => {
                Class::Retry { after_ms: OCCUPIED_MS }
            }
            Self::Engine(EngineError::Store(_) | EngineError::Halt(Halt::Store(_))) => Class::Wait,
            Self::Engine(
                EngineError::Target(error)
                | EngineError::Halt(Halt::NotBegun(error) | Halt::HalfWay { error, .. }),
            ) => error.class(),
            Self::Engine(_)
            | Self::Store(_)
            | Self::Ledger(_)
            | Self::Wrong { .. }
            | Self::Foreign { .. }
            | Self::Target(_)
            | Self::Unfit(_)
            | Self::Untold(_)
            | Self::NoEnvironment { .. }
            | Self::Unwritable { .. }
            | Self::NoApi { .. }
            | Self::NoReference { .. }
            | Self::NoPlan { .. }
            | Self::Rewritten { .. }
            | Self::Moved(_)
            | Self::Fought { .. } => Class::Human,
        }
    }

    /// The commit that it is about.
    pub fn commit(&self) -> Option<&str> {
        match self {
            Self::Wrong { commit, .. }
            | Self::Foreign { commit, .. }
            | Self::NoEnvironment { commit, .. }
            | Self::Rewritten { commit, .. } => Some(commit),
            _ => None,
        }
    }

    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Source(error) => Some(error.code()),
            Self::Host(error) => Some(error.code()),
            Self::Store(error) => Some(error.code()),
            Self::Ledger(error) => Some(error.code()),
            Self::Engine(error) => error.code(),
            Self::Wrong { found, .. } => found
                .iter()
                .find(|found| found.severity() == Severity::Error)
                .map(|found| found.code),
            Self::Target(found) => Some(found.code),
            Self::Unfit(note) => note.code.parse().ok(),
            Self::Untold(_) => None,
            Self::Foreign { .. } => Some(Code::SourceForeign),
            Self::NoEnvironment { .. } => Some(Code::NoEnvironment),
            Self::Unwritable { .. } => Some(Code::DriftUnwritable),
            Self::NoApi { .. } => Some(Code::UnknownName),
            Self::NoReference { .. } => Some(Code::NoReference),
            Self::NoPlan { .. } => Some(Code::NoSuchPlan),
            Self::Rewritten { .. } => Some(Code::HistoryRewritten),
            Self::Moved(_) => Some(EffectMoved::CODE),
            Self::Occupied { .. } => Some(Code::EnvironmentOccupied),
            Self::Fought { .. } => Some(Code::DriftFight),
        }
    }

    /// The way out, where there is more to say than the message.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Host(error) => return error.help(),
            Self::Engine(EngineError::Denied(denial)) => denial.cure.clone(),
            Self::Engine(EngineError::Held { number }) => format!(
                "change the declarations, then apply; to have just that state again: \
                 `gatewright rollback --to {number}`"
            ),
            Self::Engine(
                EngineError::Target(error)
                | EngineError::Halt(Halt::NotBegun(error) | Halt::HalfWay { error, .. }),
            ) => error.help().to_owned(),
            Self::Unfit(note) if !note.help.is_empty() => note.help.join("; "),
            Self::Wrong { .. } | Self::Unfit(_) => "mend what is named, and push it".to_owned(),
            Self::Foreign { .. } => {
                "each repository has a server of its own: mend the declaration or the settings"
                    .to_owned()
            }
            Self::Rewritten { .. } => {
                "push a commit that has the one in force behind it; to go back on purpose: \
                 `gatewright rollback`"
                    .to_owned()
            }
            Self::Unwritable { .. } => {
                "write it into the declarations by hand; or have it put back by the commit in force: \
                 `gatewright apply --commit HASH`"
                    .to_owned()
            }
            Self::NoApi { declared, .. } => {
                let names: Vec<&str> = declared.iter().map(ApiName::as_str).collect();
                format!("declared are: {}", names.join(", "))
            }
            Self::Moved(_) => "look at a new plan: `gatewright plan`".to_owned(),
            Self::Fought { .. } => {
                "find out who else changes the target, then apply; until then nothing is put back"
                    .to_owned()
            }
            _ => return None,
        })
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "{error}"),
            Self::Host(error) => write!(f, "{error}"),
            Self::Store(error) => write!(f, "{error}"),
            Self::Ledger(error) => write!(f, "{error}"),
            Self::Engine(error) => write!(f, "{error}"),
            Self::Wrong { commit, found, .. } => {
                let errors = found.iter().filter(|it| it.severity() == Severity::Error);
                let first = errors.clone().next().map(|it| it.message.clone()).unwrap_or_default();
                let commit = short(commit);
                match errors.count() {
                    1 => write!(f, "the declarations of commit {commit} are wrong: {first}"),
                    more => write!(
                        f,
                        "the declarations of commit {commit} have {more} errors; the first: {first}"
                    ),
                }
            }
            Self::Target(found) => f.write_str(&found.message),
            Self::Unfit(note) => match &note.at {
                Some(at) => write!(f, "{}: {}", at, note.text),
                None => f.write_str(&note.text),
            },
            Self::Untold(failed) => {
                let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
                f.write_str(&failed.join("; "))
            }
            Self::Foreign { commit, what, declared, ours } => {
                let commit = short(commit);
                write!(
                    f,
                    "commit {commit} declares {what} `{declared}`, this server is for `{ours}`"
                )
            }
            Self::NoEnvironment { commit, environment } => {
                write!(f, "commit {} declares no environment `{environment}`", short(commit))
            }
            Self::Unwritable { what } => write!(f, "no file can be edited so that it says {what}"),
            Self::NoApi { name, .. } => write!(f, "no API is called `{name}`"),
            Self::NoReference { name } => write!(f, "the repository has no `{name}`"),
            Self::NoPlan { id } => write!(f, "there is no plan `{id}`"),
            Self::Rewritten { commit, in_force } => write!(
                f,
                "commit {} does not come after {}, which is in force: history was rewritten, or an \
                 older commit is meant",
                short(commit),
                short(in_force)
            ),
            Self::Moved(moved) => write!(f, "{moved}"),
            Self::Occupied { environment } => {
                write!(f, "somebody else works on {environment} now")
            }
            Self::Fought { environment, times } => write!(
                f,
                "the same difference was put back in {environment} {times} times and came again"
            ),
        }
    }
}

impl std::error::Error for Stop {}

/// As much of a commit's name as people read.
pub fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

macro_rules! from {
    ($($error:ident => $variant:ident),+) => {$(
        impl From<$error> for Stop {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )+};
}

from! {
    GitError => Source, HostError => Host, StoreError => Store, LedgerError => Ledger,
    EngineError => Engine, EffectMoved => Moved
}
