//! A plan: what an apply would do, to whom, and whether it may be done.
//!
//! It is decided here, once. Whoever executes it finds the steps, the conditions and the probes in
//! its script and decides nothing. A plan names objects; only the script carries them.

mod effect;
mod file;

use std::{collections::BTreeSet, fmt, sync::Arc};

use gw_model::{
    code::Code,
    desired::Desired,
    diagnostic::{Diagnostic, Severity},
    id::{ApiName, EnvironmentName, PersonName, TargetName, WorkspaceId, WorkspaceName},
    source::Origin,
};
use gw_policy::{
    change::{self, Asked, ChangeDenial, ChangePermit, Owner, PlanFacts, RuleOutcome},
    check::endless_acceptances,
    decision::DecisionId,
    generation::Part,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{Date, OffsetDateTime};

pub use self::{
    effect::{Changed, Effects},
    file::{FileRefusal, from_file, to_file},
};
use crate::{
    difference::{Action, Difference, compare},
    digest::Digest,
    driver::{Driver, Lowered, Object, Observed, Probe, Step},
    notice::{self, AccessTable, Effect, Kept, Notice, Noticed},
};

/// Everything that a plan is made of.
#[derive(Debug)]
pub struct Inputs<'a> {
    pub workspace_id: &'a WorkspaceId,
    /// The digest of the workspace's files.
    pub source: Digest,
    pub declared: &'a Arc<Desired>,
    /// What was last applied here; none: nothing ever was.
    pub in_force: Option<InForce<'a>>,
    pub targets: Vec<TargetInput<'a>>,
    /// Only these APIs; empty: everything.
    pub only: &'a BTreeSet<ApiName>,
    /// Who asks for what; with facts about the commit where there is one.
    pub asked: &'a Asked,
    /// Who judges the first change; none: the declarations' own rules.
    pub owners: Option<&'a Arc<[Owner]>>,
    /// The first line of the commit's message.
    pub subject: Option<String>,
}

/// The state that was last applied to the environment. Its rules judge the next change.
#[derive(Clone, Copy, Debug)]
pub struct InForce<'a> {
    pub change: u64,
    pub at: OffsetDateTime,
    pub desired: &'a Arc<Desired>,
}

/// One target of the environment, and what is known about it.
#[derive(Debug)]
pub struct TargetInput<'a> {
    pub target: &'a TargetName,
    pub driver: &'a dyn Driver,
    /// What the last apply wrote there.
    pub written: Vec<Object>,
    pub observed: Observed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
    /// `p-7Q2M4K`: the beginning of the plan digest.
    pub id: String,
    pub workspace: WorkspaceName,
    pub environment: EnvironmentName,
    pub commit: Option<Commit>,
    /// The change whose state comes back; none: it is not about going back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<u64>,
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    pub compared_with: Option<Baseline>,
    /// It is for these APIs only; empty: for everything.
    pub only: BTreeSet<ApiName>,
    pub notices: Vec<Notice>,
    /// Before and after, where that is small enough to be read.
    pub access: Option<AccessTable>,
    pub kept: Kept,
    pub targets: Vec<TargetPlan>,
    pub notes: Vec<Note>,
    pub facts: PlanFacts,
    pub decision: Decision,
    pub digests: Digests,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Commit {
    pub sha: String,
    pub subject: Option<String>,
    pub branches: BTreeSet<String>,
}

/// The change that the plan starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    pub change: u64,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// What is done to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetPlan {
    pub target: TargetName,
    pub kind: String,
    pub place: String,
    pub observed: Digest,
    #[serde(with = "time::serde::rfc3339")]
    pub read_at: OffsetDateTime,
    pub differences: Vec<Difference>,
    pub unchanged: u64,
    pub steps: Vec<Step>,
}

/// Everything that a change does, written down before it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Script {
    pub targets: Vec<TargetScript>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TargetScript {
    pub target: TargetName,
    /// What the target holds afterwards.
    pub wanted: Vec<Object>,
    pub steps: Vec<Step>,
    pub probes: Vec<Probe>,
    /// The version of the target that the decision was made on: the condition of every step.
    pub version: Option<String>,
}

/// Something to know, or what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Note {
    pub code: String,
    pub severity: Weight,
    pub text: String,
    pub at: Option<Origin>,
    pub help: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Weight {
    Error,
    Warning,
    Note,
}

/// Whether it may be applied, by which rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Decision {
    /// The same plan at the same moment is the same decision.
    pub id: DecisionId,
    pub allowed: bool,
    pub rules: Vec<RuleOutcome>,
    /// Of a refusal: why, in one sentence, and the smallest thing that would help.
    pub why: Option<String>,
    pub cure: Option<String>,
}

