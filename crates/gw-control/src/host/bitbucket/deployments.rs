//! Deployments: steps of pipelines that say in the words of Bitbucket where they deploy to.

#[cfg(test)]
mod tests;

use serde::Deserialize;
use time::OffsetDateTime;

use super::{
    Bitbucket, CommitPart, UuidPart,
    api::{Part, words},
    is_uuid,
};
use crate::host::{Deployment, DeploymentState, HostError, Run};

/// So many pages of deployments are searched, the newest first: the one that is looked for began just now.
const SEARCHED_PAGES: usize = 2;

#[derive(Debug, Deserialize)]
struct DeploymentPart {
    #[serde(default)]
    state: StatePart,
    environment: Option<EnvironmentPart>,
    release: Option<ReleasePart>,
    /// Bitbucket tells it, and its contract does not.
    step: Option<UuidPart>,
}

#[derive(Debug, Default, Deserialize)]
struct StatePart {
    name: Option<String>,
    status: Option<StatusPart>,
    url: Option<String>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    start_date: Option<OffsetDateTime>,
    #[serde(default, with = "time::serde::rfc3339::option")]
    completion_date: Option<OffsetDateTime>,
}

#[derive(Debug, Deserialize)]
struct StatusPart {
    name: Option<String>,
}

/// Some answers have no more of it than its id.
#[derive(Debug, Deserialize)]
struct EnvironmentPart {
    uuid: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct ReleasePart {
    name: Option<String>,
    url: Option<String>,
    commit: Option<CommitPart>,
    pipeline: Option<UuidPart>,
}

impl Bitbucket {
    /// No query of the contract asks for those of one commit, so the newest ones are searched.
    pub(super) async fn read_deployments(
        &self,
        commit: &str,
    ) -> Result<Vec<Deployment>, HostError> {
        let what = format!("the deployments of commit {}", words(commit));
        let query = [("sort", "-state.started_on"), ("pagelen", "100")];
        let url = self.url(&["deployments"], &query);
        let found: Vec<DeploymentPart> =
            self.api.list(url, Part::Pages(SEARCHED_PAGES), &what).await?;
        let mut deployments = vec![];
        for part in found.into_iter().filter(|part| part.is_of(commit)) {
            let environment = self.environment(part.environment.as_ref()).await?;
            deployments.push(part.deployment(environment));
        }
        Ok(deployments)
    }

    /// What the environment is called there; nothing where nobody says so.
    async fn environment(&self, part: Option<&EnvironmentPart>) -> Result<String, HostError> {
        let Some(EnvironmentPart { uuid, name }) = part else { return Ok(String::new()) };
        if let Some(name) = name {
            return Ok(words(name));
        }
        let what = format!("environment {}", words(uuid));
        if !is_uuid(uuid) {
            return Err(HostError::Missing { what });
        }
        let url = self.url(&["environments", uuid], &[]);
        let found: EnvironmentPart = self.api.read(&url, &what).await?;
        Ok(found.name.as_deref().map(words).unwrap_or_default())
    }
}

impl DeploymentPart {
    fn is_of(&self, commit: &str) -> bool {
        let released = self.release.as_ref().and_then(|it| it.commit.as_ref());
        released.is_some_and(|it| it.is(commit))
    }

    fn deployment(self, environment: String) -> Deployment {
        let Self { state, environment: _, release, step } = self;
        let id = |part: Option<UuidPart>| part.map(|it| it.uuid.to_ascii_lowercase());
        let step = id(step);
        let (name, url, pipeline) = match release {
            Some(ReleasePart { name, url, commit: _, pipeline }) => (name, url, id(pipeline)),
            None => (None, None, None),
        };
        Deployment {
            environment,
            state: state.state(),
            run: Run { pipeline, step },
            release: name.as_deref().map(words),
            url: state.url.or(url).as_deref().map(words),
            at: state.completion_date.or(state.start_date),
        }
    }
}

impl StatePart {
    fn state(&self) -> DeploymentState {
        let status = self.status.as_ref().and_then(|status| status.name.as_deref());
        match (self.name.as_deref(), status) {
            (Some("COMPLETED"), Some("SUCCESSFUL")) => DeploymentState::Done,
            (Some("COMPLETED"), Some("FAILED")) => DeploymentState::Failed,
            (Some("COMPLETED"), Some("STOPPED")) => DeploymentState::Stopped,
            _ => DeploymentState::UnderWay,
        }
    }
}
