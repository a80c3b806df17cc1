//! `Api`: what a team owns. Who may call it stands here and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::Date;

use crate::{
    id::{EnvironmentName, IdentityName, SecretName, TargetName},
    scalar::{ByteSize, Method, Period, Rate},
    source::Origin,
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiSpec {
    pub owner: Option<String>,
    pub openapi: FileRef,
    pub version: Option<Version>,
    pub targets: Vec<TargetName>,
    /// Empty: every environment.
    pub environments: Vec<EnvironmentName>,
    pub listen: Listen,
    pub upstream: Upstream,
    pub access: Vec<AccessRule>,
    pub limits: Vec<Limit>,
    pub cors: Option<Cors>,
    pub headers: Headers,
    pub validate: Validate,
    pub max_body: Option<ByteSize>,
    pub native: Native,
}

/// A file of the workspace, or a key of a ConfigMap beside the custom resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum FileRef {
    File(String),
    ConfigMap { name: String, key: String },
}

/// Versions of one API that live side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    pub set: String,
    pub name: String,
    #[serde(rename = "in")]
    pub place: VersionPlace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VersionPlace {
    Path,
    Header,
    Query,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    pub host: Option<String>,
    /// Stands in front of every path of the OpenAPI document.
    pub path: Option<String>,
    /// Whether the upstream is called without `path`.
    pub strip_path: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// A URL once values are filled in.
    pub url: String,
    pub timeout: Period,
    pub auth: Option<UpstreamAuth>,
    pub assertion: Option<Assertion>,
    pub health: Option<Health>,
    /// Whether the backend receives the caller's own `Authorization`.
    pub pass_authorization: bool,
}

/// How the gateway proves itself to the backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum UpstreamAuth {
    Header {
        name: String,
        prefix: String,
        secret: SecretName,
    },
    Basic {
        username: String,
        secret: SecretName,
    },
    ClientCertificate {
        secret: SecretName,
    },
    ManagedIdentity {
        audience: String,
    },
    ClientCredentials {
        token_url: String,
        client_id: String,
        secret: SecretName,
        scopes: Vec<String>,
    },
}

/// A short-lived token, signed by the gateway, that tells the backend who called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assertion {
    pub audience: String,
    pub header: String,
}

/// A GET operation that proves that the credential for the backend works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    pub operation: String,
}

/// One way in. It grants when every given part holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessRule {
    /// Where the rule was written.
    pub at: Origin,
    /// Neither methods nor operations: every operation.
    pub methods: Vec<Method>,
    pub operations: Vec<String>,
    pub who: Who,
    /// The date after which the rule no longer holds.
    pub until: Option<Date>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Who {
    /// Anyone at all, without proof.
    Public,
    Proven {
        identities: Vec<IdentityName>,
        claims: Claims,
        /// A Cedar condition.
        when: Option<String>,
    },
}

/// Claim name to accepted values: one value of each named claim must be held.
pub type Claims = BTreeMap<String, Vec<String>>;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limit {
    pub at: Origin,
    pub methods: Vec<Method>,
    pub operations: Vec<String>,
    pub rate: Rate,
    pub per: Per,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Per {
    Caller,
    Api,
    Ip,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cors {
    pub origins: Vec<String>,
    pub methods: Vec<Method>,
    pub headers: Vec<String>,
    pub credentials: bool,
    pub max_age: Option<Period>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Headers {
    pub request: HeaderEdits,
    pub response: HeaderEdits,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderEdits {
    pub set: BTreeMap<String, String>,
    pub remove: Vec<String>,
}

/// Whether requests are checked against the OpenAPI document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Validate {
    #[default]
    Off,
    Report,
    Enforce,
}

/// Raw configuration for one kind of target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Native {
    pub apim: Option<NativeApim>,
    pub tyk: Option<NativeTyk>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NativeApim {
    pub inbound: Option<FileRef>,
    pub outbound: Option<FileRef>,
    pub replaces: Vec<Portable>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NativeTyk {
    pub patch: Option<FileRef>,
    pub replaces: Vec<Portable>,
}

/// A portable part of an API that native configuration may take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Portable {
    Access,
    Limits,
    Cors,
    Headers,
    Validate,
    MaxBody,
    #[serde(rename = "upstream.auth")]
    UpstreamAuth,
    #[serde(rename = "upstream.timeout")]
    UpstreamTimeout,
}
