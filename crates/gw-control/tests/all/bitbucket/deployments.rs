use gw_control::host::{Deployment, DeploymentState, Run};
use gw_emulators::bitbucket::{Ending, Uuid};
use gw_model::clock::Clock as _;

use super::*;

impl Stage {
    /// A step that deploys there, and where it is.
    pub(in super::super) fn deploys(&self, environment: &Uuid) -> (Uuid, Run) {
        let (repository, by) = (&self.repository, &self.bob.uuid);
        let pipeline = self.bitbucket.start_pipeline(repository, "main", by).unwrap();
        let step = self.bitbucket.start_step(&pipeline, "Gatewright", Some(environment)).unwrap();
        let run = Run { pipeline: Some(pipeline.to_string()), step: Some(step.to_string()) };
        (step, run)
    }

    /// An environment of Bitbucket.
    pub(in super::super) fn environment(&self, name: &str) -> Uuid {
        self.bitbucket.add_environment(&self.repository, name).unwrap()
    }
}

fn of<'a>(all: &'a [Deployment], run: &Run) -> &'a Deployment {
    all.iter().find(|it| it.is_of(run)).unwrap()
}

#[tokio::test]
async fn a_step_that_deploys_is_told_until_it_has_ended() {
    let stage = Stage::new().await;
    let host = stage.host();
    let head = stage.head("main").await;
    assert_eq!(host.deployments(&head).await, Ok(vec![]));
    let production = stage.environment("Production");
    let ends = [
        (Ending::Successful, DeploymentState::Done),
        (Ending::Failed, DeploymentState::Failed),
        (Ending::Stopped, DeploymentState::Stopped),
    ];
    for (number, (ending, state)) in ends.into_iter().enumerate() {
        let (step, run) = stage.deploys(&production);
        let running = host.deployments(&head).await.unwrap();
        let running = of(&running, &run);
        assert_eq!(running.state, DeploymentState::UnderWay);
        assert_eq!(running.environment, "Production");
        assert_eq!(running.release, Some(format!("#{}", number + 1)));
        let page = format!("/acme/apis/pipelines/results/{}", number + 1);
        assert!(running.url.as_ref().unwrap().ends_with(&page), "{running:?}");
        assert_eq!(running.run, run);
        stage.advance();
        stage.bitbucket.end_step(&step, ending).unwrap();
        let ended = host.deployments(&head).await.unwrap();
        let ended = of(&ended, &run);
        assert_eq!((ended.state, ended.at), (state, Some(stage.clock.now())));
    }
    // Those of another commit are not told.
    let later = stage.publish(&[("api.yaml", "kind: Api\n\n".to_owned())], "Later").await;
    assert_eq!(host.deployments(&later).await, Ok(vec![]));
    assert_eq!(host.deployments(&head).await.unwrap().len(), 3);
}

#[tokio::test]
async fn more_deployments_than_a_page_has_are_read() {
    let stage = Stage::new().await;
    let production = stage.environment("Production");
    let head = stage.head("main").await;
    let runs: Vec<Run> = (0..101).map(|_| stage.deploys(&production).1).collect();
    let found = stage.host().deployments(&head).await.unwrap();
    assert_eq!(found.len(), 101);
    assert!(runs.iter().all(|run| found.iter().any(|it| it.is_of(run))));
}

#[tokio::test]
async fn a_credential_that_may_not_see_pipelines_is_told_what_it_lacks() {
    let stage = Stage::new().await;
    let head = stage.head("main").await;
    let refused = stage.writer().deployments(&head).await.unwrap_err();
    let HostError::Scope { needs, .. } = &refused else { panic!("{refused:?}") };
    assert_eq!(needs, &["pipeline"]);
}
