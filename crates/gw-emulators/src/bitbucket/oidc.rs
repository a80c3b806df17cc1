//! The identity that a step of a pipeline may prove: OpenID Connect, one issuer per workspace.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime};

use super::state::{Uuid, Workspace};
use crate::key::{Algorithm, Key};

/// How long the token of a step is good.
const LIFE: Duration = Duration::hours(1);

/// A step names this many audiences of its own, of this length.
const MOST_AUDIENCES: usize = 10;
const LONGEST_AUDIENCE: usize = 150;

/// The key of one workspace.
#[derive(Debug)]
pub(super) struct Issuer {
    key: Key,
}

/// For whom a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The workspace, by its resource identifier.
    Usual,
    /// One of the step's own, as a text.
    One(String),
    /// Several, as a list.
    Several(Vec<String>),
}

/// What the token of a step says.
#[derive(Clone, Debug)]
pub(super) struct Step<'a> {
    pub(super) repository: &'a Uuid,
    pub(super) pipeline: &'a Uuid,
    pub(super) step: &'a Uuid,
    pub(super) branch: Option<&'a str>,
    pub(super) environment: Option<&'a Uuid>,
}

impl Issuer {
    /// `None` when no key could be made.
    pub(super) fn generate() -> Option<Self> {
        Some(Self { key: Key::generate(Algorithm::Rs256)? })
    }

    pub(super) fn keys(&self) -> Value {
        json!({ "keys": [self.key.public()] })
    }

    /// `None` when the audiences are more, or longer, than a step may name.
    pub(super) fn token(
        &self,
        url: &str,
        workspace: &Workspace,
        step: &Step<'_>,
        audience: &Audience,
        now: OffsetDateTime,
    ) -> Option<String> {
        let audience = match audience {
            Audience::Usual => json!(usual(&workspace.uuid)),
            Audience::One(one) => json!(own(std::slice::from_ref(one))?.first()?),
            Audience::Several(several) => json!(own(several)?),
        };
        let Step { repository, pipeline, step, branch, environment } = step;
        let subject = match environment {
            Some(environment) => format!("{repository}:{environment}:{step}"),
            None => format!("{repository}:{step}"),
        };
        let mut claims = Map::new();
        let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        say("iss", json!(name(url, &workspace.slug)));
        say("aud", audience);
        say("sub", json!(subject));
        say("workspaceUuid", json!(workspace.uuid.as_str()));
        say("repositoryUuid", json!(repository.as_str()));
        say("pipelineUuid", json!(pipeline.as_str()));
        say("stepUuid", json!(step.as_str()));
        if let Some(environment) = environment {
            say("deploymentEnvironmentUuid", json!(environment.as_str()));
        }
        if let Some(branch) = branch {
            say("branchName", json!(branch));
        }
        say("iat", json!(now.unix_timestamp()));
        say("exp", json!((now + LIFE).unix_timestamp()));
        self.sign(&Value::Object(claims))
    }

    pub(super) fn sign(&self, claims: &Value) -> Option<String> {
        self.key.sign("JWT", claims)
    }
}

/// The issuer's name, which changes when the workspace is renamed.
pub(super) fn name(url: &str, slug: &str) -> String {
    format!("{url}/2.0/workspaces/{slug}/pipelines-config/identity/oidc")
}

/// The workspace as an audience: the only place where its UUID has no braces.
fn usual(workspace: &Uuid) -> String {
    format!("ari:cloud:bitbucket::workspace/{}", workspace.bare())
}

fn own(audiences: &[String]) -> Option<&[String]> {
    let fits = |audience: &String| audience.chars().count() <= LONGEST_AUDIENCE;
    let count = 1..=MOST_AUDIENCES;
    (count.contains(&audiences.len()) && audiences.iter().all(fits)).then_some(audiences)
}

pub(super) fn discovery(url: &str, slug: &str) -> Value {
    let issuer = name(url, slug);
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}/keys.json"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid"],
        "claims_supported": [
            "iss", "aud", "sub", "iat", "exp", "workspaceUuid", "repositoryUuid", "pipelineUuid",
            "stepUuid", "branchName", "deploymentEnvironmentUuid",
        ],
    })
}
