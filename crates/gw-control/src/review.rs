//! What a pull request would do, environment by environment, as if it were merged now.

use std::{collections::BTreeSet, sync::Arc};

use gw_model::{
    desired::Desired,
    environment::{ChangeAction, ReleaseAction, ReleaseEvent},
    id::{ApiName, EnvironmentName},
};
use gw_plan::plan::{Planned, Rules};
use gw_policy::principal::{Caller, Principal};
use time::OffsetDateTime;

use crate::{
    approvals,
    approve::{Approved, Shown},
    asker::Asker,
    branches::{self, Absent},
    declared::Declared,
    engine::{Engine, Facts, Measured, Wish},
    event,
    host::{PullRequest, PullRequestState},
    reconcile::{self, Aim, Ground, Order, aside},
    server::Server,
    source::git::{GitError, ObjectId, Tree, View},
    stop::Stop,
};

/// A pull request, and what it would do where.
#[derive(Debug)]
pub struct Review {
    pub pull_request: PullRequest,
    pub head: String,
    /// Files that both sides changed: what is planned for them is the branch's state of them.
    pub both: Vec<String>,
    pub declared: Declared,
    pub environments: Vec<Reviewed>,
}

#[derive(Debug)]
pub struct Reviewed {
    pub environment: EnvironmentName,
    pub planned: Planned,
    pub approved: Approved,
    /// Branches that it would name and that are not there.
    pub absent: Vec<Absent>,
}

/// What a pull request was closed as, or what it would do.
#[derive(Debug)]
pub enum Reading {
    Closed(PullRequestState),
    /// Its branch lies in another repository: nothing of it is read, and nothing is told about it.
    Elsewhere,
    Open(Box<Review>),
    /// Its declarations are wrong.
    Wrong(Box<Wrong>),
    /// It holds what is never read.
    Unread(Box<Unread>),
}

/// A pull request whose files are not read, because of what is in them or in their history.
#[derive(Debug)]
pub struct Unread {
    pub pull_request: PullRequest,
    pub head: String,
    pub why: GitError,
}

/// A pull request whose declarations are wrong.
#[derive(Debug)]
pub struct Wrong {
    pub pull_request: PullRequest,
    pub head: String,
    pub stop: Stop,
    pub declared: Declared,
}

/// What the merge of a pull request would be now.
struct Merge {
    pull_request: PullRequest,
    head: String,
    view: Arc<View>,
    commit: ObjectId,
    files: Tree,
    both: Vec<String>,
    declared: Declared,
}

/// Plans what merging the pull request now would do.
pub async fn review(server: &Server, number: u64) -> Result<Reading, Stop> {
    let merge = match merge(server, number).await? {
        Ok(merge) => merge,
        Err(reading) => return Ok(reading),
    };
    let mut environments = vec![];
    for environment in server.reviewed_environments(&merge.declared, &merge.pull_request).await? {
        let order = merge.order(environment.clone(), Asker::server(), BTreeSet::new());
        let ground = merge.ground(server, &order).await?;
        environments.push(consider(server, order, &ground).await?);
    }
    let Merge { pull_request, head, both, declared, .. } = merge;
    let review = Review { pull_request, head, both, declared, environments };
    Ok(Reading::Open(Box::new(review)))
}

/// What somebody asks for who plans a pull request by hand, and what it would be on.
pub async fn ground(
    server: &Server,
    environment: EnvironmentName,
    asker: Asker,
    number: u64,
    only: BTreeSet<ApiName>,
) -> Result<Result<(Order, Ground), Reading>, Stop> {
    let merge = match merge(server, number).await? {
        Ok(merge) => merge,
        Err(reading) => return Ok(Err(reading)),
    };
    let order = merge.order(environment, asker, only);
    let ground = merge.ground(server, &order).await?;
    Ok(Ok((order, ground)))
}

