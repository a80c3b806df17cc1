//! Whether the targets of an environment still hold what was written, and what is done where they do
//! not: it is told, or put back. What comes again each time it is put back has another owner, and
//! then somebody has to look.

use gw_model::{environment::DriftThen, id::EnvironmentName};
use gw_plan::{difference::Drift, digest::Digest, plan::Plan};
use serde_json::json;

use crate::{
    answer::Answer,
    asker::Asker,
    event,
    notify::Notification,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    store::KnownDrift,
    tell::Links,
};

/// So often the same difference is put back.
const MOST_TIMES: u64 = 3;

/// Compares, and does about it what the rules in force say.
pub async fn compare(server: &Server, environment: &EnvironmentName) -> Result<Answer, Stop> {
    let Some(rules) = server.in_force(environment).await? else {
        return Ok(Answer::done(format!("nothing is in force in {environment}")));
    };
    if server.store.under_way(environment).await?.is_some() {
        return Ok(Answer::done(format!("a change of {environment} is under way")));
    }
    let order =
        Order { environment: environment.clone(), asker: Asker::server(), aim: Aim::InForce };
    let plan = reconcile::compare(server, &order).await?;
    let Some(digest) = digest(&plan) else {
        return Ok(Answer::done(format!("{environment} holds what was written")));
    };
    let known = server.store.drift(environment).await?;
    let is_new = known.as_ref().is_none_or(|known| known.digest != digest.as_str());
    let put_back = known.map_or(0, |known| if is_new { 0 } else { known.put_back });
    if is_new {
        let found = event::drifted(environment, &plan, digest.as_str());
        server.store.record(found, server.clock.now()).await?;
        server.publish().await?;
        server.notify(Notification::drift(&plan, &Links::to(&server.address))).await?;
    }
    let remembered = |put_back| KnownDrift { digest: digest.to_string(), put_back };
    let at = server.clock.now();
    server.store.remember_drift(environment, &remembered(put_back), at).await?;
    if rules.spec.drift.then == DriftThen::Report {
        return Ok(Answer::done(format!("{environment} does not hold what was written")));
    }
    if put_back >= MOST_TIMES {
        let stop = Stop::Fought { environment: environment.clone(), times: put_back };
        let refused = event::stopped(Asker::server().actor, environment, &stop);
        server.store.record(refused, server.clock.now()).await?;
        server.publish().await?;
        return Err(stop);
    }
    let answer = reconcile::reconcile(server, &order).await?;
    if answer.change.is_some() {
        let at = server.clock.now();
        server.store.remember_drift(environment, &remembered(put_back + 1), at).await?;
    }
    Ok(answer)
}

/// What differs, in one word; none: nothing does.
fn digest(plan: &Plan) -> Option<Digest> {
    let drifted = plan.targets.iter().flat_map(|target| {
        let differences = target.differences.iter().filter(|it| it.drift != Drift::None);
        differences.map(move |it| json!([target.target, it.key.to_string(), it.drifted]))
    });
    let drifted: Vec<_> = drifted.collect();
    (!drifted.is_empty()).then(|| Digest::of_json(&json!(drifted)))
}
