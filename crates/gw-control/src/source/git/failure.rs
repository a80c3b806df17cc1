//! Why a repository could not be fetched or read, in the user's words, and what is to be done then.

use std::{fmt, time::Duration};

use gw_model::{code::Code, diagnostic::Diagnostic, terminal::Visible};
use gw_net::{address::Unreachable, client::FetchError};
use gw_plan::driver::Class;

use super::{address::AddressError, name::NameFlaw};

#[derive(Clone, Debug)]
pub enum GitError {
    Address(AddressError),
    /// It lies where connections must not go, or cannot be gone to safely.
    NotAllowed {
        why: String,
    },
    /// No connection, or it broke.
    Unreachable {
        why: String,
    },
    /// The host answers that it cannot answer.
    Unavailable {
        status: u16,
    },
    /// We ask too often.
    Busy {
        after: Option<Duration>,
    },
    TooSlow {
        limit: Duration,
    },
    /// The credential is not, or no longer, good for this repository.
    Denied {
        why: String,
    },
    /// There is no such repository for us.
    Missing,
    /// The host sends us elsewhere.
    Moved {
        to: Option<String>,
    },
    /// The host's key is not among those that are known.
    UnknownHost,
    /// It does not speak Git, or in a way that we do not.
    NotGit {
        why: &'static str,
    },
    /// The host itself says what is wrong.
    Said {
        what: String,
    },
    /// What came is not whole.
    Broken {
        why: String,
    },
    /// The host keeps back a part of the history.
    Shallow,
    TooLarge(Excess),
    NoCommit {
        name: String,
    },
    /// Somewhere in the files of a commit is what has no place in a workspace.
    Files {
        commit: String,
        found: Vec<Found>,
    },
    /// Our own copy on disk.
    Copy {
        why: String,
    },
}

/// What is too much, and how much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    Pack { limit: u64 },
    Repository { limit: u64 },
    Object { limit: u64 },
    Chain { limit: u64 },
    Objects { limit: u64 },
    Commits { limit: usize },
    Announcement { limit: u64 },
}

/// Something in the files of a commit, by its path: what is hidden in that is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub path: String,
    pub flaw: Flaw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    Link,
    Submodule,
    /// An entry of a kind that Git does not know.
    Kind,
    Name(NameFlaw),
    /// Some systems take its name for that of another.
    SameAs {
        other: String,
    },
    TooDeep {
        limit: usize,
    },
    TooMany {
        limit: usize,
    },
    /// The object of a folder is missing or is not one.
    Unreadable,
}

/// The host wants us to wait, and does not say how long.
const POLITE_MS: u64 = 60_000;

impl GitError {
    /// What comes next: to ask again later each time, when the host said, or when a person did
    /// something.
    pub fn class(&self) -> Class {
        match self {
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::TooSlow { .. }
            | Self::Said { .. }
            | Self::Broken { .. } => Class::Wait,
            Self::Busy { after } => {
                let after_ms = after.and_then(|after| u64::try_from(after.as_millis()).ok());
                Class::Retry { after_ms: after_ms.unwrap_or(POLITE_MS) }
            }
            Self::Address(_)
            | Self::NotAllowed { .. }
            | Self::Denied { .. }
            | Self::Missing
            | Self::Moved { .. }
            | Self::UnknownHost
            | Self::NotGit { .. }
            | Self::Shallow
            | Self::TooLarge(_)
            | Self::NoCommit { .. }
            | Self::Files { .. }
            | Self::Copy { .. } => Class::Human,
        }
    }

