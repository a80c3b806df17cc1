//! What a target holds otherwise becomes a proposal: a branch whose declarations say it, and its pull
//! request. Nothing is decided by that; it is reviewed, approved and merged like anybody's.

use std::{collections::BTreeMap, sync::Arc};

use gw_audit::entry::Actor;
use gw_model::{
    edit::{Change, edited},
    id::EnvironmentName,
};
use gw_plan::{
    difference::{Difference, Drift},
    plan::Plan,
};

use super::{digest, id, standing};
use crate::{
    asker::Asker,
    declared::Declared,
    event,
    host::Proposal,
    reconcile::{self, Aim, Order, aside},
    server::Server,
    source::git::Edit,
    stop::Stop,
    store::StoreError,
};

/// What was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adopted {
    pub branch: String,
    pub pull_request: u64,
}

/// Proposes that what differs is to be so; none: nothing of that name differs any more, as far as is known.
pub async fn adopt(
    server: &Server,
    asker: &Asker,
    environment: &EnvironmentName,
    name: &str,
) -> Result<Option<Adopted>, Stop> {
    let known = standing(server, environment).await?;
    let Some(known) = known.filter(|known| id(&known.digest) == name) else { return Ok(None) };
    let order =
        Order { environment: environment.clone(), asker: Asker::server(), aim: Aim::InForce };
    let plan = reconcile::compare(server, &order).await?;
    // What is proposed is what was seen.
    if digest(&plan).is_none_or(|digest| digest.as_str() != known.digest) {
        return Ok(None);
    }
    let into = server.host.repository().await?.main_branch.unwrap_or_default();
    let view = server.fetch().await?.view;
    let head = view.branches().get(&into).copied();
    let head = head.ok_or_else(|| Stop::NoReference { name: into.clone() })?;
    let (_, declared) = reconcile::read(&view, head).await?;
    let files = texts(&declared, &plan)?;

    let (branch, title) = (format!("gatewright/{name}"), format!("Keep {name} of {environment}"));
    let seen = Arc::clone(&view);
    let edited = aside(move || seen.edited(&head, &files)).await?;
    let edited = edited.ok_or_else(|| unwritable("a file that is not there"))?;
    let at = server.clock.now();
    let edit = Edit { branch: &branch, onto: head, edited, message: &title, at };
    let credential = server.host.for_git().await?;
    server.repository.branch_off(&credential, &edit).await?;
    let text = words(environment, &known.lines);
    let proposal = Proposal { title: &title, text: &text, branch: &branch, into: &into };
    let pull_request = server.host.propose(&proposal).await?;
    record(server, asker.actor.clone(), environment, &known.digest, pull_request).await?;
    Ok(Some(Adopted { branch, pull_request }))
}

async fn record(
    server: &Server,
    by: Actor,
    environment: &EnvironmentName,
    digest: &str,
    pull_request: u64,
) -> Result<(), StoreError> {
    let adopted = event::adopted(by, environment, digest, pull_request);
    server.store.record(adopted, server.clock.now()).await?;
    Ok(())
}

fn words(environment: &EnvironmentName, lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| format!("* `{line}`\n")).collect();
    format!(
        "{environment} does not hold what was written. Merging this keeps what it holds:\n\n{}",
        lines.concat()
    )
}

/// The files that have to change, as they would have to be.
fn texts(declared: &Declared, plan: &Plan) -> Result<BTreeMap<String, String>, Stop> {
    let mut texts = BTreeMap::new();
    for target in &plan.targets {
        for found in target.differences.iter().filter(|it| it.drift != Drift::None) {
            let (path, text) = text(declared, found, &texts)?;
            texts.insert(path, text);
        }
    }
    Ok(texts)
}

/// The file that declares what differs, with the values that are live.
fn text(
    declared: &Declared,
    found: &Difference,
    texts: &BTreeMap<String, String>,
) -> Result<(String, String), Stop> {
    let (kind, name) = (found.key.kind.as_str(), found.key.name.as_str());
    if kind != "api" || found.drift != Drift::Changed || found.drifted.is_empty() {
        return Err(unwritable(&found.key.to_string()));
    }
    let changes: Vec<Change<'_>> = found
        .drifted
        .iter()
        .map(|leaf| Change {
            path: &leaf.path,
            before: leaf.before.as_ref(),
            after: leaf.after.as_ref(),
        })
        .collect();
    for (_, file) in declared.sources.files() {
        let former = texts.get(&file.path).unwrap_or(&file.text);
        match edited(former, "Api", name, &changes) {
            Ok(Some(text)) => return Ok((file.path.clone(), text)),
            Ok(None) => {}
            Err(nowhere) => return Err(unwritable(&format!("{} of api/{name}", nowhere.path))),
        }
    }
    Err(unwritable(&format!("api/{name}, which no file declares")))
}

fn unwritable(what: &str) -> Stop {
    Stop::Unwritable { what: what.to_owned() }
}
