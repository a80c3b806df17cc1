//! What callers will notice, line by line, and the facts that rules may ask for.
//!
//! Compares what was last applied with what is declared. Whatever is not access or a limit is told
//! as well, because a reviewer should not have to read objects to learn it.

mod access;
pub(crate) mod drift;
mod limit;
mod rules;
mod settings;
mod table;

use gw_model::{
    api::Claims,
    desired::Desired,
    diagnostic::Diagnostic,
    id::{ApiName, IdentityName, SecretName},
    openapi::Operation,
    source::Origin,
};
use gw_policy::change::PlanFacts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Date;

use self::settings::Side;
pub use self::table::{AccessRow, AccessTable, Cell};
pub(crate) use self::{access::fold, rules::parts};
use crate::difference::{Leaf, in_words, leaves};

/// One thing that somebody will notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notice {
    pub effect: Effect,
    /// None: the environment as a whole.
    pub api: Option<ApiName>,
    /// With its path as callers use it; none: every operation of the API.
    pub operation: Option<Operation>,
    pub who: Option<Class>,
    pub text: String,
    /// Of something that is one thing before and another after.
    #[serde(default)]
    pub change: Option<Change>,
    #[serde(default)]
    pub cause: Cause,
    pub at: Option<Origin>,
}

/// Why something becomes different for callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// It is declared otherwise than it was.
    #[default]
    Declared,
    /// Somebody else changed the target, and that is put back.
    Drift,
}

/// Both sides in the words of the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    pub before: String,
    pub after: String,
}

/// The gravest first: in this order people read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// An operation that asked for proof asks for none any more, or never will.
    Public,
    BindSecret,
    Widen,
    MoveHost,
    Native,
    /// Who may change what, from the next change on.
    Rules,
    LoosenLimit,
    LoosenValidation,
    /// Where callers find something at all: an address that is listened at, a target more or less.
    Reach,
    Narrow,
    TightenLimit,
    TightenValidation,
    /// Anything else.
    Setting,
}

/// A class of callers, as data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Class {
    /// None: anyone, without proof.
    pub identity: Option<IdentityName>,
    pub claims: Claims,
    /// The whole of it in words, with conditions and dates.
    pub text: String,
}

/// Everything that differs between two states.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noticed {
    pub(crate) notices: Vec<Notice>,
    /// Counts of objects are not in it yet.
    pub(crate) facts: PlanFacts,
    pub(crate) diagnostics: Vec<Diagnostic>,
    /// Where it says everything that the notices about access say.
    pub(crate) access: Option<AccessTable>,
    /// Operations whose callers stay the same, and all of them.
    pub(crate) kept: Kept,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    pub unchanged: u64,
    pub all: u64,
}

impl Effect {
    /// Whether a reviewer must not overlook it.
    pub const fn is_risk(self) -> bool {
        match self {
            Self::Reach
            | Self::Public
            | Self::Widen
            | Self::LoosenLimit
            | Self::LoosenValidation
            | Self::MoveHost
            | Self::BindSecret
            | Self::Native
            | Self::Rules => true,
            Self::Narrow | Self::TightenLimit | Self::TightenValidation | Self::Setting => false,
        }
    }

    /// The mark at the end of a line.
    pub const fn mark(self) -> &'static str {
        match self {
            Self::Reach => "CHANGES REACH",
            Self::Public => "BECOMES PUBLIC",
            Self::Widen => "WIDENS ACCESS",
            Self::Narrow => "narrows access",
            Self::LoosenLimit => "LOOSER LIMIT",
            Self::LoosenValidation => "LOOSER VALIDATION",
            Self::MoveHost => "MOVES HOST",
            Self::BindSecret => "SENDS A SECRET",
            Self::Native => "NATIVE",
            Self::Rules => "CHANGES THE RULES",
            Self::TightenLimit | Self::TightenValidation | Self::Setting => "",
        }
    }
}

impl Notice {
    /// Whether callers have less than before, and nothing that is new to them.
    pub(crate) fn takes_away(&self) -> bool {
        match self.effect {
            Effect::Narrow | Effect::TightenLimit | Effect::TightenValidation => true,
            // An operation that nobody may call comes or goes.
            Effect::Setting => self.operation.is_some(),
            Effect::Public
            | Effect::BindSecret
            | Effect::Widen
            | Effect::MoveHost
            | Effect::Native
            | Effect::Rules
            | Effect::LoosenLimit
            | Effect::LoosenValidation
            | Effect::Reach => false,
        }
    }

