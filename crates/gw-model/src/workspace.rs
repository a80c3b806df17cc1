//! `Workspace`: where the code lives and how callers prove who they are. One per repository.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    api::Claims,
    id::{IdentityName, PersonName, SecretName, TeamName},
    scalar::Period,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkspaceSpec {
    /// The version range of the tool.
    pub requires: Option<String>,
    /// Globs of declaration files.
    pub files: Vec<String>,
    pub source: Source,
    pub delivery: Option<Delivery>,
    pub identities: BTreeMap<IdentityName, Identity>,
    pub people: BTreeMap<PersonName, Person>,
    pub teams: BTreeMap<TeamName, Team>,
    /// Globs of Cedar files.
    pub policies: Vec<String>,
}

/// Who answers for facts about a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Source {
    Bitbucket {
        repository: String,
        repository_uuid: String,
        workspace_uuid: String,
    },
    BitbucketDataCenter {
        url: String,
        project: String,
        repository: String,
    },
    Github {
        repository: String,
        repository_id: String,
    },
    Gitlab {
        url: String,
        project: String,
        project_id: String,
    },
    /// A folder on this machine; nobody can be asked for approvals.
    Local {},
}

/// How the bytes arrive, where not by Git from the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Delivery {
    Flux { kind: FluxKind, name: String, path: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FluxKind {
    GitRepository,
    #[serde(rename = "OCIRepository")]
    OciRepository,
    Bucket,
}

/// A named, verified way of proving who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Identity {
    Oidc(Oidc),
    BitbucketPipelines {
        audience: String,
        repositories: Vec<String>,
    },
    SignedWebhook {
        provider: WebhookProvider,
        header: Option<String>,
        secret: SecretName,
        remember: Period,
    },
    ClientCertificate {
        authorities: Vec<SecretName>,
    },
    AwsIam {
        audience: String,
        accounts: Vec<String>,
        arns: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub audiences: Vec<String>,
    /// The claim that names the caller.
    pub subject: String,
    /// What this issuer signs with; never taken from the token.
    pub algorithms: Vec<Algorithm>,
    pub clock_skew: Period,
    /// Claim name to its path in the token.
    pub rename: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "RS384")]
    Rs384,
    #[serde(rename = "RS512")]
    Rs512,
    #[serde(rename = "PS256")]
    Ps256,
    #[serde(rename = "PS384")]
    Ps384,
    #[serde(rename = "PS512")]
    Ps512,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "ES384")]
    Es384,
    #[serde(rename = "ES512")]
    Es512,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookProvider {
    BitbucketCloud,
    BitbucketDataCenter,
    Github,
    Gitlab,
    Generic,
}

/// One person's accounts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Person {
    pub bitbucket: Option<String>,
    pub github: Option<String>,
    pub gitlab: Option<String>,
    /// Identity name to this person's subject there.
    pub subjects: BTreeMap<IdentityName, String>,
    /// Only these keys count for `commit.signed`.
    pub signing_keys: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Team {
    People(Vec<PersonName>),
    /// Whoever this identity proves to hold these claims.
    Holders {
        identity: IdentityName,
        claims: Claims,
    },
}
