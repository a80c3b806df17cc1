//! Going back that waits for others: no pull request shows it, so it is remembered here who asked, whom
//! it waits for, and when it can be asked for again.

use std::sync::Arc;

use gw_model::{desired::Desired, id::EnvironmentName};
use gw_plan::plan::Plan;
use gw_policy::principal::Caller;

use crate::{
    approve::{Approved, caller_of},
    asker::Asker,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    tell::Waiting,
    waits::Back,
};

/// Remembers a refusal that approvals would mend.
pub(crate) async fn wait(server: &Server, plan: &Plan, approved: &Approved) -> Result<(), Stop> {
    let Some(waiting) = Waiting::of(&plan.decision) else { return Ok(()) };
    let (Some(to), Some(in_force)) =
        (plan.restores, server.store.in_force(&plan.environment).await?)
    else {
        return Ok(());
    };
    let back = Back {
        to,
        plan: plan.id.clone(),
        gates: waiting.gates(),
        asked_by: approved.authors.first().cloned(),
        since: server.clock.now(),
    };
    Ok(server.store.wait_back(&plan.environment, in_force.number, &back).await?)
}

/// Looks anew what going back to a change waits for, because somebody approved it.
pub async fn look_again(
    server: &Server,
    environment: &EnvironmentName,
    to: u64,
) -> Result<(), Stop> {
    let Some(rules) = server.in_force(environment).await? else { return Ok(()) };
    let Some((leaves, back)) = pending(server, environment, to).await? else { return Ok(()) };
    let Some(caller) = back.asked_by.as_ref().and_then(|person| caller_of(&rules, person)) else {
        return Ok(());
    };
    // Nothing is recorded of a look.
    let asker = Asker { caller, actor: Asker::server().actor };
    let order =
        Order { environment: environment.clone(), asker, aim: Aim::State { to, reason: None } };
    let decision = reconcile::judged(server, &order).await?.decision;
    let gates = match Waiting::of(&decision) {
        Some(waiting) => waiting.gates(),
        None if decision.allowed => vec![],
        // What it lacks is nothing that is waited for: whoever asks hears it.
        None => return Ok(()),
    };
    Ok(server.store.wait_back(environment, leaves, &Back { gates, ..back }).await?)
}

/// Who asked to go back to a change, as the declarations know them. None: nobody did.
pub(crate) async fn asker(
    server: &Server,
    environment: &EnvironmentName,
    rules: &Arc<Desired>,
    to: u64,
) -> Result<Option<Caller>, Stop> {
    let pending = pending(server, environment, to).await?;
    let known = |person| caller_of(rules, &person);
    Ok(pending.map(|(_, back)| back.asked_by.and_then(known).unwrap_or_default()))
}

async fn pending(
    server: &Server,
    environment: &EnvironmentName,
    to: u64,
) -> Result<Option<(u64, Back)>, Stop> {
    let Some(in_force) = server.store.in_force(environment).await? else { return Ok(None) };
    let waits = server.store.waits_back(environment, in_force.number).await?;
    Ok(waits.into_iter().find(|back| back.to == to).map(|back| (in_force.number, back)))
}