    /// Everything that is to be told, the whole first.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let Self::Files { commit, found } = self else {
            let told = Diagnostic::new(self.code(), self.to_string());
            return vec![match self.help() {
                Some(help) => told.help(help),
                None => told,
            }];
        };
        let tell = |found: &Found| {
            let told = Diagnostic::new(found.flaw.code(), found.to_string());
            told.note(format!("in commit {commit}")).help(found.flaw.help())
        };
        found.iter().map(tell).collect()
    }

    /// The code of the first thing that is told.
    pub fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::TooSlow { .. } => Code::SourceUnreachable,
            Self::Address(_)
            | Self::NotAllowed { .. }
            | Self::Denied { .. }
            | Self::Missing
            | Self::Moved { .. }
            | Self::UnknownHost => Code::SourceDenied,
            Self::NotGit { .. } | Self::Said { .. } | Self::Broken { .. } | Self::Shallow => {
                Code::SourceBroken
            }
            Self::TooLarge(_) => Code::SourceTooLarge,
            Self::NoCommit { .. } => Code::NoSuchCommit,
            Self::Files { found, .. } => {
                found.first().map_or(Code::SourceBroken, |found| found.flaw.code())
            }
            Self::Copy { .. } => Code::SourceCopy,
        }
    }

    fn help(&self) -> Option<&'static str> {
        Some(match self {
            Self::Address(AddressError::NotAUrl) => {
                "write it whole: `https://HOST/PATH.git` or `ssh://git@HOST/PATH.git`"
            }
            Self::NotAllowed { .. } => {
                "list the Git host among the hosts that may be reached, or have it speak TLS with a \
                 certificate of a known authority"
            }
            Self::Denied { .. } => {
                "give a token or key that may read this repository, and is not expired"
            }
            Self::Missing => {
                "check the address; hosts also answer so where the credential may not see it"
            }
            Self::Moved { .. } => {
                "declare the new address; where a host sends us is never followed"
            }
            Self::UnknownHost => {
                "compare the host's key with the one that it publishes, and add it to the file of \
                 known hosts"
            }
            Self::Shallow => "fetch from a repository that holds the whole history",
            Self::TooLarge(Excess::Object { .. } | Excess::Chain { .. }) => {
                "take the large file out of every commit of the branch and push it by force, or delete \
                 the branch; large files belong elsewhere"
            }
            Self::TooLarge(_) => "keep declarations in a repository of their own",
            Self::NoCommit { .. } => "it has to be on a branch or under a tag of this repository",
            Self::Copy { .. } => {
                "make room and see that the folder is ours; the copy can be deleted"
            }
            Self::Address(_)
            | Self::Unreachable { .. }
            | Self::Unavailable { .. }
            | Self::Busy { .. }
            | Self::TooSlow { .. }
            | Self::NotGit { .. }
            | Self::Said { .. }
            | Self::Broken { .. }
            | Self::Files { .. } => return None,
        })
    }

    /// Whether a branch or tag alone can bring this about, whatever the host is like.
    pub(super) const fn is_of_branch(&self) -> bool {
        matches!(
            self,
            Self::TooSlow { .. }
                | Self::Said { .. }
                | Self::Broken { .. }
                | Self::Shallow
                | Self::TooLarge(_)
        )
    }

    pub(super) fn broken(why: impl fmt::Display) -> Self {
        Self::Broken { why: why.to_string() }
    }

    pub(super) fn copy(error: impl fmt::Display) -> Self {
        Self::Copy { why: error.to_string() }
    }
}

impl Flaw {
    pub const fn code(&self) -> Code {
        match self {
            Self::Link | Self::Submodule | Self::Kind => Code::LinkInSource,
            Self::Name(_) => Code::HostileName,
            Self::SameAs { .. } => Code::NamesAlike,
            Self::TooDeep { .. } | Self::TooMany { .. } => Code::SourceTooLarge,
            Self::Unreadable => Code::SourceBroken,
        }
    }