/// The three digests: what was written, what it does, and on which ground.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Digests {
    pub source: Digest,
    pub effect: Effects,
    pub plan: Digest,
}

/// A plan, what is done because of it, and the right to do it where there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    pub plan: Plan,
    pub script: Script,
    /// What must hold afterwards: with `only`, the former state with these APIs in their new form.
    pub desired: Arc<Desired>,
    /// The entries of the effect digest that become others; without a digest: they go away. Counted
    /// only where there is a commit, whose approvals are for entries.
    pub changed: Changed,
    pub rules: Rules,
    /// Who approved all that is changed.
    pub approvers: BTreeSet<PersonName>,
    /// What it waited for until now, and for how many seconds.
    pub waits: Vec<(String, u64)>,
    /// The pull requests that brought it, and who merged each, as far as that is known.
    pub merges: Vec<(u64, Option<String>)>,
    pub permit: Result<ChangePermit, Box<ChangeDenial>>,
}

/// What judges a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Rules {
    /// The rules in force; of a first change, where nobody else says who may, its own.
    Declared(Arc<Desired>),
    /// Nothing is in force yet.
    Owners(Arc<[Owner]>, EnvironmentName),
}

/// Makes the plan. Reads nothing, writes nothing.
pub fn plan(inputs: Inputs<'_>) -> Planned {
    let Inputs { workspace_id, source, declared, in_force, targets, only, asked, owners, subject } =
        inputs;
    let ruling = in_force.as_ref().map(|in_force| in_force.desired);
    let before = ruling.map(Arc::as_ref);
    let desired = narrow(declared, before, only);
    let today = asked.at.date();
    let mut noticed = Noticed::compare(before, &desired, today);
    noticed.diagnostics.extend(endless_acceptances(&desired));
    let drivers: Vec<&dyn Driver> = targets.iter().map(|target| target.driver).collect();
    let (planned, parts): (Vec<TargetPlan>, Vec<TargetScript>) =
        targets.into_iter().map(|it| it.plan(workspace_id, &desired, today, &mut noticed)).unzip();
    noticed.sort();
    noticed.count(&planned);
    let rules = match (ruling, owners) {
        (Some(ruling), _) => Rules::Declared(Arc::clone(ruling)),
        (None, Some(owners)) => Rules::Owners(Arc::clone(owners), desired.environment.clone()),
        (None, None) => Rules::Declared(Arc::clone(&desired)),
    };
    let judging = before.unwrap_or(&desired);
    let wanted = parts.iter().map(|part| (&part.target, part.wanted.as_slice()));
    let effect = Effects::of(&desired, judging, wanted.zip(drivers.iter().copied()));
    let changed = match (&asked.commit, before) {
        (None, _) => Changed::default(),
        (Some(_), None) => effect.since(&Effects::default()),
        (Some(_), Some(before)) => {
            let names = parts.iter().map(|part| &part.target);
            effect.since(&Effects::lowered(before, names.zip(drivers)))
        }
    };
    let permit = rules.judge(asked, &noticed.facts);
    let approvers = asked.approvers.clone();
    let commit = asked.commit.as_ref().map(|facts| Commit {
        sha: facts.sha.clone(),
        subject,
        branches: facts.branches.clone(),
    });
    let notes: Vec<Note> = notes(&noticed.diagnostics);
    let ground = Digest::of_json(&json!({
        "effect": effect.total(),
        "commit": commit.as_ref().map(|commit| &commit.sha),
        "source": source,
        "observed": planned.iter().map(|it| (&it.target, &it.observed)).collect::<Vec<_>>(),
    }));
    let plan = Plan {
        id: format!("p-{}", ground.short()),
        workspace: desired.workspace.clone(),
        environment: desired.environment.clone(),
        commit,
        restores: None,
        made_at: asked.at,
        compared_with: in_force.map(|InForce { change, at, desired: _ }| Baseline { change, at }),
        only: only.clone(),
        notices: noticed.notices,
        access: noticed.access,
        kept: noticed.kept,
        targets: planned,
        decision: Decision::of(decision_id(asked.at, &ground), &permit, &notes),
        notes,
        facts: noticed.facts,
        digests: Digests { source, effect, plan: ground },
    };
    let (script, waits, merges) = (Script { targets: parts }, vec![], vec![]);
    Planned { plan, script, desired, changed, rules, approvers, waits, merges, permit }
}

impl Planned {
    /// As a plan to go back to the state of a change. Who approves it approves no other.
    #[must_use]
    pub fn restoring(mut self, change: u64) -> Self {
        let ground = json!({ "plan": self.plan.digests.plan, "restores": change });
        let ground = Digest::of_json(&ground);
        self.plan.id = format!("p-{}", ground.short());
        self.plan.restores = Some(change);
        self.plan.digests.plan = ground;
        self
    }

