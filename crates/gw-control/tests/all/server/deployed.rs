//! What Bitbucket makes of the step that asked for a change, read back.

use gw_audit::entry::{Actor, Event, Outcome, Proof, Subject};
use gw_control::{
    host::Run,
    store::{NewTask, Queued},
};
use gw_emulators::bitbucket::{Ending, Fault, Uuid};
use gw_model::clock::Clock as _;

use super::*;

const READ: &str = "deployment/prod/2";

/// A step of a pipeline that asks.
fn asker(run: &Run) -> Asker {
    let mut asker = somebody("bob");
    let own = |id: &Option<String>| [id.clone().unwrap()].into();
    let environment = "{00000000-0000-4000-8000-000000000001}".to_owned();
    asker.caller.principals[0].claims = BTreeMap::from([
        ("pipelineUuid".to_owned(), own(&run.pipeline)),
        ("stepUuid".to_owned(), own(&run.step)),
        ("deploymentEnvironmentUuid".to_owned(), [environment].into()),
    ]);
    asker.actor.via = vec![Actor {
        identity: "pipeline".to_owned(),
        issuer: None,
        subject: run.pipeline.clone().map(Subject::Machine),
        proof: Proof::Token,
        via: vec![],
    }];
    asker
}

impl House {
    /// A merged change that nobody brought yet. Its commit.
    async fn merged(&self) -> String {
        self.propose(&self.stage.bob, "narrow", &api("orders-team", "60/1m")).await;
        self.look().await;
        self.stage.advance();
        self.stage.approve(&self.stage.carol, 1).await;
        self.stage.advance();
        self.stage.merge(1, "squash").await;
        self.stage.head("main").await
    }

    /// Change 2, brought by a step that deploys there; the step, and where it is.
    async fn brought(&self, environment: &str, ended: Option<Ending>) -> (Uuid, Run) {
        let head = self.merged().await;
        let (step, run) = self.stage.deploys(&self.stage.environment(environment));
        if let Some(ending) = ended {
            self.stage.bitbucket.end_step(&step, ending).unwrap();
        }
        let answer = reconcile(&self.server, &order(asker(&run), &head)).await.unwrap();
        assert_eq!(answer.change, Some(2), "{answer:?}");
        (step, run)
    }

    async fn read(&self) -> Queued {
        let tasks = self.server.store.tasks(1000).await.unwrap();
        tasks.into_iter().filter(|it| it.task.key() == READ).max_by_key(|it| it.id).unwrap()
    }