    const fn help(&self) -> &'static str {
        match self {
            Self::Link => "put the file itself there: links are never followed",
            Self::Submodule => "copy its files into this repository: submodules are never fetched",
            Self::Kind => "make the entry anew with `git add`",
            Self::Name(_) | Self::SameAs { .. } => "rename it",
            Self::TooDeep { .. } | Self::TooMany { .. } => {
                "keep declarations in a repository of their own, or raise the limit in the settings"
            }
            Self::Unreadable => "see with `git fsck` what the repository lacks",
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::NotAllowed { why } => {
                write!(f, "the Git host is not gone to: {}", Visible(why))
            }
            Self::Unreachable { why } => {
                write!(f, "the Git host does not answer: {}", Visible(why))
            }
            Self::Unavailable { status } => {
                write!(f, "the Git host answers {status}: it cannot serve anybody now")
            }
            Self::Busy { .. } => f.write_str("the Git host wants to be asked less often"),
            Self::TooSlow { limit } => {
                write!(f, "the repository was not fetched within {} s", limit.as_secs_f32())
            }
            Self::Denied { why } => {
                write!(f, "the Git host refuses our credential: {}", Visible(why))
            }
            Self::Missing => f.write_str("the Git host knows no such repository"),
            Self::Moved { to: Some(to) } => {
                write!(f, "the Git host sends us elsewhere, to `{}`", Visible(to))
            }
            Self::Moved { to: None } => f.write_str("the Git host sends us elsewhere"),
            Self::UnknownHost => f.write_str("the key of the Git host is not one that is known"),
            Self::NotGit { why } => write!(f, "what answers is no Git host: {why}"),
            Self::Said { what } => write!(f, "the Git host says: {}", Visible(what)),
            Self::Broken { why } => {
                write!(f, "what the Git host sent is not whole: {}", Visible(why))
            }
            Self::Shallow => f.write_str("the Git host keeps back a part of the history"),
            Self::TooLarge(excess) => excess.fmt(f),
            Self::NoCommit { name } => {
                write!(f, "the repository has no commit `{}`", Visible(name))
            }
            Self::Files { commit, found } => match found.as_slice() {
                [first] => write!(f, "{first}, in commit {commit}"),
                [first, rest @ ..] => {
                    write!(f, "{first}, and {} more in commit {commit}", rest.len())
                }
                [] => write!(f, "commit {commit} cannot be read"),
            },
            Self::Copy { why } => {
                write!(f, "the copy of the repository on this machine fails: {why}")
            }
        }
    }
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pack { limit } => write!(f, "one fetch brings more than {}", Size(limit)),
            Self::Repository { limit } => {
                write!(f, "the repository is larger than {}", Size(limit))
            }
            Self::Object { limit } => {
                write!(f, "the repository holds an object of more than {}", Size(limit))
            }
            Self::Chain { limit } => write!(
                f,
                "the repository holds differences of differences that unpack to more than {}",
                Size(limit)
            ),
            Self::Objects { limit } => write!(f, "one fetch brings more than {limit} objects"),
            Self::Commits { limit } => write!(f, "the history has more than {limit} commits"),
            Self::Announcement { limit } => {
                write!(f, "the Git host says more than {} before it sends anything", Size(limit))
            }
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ", Visible(&self.path))?;
        match &self.flaw {
            Flaw::Link => f.write_str("is a symbolic link"),
            Flaw::Submodule => f.write_str("is a submodule"),
            Flaw::Kind => f.write_str("is neither a file nor a folder"),
            Flaw::Name(flaw) => flaw.fmt(f),
            Flaw::SameAs { other } => {
                write!(f, "and `{}` are one name to some systems", Visible(other))
            }
            Flaw::TooDeep { limit } => write!(f, "lies more than {limit} folders deep"),
            Flaw::TooMany { limit } => {
                write!(f, "is one of more than {limit} files and folders")
            }
            Flaw::Unreadable => f.write_str("is missing from the repository or is damaged"),
        }
    }
}

/// So many bytes, as people say it.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes >= 1 << 10 => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

impl std::error::Error for GitError {}

impl From<AddressError> for GitError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

impl From<Excess> for GitError {
    fn from(excess: Excess) -> Self {
        Self::TooLarge(excess)
    }
}

impl From<FetchError> for GitError {
    fn from(error: FetchError) -> Self {
        let why = error.to_string();
        match error {
            FetchError::NotAUrl
            | FetchError::Insecure
            | FetchError::NoClient(_)
            | FetchError::Unreachable(Unreachable::NotAllowed { .. }) => Self::NotAllowed { why },
            FetchError::Unreachable(Unreachable::NoAddress { .. })
            | FetchError::Timeout
            | FetchError::Connection(_)
            | FetchError::Status(_)
            | FetchError::TooLong { .. } => Self::Unreachable { why },
        }
    }
}
