//! Which approvals cover what a change does. Pure: plans, pull requests and permissions were read
//! before.
//!
//! An approval is for the entries of the effect that its giver was shown, never for a commit: what is
//! merged has another commit, and another team's merge in between changes nothing of it. Whether the
//! right people approved, and enough of them, the rules of the environment say. What is not known
//! approves nothing.

mod voice;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use gw_model::{
    desired::Desired,
    id::{PersonName, TeamName},
};
use gw_plan::{digest::Digest, plan::Changed};
use gw_policy::{
    change::{Asked, CommitFacts, PlanFacts},
    principal::Caller,
};
use time::OffsetDateTime;

use self::voice::{Known, Voice};
use crate::host::{Account, Permission, PullRequest, PullRequestState, approvals::Discounted};

/// What has to be approved, and by which rules.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The entries that the change moves: `Planned::changed`.
    pub changed: &'a Changed,
    /// In force.
    pub rules: &'a Desired,
    pub facts: &'a PlanFacts,
    pub commit: Option<&'a CommitFacts>,
    /// The commits after the one that was last applied, up to the one that is planned, in the order
    /// in which the branch got them.
    pub history: &'a [String],
    /// What of the change was something else in between.
    pub taken_back: &'a TakenBack,
    /// None: it is what a commit brings.
    pub back: Option<&'a GoingBack>,
}

/// That a state comes back: no pull request brings it, so people approve the plan of it, and whoever
/// asks for it is who makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct GoingBack {
    /// The change whose state it is.
    pub to: u64,
    pub asker: Caller,
    /// Since when the state is in force that is left: what was approved before that was about another.
    pub since: OffsetDateTime,
}

/// By commit, the entries of a change that some later commit had otherwise: what was approved by then is
/// not what is there now, although it is equal to it.
pub type TakenBack = BTreeMap<String, BTreeSet<String>>;

/// A pull request that may have brought something of the change, and the plans that were shown on it
/// for this environment.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub pull_request: PullRequest,
    pub shown: Vec<Shown>,
}

/// A plan as it stood below a pull request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The commit that it was made for.
    pub head: String,
    /// From when on it could be read.
    pub at: OffsetDateTime,
    /// What it changes.
    pub entries: Changed,
}

/// An approval that was given to Gatewright itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// As they proved it then.
    pub by: Caller,
    pub at: OffsetDateTime,
    /// The commit that they were shown a plan of: theirs is an approval of this change, not of every
    /// later one with the same effect.
    pub commit: String,
    /// The change whose state that plan brings back; none: what the commit brings.
    pub restores: Option<u64>,
    /// What that plan changes.
    pub entries: Changed,
}

/// What holds for each entry of a change, and why an approval does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approved {
    /// They approved every entry.
    pub approvers: BTreeSet<PersonName>,
    /// Somebody of theirs approved each entry.
    pub teams: BTreeSet<TeamName>,
    /// They made some entry.
    pub authors: BTreeSet<PersonName>,
    /// Of the entry with the fewest; the largest number where nothing is changed.
    pub count: u32,
    /// When the last of those that count was given.
    pub given_at: Option<OffsetDateTime>,
    /// The pull requests that brought what is changed.
    pub pull_requests: BTreeSet<u64>,
    /// Those of them that were merged, and by whom, as far as that is known.
    pub merges: Vec<(u64, Option<String>)>,
    /// No pull request showed that this would become of them, so nobody can approve them.
    pub unshown: BTreeSet<String>,
    pub refused: Vec<Refused>,
}

/// An approval that covers nothing of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// A name as its owner writes it.
    pub who: String,
    pub why: Why,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// By what the Git host says.
    Host(Discounted),
    /// They made what they approve.
    Author,
    /// `people` is declared, and they are not in it; or two in it are.
    Unlisted,
    /// No rule lets them approve.
    NotAdmitted { because: String },
    /// There was no plan on this head yet.
    NothingShown,
    /// What they were shown is not what would be done.
    OtherEffect,
    /// No pull request brought it, so nobody can tell who made it.
    NoPullRequest,
    /// Whoever goes back is nobody under `people`, so nobody can tell whether it is the same person.
    NoAsker,
}

