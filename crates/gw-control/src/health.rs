//! Whether backends work after a change, where their APIs declare a health operation. A change after
//! which one fails that worked before is gone back from, where a rule lets the server roll back;
//! else people are told, and it is marked.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use gw_model::{
    api::Health,
    desired::Desired,
    id::{ApiName, TargetName},
};
use gw_plan::driver::{Answer as Expected, Fate, Probe, Token};
use gw_policy::access::address_of;

use crate::{
    answer::{Answer, End},
    asker::Asker,
    engine::Drivers,
    event,
    notify::Notification,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    store::Store,
    tell::Links,
};

/// How a backend is watched after a change.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Between two calls.
    pub pause: Duration,
    /// So many calls at most.
    pub most: u32,
    /// So many good answers in a row are enough.
    pub enough: u32,
}

/// What does not work, and what it answers.
type Sick = BTreeMap<(TargetName, ApiName), String>;

impl Default for Watch {
    fn default() -> Self {
        Self { pause: Duration::from_secs(1), most: 10, enough: 2 }
    }
}

/// What does not work now: it is not held against a change that follows.
pub(crate) async fn before(server: &Server, order: &Order) -> Result<Sick, Stop> {
    let Some(desired) = server.in_force(&order.environment).await? else { return Ok(Sick::new()) };
    let probes = probes(&desired);
    if probes.is_empty() || !order.aim.is_of_commit() {
        return Ok(Sick::new());
    }
    let drivers = reconcile::drivers(server, &desired).await?;
    let mut sick = Sick::new();
    for (place, probe) in probes {
        if let Err(why) = ask(&drivers, &place.0, &probe).await {
            sick.insert(place, why);
        }
    }
    Ok(sick)
}

/// Watches what works after a change, and does what follows where something does not any more.
pub(crate) async fn after(
    server: &Server,
    order: &Order,
    held: &Store,
    before: &Sick,
    answer: Answer,
) -> Result<Answer, Stop> {
    let environment = &order.environment;
    let applied = answer.change.filter(|_| answer.end == End::Done && order.aim.is_of_commit());
    let Some(number) = applied else { return Ok(answer) };
    let Some(desired) = server.in_force(environment).await? else { return Ok(answer) };
    let known: BTreeSet<_> = before.keys().collect();
    let probes: Vec<_> =
        probes(&desired).into_iter().filter(|(place, _)| !known.contains(place)).collect();
    if probes.is_empty() {
        return Ok(answer);
    }
    let drivers = reconcile::drivers(server, &desired).await?;
    let sick = watch(held, &drivers, probes, server.shared.watch).await?;
    if sick.is_empty() {
        return Ok(answer);
    }
    let words: Vec<String> =
        sick.iter().map(|((_, api), why)| format!("{api} does not work: {why}")).collect();
    let words = words.join("; ");
    let now = server.clock.now();
    let by = Asker::server().actor;
    let told = event::unhealthy(by, environment, number, &words);
    held.mark_unhealthy(environment, number, &words, told, now).await?;
    let answer = go_back(server, order, held, number, &words, answer).await?;
    let links = Links::to(&server.address);
    let text = format!("{environment}: {}", answer.text);
    server.notify(Notification::unwell(&desired, now, &text, number, &links)).await?;
    Ok(answer)
}

/// Goes back to the change before, as the server, where a rule lets it.
async fn go_back(
    server: &Server,
    order: &Order,
    held: &Store,
    number: u64,
    words: &str,
    answer: Answer,
) -> Result<Answer, Stop> {
    let environment = order.environment.clone();
    let failed = |text: String| Answer { end: End::Failed, text, ..answer.clone() };
    let stays = format!("change {number} is in force, and {words}");
    let Some(to) = held.in_force_before(&environment, number).await? else {
        return Ok(failed(format!("{stays}; there is no change before it")));
    };
    let aim = Aim::State { to, reason: Some(words.to_owned()) };
    let back = Order { environment, asker: Asker::server(), aim };
    match reconcile::go_back(server, &back, held).await {
        Ok(Answer { end: End::Done, change: Some(change), .. }) => {
            let text = format!(
                "change {number} is gone back from, because {words}; {change} is {to} again"
            );
            Ok(Answer { change: Some(change), ..failed(text) })
        }
        Ok(refused) => Ok(failed(format!("{stays}; the server may not go back: {}", refused.text))),
        Err(stop) => Ok(failed(format!("{stays}; going back failed: {stop}"))),
    }
}

/// Calls until each has answered well often enough, or has had its time.
async fn watch(
    held: &Store,
    drivers: &Drivers,
    probes: Vec<((TargetName, ApiName), Probe)>,
    Watch { pause, most, enough }: Watch,
) -> Result<Sick, Stop> {
    let mut open: Vec<_> = probes.into_iter().map(|(place, probe)| (place, probe, 0)).collect();
    let mut sick = Sick::new();
    for round in 0..most {
        if round > 0 {
            tokio::time::sleep(pause).await;
        }
        // Nobody else may write meanwhile: it may have to be gone back from.
        held.renew().await?;
        for (place, probe, good) in &mut open {
            match ask(drivers, &place.0, probe).await {
                Ok(()) => *good += 1,
                Err(why) => {
                    *good = 0;
                    sick.insert(place.clone(), why);
                }
            }
        }
        open.retain(|(place, _, good)| {
            let is_well = *good >= enough;
            if is_well {
                sick.remove(place);
            }
            !is_well
        });
        if open.is_empty() {
            break;
        }
    }
    sick.retain(|place, _| open.iter().any(|(open, _, _)| open == place));
    Ok(sick)
}

/// One call of a health operation.
async fn ask(drivers: &Drivers, target: &TargetName, probe: &Probe) -> Result<(), String> {
    let driver = drivers.get(target).ok_or_else(|| "there is no such target".to_owned())?;
    let probed = driver.probe(probe).await.map_err(|error| error.to_string())?;
    if probe.expect.admits(&probed) {
        return Ok(());
    }
    let call = format!("{} {}", probe.method.as_str(), probe.path);
    Err(match probed.fate {
        Fate::Unanswered { because } => format!("`{call}`: {because}"),
        Fate::Answered | Fate::Refused => format!("`{call}` answers {}", probed.status),
    })
}

/// The health operations of what is served, each on each target. One that needs more than its path is
/// not called.
fn probes(desired: &Desired) -> Vec<((TargetName, ApiName), Probe)> {
    let mut probes = vec![];
    for (name, api) in &desired.apis {
        let Some(Health { operation: wanted }) = &api.spec.upstream.health else { continue };
        let Some(operation) = api.operations.iter().find(|it| it.id == *wanted) else { continue };
        let address = address_of(api, operation);
        if address.path.contains('{') {
            continue;
        }
        for target in desired.spec.targets.keys().filter(|it| api.spec.targets.contains(it)) {
            let probe = Probe {
                name: format!("health of {name}"),
                method: operation.method,
                host: address.host.clone(),
                path: address.path.clone(),
                token: Token::Health,
                expect: Expected::Success,
            };
            probes.push(((target.clone(), name.clone()), probe));
        }
    }
    probes
}
