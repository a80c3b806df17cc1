//! What a release event does, as the reserved identity `server` and under the same rules as anybody.

use gw_model::{
    environment::{ChangeAction, ReleaseAction},
    id::EnvironmentName,
};

use crate::{
    answer::Answer,
    asker::Asker,
    host::PullRequestState,
    look::wanted,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    task::Cause,
};

/// Does what the rules in force say by now: they may have changed since the event.
pub(crate) async fn release(
    server: &Server,
    environment: &EnvironmentName,
    reference: &str,
    cause: Cause,
) -> Result<Answer, Stop> {
    let Some(rules) = server.in_force(environment).await? else {
        return Ok(Answer::done(format!("nothing is in force in {environment}")));
    };
    let action = wanted(rules.spec.on.as_deref(), cause, reference);
    if action == ReleaseAction::None {
        return Ok(Answer::done(format!("{environment} does nothing on this event")));
    }
    if cause == Cause::Merge && !was_merged(server, reference).await? {
        return Ok(Answer::done(format!("no pull request was merged into `{reference}`")));
    }
    let aim = Aim::Head { reference: reference.to_owned() };
    let order = Order { environment: environment.clone(), asker: Asker::server(), aim };
    if action == ReleaseAction::Apply {
        return reconcile::reconcile(server, &order).await;
    }
    let ground = reconcile::ground(server, &order).await?;
    let id = reconcile::plan(server, &order, &ground, ChangeAction::Plan).await?.plan.id;
    Ok(Answer { plan: Some(id.clone()), ..Answer::done(format!("plan {id} was made")) })
}

/// Whether what the branch holds came there by a pull request, as the host says.
async fn was_merged(server: &Server, reference: &str) -> Result<bool, Stop> {
    let view = server.fetch().await?.view;
    let Some(head) = view.reference(reference).map(|head| head.to_string()) else {
        return Ok(false);
    };
    for number in server.host.pull_requests_of(&head).await? {
        let pull_request = server.host.pull_request(number).await?;
        if pull_request.state == PullRequestState::Merged
            && pull_request.merge_commit.as_ref() == Some(&head)
        {
            return Ok(true);
        }
    }
    Ok(false)
}