/// Says which approvals cover each entry that is changed. `permission` tells what an account may do
/// in the repository now.
pub fn judge(
    question: Question<'_>,
    candidates: &[Candidate],
    given: &[Given],
    permission: impl Fn(&Account) -> Option<Permission>,
) -> Approved {
    let mut approved = Approved { count: u32::MAX, ..Approved::default() };
    if question.changed.is_empty() {
        return approved;
    }
    let known = Known::of(question.rules);
    let brought = brought(question, known, candidates);
    let runs: Vec<Vec<usize>> = question
        .changed
        .iter()
        .map(|(name, digest)| {
            run(&brought, |it| match question.was_taken_back(it.merged_as(), name) {
                true => Says::Nothing,
                false => it.says(name, digest.as_ref()),
            })
        })
        .collect();
    let makers = makers(question, &brought, &runs);
    for maker in makers.iter().flatten() {
        approved.authors.extend(maker.authors.iter().copied().cloned());
    }
    let numbers = runs.iter().flatten().filter_map(|at| brought.get(*at));
    approved.pull_requests = numbers.map(|it| it.candidate.pull_request.number).collect();
    let asker = question.back.and_then(|back| known.of_caller(&back.asker));
    approved.authors.extend(asker.cloned());
    let hearing = voice::Hearing::open(question, known, &approved.authors);
    let (voices, refused) = hearing.hear(&brought, given, permission);
    approved.refused = refused;
    let mut reasons: Vec<Option<Why>> = voices.iter().map(|_| Some(Why::OtherEffect)).collect();
    let mut all: Option<Entry<'_>> = None;
    for (((name, digest), run), makers) in question.changed.iter().zip(&runs).zip(&makers) {
        let first = run.first().and_then(|at| brought.get(*at));
        if first.is_none() && question.back.is_none() {
            approved.unshown.insert(name.clone());
        }
        let mut entry = Entry::default();
        for (voice, reason) in voices.iter().zip(&mut reasons) {
            let is_for_this = voice.entries.get(name) == Some(digest)
                && !question.was_taken_back(voice.commit(), name);
            if !is_for_this {
                continue;
            }
            if question.back.is_none() && first.is_some() && !voice.is_in(run, &brought) {
                continue;
            }
            let why = question.unfit(voice, asker, first.map(|_| &makers[..]));
            if why.is_none() {
                entry.add(voice);
                approved.given_at = approved.given_at.max(Some(voice.at));
            }
            // What covers one entry is told as covering, whatever it is for others.
            *reason = reason.take().and(why);
        }
        approved.count = approved.count.min(entry.count());
        all = Some(match all {
            Some(all) => all.and(&entry),
            None => entry,
        });
    }
    if let Some(Entry { approvers, teams }) = all {
        approved.approvers =
            approvers.into_iter().filter_map(|who| who.person()).cloned().collect();
        approved.teams = teams.into_iter().cloned().collect();
    }
    // What was said of another change altogether is told there.
    let is_of_this =
        |voice: &Voice<'_>| voice.commit().is_none_or(|commit| question.is_of(commit, &brought));
    let silent = voices.iter().zip(reasons).filter(|(voice, _)| is_of_this(voice));
    let silent = silent.filter_map(|(voice, why)| Some(Refused { who: voice.name(), why: why? }));
    silent.for_each(|refused| approved.refuse(refused));
    approved
}

/// Who of `people` has an account of the Git host. None: nobody, or two of them.
pub fn person_of<'a>(rules: &'a Desired, account: &Account) -> Option<&'a PersonName> {
    Known::of(rules).of_account(account)
}

/// Somebody of `people`, as far as the declarations know them.
pub fn caller_of(rules: &Desired, person: &PersonName) -> Option<Caller> {
    rules.people.get(person).map(|person| voice::caller(rules, &person.subjects))
}

impl Approved {
    /// Nobody has to hear the same twice.
    fn refuse(&mut self, refused: Refused) {
        if !self.refused.contains(&refused) {
            self.refused.push(refused);
        }
    }
}

