//! Whether the targets of an environment still hold what was written, and what is done where they do
//! not: it is told, or put back. What comes again each time it is put back has another owner, and
//! then somebody has to look.

mod adopt;

use gw_model::{environment::DriftThen, id::EnvironmentName};
use gw_plan::{
    difference::{Drift, in_words},
    digest::Digest,
    driver::Class,
    plan::Plan,
};
use serde_json::json;
use time::{Date, Duration, OffsetDateTime};

pub use self::adopt::{Adopted, adopt};
use crate::{
    answer::Answer,
    asker::Asker,
    event,
    notify::Notification,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    store::{Action, KnownDrift, StoreError},
    tell::{Links, line},
};

/// Why a difference is not left as it is.
#[derive(Debug)]
pub enum NotAccepted {
    /// Nothing of that name differs, as far as is known.
    Unknown,
    Day,
    Store(StoreError),
}

impl From<StoreError> for NotAccepted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Longer no difference is left as it is.
const LONGEST: Duration = Duration::days(92);
/// So many lines tell what differs.
const MOST_LINES: usize = 200;
/// So often the same difference is put back.
const MOST_TIMES: u64 = 3;

/// Compares, and does about it what the rules in force say.
pub async fn compare(server: &Server, environment: &EnvironmentName) -> Result<Answer, Stop> {
    let Some(rules) = server.in_force(environment).await? else {
        return Ok(Answer::done(format!("nothing is in force in {environment}")));
    };
    if server.store.under_way(environment).await?.is_some() {
        // Whoever began it may be gone for good, and then nobody else goes on with it.
        match reconcile::go_on(server, environment).await {
            Ok(()) => {}
            Err(stop) if matches!(stop, Stop::Occupied { .. }) || stop.class() == Class::Human => {
                return Ok(Answer::done(format!("a change of {environment} is under way: {stop}")));
            }
            Err(stop) => return Err(stop),
        }
    }
    let order =
        Order { environment: environment.clone(), asker: Asker::server(), aim: Aim::InForce };
    let plan = match reconcile::compare(server, &order).await {
        Ok(plan) => plan,
        Err(stop) => {
            let (at, why) = (server.clock.now(), stop.to_string());
            server.store.remember_compared(environment, at, Some(&why)).await?;
            return Err(stop);
        }
    };
    let at = server.clock.now();
    let Some(mut found) = found(&plan) else {
        server.store.holds_all(environment, at).await?;
        return Ok(Answer::done(format!("{environment} holds what was written")));
    };
    let known = server.store.drift(environment).await?;
    let known = known.filter(|known| known.digest == found.digest);
    found.put_back = known.as_ref().map_or(0, |known| known.put_back);
    let until = server.store.drift_accepted(environment, &found.digest).await?;
    let accepted = until.filter(|until| *until > at);
    let compared_at = server.store.compared(environment).await?.map(|compared| compared.at);
    let is_over = until > compared_at && compared_at.is_some();
    // What went away and comes again is told again; so is what is accepted no more.
    if accepted.is_none() && (is_over || known.is_none_or(|known| !known.stands)) {
        let told = event::drifted(environment, &plan, &found.digest);
        server.store.record(told, at).await?;
        server.publish().await?;
        server.notify(Notification::drift(&plan, &Links::to(&server.address))).await?;
    }
    server.store.remember_drift(environment, &found, at).await?;
    if let Some(until) = accepted {
        let day = until.date();
        return Ok(Answer::done(format!("what differs in {environment} is accepted until {day}")));
    }
    if rules.spec.drift.then == DriftThen::Report {
        return Ok(Answer::done(format!("{environment} does not hold what was written")));
    }
    let in_force = server.store.in_force(environment).await?;
    if in_force.is_some_and(|change| change.begun.action == Action::BreakGlass) {
        let text = format!("{environment} is left as it is until its glass is whole again");
        return Ok(Answer::done(text));
    }
    if found.put_back >= MOST_TIMES {
        let stop = Stop::Fought { environment: environment.clone(), times: found.put_back };
        let refused = event::stopped(Asker::server().actor, environment, &stop);
        server.store.record(refused, server.clock.now()).await?;
        server.publish().await?;
        return Err(stop);
    }
    let answer = reconcile::reconcile(server, &order).await?;
    if answer.change.is_some() {
        let settled = KnownDrift { stands: false, put_back: found.put_back + 1, ..found };
        server.store.remember_drift(environment, &settled, server.clock.now()).await?;
    }
    Ok(answer)
}

