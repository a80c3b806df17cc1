//! What the Git host made of the step that asked for a change: its deployment, read back once the step
//! has ended, and put beside that change. Nothing waits for it, and nothing is decided by it.

use gw_model::id::EnvironmentName;

use crate::{
    answer::Answer,
    event,
    host::{Deployment, DeploymentState, HostError, Run},
    login,
    reconcile::{Ground, Order},
    server::Server,
    stop::Stop,
    store::Outcome,
    task::Task,
};

/// How often a step is looked for that has not ended: later each time, for about an hour.
const MOST_TRIES: u32 = 20;

/// The step that asked for a change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) environment: &'a EnvironmentName,
    pub(crate) change: u64,
    pub(crate) commit: &'a str,
    pub(crate) run: &'a Run,
}

/// What was read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReadBack {
    Found(Deployment),
    /// The host knows none of that step.
    Nothing,
    /// The host does not tell us.
    Withheld(HostError),
}

/// Has the deployment read, where a step that deploys asked for a change and got it.
pub(crate) async fn await_end(
    server: &Server,
    order: &Order,
    ground: &Ground,
    brought: &Result<Answer, Stop>,
) -> Result<(), Stop> {
    let change = brought.as_ref().ok().and_then(|answer| answer.change);
    let (Some(change), Some(commit)) = (change, ground.commit) else { return Ok(()) };
    let Some(run) = login::deploying(&order.asker) else { return Ok(()) };
    let (environment, commit) = (order.environment.clone(), commit.to_string());
    server.ask(Task::Deployment { environment, change, commit, run }).await?;
    Ok(())
}

/// Reads it and puts it on the record, once. A step that has not ended is looked for again.
pub(crate) async fn read_back(
    server: &Server,
    asked: Asked<'_>,
    attempts: u32,
) -> Result<Answer, Stop> {
    let Asked { environment, change, commit, run } = asked;
    if server.store.deployed(environment, change).await?.is_some() {
        return Ok(Answer::done("it is on the record already"));
    }
    let found = match server.host.deployments(commit).await {
        Ok(all) => all.into_iter().find(|it| it.is_of(run)).map(ReadBack::Found),
        // Whoever gave us the credential did not want us to see it, or there is no such thing there.
        Err(
            error
            @ (HostError::Scope { .. } | HostError::Denied { .. } | HostError::Missing { .. }),
        ) => Some(ReadBack::Withheld(error)),
        Err(error) => return Err(error.into()),
    };
    let read = found.unwrap_or(ReadBack::Nothing);
    if read.is_open() && attempts < MOST_TRIES {
        let what = format!("the deployment of change {change}");
        return Err(HostError::Unfinished { what }.into());
    }
    let outcome = server.store.change(environment, change).await?.map(|change| change.outcome);
    let why = read.why(environment, outcome);
    let deployed = event::deployed(server.host.kind(), asked, &read, why.as_deref());
    let text = gw_audit::report::deployed(&deployed);
    server.store.record(deployed, server.clock.now()).await?;
    server.publish().await?;
    Ok(Answer::done(text))
}

impl ReadBack {
    /// Whether there may be more to read later.
    const fn is_open(&self) -> bool {
        match self {
            Self::Found(found) => matches!(found.state, DeploymentState::UnderWay),
            Self::Nothing => true,
            Self::Withheld(_) => false,
        }
    }

    /// Where the host tells it otherwise than we do, or not at all.
    fn why(&self, environment: &EnvironmentName, outcome: Option<Outcome>) -> Option<String> {
        let found = match self {
            Self::Found(found) => found,
            Self::Nothing => return Some("the host knows no deployment of that step".to_owned()),
            Self::Withheld(error) => return Some(error.to_string()),
        };
        let is_verified = outcome == Some(Outcome::Verified);
        let mut why = vec![];
        match found.state {
            DeploymentState::UnderWay => {
                why.push("the step had not ended when it was looked for last".to_owned());
            }
            DeploymentState::Failed | DeploymentState::Stopped if is_verified => {
                why.push("the step did not succeed, and the change is verified".to_owned());
            }
            DeploymentState::Done if !is_verified => {
                let outcome = outcome.map_or("gone", Outcome::as_str);
                why.push(format!("the step succeeded, and the change is {outcome}"));
            }
            DeploymentState::Done | DeploymentState::Failed | DeploymentState::Stopped => {}
        }
        if !found.environment.eq_ignore_ascii_case(environment.as_str()) {
            why.push(format!(
                "the host calls the environment `{}`, here it is `{environment}`",
                found.environment
            ));
        }
        (!why.is_empty()).then(|| why.join("; "))
    }
}

#[cfg(test)]
mod tests;