    /// Where something is found comes first, then API by API.
    fn rank(&self) -> (bool, Option<&ApiName>, Effect) {
        (self.effect != Effect::Reach, self.api.as_ref(), self.effect)
    }
}

impl Change {
    /// What a list of plain values loses and gains.
    fn of_lists(before: &Value, after: &Value) -> Option<Self> {
        let (before, after) = (before.as_array()?, after.as_array()?);
        if before.iter().chain(after).any(|it| it.is_object() || it.is_array()) {
            return None;
        }
        let only = |some: &[Value], others: &[Value]| {
            let only = some.iter().filter(|it| !others.contains(it));
            let only: Vec<String> = only.map(|it| in_words(Some(it))).collect();
            if only.is_empty() { "none".to_owned() } else { only.join(", ") }
        };
        let change = Self { before: only(before, after), after: only(after, before) };
        (change.before != change.after).then_some(change)
    }
}

impl Noticed {
    pub(crate) fn compare(before: Option<&Desired>, after: &Desired, today: Date) -> Self {
        let mut noticed = Self::default();
        access::compare(before, after, today, &mut noticed);
        for (name, api) in &after.apis {
            let old = before.and_then(|before| Side::of(before, name));
            let new = Side { api, targets: &after.spec.targets };
            if old.is_some_and(|old| old == new) {
                continue;
            }
            if let Some(old) = old {
                limit::compare(name, old.api, api, &mut noticed);
            }
            settings::compare(name, old, new, &mut noticed);
        }
        rules::compare(before, after, &mut noticed);
        noticed.sort();
        noticed
    }

    pub(crate) fn sort(&mut self) {
        self.notices.sort_by(|one, other| one.rank().cmp(&other.rank()));
    }

    pub(crate) fn push(
        &mut self,
        effect: Effect,
        api: Option<&ApiName>,
        text: impl Into<String>,
        at: Option<&Origin>,
    ) {
        let facts = &mut self.facts;
        match effect {
            Effect::Public | Effect::Widen => facts.widens_access = true,
            Effect::Narrow => facts.narrows_access = true,
            Effect::LoosenLimit => facts.loosens_limits = true,
            Effect::LoosenValidation => facts.loosens_validation = true,
            Effect::MoveHost => facts.moves_hosts.extend(api.cloned()),
            Effect::Native => facts.uses_native = true,
            Effect::Rules => facts.touches_change_rules = true,
            Effect::Reach
            | Effect::BindSecret
            | Effect::TightenLimit
            | Effect::TightenValidation
            | Effect::Setting => {}
        }
        self.notices.push(Notice {
            effect,
            api: api.cloned(),
            operation: None,
            who: None,
            text: text.into(),
            change: None,
            cause: Cause::Declared,
            at: at.cloned(),
        });
    }

    /// The same, of something that is one thing before and another after.
    fn push_change(
        &mut self,
        effect: Effect,
        api: Option<&ApiName>,
        label: &str,
        change: Change,
        at: Option<&Origin>,
    ) {
        let text = format!("{label}  {} → {}", change.before, change.after);
        self.push(effect, api, text, at);
        if let Some(notice) = self.notices.last_mut() {
            notice.change = Some(change);
        }
    }

    /// Every place where two values disagree.
    fn push_leaves(
        &mut self,
        effect: Effect,
        api: Option<&ApiName>,
        label: &str,
        (before, after): (Value, Value),
        at: Option<&Origin>,
    ) {
        if let Some(change) = Change::of_lists(&before, &after) {
            return self.push_change(effect, api, label, change, at);
        }
        for Leaf { path, before, after } in leaves(&before, &after) {
            let dot = if path.is_empty() || path.starts_with('[') { "" } else { "." };
            let (before, after) = (in_words(before.as_ref()), in_words(after.as_ref()));
            let change = Change { before, after };
            self.push_change(effect, api, &format!("{label}{dot}{path}"), change, at);
        }
    }

    fn binds(&mut self, secret: &SecretName) {
        self.facts.binds_secrets.insert(secret.clone());
    }
}

#[cfg(test)]
mod tests;
