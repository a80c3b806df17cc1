//! Webhooks of the Git host. A genuine one is on disk before it is answered, and nothing is done
//! because of it before that: it says only where to look.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{Request, StatusCode},
};
use gw_control::{
    host::bitbucket::webhook::{self, Cause, Class, Event, Refused, cause, read},
    store::Delivery,
    task::Task,
};

use crate::{
    Web, door,
    intake::NotTaken,
    problem::{Refusal, Unwelcome},
};

pub(super) async fn bitbucket(
    State(web): State<Arc<Web>>,
    request: Request<Body>,
) -> Result<StatusCode, Refusal> {
    let Some(hook) = &web.hook else { return Err(Refusal::Webhook(Unwelcome::NotTaken)) };
    let headers = request.headers().clone();
    let body = match door::body(request, webhook::MOST_BYTES).await {
        Ok(body) => body,
        Err(refusal) => {
            web.exchange.turn_away("webhook", "webhook-body").await?;
            return Err(refusal);
        }
    };
    let lines: Vec<(&str, &[u8])> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let delivery = webhook::Delivery { headers: &lines, body: &body };
    let event = match read(&delivery, &hook.keys, &hook.repository_uuid) {
        Ok(event) => event,
        Err(refused) => {
            let (mut reason, refusal) = refuse(&refused);
            if refused == Refused::Signature {
                reason = named(cause(&delivery, &hook.keys));
            }
            web.exchange.turn_away("webhook", reason).await?;
            return Err(refusal);
        }
    };
    if let Some(secret) = hook.secrets.get(event.key) {
        web.server.shared.credentials.uses().note(secret, web.server.clock.now());
    }
    let delivery = Delivery { replay_key: event.replay_key, tasks: tasks(&event) };
    match web.intake.take(&web.server, delivery).await {
        // The same again is as welcome as the first time: whoever sends it must not send it again.
        Ok(_) => Ok(StatusCode::ACCEPTED),
        Err(NotTaken) => Err(Refusal::Busy),
    }
}

/// What is looked at because of an event.
fn tasks(event: &Event) -> Vec<Task> {
    let pull_request = event.pull_request.map(|number| Task::PullRequest { number });
    match event.class {
        Class::Push => vec![Task::Look],
        Class::PullRequestOpen | Class::Approval | Class::PullRequestDeclined => {
            pull_request.into_iter().collect()
        }
        Class::PullRequestMerged => pull_request.into_iter().chain([Task::Look]).collect(),
        Class::Comment => match (event.pull_request, event.comment) {
            (Some(pull_request), Some(id)) => vec![Task::Remark { pull_request, id }],
            _ => vec![],
        },
        Class::Status => vec![],
    }
}

/// The word for the ledger: why a signature is wrong, where that can be told.
const fn named(cause: Cause) -> &'static str {
    match cause {
        Cause::RetiredSecret => "webhook-secret-retired",
        Cause::AlteredBody => "webhook-body-altered",
        Cause::Unknown => "webhook-signature",
    }
}

/// The word for the ledger, and what the sender is told.
fn refuse(refused: &Refused) -> (&'static str, Refusal) {
    let (reason, unwelcome) = match refused {
        Refused::TooLarge => return ("webhook-body", Refusal::TooLarge),
        Refused::NoSignature => ("webhook-signature-missing", Unwelcome::Unsigned),
        Refused::Signatures => ("webhook-signature-twice", Unwelcome::Unsigned),
        Refused::SignatureForm => ("webhook-signature-form", Unwelcome::Unsigned),
        Refused::Signature => ("webhook-signature", Unwelcome::Unsigned),
        Refused::Repository => ("webhook-repository", Unwelcome::Repository),
        Refused::Garbled => ("webhook-garbled", Unwelcome::Garbled),
        Refused::Class => ("webhook-class", Unwelcome::Garbled),
        Refused::Header => ("webhook-header", Unwelcome::Garbled),
    };
    (reason, Refusal::Webhook(unwelcome))
}