/// The pull requests that are part of the change, the oldest first; none where it is going back.
fn brought<'a>(
    question: Question<'a>,
    known: Known<'a>,
    candidates: &'a [Candidate],
) -> Vec<Brought<'a>> {
    let candidates = if question.back.is_some() { &[] } else { candidates };
    let in_order = in_order(question.history, candidates).into_iter();
    let brought = in_order.map(|candidate| {
        let accounts = candidate.pull_request.authors();
        Brought { candidate, authors: known.authors(&accounts), accounts }
    });
    brought.collect()
}

/// A pull request that is part of the change, and who made it: the accounts, and who they are of
/// `people`.
struct Brought<'a> {
    candidate: &'a Candidate,
    accounts: Vec<&'a Account>,
    authors: BTreeSet<&'a PersonName>,
}

/// Who approved one entry.
#[derive(Default)]
struct Entry<'a> {
    approvers: BTreeSet<&'a voice::Who>,
    teams: BTreeSet<&'a TeamName>,
}

impl<'a> Entry<'a> {
    fn add(&mut self, voice: &'a Voice<'_>) {
        self.approvers.insert(&voice.who);
        self.teams.extend(&voice.teams);
    }

    fn count(&self) -> u32 {
        u32::try_from(self.approvers.len()).unwrap_or(u32::MAX)
    }

    /// Who approved both.
    fn and(mut self, other: &Self) -> Self {
        self.approvers.retain(|who| other.approvers.contains(who));
        self.teams.retain(|team| other.teams.contains(team));
        self
    }
}

/// What the plans on the head of a pull request say about one entry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// It becomes what is asked about.
    This,
    /// It becomes something else.
    Other,
    Nothing,
}

impl Question<'_> {
    /// Why it is no approval of an entry that these made; none: no pull request brought it.
    fn unfit(
        &self,
        voice: &Voice<'_>,
        asker: Option<&PersonName>,
        makers: Option<&[&Brought<'_>]>,
    ) -> Option<Why> {
        match (self.back, makers) {
            (Some(_), _) if asker.is_none() => Some(Why::NoAsker),
            (Some(_), _) => voice.is_of(asker).then_some(Why::Author),
            (None, None) => Some(Why::NoPullRequest),
            (None, Some(makers)) => {
                makers.iter().any(|maker| voice.made(maker)).then_some(Why::Author)
            }
        }
    }

    /// Whether an approval is about what is asked at all.
    fn is_about(&self, given: &Given) -> bool {
        match self.back {
            None => given.restores.is_none(),
            Some(back) => given.restores == Some(back.to) && given.at >= back.since,
        }
    }

    /// Whether some of what a pull request brought is still there.
    fn concerns(&self, brought: &Brought<'_>) -> bool {
        let merged = brought.candidate.merged_as();
        self.changed.keys().any(|name| !self.was_taken_back(merged, name))
    }

    /// Whether a commit is one of the change, or was the head of a pull request that brought some of it.
    fn is_of(&self, commit: &str, brought: &[Brought<'_>]) -> bool {
        let is_it = |sha: &str| commit == sha;
        self.commit.is_some_and(|facts| is_it(&facts.sha))
            || self.history.iter().any(|sha| is_it(sha))
            || brought.iter().flat_map(|it| &it.candidate.shown).any(|it| is_it(&it.head))
    }

    /// Whether an entry was something else in any commit after this one.
    fn was_taken_back(&self, commit: Option<&str>, name: &str) -> bool {
        let entries = commit.and_then(|commit| self.taken_back.get(commit));
        entries.is_some_and(|entries| entries.contains(name))
    }
}

impl Candidate {
    fn merged_as(&self) -> Option<&str> {
        self.pull_request.merge_commit.as_deref()
    }

    fn says(&self, name: &str, digest: Option<&Digest>) -> Says {
        let mut said = self.on_head().filter_map(|shown| shown.entries.get(name)).peekable();
        if said.peek().is_none() {
            Says::Nothing
        } else if said.any(|it| it.as_ref() == digest) {
            Says::This
        } else {
            Says::Other
        }
    }

    fn head(&self) -> Option<&str> {
        self.pull_request.source.commit.as_deref()
    }

    fn on_head(&self) -> impl Iterator<Item = &Shown> {
        self.shown.iter().filter(|shown| Some(shown.head.as_str()) == self.head())
    }
}

/// Those that are part of the change, the oldest first: what was merged into it, and the open one
/// whose head is planned.
fn in_order<'a>(history: &[String], candidates: &'a [Candidate]) -> Vec<&'a Candidate> {
    let place = |it: &Candidate| -> Option<usize> {
        let PullRequest { state, merge_commit, source, .. } = &it.pull_request;
        match state {
            PullRequestState::Merged => {
                let commit = merge_commit.as_ref()?;
                history.iter().position(|one| one == commit)
            }
            PullRequestState::Open => {
                let planned = history.last().filter(|_| source.commit.is_some());
                (planned == source.commit.as_ref() && planned.is_some()).then_some(history.len())
            }
            PullRequestState::Declined => None,
        }
    };
    let placed = candidates.iter().filter_map(|it| Some((place(it)?, it)));
    let mut placed: Vec<_> = placed.collect();
    placed.sort_by_key(|(place, it)| (*place, it.pull_request.number));
    placed.into_iter().map(|(_, it)| it).collect()
}

