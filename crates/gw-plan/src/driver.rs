//! The driver port: everything that this program asks of a gateway that it manages.
//!
//! A driver is bound to one target of one environment. Making one does no I/O, so that the pure
//! half (`lower`, `canonical`, `steps`, `probes`) works offline. What an error leads to is decided
//! by its class, never by whoever called.

use std::{fmt, pin::Pin};

use gw_model::{
    code::Code, desired::Desired, diagnostic::Diagnostic, id::WorkspaceId, scalar::Method,
    secret::Redacted,
};
pub use gw_policy::generation::{Body, Object, ObjectKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;

use crate::{difference::Difference, digest::Digest};

/// What a driver will have done, or why not.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, TargetError>> + Send + 'a>>;

pub trait Driver: fmt::Debug + Send + Sync {
    /// The word that chooses this driver in an environment: `builtin`.
    fn kind(&self) -> &'static str;

    /// Which gateway it is, in words for people: `builtin gateway at 127.0.0.1:8080`.
    fn place(&self) -> String;

    /// The objects that make the target do what is declared. Pure.
    fn lower(&self, desired: &Desired) -> Lowered;

    /// What must hold where a target serves these objects, as far as they say it: the way back from
    /// `lower`. None: they do not say enough. Pure.
    fn raise(&self, objects: &[Object]) -> Option<Desired>;

    /// The form in which two bodies are compared: what means the same becomes the same. Pure.
    fn canonical(&self, object: &Object) -> Value;

    /// The steps that lead from what is to what shall be, in order. Pure.
    fn steps(&self, differences: &[Difference]) -> Vec<Step>;

    /// The calls whose answers show that the target does what is declared. Pure.
    fn probes(&self, desired: &Desired) -> Vec<Probe>;

    /// What the target holds now.
    fn observe(&self) -> Pending<'_, Observed>;

    /// Does one step, only while the condition holds. Doing it twice is as good as once.
    fn step<'a>(&'a self, order: Order<'a>) -> Pending<'a, ()>;

    /// Calls the target as a stranger would and reports what it answered.
    fn probe<'a>(&'a self, probe: &'a Probe) -> Pending<'a, Probed>;

    /// Has the target decide about whoever holds this token, and send nothing on. A target that cannot
    /// do that is not tried.
    fn call<'a>(
        &'a self,
        probe: &'a Probe,
        token: Option<&'a Redacted<String>>,
    ) -> Pending<'a, Probed> {
        let _asked = (probe, token);
        let because = "it does not tell what it decides about a call".to_owned();
        let error = TargetError::Broken { place: self.place(), because };
        Box::pin(std::future::ready(Err(error)))
    }

    /// Who made a difference behind our back, where the target knows.
    fn actor<'a>(&'a self, difference: &'a Difference) -> Pending<'a, Option<Actor>>;

    /// Every object on the target, ours or not.
    fn import(&self) -> Pending<'_, Vec<Object>>;
}

/// Objects, and what stands in the way of them. Nothing is dropped without a diagnostic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lowered {
    pub objects: Vec<Object>,
    pub diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observed {
    pub objects: Vec<Object>,
    /// Whose target it is; none: nobody's yet.
    pub owner: Option<WorkspaceId>,
    /// Changes whenever the target does; none: it holds nothing.
    pub version: Option<String>,
    pub served: Served,
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
}

/// How much an observation says about what callers meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Served {
    /// The running gateway said so itself.
    Live,
    /// It is what a gateway would serve if one ran.
    Stored,
}

/// A step, and everything that doing it takes.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    pub step: &'a Step,
    /// What the target holds after all steps.
    pub wanted: &'a [Object],
    pub stamp: &'a Stamp,
    pub condition: &'a Condition,
}

/// One thing to do to a target. It names objects and does not carry them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// Puts the whole new state beside the old one; callers do not see it yet.
    Stage,
    /// Makes one object in place what is wanted, for targets that cannot stage.
    Write { key: ObjectKey },
    /// Removes an object in place.
    Delete { key: ObjectKey },
    /// Makes the staged state the one that callers see.
    Switch,
    /// Removes what is no longer needed, not even to go back.
    Retire,
    /// Removes what was staged and never switched to.
    Abandon,
}