async fn merge(server: &Server, number: u64) -> Result<Result<Merge, Reading>, Stop> {
    let pull_request = server.host.pull_request(number).await?;
    if pull_request.state != PullRequestState::Open {
        return Ok(Err(Reading::Closed(pull_request.state)));
    }
    let Some(head) = pull_request.source.commit.clone() else {
        return Ok(Err(Reading::Elsewhere));
    };
    let unread = |pull_request, head, why| {
        Ok(Err(Reading::Unread(Box::new(Unread { pull_request, head, why }))))
    };
    let (view, into) = match sides(server, &pull_request, &head).await? {
        Ok(sides) => sides,
        Err(why) => return unread(pull_request, head, why),
    };
    let Some(commit) = view.find(&head) else {
        return Err(Stop::Source(view.missing(&head)));
    };
    let (files, both, declared) = match merged(&view, commit, into).await {
        Ok(merged) => merged,
        Err(Stop::Source(why @ GitError::Files { .. })) => return unread(pull_request, head, why),
        Err(stop) => return Err(stop),
    };
    if declared.faultless().is_none() {
        let found = declared.found.clone();
        let stop = Stop::Wrong { commit: head.clone(), found, sources: declared.sources.clone() };
        return Ok(Err(Reading::Wrong(Box::new(Wrong { pull_request, head, stop, declared }))));
    }
    Ok(Ok(Merge { pull_request, head, view, commit, files, both, declared }))
}

impl Merge {
    fn order(&self, environment: EnvironmentName, asker: Asker, only: BTreeSet<ApiName>) -> Order {
        let aim = Aim::Commit { sha: self.head.clone(), only, plan: None };
        Order { environment, asker, aim }
    }

    async fn ground(&self, server: &Server, order: &Order) -> Result<Ground, Stop> {
        let Self { pull_request, view, commit, files, declared, .. } = self;
        let desired = reconcile::desired(server, order, files, declared).await?;
        let facts =
            reconcile::facts(server, &order.environment, view, *commit, &declared.digest).await?;
        Ok(Ground {
            view: Arc::clone(view),
            commit: Some(*commit),
            desired,
            source: declared.digest.clone(),
            facts: as_merged(facts, pull_request),
            pull_request: Some(pull_request.number),
        })
    }
}

/// A view with the head of a pull request, and the commit that it would be merged into; or why one of
/// both is left out as long as it holds what it does.
async fn sides(
    server: &Server,
    pull_request: &PullRequest,
    head: &str,
) -> Result<Result<(Arc<View>, Option<ObjectId>), GitError>, Stop> {
    let whole = |branch: &str| format!("refs/heads/{branch}");
    let branch = whole(&pull_request.source.branch);
    let known = server.repository.view().filter(|view| view.find(head).is_some());
    let view = match known {
        Some(view) => view,
        None => server.fetch_with(Some(branch.clone())).await?.view,
    };
    let into = whole(&pull_request.destination.branch);
    let left_out = |name: &str| view.passed_over(name).filter(|it| it.at.is_some());
    if let Some(left_out) = left_out(&into).or_else(|| left_out(&branch)) {
        return Ok(Err(left_out.why.clone()));
    }
    let into = view.reference(&into);
    Ok(Ok((view, into)))
}

/// Plans one environment, and judges as if somebody asked whom a rule lets apply.
async fn consider(server: &Server, order: Order, ground: &Ground) -> Result<Reviewed, Stop> {
    let environment = order.environment.clone();
    let drivers = reconcile::drivers(server, &ground.desired).await?;
    let in_force = server.in_force(&environment).await?;
    let asker = whoever_may(in_force.as_deref());
    let engine = Engine {
        asker: &asker,
        owners: Some(&server.owners),
        store: &server.store,
        clock: &*server.clock,
        drivers: &drivers,
        workspace_id: &server.workspace_id,
        environment: &environment,
    };
    let (declared, source, facts) = (&ground.desired, ground.source.clone(), &ground.facts);
    let (only, action) = (&BTreeSet::new(), ChangeAction::Apply);
    let measured = Measured::Ordinary;
    let planned = engine.plan(Wish { declared, source, only, action, facts, measured }).await?;
    let mut asked = engine.asked(action, facts);
    asked.at = planned.plan.made_at;
    let approved =
        approvals::fill(server, &environment, ground, &planned, &mut asked, None).await?;
    let planned = planned.judged(&asked);
    reconcile::keep(server, &order, &planned.plan).await?;
    // Of what is named already `doctor` tells: nobody has to read it below each pull request.
    let known = in_force.as_deref().map(branches::named).unwrap_or_default();
    let mut absent = branches::absent(&ground.desired, &ground.view);
    absent.retain(|it| !known.contains(it.name.as_str()));
    Ok(Reviewed { environment, planned, approved, absent })
}

