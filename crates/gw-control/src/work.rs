//! Works off what is queued: one task of a lane at a time, and the class of an error decides whether
//! it is tried again, waits, or is kept for a person.

use std::{sync::Arc, time::Duration};

use gw_plan::driver::Class;
use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
};

use crate::{
    answer::{Answer, End},
    deployment, drift,
    engine::state_of,
    glass,
    look::look,
    notify::{self, Notification},
    pull_request,
    reconcile::{self, Aim, Order},
    release::release,
    renew::renew,
    request::{Request, Wanted},
    server::Server,
    source::pace::Pace,
    stop::Stop,
    store::{Queued, StoreError},
    task::{Task, TaskKind},
    trial,
};

/// Even where nobody says that something was queued, it is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Whoever asked is told after so many tries, and asks again.
const MOST_TRIES: u32 = 2;

/// Works until told to stop; what is under way is brought to its end.
pub async fn work(server: Arc<Server>, mut stop: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(TaskKind::PLACES));
    let mut running = JoinSet::new();
    loop {
        // Listening begins before looking, so that nothing is queued in between unheard.
        let queued = server.shared.queued.notified();
        let settled = server.shared.settled.notified();
        if *stop.borrow() {
            break;
        }
        let free = Arc::clone(&places).try_acquire_owned().ok();
        let taken = match free {
            Some(place) => server.store.take_task(server.clock.now()).await.map(|taken| {
                let taken = taken?;
                let (server, stop) = (Arc::clone(&server), stop.clone());
                running.spawn(async move {
                    attend(&server, taken, stop).await;
                    drop(place);
                });
                Some(())
            }),
            None => Ok(None),
        };
        if matches!(taken, Ok(Some(()))) {
            continue;
        }
        let due = server.store.next_task_due(server.clock.now()).await.ok().flatten();
        let pause = due.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN);
        tokio::select! {
            () = queued => {}
            () = settled => {}
            // A task that is due and has no free place is not looked for without a rest.
            () = tokio::time::sleep(pause.max(Duration::from_millis(50))) => {}
            _ = stop.changed() => {}
        }
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