/// What a step leaves on the target: which change made this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stamp {
    pub change: u64,
    pub effect: Digest,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What must still be so on the target for a step to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// The version that was observed when the plan was made.
    pub version: Option<String>,
}

/// A call to the target that never reaches a backend unless it may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probe {
    /// In words: `no token`.
    pub name: String,
    pub method: Method,
    pub host: Option<String>,
    pub path: String,
    pub token: Token,
    pub expect: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Token {
    None,
    /// A well-formed token, properly signed by somebody whom nobody declared.
    OfAnotherIssuer,
    /// None: it is the gateway's own call of the operation that shows whether a backend works.
    Health,
    /// One that is handed along: the target says what it decides, and sends nothing on.
    Given,
}

/// What a right answer looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The gateway itself refuses the call with this.
    Status(u16),
    /// The gateway lets it through, whatever a backend then makes of it.
    LetThrough,
    /// A backend answers that all is well.
    Success,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Probed {
    pub status: u16,
    pub fate: Fate,
}

/// What became of a call, as the gateway itself says: a status alone may be a backend's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Fate {
    /// The gateway did not let it through.
    Refused,
    /// A backend answered it.
    Answered,
    /// The gateway let it through, and no answer of a backend came.
    Unanswered { because: String },
}

/// Who did something to a target, as the target knows him.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Actor {
    pub name: String,
    /// Where that is known from: `activity log`.
    pub source: String,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Why a target did not do, or did not say, what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// Nobody answers there.
    Unreachable { place: String, because: String },
    /// It is occupied and says when to come again.
    Busy { place: String, after_ms: u64 },
    /// It is not as it was when the plan was made.
    Moved { place: String, expected: Option<String>, found: Option<String> },
    /// It carries the mark of another workspace.
    Foreign { place: String, owner: String },
    /// It did not take what it was given; callers still meet the former state.
    Refused { place: String, because: String },
    /// What it serves is not what was written.
    Differs { place: String, objects: Vec<ObjectKey> },
    /// A probe was answered in another way than what is declared demands.
    Misbehaves { place: String, probe: String, expected: Answer, probed: Probed },
    /// What it holds cannot be understood or kept.
    Broken { place: String, because: String },
}

/// What an error leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The same again, not before so long.
    Retry { after_ms: u64 },
    /// Something else has to happen first; asking again later is right, at once is not.
    Wait,
    /// Somebody has to look.
    Human,
}

impl Observed {
    /// Nothing is there yet.
    pub fn nothing(read_at: OffsetDateTime) -> Self {
        Self { objects: vec![], owner: None, version: None, served: Served::Stored, read_at }
    }

