//! What happens without an event: the repository is looked at, targets are compared, and what nobody
//! needs any more is forgotten.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gw_model::id::EnvironmentName;
use tokio::{sync::watch, time::Instant};

use crate::{credentials, glass::is_over, server::Server, stop::Stop, task::Task};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_secs(1);
/// So long a delivery is known again.
const REMEMBERED: time::Duration = time::Duration::days(7);
const FORGET_EVERY: Duration = Duration::from_hours(1);
/// What is recorded beside changes is in the files of the ledger after this long.
const PUBLISH_EVERY: Duration = Duration::from_mins(1);
/// How often it is looked whether a credential of ours is about to end.
const RENEW_EVERY: Duration = Duration::from_mins(1);
/// How often the server tries to go back from an emergency whose time is over.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);

/// Queues what is due until told to stop.
pub async fn schedule(server: Arc<Server>, poll: Duration, mut stop: watch::Receiver<bool>) {
    let mut looked: Option<Instant> = None;
    let mut forgot: Option<Instant> = None;
    let mut published: Option<Instant> = None;
    let mut renewed: Option<Instant> = None;
    let mut compared: BTreeMap<EnvironmentName, Instant> = BTreeMap::new();
    let mut expired: BTreeMap<EnvironmentName, Instant> = BTreeMap::new();
    loop {
        if is_due(looked, poll) && server.ask(Task::Look).await.is_ok() {
            looked = Some(Instant::now());
        }
        if is_due(forgot, FORGET_EVERY) {
            let before = server.clock.now() - REMEMBERED;
            if server.store.forget_deliveries(before).await.is_ok() {
                forgot = Some(Instant::now());
            }
        }
        if is_due(published, PUBLISH_EVERY) && server.publish().await.is_ok() {
            published = Some(Instant::now());
        }
        if is_due(renewed, RENEW_EVERY)
            && server.ask(Task::Renew).await.is_ok()
            && credentials::keep(&server).await.is_ok()
        {
            renewed = Some(Instant::now());
        }
        // What cannot be queued now is due again at the next tick.
        drop(compare(&server, &mut compared).await);
        drop(expire(&server, &mut expired).await);
        tokio::select! {
            () = tokio::time::sleep(TICK) => {}
            _stopped = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Queues a comparison of each environment as often as its rules say.
async fn compare(
    server: &Server,
    compared: &mut BTreeMap<EnvironmentName, Instant>,
) -> Result<(), Stop> {
    for environment in server.environments().await? {
        let Some(rules) = server.in_force(&environment).await? else { continue };
        let every = rules.spec.drift.every.as_duration();
        if is_due(compared.get(&environment).copied(), every) {
            server.ask(Task::Drift { environment: environment.clone() }).await?;
            compared.insert(environment, Instant::now());
        }
    }
    Ok(())
}

/// Queues what is done when the time of an emergency is over; where nobody lets the server do it, again
/// and again.
async fn expire(
    server: &Server,
    expired: &mut BTreeMap<EnvironmentName, Instant>,
) -> Result<(), Stop> {
    for environment in server.environments().await? {
        let Some(change) = server.store.in_force(&environment).await? else { continue };
        let over = is_over(&change, server.clock.now());
        if over && is_due(expired.get(&environment).copied(), EXPIRE_EVERY) {
            server.ask(Task::Expire { environment: environment.clone() }).await?;
            expired.insert(environment, Instant::now());
        }
    }
    Ok(())
}

fn is_due(last: Option<Instant>, every: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= every)
}