/// Does one task and writes down what came of it. A state that cannot be written to now is asked again:
/// until then nothing else of the lane is done, and everything else that needs the state says why.
async fn attend(server: &Arc<Server>, queued: Queued, mut stop: watch::Receiver<bool>) {
    let (worker, task, attempts) = (Arc::clone(server), queued.task.clone(), queued.attempts);
    // What panics takes nothing with it but itself.
    let done = tokio::spawn(async move { perform(&worker, &task, attempts).await }).await;
    let at = server.clock.now();
    let (mut pace, mut is_told) = (Pace::default(), false);
    while let Err(error) = settle(server, &queued, &done, at).await {
        if !is_told {
            is_told = true;
            tell_unwritten(server, &queued.task, &error).await;
        }
        // It lies on this machine: as soon as there is room again, what is under way goes on.
        let pause = pace.fail(Class::Wait, at.nanosecond()).unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            // It comes again when the server starts anew.
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    server.shared.settled.notify_waiters();
}

/// Tells whoever follows a change why nothing comes.
async fn tell_unwritten(server: &Server, task: &Task, error: &StoreError) {
    let Some(environment) = task.environment() else { return };
    if let Ok(Some(change)) = server.store.under_way(environment).await {
        let line = format!("✘ nothing can be written down: {error}; it goes on as soon as it can");
        server.shared.tell(environment, change.number, line);
        server.shared.settled.notify_waiters();
    }
}

async fn perform(server: &Server, task: &Task, attempts: u32) -> Result<Answer, Stop> {
    match task {
        Task::Look => look(server).await,
        Task::PullRequest { number } => pull_request::review(server, *number).await,
        Task::PullRequests => pull_request::review_all(server).await,
        Task::Remark { pull_request, id } => pull_request::remark(server, *pull_request, *id).await,
        Task::Release { environment, reference, cause } => {
            release(server, environment, reference, *cause).await
        }
        Task::Drift { environment } => drift::compare(server, environment).await,
        Task::Tell { environment, commit, answer } => {
            pull_request::tell_apply(server, environment, commit, answer).await
        }
        Task::Deployment { environment, change, commit, run } => {
            let asked = deployment::Asked { environment, change: *change, commit, run };
            deployment::read_back(server, asked, attempts).await
        }
        Task::Expire { environment } => glass::expire(server, environment).await,
        Task::Renew => renew(server).await,
        Task::Notify { notification } => notify(server, notification).await,
        Task::Request { id: _, request } => do_request(server, request).await,
    }
}

/// Tells those whom the rules in force name.
async fn notify(server: &Server, notification: &Notification) -> Result<Answer, Stop> {
    let environment = &notification.environment;
    let Some(rules) = server.in_force(environment).await? else {
        return Ok(Answer::done("nobody is named"));
    };
    let mut wishes = rules.spec.notify.clone();
    // Whoever breaks glass does not choose who hears of it.
    if let Some(ordinary) = server.store.ordinary(environment).await? {
        let (ordinary, _) = state_of(&server.store, environment, ordinary.number).await?;
        let former = ordinary.spec.notify.iter().filter(|wish| !rules.spec.notify.contains(wish));
        wishes.extend(former.cloned());
    }
    let failed = notify::notify(&*server.notifier, &wishes, notification).await;
    if failed.is_empty() {
        return Ok(Answer::done("everybody who is named is told"));
    }
    Err(Stop::Untold(failed))
}

async fn do_request(server: &Server, request: &Request) -> Result<Answer, Stop> {
    let Request { environment, asker, wanted } = request.clone();
    let aim = match wanted {
        Wanted::Apply { commit, only, plan } => Aim::Commit { sha: commit, only, plan },
        Wanted::Rollback { to, reason } => Aim::State { to, reason },
        Wanted::BreakGlass { commit, only, glass } => Aim::BreakGlass { sha: commit, only, glass },
        Wanted::Test => return trial::ordered(server, &environment, &asker).await,
        Wanted::Abandon => return reconcile::abandon(server, &environment, &asker).await,
    };
    reconcile::reconcile(server, &Order { environment, asker, aim }).await
}

async fn settle(
    server: &Server,
    queued: &Queued,
    done: &Result<Result<Answer, Stop>, JoinError>,
    at: OffsetDateTime,
) -> Result<(), StoreError> {
    let stop = match done {
        Ok(Ok(answer)) => return server.store.finish_task(queued.id, &written(answer), at).await,
        Ok(Err(stop)) => stop,
        Err(error) => {
            let answer = Answer::new(End::Failed, format!("a fault of this program: {error}"));
            return server.store.fail_task(queued.id, &written(&answer), at).await;
        }
    };
    let answer = Answer::from(stop);
    let is_asked_for = matches!(queued.task, Task::Request { .. });
    let waits_for_others = matches!(stop, Stop::Occupied { .. });
    let wait = pause(stop, queued.attempts, at);
    let goes_on = waits_for_others || !is_asked_for || queued.attempts < MOST_TRIES;
    if let (Some(_), false, Task::Request { request, .. }) = (wait, goes_on, &queued.task) {
        // Whoever asks later why is told what did not answer.
        let Request { environment, asker, wanted } = &**request;
        reconcile::record_stop(server, asker, environment, wanted.action(), stop).await?;
    }
    match wait {
        // Whoever asked is there, and can ask again; whoever only sent an event cannot.
        Some(wait) if goes_on => {
            server.store.postpone_task(queued.id, at + wait, &written(&answer)).await
        }
        Some(_) => server.store.finish_task(queued.id, &written(&answer), at).await,
        None if is_asked_for => server.store.finish_task(queued.id, &written(&answer), at).await,
        None => server.store.fail_task(queued.id, &written(&answer), at).await,
    }
}

/// How long until it is tried again; none: not before somebody has looked.
fn pause(stop: &Stop, attempts: u32, at: OffsetDateTime) -> Option<Duration> {
    if let (Stop::Occupied { .. }, Class::Retry { after_ms }) = (stop, stop.class()) {
        return Some(Duration::from_millis(after_ms));
    }
    // What failed together comes again at different times.
    Pace::after(attempts.saturating_sub(1)).fail(stop.class(), at.nanosecond().rotate_left(7))
}

fn written(answer: &Answer) -> String {
    // An answer is plain data: writing it as JSON cannot fail.
    serde_json::to_string(answer).unwrap_or_default()
}