    /// Only what carries our mark is ours to touch.
    pub fn admit(&self, workspace_id: &WorkspaceId, place: &str) -> Result<(), TargetError> {
        match &self.owner {
            Some(owner) if owner != workspace_id => {
                Err(TargetError::Foreign { place: place.to_owned(), owner: owner.to_string() })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Step {
    /// The word of the journal and of the terminal.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Write { .. } => "write",
            Self::Delete { .. } => "delete",
            Self::Switch => "switch",
            Self::Retire => "retire",
            Self::Abandon => "abandon",
        }
    }
}

impl Probe {
    /// Whether the target does what is declared. Where no backend answers what was let through, that
    /// is no fault of the change, and worth telling: then there are words.
    pub fn judge(&self, probed: &Probed, place: &str) -> Result<Option<String>, TargetError> {
        if self.expect.admits(probed) {
            return Ok(match &probed.fate {
                Fate::Unanswered { because } => Some(format!(
                    "`{self}` is let through, and calls get {}: {because}",
                    probed.status
                )),
                Fate::Refused | Fate::Answered => None,
            });
        }
        Err(TargetError::Misbehaves {
            place: place.to_owned(),
            probe: self.to_string(),
            expected: self.expect,
            probed: probed.clone(),
        })
    }
}

impl Answer {
    pub fn admits(self, probed: &Probed) -> bool {
        match self {
            Self::Status(expected) => probed.fate == Fate::Refused && probed.status == expected,
            Self::LetThrough => probed.fate != Fate::Refused,
            Self::Success => probed.fate == Fate::Answered && (200..300).contains(&probed.status),
        }
    }
}

impl TargetError {
    pub const fn class(&self) -> Class {
        match self {
            Self::Busy { after_ms, .. } => Class::Retry { after_ms: *after_ms },
            Self::Unreachable { .. } => Class::Wait,
            Self::Moved { .. }
            | Self::Foreign { .. }
            | Self::Refused { .. }
            | Self::Differs { .. }
            | Self::Misbehaves { .. }
            | Self::Broken { .. } => Class::Human,
        }
    }

    /// Whether the target may have done what it did not confirm.
    pub const fn may_have_acted(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Busy { .. }
            | Self::Moved { .. }
            | Self::Foreign { .. }
            | Self::Refused { .. }
            | Self::Differs { .. }
            | Self::Misbehaves { .. } => false,
        }
    }

    pub const fn code(&self) -> Code {
        match self {
            Self::Unreachable { .. } => Code::TargetUnreachable,
            Self::Busy { .. } => Code::TargetBusy,
            Self::Moved { .. } => Code::TargetMoved,
            Self::Foreign { .. } => Code::TargetOfAnother,
            Self::Refused { .. } => Code::TargetRefused,
            Self::Differs { .. } => Code::ReadBackDiffers,
            Self::Misbehaves { .. } => Code::ProbeFailed,
            Self::Broken { .. } => Code::TargetBroken,
        }
    }

    /// The way out.
    pub const fn help(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => {
                "start it, or start it again where its address changed; then run the same command again"
            }
            Self::Busy { .. } => "run the same command again in a moment",
            Self::Moved { .. } => "make a new plan and look at it",
            Self::Foreign { .. } => {
                "give this workspace a target of its own, or remove the other workspace from it"
            }
            Self::Refused { .. } => "mend what it names, then apply",
            Self::Differs { .. } | Self::Misbehaves { .. } => {
                "see `gatewright status`; going back is `gatewright rollback`"
            }
            Self::Broken { .. } => "see what the message names; nothing else was touched",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::LetThrough => f.write_str("let through"),
            Self::Success => f.write_str("an answer that all is well"),
        }
    }
}

impl fmt::Display for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, fate } = self;
        match fate {
            Fate::Refused => write!(f, "answered {status}"),
            Fate::Answered => write!(f, "let it through to a backend, which answered {status},"),
            Fate::Unanswered { .. } => f.write_str("let it through"),
        }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, method, host, path, token: _, expect: _ } = self;
        let host = host.as_deref().unwrap_or_default();
        write!(f, "{name}: {method} {host}{path}")
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "empty".into());
        match self {
            Self::Unreachable { place, because } => write!(f, "{place} does not answer: {because}"),
            Self::Busy { place, after_ms } => {
                write!(f, "{place} is busy and asks to be left alone for {after_ms} ms")
            }
            Self::Moved { place, expected, found } => write!(
                f,
                "{place} is no longer as in the plan: it was {}, it is {}",
                version(expected),
                version(found)
            ),
            Self::Foreign { place, owner } => {
                write!(f, "{place} belongs to another workspace, `{owner}`")
            }
            Self::Refused { place, because } => write!(f, "{place} refused it: {because}"),
            Self::Differs { place, objects } => {
                let names: Vec<_> = objects.iter().map(|key| format!("`{key}`")).collect();
                write!(f, "{place} does not serve what was written: {}", names.join(", "))
            }
            Self::Misbehaves { place, probe, expected, probed } => {
                write!(f, "{place} {probed} instead of {expected} to `{probe}`")
            }
            Self::Broken { place, because } => write!(f, "{place} cannot be used: {because}"),
        }
    }
}

impl std::error::Error for TargetError {}

/// Whether the target serves what was written: the one way to the word *verified*.
pub fn read_back(
    driver: &dyn Driver,
    wanted: &[Object],
    observed: &Observed,
) -> Result<(), TargetError> {
    // Where nothing is to be served, nobody has to be there to serve it.
    if observed.served == Served::Stored && !wanted.is_empty() {
        return Err(TargetError::Unreachable {
            place: driver.place(),
            because: "no gateway is running".to_owned(),
        });
    }
    let differences = crate::difference::compare(driver, wanted, wanted, &observed.objects);
    let objects: Vec<ObjectKey> = differences.into_iter().map(|it| it.key).collect();
    if objects.is_empty() {
        Ok(())
    } else {
        Err(TargetError::Differs { place: driver.place(), objects })
    }
}
