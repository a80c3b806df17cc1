//! What is asked for, and every fact that a rule may look at.

use std::collections::BTreeSet;

use gw_model::{
    environment::ChangeAction,
    id::{ApiName, EnvironmentName, PersonName, SecretName, TeamName},
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::principal::Caller;

/// Who asks for what, when, and what the Git host says about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asked {
    pub action: ChangeAction,
    pub actor: Caller,
    /// Nobody could be asked, or the files are not those of a commit: `None`.
    pub commit: Option<CommitFacts>,
    pub approvers: BTreeSet<PersonName>,
    pub approver_teams: BTreeSet<TeamName>,
    pub authors: BTreeSet<PersonName>,
    /// The smallest count over all that the change touches; of a change that touches nothing, the
    /// largest number there is.
    pub approvals: u32,
    /// Where the same source was verified.
    pub verified_in: BTreeSet<EnvironmentName>,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Facts about a commit, as the Git host reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitFacts {
    pub sha: String,
    pub branches: BTreeSet<String>,
    pub tags: BTreeSet<String>,
    /// By a key that the workspace lists for a person.
    pub signed: bool,
    /// Why it is not, where it carries a signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<String>,
}

/// What the change would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanFacts {
    pub creates: u64,
    pub updates: u64,
    pub deletes: u64,
    /// Objects that are live before the change, for the ceiling of deletions.
    pub objects: u64,
    pub widens_access: bool,
    pub narrows_access: bool,
    pub loosens_limits: bool,
    pub loosens_validation: bool,
    /// APIs whose backend moves to another host.
    pub moves_hosts: BTreeSet<ApiName>,
    /// Secrets that some API would send for the first time.
    pub binds_secrets: BTreeSet<SecretName>,
    pub uses_native: bool,
    pub touches_change_rules: bool,
    pub apis: BTreeSet<ApiName>,
}
