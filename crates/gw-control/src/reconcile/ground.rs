//! What is to be judged, before anybody judges: the commit, what it declares, and what source, store and
//! host know of it.

use std::{collections::BTreeSet, sync::Arc};

use gw_model::{desired::Desired, id::EnvironmentName};
use gw_plan::digest::Digest;
use gw_policy::change::CommitFacts;
use tokio::task::spawn_blocking;

use super::{Aim, Order};
use crate::{
    declared::Declared,
    engine::{self, EngineError, Facts},
    server::Server,
    source::git::{GitError, ObjectId, Tree, View, signature::Standing},
    stop::Stop,
    trial,
};

/// Where an environment is to go: the commit, what it declares, and what is known of it.
#[derive(Debug)]
pub struct Ground {
    pub view: Arc<View>,
    /// None: the state came from no commit, or from one that is gone.
    pub commit: Option<ObjectId>,
    pub desired: Arc<Desired>,
    pub source: Digest,
    pub facts: Facts,
    /// The one that it is looked at for: nothing of it need have been shown yet.
    pub pull_request: Option<u64>,
}

/// The commit, its declarations, and the facts.
pub async fn ground(server: &Server, order: &Order) -> Result<Ground, Stop> {
    let (view, commit) = match &order.aim {
        Aim::Head { reference } => {
            let view = server.fetch().await?.view;
            let commit = view.reference(reference);
            let gone = || match view.passed_over(reference) {
                Some(passed_over) => Stop::Source(passed_over.why.clone()),
                None => Stop::NoReference { name: reference.clone() },
            };
            (Arc::clone(&view), commit.ok_or_else(gone)?)
        }
        Aim::Commit { sha, .. } => server.commit(sha).await?,
        Aim::BreakGlass { sha, .. } => server.commit_at_hand(sha).await?,
        Aim::State { to, .. } | Aim::Expired { to } => return former(server, order, *to).await,
        Aim::InForce => {
            let change = server.store.in_force(&order.environment).await?;
            let number = change.map_or(0, |change| change.number);
            return former(server, order, number).await;
        }
    };
    let (files, declared) = read(&view, commit).await?;
    let desired = desired(server, order, &files, &declared).await?;
    let facts = facts(server, &order.environment, &view, commit, &declared.digest).await?;
    let (commit, source, pull_request) = (Some(commit), declared.digest, None);
    Ok(Ground { view, commit, desired, source, facts, pull_request })
}

/// The state that a change left, and what is known of the commit that it came from.
async fn former(server: &Server, order: &Order, to: u64) -> Result<Ground, Stop> {
    let environment = &order.environment;
    let change = server.store.change(environment, to).await?;
    let change = change.filter(|change| change.took_effect());
    let change = change.ok_or(EngineError::NoChange { number: to })?;
    let (desired, source) = engine::state_of(&server.store, environment, to).await?;
    let view = server.view().await?;
    let commit = change.begun.commit.as_deref().and_then(|sha| view.find(sha));
    let facts = match commit {
        Some(commit) => facts(server, environment, &view, commit, &source).await?,
        None => Facts::default(),
    };
    Ok(Ground { view, commit, desired, source, facts, pull_request: None })
}

/// Reads the declarations of a commit, where waiting for the disk stops nobody.
pub(crate) async fn read(view: &Arc<View>, commit: ObjectId) -> Result<(Tree, Declared), Stop> {
    let view = Arc::clone(view);
    aside(move || {
        let files = view.tree(&commit)?;
        let declared = Declared::read(&files);
        Ok((files, declared))
    })
    .await
}

/// Does what waits for the disk, or takes long, where that stops nobody else.
pub(crate) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, Stop> {
    let done = spawn_blocking(work).await;
    let broken = |_| GitError::Broken { why: "it cannot be read".to_owned() };
    Ok(done.map_err(broken)??)
}

/// What must hold in the environment. Where a commit does not declare it any more, nothing must.
pub(crate) async fn desired(
    server: &Server,
    order: &Order,
    files: &Tree,
    declared: &Declared,
) -> Result<Arc<Desired>, Stop> {
    let environment = &order.environment;
    let commit = || files.commit().to_string();
    let wrong = |found| Stop::Wrong { commit: commit(), found, sources: declared.sources.clone() };
    let Some(declarations) = declared.faultless() else {
        return Err(wrong(declared.found.clone()));
    };
    if declared.declares(environment) {
        let desired = declarations.desired(environment);
        let desired = desired.map_err(|found| wrong(vec![*found]))?;
        server.is_ours(files, &desired.source)?;
        return Ok(desired);
    }
    let Some(former) = server.in_force(environment).await? else {
        return Err(Stop::NoEnvironment { commit: commit(), environment: environment.clone() });
    };
    server.is_ours(files, declarations.source())?;
    let mut desired = Desired::clone(&former);
    desired.spec.targets.clear();
    desired.apis.clear();
    Ok(Arc::new(desired))
}

/// What source and store know of a commit. Approvals come later: they are for what is changed.
pub(crate) async fn facts(
    server: &Server,
    environment: &EnvironmentName,
    view: &Arc<View>,
    commit: ObjectId,
    source: &Digest,
) -> Result<Facts, Stop> {
    let verified_in = verified_in(server, source).await?;
    let people = server.in_force(environment).await?.map(|desired| desired.people.clone());
    let people = people.unwrap_or_default();
    let view = Arc::clone(view);
    aside(move || {
        let written = view.commit(&commit)?;
        let branches = view.branches_with(&commit)?;
        let tags = view.tags_of(&commit).into_iter().map(str::to_owned).collect();
        let (signed, unproven) = match Standing::of(&written, &people) {
            Standing::By(_) => (true, None),
            Standing::Unsigned => (false, None),
            Standing::Unproven(why) => (false, Some(why.to_string())),
        };
        let facts = CommitFacts { sha: commit.to_string(), branches, tags, signed, unproven };
        Ok(Facts { commit: Some(facts), subject: Some(written.subject), verified_in })
    })
    .await
}

/// Where these files were verified; an environment that can be tried has to have passed as well.
async fn verified_in(server: &Server, source: &Digest) -> Result<BTreeSet<EnvironmentName>, Stop> {
    let mut verified = server.store.verified_in(source.as_str()).await?;
    for environment in verified.clone() {
        let desired = server.in_force(&environment).await?;
        let is_testable = desired.is_some_and(|desired| trial::is_testable(&desired));
        if is_testable && !server.store.has_passed_trial(&environment, source.as_str()).await? {
            verified.remove(&environment);
        }
    }
    Ok(verified)
}
