//! Who approved what a plan changes: gathers what store, source and host know, and has it judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    slice,
    sync::Arc,
};

use gw_model::{desired::Desired, id::EnvironmentName};
use gw_plan::{
    driver::Class,
    plan::{Changed, Effects, Planned, Rules},
};
use gw_policy::{change::Asked, principal::Caller};
use time::OffsetDateTime;

use crate::{
    approve::{self, Approved, Candidate, Given, GoingBack, Question, TakenBack, Why},
    back,
    declared::Declared,
    engine::Drivers,
    host::{Account, Permission, PullRequest, PullRequestState},
    reconcile::{self, Ground, aside},
    server::Server,
    source::git::{GitError, ObjectId, View},
    stop::Stop,
};

/// So many open pull requests of one commit are asked for, the oldest first: nobody who comes later
/// pushes one out.
const MOST: usize = 100;
/// A longer history is not looked through: then nothing of it lasts.
const MOST_LATER: usize = 500;
/// So many states on the way to a commit are looked at.
const MOST_STATES: usize = 100;

/// Counts the approvals of what is changed, and puts them where the rules look.
pub(crate) async fn fill(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
    planned: &Planned,
    asked: &mut Asked,
    restores: Option<u64>,
) -> Result<Approved, Stop> {
    let (Rules::Declared(rules), Some(_)) = (&planned.rules, ground.commit) else {
        return Ok(Approved::default());
    };
    let back = going_back(server, environment, asked.at, &asked.actor, restores).await?;
    let given = server.store.given(environment).await?;
    let gathered = Gathered::of(server, environment, ground, planned, rules, back, &given).await?;
    let permissions = permissions(server, &gathered.candidates).await?;
    let question = gathered.question(ground, planned, rules);
    let mut approved = approve::judge(question, &gathered.candidates, &given, |account| {
        permissions.get(&account.id).copied()
    });
    let all = gathered.candidates.iter().map(|it| &it.pull_request);
    let merged = all.filter(|it| it.state == PullRequestState::Merged);
    let merged = merged.filter(|it| approved.pull_requests.contains(&it.number));
    approved.merges = merged.map(|it| (it.number, merger(it, rules))).collect();
    approved.fill(asked);
    Ok(approved)
}

/// Why an approval would not count for what a plan changes, whatever else is approved. None: it may.
pub async fn in_vain(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
    planned: &Planned,
    given: &Given,
) -> Result<Option<Why>, Stop> {
    let (Rules::Declared(rules), Some(_)) = (&planned.rules, ground.commit) else {
        return Ok(None);
    };
    let asker = match given.restores {
        Some(to) => back::asker(server, environment, rules, to).await?,
        None => None,
    };
    let nobody_yet = asker.is_none();
    let asker = asker.unwrap_or_default();
    let back = going_back(server, environment, given.at, &asker, given.restores).await?;
    let given = slice::from_ref(given);
    let mut gathered =
        Gathered::of(server, environment, ground, planned, rules, back, given).await?;
    // What was said in the Git host is told there.
    gathered.candidates.iter_mut().for_each(|it| it.pull_request.approvals.clear());
    let question = gathered.question(ground, planned, rules);
    let refused = approve::judge(question, &gathered.candidates, given, |_| None).refused;
    let is_final = |why: &Why| match why {
        Why::Author | Why::Unlisted | Why::NotAdmitted { .. } => true,
        // Who asks for it comes later, and so does the pull request that brings it.
        Why::NoAsker => !nobody_yet,
        Why::Host(_) | Why::NothingShown | Why::OtherEffect | Why::NoPullRequest => false,
    };
    Ok(refused.into_iter().map(|it| it.why).find(is_final))
}

/// What approvals are judged by beside a plan.
struct Gathered {
    candidates: Vec<Candidate>,
    history: Vec<String>,
    taken_back: TakenBack,
    back: Option<GoingBack>,
}

impl Gathered {
    async fn of(
        server: &Server,
        environment: &EnvironmentName,
        ground: &Ground,
        planned: &Planned,
        rules: &Arc<Desired>,
        back: Option<GoingBack>,
        given: &[Given],
    ) -> Result<Self, Stop> {
        let history = history(server, environment, ground).await?;
        let shas: Vec<String> = history.iter().map(ToString::to_string).collect();
        let mut candidates = vec![];
        if !planned.changed.is_empty() && back.is_none() {
            candidates = gather(server, environment, ground, planned, &shas).await?;
        }
        let merged = candidates.iter().filter_map(|it| it.pull_request.merge_commit.as_ref());
        let approved = merged.chain(given.iter().map(|it| &it.commit)).cloned().collect();
        let taken_back = taken_back(server, ground, &history, planned, rules, approved).await?;
        Ok(Self { candidates, history: shas, taken_back, back })
    }

    fn question<'a>(
        &'a self,
        ground: &'a Ground,
        planned: &'a Planned,
        rules: &'a Desired,
    ) -> Question<'a> {
        Question {
            changed: &planned.changed,
            rules,
            facts: &planned.plan.facts,
            commit: ground.facts.commit.as_ref(),
            history: &self.history,
            taken_back: &self.taken_back,
            back: self.back.as_ref(),
        }
    }
}

/// Who merged it, as far as the host says: a person by name, where the rules know them.
fn merger(pull_request: &PullRequest, rules: &Desired) -> Option<String> {
    let account = pull_request.merged_by.as_ref()?;
    let person = approve::person_of(rules, account).map(ToString::to_string);
    Some(person.unwrap_or_else(|| account.id.clone()))
}