    /// Judges the same plan again, by facts that only became known because of it: who approved what
    /// it changes.
    #[must_use]
    pub fn judged(mut self, asked: &Asked) -> Self {
        self.permit = self.rules.judge(asked, &self.plan.facts);
        let id = self.plan.decision.id.clone();
        self.plan.decision = Decision::of(id, &self.permit, &self.plan.notes);
        self.approvers.clone_from(&asked.approvers);
        self
    }
}

impl Rules {
    fn judge(&self, asked: &Asked, facts: &PlanFacts) -> Result<ChangePermit, Box<ChangeDenial>> {
        match self {
            Self::Declared(rules) => change::judge(rules, asked, facts),
            Self::Owners(owners, environment) => change::judge_first(owners, environment, asked),
        }
    }
}

/// The former state, with some APIs in their new form and everything else as it was.
fn narrow(
    declared: &Arc<Desired>,
    before: Option<&Desired>,
    only: &BTreeSet<ApiName>,
) -> Arc<Desired> {
    if only.is_empty() {
        return Arc::clone(declared);
    }
    let Some(before) = before else {
        let mut desired = Desired::clone(declared);
        desired.apis.retain(|name, _| only.contains(name));
        return Arc::new(desired);
    };
    let mut desired = before.clone();
    desired.apis.retain(|name, _| !only.contains(name));
    let chosen = declared.apis.iter().filter(|(name, _)| only.contains(*name));
    desired.apis.extend(chosen.map(|(name, api)| (name.clone(), api.clone())));
    Arc::new(desired)
}

impl TargetInput<'_> {
    fn plan(
        self,
        workspace_id: &WorkspaceId,
        desired: &Desired,
        today: Date,
        noticed: &mut Noticed,
    ) -> (TargetPlan, TargetScript) {
        let Self { target, driver, written, observed } = self;
        let place = driver.place();
        if let Err(error) = observed.admit(workspace_id, &place) {
            let diagnostic = Diagnostic::new(error.code(), error.to_string());
            noticed.diagnostics.push(diagnostic.help(error.help()));
        }
        let Lowered { objects: wanted, diagnostics } = driver.lower(desired);
        noticed.diagnostics.extend(diagnostics);
        let differences = compare(driver, &wanted, &written, &observed.objects);
        if !desired.spec.targets.contains_key(target) && !written.is_empty() {
            let text = format!("target {target} is taken out: nothing is served there any more");
            noticed.push(Effect::Narrow, None, text, None);
        }
        if !written.is_empty() {
            let live = &observed.objects;
            let back = notice::drift::compare(driver, &differences, live, &wanted, today);
            noticed.notices.extend(back);
        }
        let is_write = |it: &&Difference| it.action != Action::None;
        let writes = differences.iter().filter(is_write).count();
        let rewritten = differences.iter().filter(is_write).filter(|it| it.is_live()).count();
        let steps = if writes == 0 { vec![] } else { driver.steps(&differences) };
        let plan = TargetPlan {
            target: target.clone(),
            kind: driver.kind().to_owned(),
            place,
            observed: ground(&observed),
            read_at: observed.read_at,
            unchanged: count(observed.objects.len().saturating_sub(rewritten)),
            differences,
            steps: steps.clone(),
        };
        let script = TargetScript {
            target: target.clone(),
            wanted,
            steps,
            probes: driver.probes(desired),
            version: observed.version,
        };
        (plan, script)
    }
}

/// The digest of what a target holds.
fn ground(observed: &Observed) -> Digest {
    let version = observed.version.as_deref().unwrap_or_default().to_owned();
    let objects = observed.objects.iter();
    let objects: Vec<(String, &str)> = objects
        .map(|object| (object.key().to_string(), object.body.as_str()))
        .chain([("version".to_owned(), version.as_str())])
        .collect();
    Digest::of_named(objects.iter().map(|(key, text)| (key.as_str(), text.as_bytes())))
}

impl Noticed {
    /// Adds what the objects say to the facts.
    fn count(&mut self, targets: &[TargetPlan]) {
        let facts = &mut self.facts;
        for target in targets {
            for difference in &target.differences {
                match difference.action {
                    Action::Create => facts.creates += 1,
                    Action::Update => facts.updates += 1,
                    Action::Delete => facts.deletes += 1,
                    Action::None => continue,
                }
                if difference.key.kind == Part::API
                    && let Ok(name) = ApiName::parse(&difference.key.name)
                {
                    facts.apis.insert(name);
                }
            }
            let changed = target.differences.iter().filter(|it| it.action != Action::None);
            let live = changed.filter(|it| it.is_live()).count();
            facts.objects += target.unchanged + count(live);
        }
        facts.apis.extend(self.notices.iter().filter_map(|notice| notice.api.clone()));
    }
}