/// The files as the merge would leave them, and what they declare.
async fn merged(
    view: &Arc<View>,
    commit: ObjectId,
    into: Option<ObjectId>,
) -> Result<(Tree, Vec<String>, Declared), Stop> {
    let view = Arc::clone(view);
    aside(move || {
        let (files, both) = match into {
            Some(into) => {
                let merged = view.merged(&commit, &into)?;
                (merged.tree, merged.both)
            }
            None => (view.tree(&commit)?, vec![]),
        };
        let declared = Declared::read(&files);
        Ok((files, both, declared))
    })
    .await
}

/// After the merge the commit is on the branch that it is for, and so it is judged.
fn as_merged(mut facts: Facts, pull_request: &PullRequest) -> Facts {
    if let Some(commit) = &mut facts.commit {
        commit.branches.insert(pull_request.destination.branch.clone());
    }
    facts.subject = Some(pull_request.title.clone());
    facts
}

/// Somebody whom each rule for an apply would let in, as far as it is about who asks: a pull request
/// shows what else is missing.
fn whoever_may(in_force: Option<&Desired>) -> Asker {
    let Some(in_force) = in_force else { return Asker::server() };
    let rules = in_force.spec.changes.iter();
    let applying = rules.filter(|rule| rule.actions.contains(&ChangeAction::Apply));
    let mut principals = vec![];
    for rule in applying {
        for identity in &rule.identities {
            let held = rule.claims.iter();
            let held = held.map(|(name, values)| (name.clone(), values.iter().cloned().collect()));
            principals.push(Principal {
                identity: identity.clone(),
                issuer: identity.to_string(),
                subject: identity.to_string(),
                claims: held.collect(),
                expires_at: None,
            });
        }
    }
    Asker { caller: Caller { principals }, ..Asker::server() }
}

/// Keeps since when it can be read what the pull request changes: approvals are for that.
pub async fn show(server: &Server, review: &Review, at: OffsetDateTime) -> Result<(), Stop> {
    for Reviewed { environment, planned, .. } in &review.environments {
        if matches!(planned.rules, Rules::Owners(..)) {
            continue;
        }
        let shown = Shown { head: review.head.clone(), at, entries: planned.changed.clone() };
        let by = Asker::server().actor;
        let told = event::shown(by, planned, review.pull_request.number);
        server.store.show(environment, review.pull_request.number, &shown, told).await?;
    }
    Ok(())
}

impl Server {
    /// Where a pull request is planned: everywhere, except where the rules in force say otherwise.
    async fn reviewed_environments(
        &self,
        declared: &Declared,
        pull_request: &PullRequest,
    ) -> Result<BTreeSet<EnvironmentName>, Stop> {
        let in_force = self.environments().await?;
        let names = declared.faultless().into_iter().flat_map(|it| it.environments());
        let declared = names.map(|(name, _)| name.clone());
        let mut chosen = BTreeSet::new();
        for environment in in_force.into_iter().chain(declared) {
            let rules = self.in_force(&environment).await?;
            let releases = rules.as_ref().and_then(|rules| rules.spec.on.as_ref());
            let planned = releases.is_none_or(|releases| {
                releases.iter().any(|release| {
                    let branch = &pull_request.destination.branch;
                    release.event == ReleaseEvent::PullRequest
                        && release.then == ReleaseAction::Plan
                        && release.branch.as_ref().is_none_or(|only| only == branch)
                })
            });
            if planned {
                chosen.insert(environment);
            }
        }
        Ok(chosen)
    }
}
