//! What somebody asks a server to do to an environment.

use std::collections::BTreeSet;

use gw_model::{
    environment::ChangeAction,
    id::{ApiName, EnvironmentName},
};
use serde::{Deserialize, Serialize};

use crate::{asker::Asker, glass::Glass};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub environment: EnvironmentName,
    /// Who asks, by a proof that was good when it was asked.
    pub asker: Asker,
    pub wanted: Wanted,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Wanted {
    /// Puts a commit in force, or the plan of it that was shown.
    Apply {
        commit: String,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        only: BTreeSet<ApiName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        plan: Option<String>,
    },
    /// Puts a commit in force without what an ordinary apply needs.
    BreakGlass {
        commit: String,
        #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
        only: BTreeSet<ApiName>,
        glass: Glass,
    },
    /// Tries the table of access on what is in force.
    Test,
    /// Goes back to the state that a change left.
    Rollback {
        to: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Gives up a change that stopped half way.
    Abandon,
}

impl Wanted {
    /// What the rules are asked about it.
    pub const fn action(&self) -> ChangeAction {
        match self {
            Self::Apply { .. } => ChangeAction::Apply,
            Self::BreakGlass { .. } => ChangeAction::BreakGlass,
            Self::Test => ChangeAction::Plan,
            // Who may go back may give up what stopped half way.
            Self::Rollback { .. } | Self::Abandon => ChangeAction::Rollback,
        }
    }
}