impl Decision {
    fn of(
        id: DecisionId,
        permit: &Result<ChangePermit, Box<ChangeDenial>>,
        notes: &[Note],
    ) -> Self {
        let errors = notes.iter().filter(|note| note.severity == Weight::Error);
        let broken = errors.clone().count();
        let (allowed, rules, why, cure) = match permit {
            Ok(permit) => (true, permit.rules().to_vec(), None, None),
            Err(denial) => {
                let ChangeDenial { action: _, environment: _, reason: _, why, rules, cure } =
                    denial.as_ref();
                (false, rules.clone(), Some(why.clone()), Some(cure.clone()))
            }
        };
        if broken == 0 {
            return Self { id, allowed, rules, why, cure };
        }
        let why = Some(format!("{broken} {} above", if broken == 1 { "error" } else { "errors" }));
        // Of several, each tells its own above.
        let mut help = errors.map(|note| note.help.join("; "));
        let help = help.find(|help| broken == 1 && !help.is_empty());
        let cure = help.unwrap_or_else(|| "mend what is named there".to_owned());
        Self { id, allowed: false, rules, why, cure: Some(cure) }
    }
}

impl Plan {
    /// Nothing to write, and nothing in force would become different.
    pub fn is_empty(&self) -> bool {
        self.targets.iter().all(|target| target.steps.is_empty()) && self.notices.is_empty()
    }

    /// Whether somebody loses access, and nobody gains anything: everything that callers would
    /// notice takes something away.
    pub fn only_narrows(&self) -> bool {
        let loses = self.notices.iter().any(|notice| notice.effect == Effect::Narrow);
        loses && self.notices.iter().all(Notice::takes_away)
    }

    pub fn allowed(&self) -> bool {
        self.decision.allowed
    }

    pub fn has_errors(&self) -> bool {
        self.notes.iter().any(|note| note.severity == Weight::Error)
    }
}

/// No chance is at hand here, so the digest takes its place.
fn decision_id(at: OffsetDateTime, ground: &Digest) -> DecisionId {
    let unix_ms = u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    DecisionId::new(unix_ms, ground.first_bytes())
}

/// Every finding once, errors first.
fn notes(diagnostics: &[Diagnostic]) -> Vec<Note> {
    let mut notes: Vec<Note> = vec![];
    for diagnostic in diagnostics {
        let severity = match diagnostic.severity() {
            Severity::Error => Weight::Error,
            Severity::Warning => Weight::Warning,
            Severity::Note => Weight::Note,
        };
        let note = Note {
            code: diagnostic.code.to_string(),
            severity,
            text: diagnostic.message.clone(),
            at: diagnostic
                .marks
                .first()
                .map(|mark| Origin { file: mark.file.clone(), line: mark.start.line }),
            help: diagnostic.help.clone(),
        };
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    notes.sort_by_key(|note| note.severity);
    notes
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// How the ground of a shown plan relates to the ground of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    Same,
    /// It moved, and what would be done is what was shown.
    Moved {
        what: Vec<&'static str>,
    },
}

/// The effect is no longer the one that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EffectMoved {
    /// The entries that differ: names of APIs, or `environment`.
    pub entries: BTreeSet<String>,
}

/// Whether a plan made just now may stand for one that was shown before.
pub fn replan(shown: &Plan, now: &Plan) -> Result<Ground, EffectMoved> {
    let entries = shown.digests.effect.differing(&now.digests.effect);
    let elsewhere = shown.environment != now.environment || shown.workspace != now.workspace;
    if elsewhere || !entries.is_empty() {
        return Err(EffectMoved { entries });
    }
    if shown.digests.plan == now.digests.plan {
        return Ok(Ground::Same);
    }
    let mut what = vec![];
    let observed = |plan: &Plan| -> Vec<Digest> {
        plan.targets.iter().map(|target| target.observed.clone()).collect()
    };
    if observed(shown) != observed(now) {
        what.push("the target");
    }
    let sha = |plan: &Plan| plan.commit.as_ref().map(|commit| commit.sha.clone());
    if sha(shown) != sha(now) {
        what.push("the commit");
    }
    if shown.digests.source != now.digests.source {
        what.push("the files");
    }
    Ok(Ground::Moved { what })
}

impl EffectMoved {
    pub const CODE: Code = Code::EffectMoved;
}

impl fmt::Display for EffectMoved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.entries.is_empty() {
            return f.write_str("the plan was made for another workspace or environment");
        }
        let names: Vec<String> = self.entries.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "the plan would no longer do what it showed: {} moved", names.join(", "))
    }
}

impl std::error::Error for EffectMoved {}

#[cfg(test)]
mod tests;
