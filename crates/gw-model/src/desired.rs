//! What must hold in one environment: values filled in, overrides laid over, names resolved.
//!
//! This is the one input of policy, plan and drivers. It holds names of secrets, never values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    api::ApiSpec,
    environment::EnvironmentSpec,
    id::{ApiName, EnvironmentName, IdentityName, PersonName, TeamName, WorkspaceName},
    openapi::Operation,
    source::Origin,
    workspace::{Delivery, Identity, Person, Source, Team},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Desired {
    pub workspace: WorkspaceName,
    pub source: Source,
    #[serde(default)]
    pub intake: Intake,
    pub environment: EnvironmentName,
    pub spec: EnvironmentSpec,
    /// The workspace's identities as this environment replaces them.
    pub identities: BTreeMap<IdentityName, Identity>,
    pub people: BTreeMap<PersonName, Person>,
    pub teams: BTreeMap<TeamName, Team>,
    /// Only APIs that go to this environment.
    pub apis: BTreeMap<ApiName, Api>,
    pub policies: Vec<PolicyFile>,
}

/// Which files the workspace reads, and how they arrive. Who changes that changes what is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Intake {
    /// Globs of declarations.
    pub files: Vec<String>,
    /// Globs of Cedar files.
    pub policies: Vec<String>,
    pub delivery: Option<Delivery>,
}

/// An API in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    /// Where the declaration begins.
    pub at: Origin,
    pub spec: ApiSpec,
    /// Ordered by path, then method.
    pub operations: Vec<Operation>,
}

/// A `.cedar` file. It can only take access away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyFile {
    pub path: String,
    pub text: String,
}
