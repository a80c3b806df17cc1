//! Pipelines, their steps, and the deployments that some of them are.
//!
//! Nothing is run here: whoever owns the emulator says when a step starts and how it ends.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    contract::encode,
    render::{Detail, View, members, stamp},
    state::{Repository, Uuid},
};

/// How a step, or a pipeline, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    Successful,
    Failed,
    Stopped,
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Stopped => "STOPPED",
        }
    }
}

type Ended = Option<(OffsetDateTime, Ending)>;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pipeline {
    pub(super) uuid: Uuid,
    pub(super) number: usize,
    pub(super) creator: Uuid,
    /// As it was asked for, checked.
    pub(super) target: Value,
    pub(super) branch: Option<String>,
    pub(super) commit: String,
    pub(super) variables: Vec<Value>,
    pub(super) steps: Vec<Step>,
    pub(super) created: OffsetDateTime,
    pub(super) ended: Ended,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) uuid: Uuid,
    pub(super) name: String,
    /// The environment it deploys to, and the deployment that it is.
    pub(super) deploys: Option<(Uuid, Uuid)>,
    pub(super) started: OffsetDateTime,
    pub(super) ended: Ended,
}

impl Pipeline {
    /// Ends every step that runs, and the pipeline with them.
    pub(super) fn end(&mut self, at: OffsetDateTime, ending: Ending) {
        for step in self.steps.iter_mut().filter(|step| step.ended.is_none()) {
            step.ended = Some((at, ending));
        }
        self.ended = Some((at, ending));
    }
}

impl View<'_> {
    pub(super) fn pipeline(&self, repository: &Repository, it: &Pipeline) -> Value {
        let own = format!("{}/pipelines/{}", self.path(repository), it.uuid);
        let running = if it.steps.is_empty() { "PENDING" } else { "IN_PROGRESS" };
        let mut target = it.target.clone();
        if let Some(target) = target.as_object_mut() {
            target.insert("commit".to_owned(), json!({ "type": "commit", "hash": it.commit }));
        }
        let html =
            format!("{}/{}/pipelines/results/{}", self.url, self.full_name(repository), it.number);
        let mut shown = json!({
            "type": "pipeline",
            "uuid": it.uuid.as_str(),
            "build_number": it.number,
            "creator": self.account(&it.creator),
            "repository": self.repository(repository, Detail::Condensed),
            "target": target,
            "trigger": { "type": "pipeline_trigger_manual", "name": "MANUAL" },
            "state": state("pipeline", running, it.ended),
            "variables": it.variables,
            "created_on": stamp(it.created),
            "links": {
                "type": "pipelines_pipeline_links",
                "self": section(self.api(&own)),
                "steps": section(self.api(&format!("{own}/steps"))),
                "html": section(html),
            },
        });
        end(&mut shown, it.ended);
        shown
    }

    pub(super) fn step(&self, pipeline: &Pipeline, step: &Step) -> Value {
        let mut shown = json!({
            "type": "pipeline_step",
            "uuid": step.uuid.as_str(),
            "name": step.name,
            "started_on": stamp(step.started),
            "state": state("pipeline_step", "IN_PROGRESS", step.ended),
            "pipeline": { "type": "pipeline", "uuid": pipeline.uuid.as_str() },
        });
        end(&mut shown, step.ended);
        shown
    }

    pub(super) fn deployment(
        &self,
        repository: &Repository,
        pipeline: &Pipeline,
        step: &Step,
    ) -> Option<Value> {
        let (environment, deployment) = step.deploys.as_ref()?;
        let environment = repository.environments.iter().find(|it| it.uuid == *environment)?;
        let commit = json!({ "type": "commit", "hash": pipeline.commit });
        let url = format!(
            "{}/{}/pipelines/results/{}",
            self.url,
            encode(&self.full_name(repository)),
            pipeline.number
        );
        let mut state = state("deployment", "IN_PROGRESS", step.ended);
        if let Some(state) = state.as_object_mut() {
            state.insert("url".to_owned(), json!(url));
            state.insert("deployer".to_owned(), self.account(&pipeline.creator));
            state.insert("start_date".to_owned(), json!(stamp(step.started)));
            let ended = step.ended.map(|(at, _)| json!(stamp(at)));
            state.extend(ended.map(|at| ("completion_date".to_owned(), at)));
        }
        Some(json!({
            "type": "deployment",
            "uuid": deployment.as_str(),
            "environment": self.environment(environment),
            "state": state,
            "step": { "type": "pipeline_step", "uuid": step.uuid.as_str() },
            "release": {
                "type": "deployment_release",
                "uuid": pipeline.uuid.as_str(),
                "name": format!("#{}", pipeline.number),
                "url": url,
                "commit": commit,
                "pipeline": { "type": "pipeline", "uuid": pipeline.uuid.as_str() },
                "created_on": stamp(step.started),
            },
        }))
    }
}

/// Progress, in the words of a pipeline, a step or a deployment.
fn state(of: &str, running: &str, ended: Ended) -> Value {
    let Some((_, ending)) = ended else {
        let kind = running.to_lowercase();
        return json!({ "type": format!("{of}_state_{kind}"), "name": running });
    };
    let ending = ending.as_str();
    let kind = ending.to_lowercase();
    if of == "deployment" {
        let status = format!("deployment_state_completed_status_{kind}");
        let status = json!({ "type": status, "name": ending });
        return json!({ "type": "deployment_state_completed", "name": "COMPLETED", "status": status });
    }
    json!({
        "type": format!("{of}_state_completed"),
        "name": "COMPLETED",
        "result": { "type": format!("{of}_state_completed_{kind}"), "name": ending },
    })
}

fn end(shown: &mut Value, ended: Ended) {
    if let (Some(shown), Some((at, _))) = (shown.as_object_mut(), ended) {
        shown.insert("completed_on".to_owned(), json!(stamp(at)));
    }
}

fn section(href: String) -> Value {
    let mut section = members(json!({ "type": "pipelines_links_section_href" }));
    section.insert("href".to_owned(), Value::String(href));
    Value::Object(section)
}

/// A variable as it is kept and told: nothing runs, so nobody needs the value of a secured one.
pub(super) fn without_secret(variable: &Value) -> Value {
    let mut shown = variable.clone();
    if let Some(members) = shown.as_object_mut() {
        members.insert("type".to_owned(), json!("pipeline_variable"));
        if members.get("secured") == Some(&json!(true)) {
            members.remove("value");
        }
    }
    shown
}