/// Those that brought an entry to what it is, the first one being who made it so, and those that were
/// planned on top of it. Whoever changed it in between to something else begins anew.
fn run(brought: &[Brought<'_>], says: impl Fn(&Candidate) -> Says) -> Vec<usize> {
    let newest_first = brought.iter().enumerate().rev().map(|(at, it)| (at, says(it.candidate)));
    let since = newest_first.take_while(|(_, says)| *says != Says::Other);
    let mut run: Vec<usize> =
        since.filter(|(_, says)| *says == Says::This).map(|(at, _)| at).collect();
    run.reverse();
    run
}

/// By entry, who made it: whoever made it what it is first, and whoever moved it.
fn makers<'a>(
    question: Question<'_>,
    brought: &'a [Brought<'a>],
    runs: &[Vec<usize>],
) -> Vec<Vec<&'a Brought<'a>>> {
    let names = question.changed.keys().zip(runs);
    let all = names.map(|(name, run)| {
        let first = run.first().copied();
        let all: BTreeSet<usize> = first.into_iter().chain(movers(brought, name)).collect();
        all.into_iter().filter_map(|at| brought.get(at)).collect()
    });
    all.collect()
}

/// Those that moved an entry from what it was before them, whatever others made of it since: who brings
/// something on top of it only, makes nothing of it.
fn movers(brought: &[Brought<'_>], name: &str) -> Vec<usize> {
    let (mut movers, mut before): (Vec<usize>, Vec<&Option<Digest>>) = (vec![], vec![]);
    for (at, it) in brought.iter().enumerate() {
        let said = it.candidate.on_head().filter_map(|shown| shown.entries.get(name));
        let said: Vec<&Option<Digest>> = said.collect();
        if said.is_empty() {
            continue;
        }
        if !said.iter().any(|digest| before.contains(digest)) {
            movers.push(at);
        }
        before = said;
    }
    movers
}

impl Approved {
    /// Puts it where the rules look.
    pub fn fill(&self, asked: &mut Asked) {
        asked.approvers.clone_from(&self.approvers);
        asked.approver_teams.clone_from(&self.teams);
        asked.authors.clone_from(&self.authors);
        asked.approvals = self.count;
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.who, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(why) => return write!(f, "{why}"),
            Self::Author => "made what is changed",
            Self::Unlisted => "is not one person under `people`",
            Self::NotAdmitted { because } => return write!(f, "may not approve: {because}"),
            Self::NothingShown => "approved before a plan was shown",
            Self::OtherEffect => "approved something else than what would be done",
            Self::NoPullRequest => "approved what no pull request brought",
            Self::NoAsker => "approved what somebody asks for who is not one person under `people`",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
