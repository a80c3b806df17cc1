//! `Environment`: targets, secret store, and who may change it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    api::Claims,
    id::{ApiName, EnvironmentName, IdentityName, SecretName, TargetName},
    scalar::Period,
    source::Origin,
    workspace::Identity,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvironmentSpec {
    /// Plain strings, used as `${env.NAME}`.
    pub values: BTreeMap<String, String>,
    pub targets: BTreeMap<TargetName, Target>,
    pub secrets: Option<Secrets>,
    /// Hosts that upstreams here may have, beyond public names.
    pub egress: Vec<HostPattern>,
    pub changes: Vec<ChangeRule>,
    /// Replaces an identity of that name in this environment only.
    pub identities: BTreeMap<IdentityName, Identity>,
    pub drift: Drift,
    /// `None`: plan on `pullRequest`.
    pub on: Option<Vec<Release>>,
    pub deletions: Deletions,
    pub accept: Vec<Accept>,
    pub notify: Vec<Notify>,
}

/// One gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Target {
    Builtin(Builtin),
    Apim(Apim),
    Tyk(Tyk),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Builtin {
    /// Address and port that callers use.
    pub listen: Option<String>,
    pub replicas: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apim {
    /// The ARM id of the instance.
    pub service: String,
    pub gateways: Vec<String>,
    pub host: Option<String>,
    pub portal: Portal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Portal {
    Publish,
    #[default]
    Keep,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tyk {
    pub url: String,
    pub organization: Option<String>,
    pub credential: SecretName,
    pub kind: TykKind,
    pub secrets: Option<TykSecrets>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TykKind {
    #[default]
    Gateway,
    Dashboard,
}

/// How Tyk itself reads secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum TykSecrets {
    Env { prefix: Option<String> },
    File { directory: String },
    Vault { mount: String },
    Consul { prefix: Option<String> },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secrets {
    pub store: SecretStore,
    /// Name of the secret to its name in the store.
    pub names: BTreeMap<SecretName, String>,
    pub max_age: Option<Period>,
    pub allow: Vec<SecretAllowance>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum SecretStore {
    AzureKeyVault { url: String },
    HashicorpVault { address: String, mount: String },
    AwsSecretsManager { region: String },
    Kubernetes {},
    Files { directory: String },
    Environment { prefix: Option<String> },
}

/// Which API may send which secret to which host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretAllowance {
    /// Secret names; `*` stands for any part.
    pub names: Vec<String>,
    pub apis: Vec<ApiName>,
    pub hosts: Vec<HostPattern>,
}

/// A host, or a glob of host names or addresses: `*.internal`, `10.0.0.*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostPattern(pub String);

/// Who may change this environment, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeRule {
    pub at: Origin,
    pub actions: Vec<ChangeAction>,
    pub identities: Vec<IdentityName>,
    pub claims: Claims,
    pub commit: Option<CommitRule>,
    pub hours: Option<Hours>,
    /// Whether this rule also allows a plan that deletes.
    pub deletes: bool,
    pub owner: Option<String>,
    pub because: Option<String>,
    /// A Cedar condition.
    pub when: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ChangeAction {
    View,
    Plan,
    Approve,
    Apply,
    Rollback,
    Rotate,
    AcceptDrift,
    BreakGlass,
}

impl ChangeAction {
    pub const ALL: [Self; 8] = [
        Self::View,
        Self::Plan,
        Self::Approve,
        Self::Apply,
        Self::Rollback,
        Self::Rotate,
        Self::AcceptDrift,
        Self::BreakGlass,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Plan => "plan",
            Self::Approve => "approve",
            Self::Apply => "apply",
            Self::Rollback => "rollback",
            Self::Rotate => "rotate",
            Self::AcceptDrift => "acceptDrift",
            Self::BreakGlass => "breakGlass",
        }
    }
}

/// Facts that are checked in the Git host, never taken from a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitRule {
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub approvals: Option<u8>,
    pub signed: Option<bool>,
    pub verified_in: Vec<EnvironmentName>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hours {
    pub days: Vec<Day>,
    /// `HH:MM`.
    pub from: String,
    /// `HH:MM`, up to `24:00`.
    pub to: String,
    /// An IANA name.
    pub zone: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    pub every: Period,
    pub then: DriftThen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DriftThen {
    #[default]
    Report,
    Revert,
}

/// What a release event does, done as the reserved identity `server`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    pub event: ReleaseEvent,
    pub branch: Option<String>,
    pub tag: Option<String>,
    #[serde(rename = "do")]
    pub then: ReleaseAction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseEvent {
    Push,
    Tag,
    PullRequest,
    Merge,
    Decline,
    Pipeline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReleaseAction {
    Plan,
    Apply,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Deletions {
    pub mode: DeletionMode,
    /// More deleted objects than this, and more than one in ten, needs one approval more.
    pub ceiling: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeletionMode {
    /// Beats every rule.
    Refuse,
    #[default]
    ByRule,
}

/// A named difference between targets that somebody takes upon himself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accept {
    pub code: String,
    pub target: Option<TargetName>,
    pub because: String,
    pub until: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    pub channel: Channel,
    pub on: Vec<Notice>,
}

/// A channel of the server's settings, by its name there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Channel {
    Webhook(String),
    Email(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Notice {
    Denied,
    Drift,
    Waiting,
    Failed,
    RotationDue,
}
