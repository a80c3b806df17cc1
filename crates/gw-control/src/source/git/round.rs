//! One round of fetching: first the branches that are named, then everything else. What is wrong with one
//! branch is found by halves, and leaves out that branch alone.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use tokio::time::{Instant, timeout_at};

use super::{
    Ground, INCOMING, Incoming, Repository, StopOnDrop,
    address::Credential,
    aside,
    failure::{Excess, GitError},
    history,
    id::ObjectId,
    talk::{Announced, BRANCHES},
    view::PassedOver,
    wanted::Chosen,
    wire::Wire,
};

/// So many packs are asked for in one round; each may bring one more file of objects.
const TRIES_MAX: usize = 24;
/// What nobody names has to come within this part of the time, each pack of it.
const SHARE: u32 = 4;
/// What is too slow so often in a row is not waited for again.
const SLOW_MAX: u32 = 3;

/// A branch or tag by its whole name, and what it names.
pub(super) type Named = (String, ObjectId);

pub(super) struct Round<'a> {
    pub(super) repository: &'a Repository,
    pub(super) credential: &'a Credential,
    pub(super) announced: Announced,
    /// What the announcement came by.
    pub(super) wire: Option<Wire<'a>>,
    pub(super) ground: Ground,
    /// What is here and whole.
    pub(super) refs: BTreeMap<String, ObjectId>,
    pub(super) passed_over: BTreeMap<String, PassedOver>,
    /// Their histories are whole.
    pub(super) whole: HashSet<ObjectId>,
    pub(super) tries: usize,
}

/// Why a branch or tag did not come.
struct Failure {
    why: GitError,
    /// Asking for the same once more would bring the same.
    lasts: bool,
}