/// What differed when the environment was compared last.
pub async fn standing(
    server: &Server,
    environment: &EnvironmentName,
) -> Result<Option<KnownDrift>, StoreError> {
    Ok(server.store.drift(environment).await?.filter(|known| known.stands))
}

/// Until when somebody took a difference upon himself; none: nobody, or it is over.
pub async fn accepted_until(
    server: &Server,
    environment: &EnvironmentName,
    digest: &str,
) -> Result<Option<OffsetDateTime>, StoreError> {
    let until = server.store.drift_accepted(environment, digest).await?;
    Ok(until.filter(|until| *until > server.clock.now()))
}

/// What differed when the environment was compared last, where nobody took it upon himself.
pub async fn unaccepted(
    server: &Server,
    environment: &EnvironmentName,
) -> Result<Option<KnownDrift>, StoreError> {
    let Some(known) = standing(server, environment).await? else { return Ok(None) };
    let accepted = accepted_until(server, environment, &known.digest).await?;
    Ok(Some(known).filter(|_| accepted.is_none()))
}

/// By what people call a difference: `dr-7Q2M0K`.
pub fn id(digest: &str) -> String {
    let digest: Option<Digest> = digest.parse().ok();
    format!("dr-{}", digest.map(|digest| digest.short()).unwrap_or_default())
}

/// Leaves what differs as it is until the end of a day, because somebody takes that upon himself. It
/// ends earlier where something else differs, or where a change decides anew what is to be so.
pub async fn accept(
    server: &Server,
    asker: &Asker,
    environment: &EnvironmentName,
    name: &str,
    day: Date,
) -> Result<OffsetDateTime, NotAccepted> {
    let now = server.clock.now();
    let known = standing(server, environment).await?;
    let known = known.filter(|known| id(&known.digest) == name).ok_or(NotAccepted::Unknown)?;
    let until = day.next_day().unwrap_or(day).midnight().assume_utc();
    if until <= now || until - now > LONGEST {
        return Err(NotAccepted::Day);
    }
    let accepted = event::accepted(asker.actor.clone(), environment, &known.digest, until);
    server.store.accept_drift(environment, &known.digest, until, accepted, now).await?;
    Ok(until)
}

/// What differs, object by object.
fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![];
    for target in &plan.targets {
        for found in target.differences.iter().filter(|it| it.drift != Drift::None) {
            let place = format!("{} {}", target.target, found.key);
            if found.drifted.is_empty() {
                lines.push(match found.drift {
                    Drift::Added => format!("{place} is served and was never written"),
                    Drift::Removed => format!("{place} was written and is not served"),
                    Drift::Changed | Drift::None => format!("{place} differs"),
                });
            }
            lines.extend(found.drifted.iter().map(|leaf| {
                let (before, after) =
                    (in_words(leaf.before.as_ref()), in_words(leaf.after.as_ref()));
                line(&format!("{place} · {}: written {before}, live {after}", leaf.path))
            }));
        }
    }
    lines.truncate(MOST_LINES);
    lines
}

/// What differs; none: nothing does.
fn found(plan: &Plan) -> Option<KnownDrift> {
    let digest = digest(plan)?.to_string();
    Some(KnownDrift { digest, stands: true, put_back: 0, lines: lines(plan) })
}

/// The same in one word.
fn digest(plan: &Plan) -> Option<Digest> {
    let drifted = plan.targets.iter().flat_map(|target| {
        let differences = target.differences.iter().filter(|it| it.drift != Drift::None);
        differences.map(move |it| json!([target.target, it.key.to_string(), it.drifted]))
    });
    let drifted: Vec<_> = drifted.collect();
    (!drifted.is_empty()).then(|| Digest::of_json(&json!(drifted)))
}