    /// Waits until it was tried so often, and is tried again later.
    async fn tried(&self, times: u32) -> Queued {
        let waiting = async {
            loop {
                let settled = self.server.shared.settled.notified();
                let task = self.read().await;
                if task.attempts == times && task.state == TaskState::Waiting {
                    return task;
                }
                settled.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap()
    }

    /// All that the ledger says of the deployment.
    async fn deployed(&self) -> Vec<Event> {
        let entries = self.server.store.entries(0, 10_000).await.unwrap();
        let events = entries.iter().map(|bytes| Entry::parse(bytes).unwrap().event);
        events.filter(|event| event.act == Act::Deployed).collect()
    }

    /// Has it tried again, an hour later.
    async fn later(&self) {
        self.stage.clock.advance(time::Duration::hours(1));
        // Whoever works looks for what is due by now.
        self.server.shared.queued.notify_waiters();
    }
}

fn fact<'a>(event: &'a Event, name: &str) -> &'a str {
    event.facts[name].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_is_read_once_its_step_has_ended_and_told_once() {
    let house = House::new().await;
    let (step, run) = house.brought("prod", None).await;
    // The apply has ended, and waits for nobody.
    let task = house.tried(1).await;
    assert!(task.outcome.unwrap().contains("the deployment of change 2"));
    assert_eq!(house.deployed().await, []);
    // The host is away for a while.
    house.stage.bitbucket.fail_next("/deployments", Fault::Status(503));
    house.later().await;
    house.tried(2).await;
    house.stage.bitbucket.end_step(&step, Ending::Successful).unwrap();
    house.later().await;
    house.settle().await;
    assert_eq!(house.answer(READ).await.text, told(&house, "done", ""));
    let [deployed] = &house.deployed().await[..] else { panic!("one entry") };
    assert_eq!((deployed.change, deployed.outcome), (Some(2), Outcome::Done));
    assert_eq!((deployed.by.identity.as_str(), deployed.by.proof), ("bitbucket", Proof::GitHost));
    assert_eq!(fact(deployed, "pipelineStep"), run.step.as_deref().unwrap());
    assert_eq!(fact(deployed, "pipeline"), run.pipeline.as_deref().unwrap());
    assert!(!deployed.facts.contains_key("why"), "{deployed:?}");
    // Whoever reads it again says nothing twice.
    let again = NewTask::now(house.read().await.task, house.stage.clock.now());
    house.server.enqueue(&[again]).await.unwrap();
    house.settle().await;
    assert_eq!(house.answer(READ).await.text, "it is on the record already");
    assert_eq!(house.deployed().await.len(), 1);
    house.server.store.meet_whole_ledger().await.unwrap();
    house.end().await;
}

/// What is told of the first pipeline in an environment that is called as here.
fn told(house: &House, state: &str, why: &str) -> String {
    let url = house.stage.bitbucket.url();
    format!("prod #1 {state} ({url}/acme/apis/pipelines/results/1){why}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_failed_after_its_change_was_verified_is_told_so() {
    let house = House::new().await;
    house.brought("prod", Some(Ending::Failed)).await;
    house.settle().await;
    let why = ": the step did not succeed, and the change is verified";
    assert_eq!(house.answer(READ).await.text, told(&house, "failed", why));
    let [deployed] = &house.deployed().await[..] else { panic!("one entry") };
    assert_eq!(deployed.outcome, Outcome::Failed);
    // The change is what it was.
    assert_eq!(house.change().await, 2);
    assert!(house.live.has("60/1m"));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_of_another_name_is_told() {
    let house = House::new().await;
    house.brought("Production", Some(Ending::Successful)).await;
    house.settle().await;
    let [deployed] = &house.deployed().await[..] else { panic!("one entry") };
    let why = "the host calls the environment `Production`, here it is `prod`";
    assert_eq!((fact(deployed, "why"), deployed.outcome), (why, Outcome::Done));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_that_may_not_read_deployments_stops_nothing() {
    let house = House::by(Stage::without_pipelines).await;
    house.brought("prod", None).await;
    house.settle().await;
    let [deployed] = &house.deployed().await[..] else { panic!("one entry") };
    assert_eq!(deployed.outcome, Outcome::Unproven);
    let why = fact(deployed, "why");
    assert!(why.contains("does not reach the deployments of commit"), "{why}");
    assert!(why.contains("`read:pipeline:bitbucket`"), "{why}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_never_ends_is_given_up_and_told() {
    let house = House::new().await;
    house.brought("prod", None).await;
    for times in 1..20 {
        house.tried(times).await;
        house.later().await;
    }
    house.settle().await;
    let [deployed] = &house.deployed().await[..] else { panic!("one entry") };
    assert_eq!((deployed.outcome, fact(deployed, "state")), (Outcome::Unproven, "underWay"));
    assert_eq!(fact(deployed, "why"), "the step had not ended when it was looked for last");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_for_whoever_is_no_step_that_deploys() {
    let house = House::new().await;
    let head = house.merged().await;
    let (_, run) = house.stage.deploys(&house.stage.environment("prod"));
    // The same claims by somebody whom no pipeline carried here.
    let mut person = asker(&run);
    person.actor.via.clear();
    let answer = reconcile(&house.server, &order(person, &head)).await.unwrap();
    assert_eq!(answer.change, Some(2), "{answer:?}");
    house.settle().await;
    let tasks = house.server.store.tasks(1000).await.unwrap();
    assert!(!tasks.iter().any(|it| it.task.key() == READ));
    house.end().await;
}
