//! What callers will notice, line by line, and the facts that rules may ask for.
//!
//! Compares what was last applied with what is declared. Whatever is not access or a limit is told
//! as well, because a reviewer should not have to read objects to learn it.

mod access;
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
use time::Date;

use self::settings::Side;
pub use self::table::{AccessRow, AccessTable, Cell};
pub(crate) use self::{access::fold, rules::parts};

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
    pub at: Option<Origin>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// An operation that asked for proof asks for none any more, or never will.
    Public,
    Widen,
    Narrow,
    LoosenLimit,
    TightenLimit,
    LoosenValidation,
    TightenValidation,
    MoveHost,
    BindSecret,
    Native,
    /// Who may change what, from the next change on.
    Rules,
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
            Self::Public
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
        noticed
            .notices
            .sort_by(|one, other| (&one.api, one.effect).cmp(&(&other.api, other.effect)));
        noticed
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
            Effect::BindSecret
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
            at: at.cloned(),
        });
    }

    fn binds(&mut self, secret: &SecretName) {
        self.facts.binds_secrets.insert(secret.clone());
    }
}

#[cfg(test)]
mod tests;