/// What going back to a change is judged by beside its plan.
async fn going_back(
    server: &Server,
    environment: &EnvironmentName,
    at: OffsetDateTime,
    asker: &Caller,
    restores: Option<u64>,
) -> Result<Option<GoingBack>, Stop> {
    let Some(to) = restores else { return Ok(None) };
    let in_force = server.store.in_force(environment).await?;
    let since = in_force.map_or(at, |change| change.begun.began_at);
    Ok(Some(GoingBack { to, asker: asker.clone(), since }))
}

/// What came after the commit that is in force by an ordinary change, the oldest first.
async fn history(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
) -> Result<Vec<ObjectId>, Stop> {
    let Some(commit) = ground.commit else { return Ok(vec![]) };
    let in_force = server.store.ordinary(environment).await?;
    let in_force = in_force.and_then(|change| change.begun.commit);
    let view = ground.view.clone();
    aside(move || {
        let former = in_force.as_deref().and_then(|sha| view.find(sha));
        view.since(former.as_ref(), &commit)
    })
    .await
}

/// What became of each commit that somebody may have approved: the entries of the change that were
/// something else in any commit after it. What was taken back, or made otherwise, comes only by whoever
/// brings it anew, with approvals of its own.
async fn taken_back(
    server: &Server,
    ground: &Ground,
    history: &[ObjectId],
    planned: &Planned,
    rules: &Arc<Desired>,
    approved: BTreeSet<String>,
) -> Result<TakenBack, Stop> {
    let (view, changed) = (ground.view.clone(), planned.changed.clone());
    let found = approved.into_iter().filter_map(|sha| Some((view.find(&sha)?, sha)));
    let found: Vec<(ObjectId, String)> = found.filter(|(id, _)| history.contains(id)).collect();
    if found.is_empty() || changed.is_empty() {
        return Ok(TakenBack::default());
    }
    let drivers = reconcile::drivers(server, &ground.desired).await?;
    let (history, rules) = (history.to_vec(), Arc::clone(rules));
    aside(move || {
        let is_long = history.len() > MOST_LATER;
        let mut states = States { view: &view, drivers, rules, changed, known: BTreeMap::new() };
        let mut taken_back = TakenBack::new();
        for (id, sha) in found {
            let mut entries = if is_long { states.all() } else { BTreeSet::new() };
            for later in history.iter().filter(|later| **later != id && !is_long) {
                if view.is_ancestor(&id, later)? {
                    entries.extend(states.unlike(later)?);
                }
            }
            taken_back.insert(sha, entries);
        }
        Ok(taken_back)
    })
    .await
}

/// What commits declare, each state looked at once.
struct States<'a> {
    view: &'a View,
    drivers: Drivers,
    /// In force.
    rules: Arc<Desired>,
    changed: Changed,
    /// By the digest of the files.
    known: BTreeMap<String, BTreeSet<String>>,
}

impl States<'_> {
    /// The entries of the change that are others in a commit. What cannot be read, or is one state too
    /// many, is not known to be the same.
    fn unlike(&mut self, commit: &ObjectId) -> Result<BTreeSet<String>, GitError> {
        let declared = Declared::read(&self.view.tree(commit)?);
        let digest = declared.digest.to_string();
        if let Some(known) = self.known.get(&digest) {
            return Ok(known.clone());
        }
        if self.known.len() == MOST_STATES {
            return Ok(self.all());
        }
        let environment = &self.rules.environment;
        let declarations = declared.faultless().filter(|_| declared.declares(environment));
        let desired = declarations.and_then(|it| it.desired(environment).ok());
        let unlike = desired.map_or_else(
            || self.all(),
            |desired| {
                let targets = self.drivers.iter().map(|(name, driver)| (name, &**driver));
                Effects::on(&desired, &self.rules, targets).unlike(&self.changed)
            },
        );
        self.known.insert(digest, unlike.clone());
        Ok(unlike)
    }

    fn all(&self) -> BTreeSet<String> {
        self.changed.keys().cloned().collect()
    }
}

/// The pull requests below which something of the change was shown, and that brought a commit of it:
/// however many others are open, they are not asked for.
async fn gather(
    server: &Server,
    environment: &EnvironmentName,
    ground: &Ground,
    planned: &Planned,
    history: &[String],
) -> Result<Vec<Candidate>, Stop> {
    let Some(planned_commit) = history.last() else { return Ok(vec![]) };
    let mut numbers = server.host.merged_as(history).await?;
    let open = server.store.shown_for(environment, planned_commit).await?;
    numbers.extend(open.into_iter().take(MOST));
    let numbers: BTreeSet<u64> = numbers.into_iter().chain(ground.pull_request).collect();
    let mut candidates = vec![];
    for number in numbers {
        let shown = server.store.shown(environment, number).await?;
        let moves = |name: &String| shown.iter().any(|it| it.entries.contains_key(name));
        if planned.changed.keys().any(moves) {
            let pull_request = server.host.pull_request(number).await?;
            candidates.push(Candidate { pull_request, shown });
        }
    }
    Ok(candidates)
}

/// What those who approved may do now. Where the host does not let this server know, nothing is known
/// and nothing counts; where it only does not answer, it is asked again.
async fn permissions(
    server: &Server,
    candidates: &[Candidate],
) -> Result<BTreeMap<String, Permission>, Stop> {
    let mut permissions = BTreeMap::new();
    let approvals = candidates.iter().flat_map(|it| &it.pull_request.approvals);
    let accounts: BTreeMap<&String, &Account> =
        approvals.map(|approval| (&approval.by.id, &approval.by)).collect();
    for (id, account) in accounts {
        match server.host.permission(account).await {
            Ok(permission) => drop(permissions.insert(id.clone(), permission)),
            Err(error) if error.class() == Class::Human => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(permissions)
}