impl Round<'_> {
    /// Brings what was chosen. Only where none of the named ones comes it fails.
    pub(super) async fn bring(&mut self, chosen: Chosen, until: Instant) -> Result<(), GitError> {
        let names: Vec<String> = chosen.named.iter().map(|(name, _)| name.clone()).collect();
        let news = self.news(chosen.named);
        self.bring_by_halves(vec![news], until, until).await?;
        if !names.iter().any(|name| self.refs.contains_key(name))
            && let Some(failed) = names.iter().find_map(|name| self.passed_over.get(name))
        {
            return Err(failed.why.clone());
        }
        let limit = self.repository.settings.caps.time;
        let (now, news) = (Instant::now(), self.news(chosen.others));
        // What failed before may fail again, and takes nothing else with it.
        let last = self.repository.view();
        let failed = |name: &str| last.as_ref().is_some_and(|it| it.passed_over(name).is_some());
        let (failed, fresh): (Vec<_>, Vec<_>) =
            news.into_iter().partition(|(name, _)| failed(name));
        let batches = failed.into_iter().rev().map(|it| vec![it]).chain([fresh]).collect();
        let share = limit / SHARE;
        let brought = self.bring_by_halves(batches, now + limit, now + share).await;
        // The host fails now: what is named is here, and the rest is asked for again.
        brought.or(Ok(()))
    }

    /// What is not here as it is now. What was passed over as it is now still is.
    fn news(&mut self, chosen: Vec<Named>) -> Vec<Named> {
        let last = self.repository.view();
        let mut news = vec![];
        for (name, id) in chosen {
            let passed_over = last.as_ref().and_then(|last| last.passed_over(&name));
            let former = self.ground.former.as_ref();
            if former.is_some_and(|former| former.record.refs.get(&name) == Some(&id)) {
                self.refs.insert(name, id);
            } else if let Some(known) = passed_over.filter(|it| it.at == Some(id)) {
                self.passed_over.insert(name, known.clone());
            } else {
                news.push((name, id));
            }
        }
        news
    }

    async fn bring_by_halves(
        &mut self,
        mut waiting: Vec<Vec<Named>>,
        until: Instant,
        share: Instant,
    ) -> Result<(), GitError> {
        let limit = self.repository.settings.caps.time;
        let share = share.saturating_duration_since(Instant::now());
        while let Some(mut batch) = waiting.pop() {
            if batch.is_empty() {
                continue;
            }
            let now = Instant::now();
            let is_late = self.tries >= TRIES_MAX || now >= until;
            let slow = |lasts| Failure { why: GitError::TooSlow { limit }, lasts };
            let taken = match is_late {
                true => Err(slow(false)),
                false => {
                    let taken = timeout_at(until.min(now + share), self.take(&batch)).await;
                    // What had less than its share of the time is tried again.
                    taken.unwrap_or_else(|_| Err(slow(now + share <= until)))
                }
            };
            match taken {
                Ok(()) => self.refs.extend(batch),
                Err(Failure { why, .. }) if is_late || !why.is_of_branch() => {
                    let rest = waiting.into_iter().flatten().chain(batch);
                    let left = PassedOver { at: None, why: why.clone(), slow: None };
                    self.passed_over.extend(rest.map(|(name, _)| (name, left.clone())));
                    return if is_late { Ok(()) } else { Err(why) };
                }
                Err(_) if batch.len() > 1 => {
                    let half = batch.split_off(batch.len() / 2);
                    waiting.extend([half, batch]);
                }
                Err(failure) => {
                    let left = batch.pop().map(|(name, id)| self.pass_over(name, id, failure));
                    self.passed_over.extend(left);
                }
            }
        }
        Ok(())
    }

    /// Leaves one out. A host may be slow for a while: what is too slow counts as the branch's own doing
    /// only after some times.
    fn pass_over(&self, name: String, id: ObjectId, failure: Failure) -> (String, PassedOver) {
        let Failure { why, lasts } = failure;
        if !(lasts && matches!(why, GitError::TooSlow { .. })) {
            return (name, PassedOver { at: lasts.then_some(id), why, slow: None });
        }
        let last = self.repository.view();
        let slow = last.as_ref().and_then(|last| last.passed_over(&name)?.slow);
        let times = slow.filter(|(known, _)| *known == id).map_or(1, |(_, times)| times + 1);
        let at = (times >= SLOW_MAX).then_some(id);
        (name, PassedOver { at, why, slow: Some((id, times)) })
    }

    /// Fetches what these need, and sees that it is whole.
    async fn take(&mut self, batch: &[Named]) -> Result<(), Failure> {
        let stop = StopOnDrop(Arc::default());
        let fetched = self.fetch(batch, &stop.0).await;
        fetched.map_err(|why| Failure { lasts: self.lasts(&why), why })?;
        match self.check(batch, &stop.0).await {
            Ok(tips) => self.whole.extend(tips),
            Err(why) => {
                // What came is here, and is not whole.
                self.repository.spoilt.store(true, SeqCst);
                return Err(Failure { why, lasts: true });
            }
        }
        Ok(())
    }

    const fn lasts(&self, why: &GitError) -> bool {
        match why {
            // What was fetched bit by bit may be larger than the whole.
            GitError::TooLarge(Excess::Repository { .. }) => self.ground.former.is_none(),
            GitError::TooLarge(_) | GitError::Shallow => true,
            _ => false,
        }
    }

    /// The commits that these mean, if everything before them is there.
    async fn check(
        &self,
        batch: &[Named],
        stop: &Arc<AtomicBool>,
    ) -> Result<Vec<ObjectId>, GitError> {
        let (objects, whole) = (Arc::clone(&self.ground.objects), self.whole.clone());
        let (caps, stop) = (self.repository.settings.caps.clone(), Arc::clone(stop));
        let batch = batch.to_vec();
        aside(move || {
            let mut tips = vec![];
            for (name, id) in &batch {
                let (commit, is_branch) = (objects.peel(id)?, name.starts_with(BRANCHES));
                if is_branch && commit != Some(*id) {
                    return Err(GitError::broken(format_args!("`{name}` names no commit")));
                }
                tips.extend(commit);
            }
            let is_stopped = || stop.load(Relaxed);
            history::check_whole(&objects, tips.iter().copied(), &whole, &caps, &is_stopped)?;
            Ok(tips)
        })
        .await
    }

    async fn fetch(&mut self, batch: &[Named], stop: &Arc<AtomicBool>) -> Result<(), GitError> {
        let objects = Arc::clone(&self.ground.objects);
        let tips: HashSet<ObjectId> = batch.iter().map(|(_, id)| *id).collect();
        let wants = aside(move || Ok(tips.into_iter().filter(|id| !objects.has(id)).collect()));
        let wants: Vec<ObjectId> = wants.await?;
        if wants.is_empty() {
            return Ok(());
        }
        self.tries += 1;
        let settings = &self.repository.settings;
        let number = self.repository.arrivals.fetch_add(1, Relaxed);
        let file = Incoming(settings.folder.join(format!("{INCOMING}{number}.pack")));
        let mut wire = match self.wire.take() {
            Some(wire) => wire,
            None => self.repository.listen(self.credential, &[]).await?.1,
        };
        // What these were before comes first: a host hears of a part of what is here only.
        let former = self.ground.former.as_ref().map(|former| &former.record.refs);
        let before = batch.iter().filter_map(|(name, _)| former?.get(name));
        let haves: Vec<&ObjectId> = before.chain(&self.whole).collect();
        let wants: Vec<&ObjectId> = wants.iter().collect();
        self.announced.fetch(&mut wire, &wants, &haves, &settings.caps, &file.0).await?;
        self.wire = Some(wire).filter(Wire::is_lasting);
        self.take_in(file, stop).await
    }

    async fn take_in(&self, file: Incoming, stop: &Arc<AtomicBool>) -> Result<(), GitError> {
        let (objects, stop) = (Arc::clone(&self.ground.objects), Arc::clone(stop));
        let caps = self.repository.settings.caps.clone();
        let taken = aside(move || {
            let arrived = fs::metadata(&file.0).map_err(GitError::copy)?.len();
            let (_, bytes) = objects.weight();
            if bytes.saturating_add(arrived) > caps.repository_bytes {
                return Err(Excess::Repository { limit: caps.repository_bytes }.into());
            }
            objects.take_in(&file.0, &caps, &stop)
        });
        let taken = taken.await;
        let is_full = matches!(taken, Err(GitError::TooLarge(Excess::Repository { .. })));
        if is_full && self.ground.former.is_some() {
            self.repository.spoilt.store(true, SeqCst);
        }
        taken
    }
}
