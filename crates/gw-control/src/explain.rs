//! Why a change may or may not be made, told link by link: what the Git host knew, what the rules said,
//! what the target did, and whether the vault was reached.
//!
//! What was decided stands in the ledger and in the plan that was judged; only the Git host is asked again,
//! because its credential is what may have ended since.

mod gather;
mod text;

use gw_audit::entry::{Act, Entry, Outcome as Ended};
use gw_model::{code::Code, id::EnvironmentName};
use gw_plan::plan::{Decision, Plan};
use gw_policy::change::{Missing, RuleEffect, RuleOutcome};
use serde_json::Value;

pub use self::gather::explain;
use crate::{
    host::{HostError, Repository, approvals::Discounted},
    stop::short,
    store::{Change, Outcome, StepRecord, StepState},
    tell::Links,
};

/// A decision on a change, explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// None: it was refused before there was anything to judge.
    pub decision: Option<String>,
    pub is_allowed: bool,
    pub action: String,
    pub environment: String,
    pub who: String,
    pub commit: Option<String>,
    /// RFC 3339.
    pub at: String,
    /// Its place in the ledger.
    pub entry: u64,
    pub links: Vec<Link>,
    /// What is there of it.
    pub end: String,
    pub cure: Option<String>,
}

/// One party that a change goes through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub part: Part,
    pub mark: Mark,
    pub says: Vec<String>,
    pub blocked: Option<Blocked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    GitHost,
    /// What the commit declares.
    Files,
    Rules,
    Target,
    Vault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Good,
    Bad,
    /// It was not asked.
    Open,
}

/// What was not let through, and what would let it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    pub action: String,
    pub scope: String,
    pub who: String,
    pub has: String,
    pub needs: String,
}

/// Everything that is known of a decision.
#[derive(Debug)]
struct Known<'a> {
    entry: &'a Entry,
    environment: &'a EnvironmentName,
    /// By name where the ledger has a hash.
    who: String,
    /// None: it is not kept, or there never was one.
    plan: Option<&'a Plan>,
    change: Option<&'a (Change, Vec<StepRecord>)>,
    host: &'a HostView,
    links: &'a Links,
}

/// What the Git host says now.
#[derive(Debug)]
struct HostView {
    repository: Result<Repository, HostError>,
    reviews: Vec<Review>,
    /// What it says of the step that asked, as far as that was read back.
    deployment: Option<String>,
}

/// Approvals of a pull request that brought the commit.
#[derive(Debug)]
struct Review {
    number: u64,
    approvals: Vec<(String, Option<Discounted>)>,
}

const NOT_REACHED: &str = "not reached";
/// The facts that an approval brings.
const APPROVALS: [&str; 3] = ["approvals", "approverTeams", "approvers"];

impl Explained {
    fn of(known: &Known<'_>) -> Self {
        let event = &known.entry.event;
        let is_allowed = is_allowed(known.entry);
        let links = vec![host(known), files(known), rules(known), target(known), vault(known)];
        Self {
            decision: event.decision.clone(),
            is_allowed,
            action: action(known.entry),
            environment: known.environment.to_string(),
            who: known.who.clone(),
            commit: event.commit.clone(),
            at: text::written(known.entry.at),
            entry: known.entry.index,
            links: links.into_iter().flatten().collect(),
            end: end(known),
            cure: cure(known),
        }
    }
}

/// A plan that was only shown has a decision as well.
fn is_allowed(entry: &Entry) -> bool {
    let shown = entry.event.facts.get("allowed").and_then(Value::as_bool);
    shown.unwrap_or(entry.event.outcome == Ended::Done)
}

/// Whether anybody wanted to write.
fn goes_on(entry: &Entry) -> bool {
    entry.event.act == Act::Decided && is_allowed(entry)
}

/// The code of something that was refused before the rules were asked.
fn code(entry: &Entry) -> Option<Code> {
    fact(entry, "code").and_then(|code| code.parse().ok())
}

fn fact<'a>(entry: &'a Entry, name: &str) -> Option<&'a str> {
    entry.event.facts.get(name).and_then(Value::as_str)
}

/// Entries of an earlier version do not say what was asked for; it was an apply most often.
fn action(entry: &Entry) -> String {
    fact(entry, "action").unwrap_or("apply").to_owned()
}

/// Whether it was refused at this part, before the rules were asked.
fn stopped_at(entry: &Entry) -> Option<Part> {
    let is_stopped = matches!(entry.event.outcome, Ended::Refused | Ended::Failed);
    if !is_stopped || entry.event.decision.is_some() {
        return None;
    }
    Some(match code(entry).map(|code| code.number() / 100) {
        Some(60..70) => Part::GitHost,
        Some(10..30) => Part::Files,
        Some(32) => Part::Target,
        _ => Part::Rules,
    })
}

fn host(known: &Known<'_>) -> Option<Link> {
    let mut says = vec![];
    let mut link = Link { part: Part::GitHost, mark: Mark::Good, says: vec![], blocked: None };
    match &known.host.repository {
        Ok(repository) => says.push(format!(
            "the credential is taken, repository {} {}",
            repository.full_name, repository.id
        )),
        Err(error) => {
            says.push(format!("asked now: {error}"));
            link.mark = Mark::Bad;
            link.blocked = denied_by_host(error);
        }
    }
    if stopped_at(known.entry) == Some(Part::GitHost) {
        link.mark = Mark::Bad;
        says.insert(0, why(known.entry));
    }
    if let Some(commit) = known.plan.and_then(|plan| plan.commit.as_ref()) {
        let branches: Vec<&str> = commit.branches.iter().map(String::as_str).collect();
        let on = match branches.as_slice() {
            [] => "no branch".to_owned(),
            branches => branches.join(", "),
        };
        says.push(format!("commit {} is on {on}", short(&commit.sha)));
    }
    for Review { number, approvals } in &known.host.reviews {
        if approvals.is_empty() {
            says.push(format!("pull request #{number}: nobody approved"));
        }
        for (who, discounted) in approvals {
            says.push(match discounted {
                None => format!("pull request #{number}: {who} approved"),
                Some(why) => format!("pull request #{number}: {who} does not count: {why}"),
            });
        }
    }
    says.extend(known.entry.event.by.run().map(|run| format!("asked by run {run}")));
    says.extend(known.host.deployment.as_ref().map(|it| format!("deployment {it}")));
    link.says = says;
    Some(link)
}

fn denied_by_host(error: &HostError) -> Option<Blocked> {
    let HostError::Scope { secret, what, needs, has } = error else { return None };
    Some(Blocked {
        action: "read".to_owned(),
        scope: what.clone(),
        who: format!("the credential `{secret}`"),
        has: text::list(has),
        needs: text::list(needs),
    })
}

/// Told only where it is what is wrong.
fn files(known: &Known<'_>) -> Option<Link> {
    let is_here = stopped_at(known.entry) == Some(Part::Files);
    let says = vec![why(known.entry)];
    is_here.then_some(Link { part: Part::Files, mark: Mark::Bad, says, blocked: None })
}

fn rules(known: &Known<'_>) -> Option<Link> {
    let link = |mark, says, blocked| Some(Link { part: Part::Rules, mark, says, blocked });
    match stopped_at(known.entry) {
        Some(Part::Rules) => return link(Mark::Bad, vec![why(known.entry)], None),
        Some(_) => return link(Mark::Open, vec![NOT_REACHED.to_owned()], None),
        None => {}
    }
    let Some(decision) = known.plan.map(|plan| &plan.decision) else {
        return rules_of_ledger(known);
    };
    if decision.allowed {
        let said = decision.rules.iter().filter(|rule| speaks(rule));
        return link(Mark::Good, said.map(text::rule).collect(), None);
    }
    let says = told(decision).map(text::rule).collect();
    let permit = decision.rules.iter().find(|rule| rule.effect == RuleEffect::Permit);
    let has = permit.map(|permit| permit.met.join(", ")).filter(|has| !has.is_empty());
    let blocked = Blocked {
        action: action(known.entry),
        scope: known.environment.to_string(),
        who: known.who.clone(),
        has: has.unwrap_or_else(|| "nothing that a rule asks for".to_owned()),
        needs: needs(decision),
    };
    link(Mark::Bad, says, Some(blocked))
}

/// What the ledger alone still knows: places, and what they said.
fn rules_of_ledger(known: &Known<'_>) -> Option<Link> {
    let (event, is_allowed) = (&known.entry.event, is_allowed(known.entry));
    let place = |rule: &gw_audit::entry::Rule| {
        let verb = if rule.held { "holds" } else { "does not hold" };
        format!("{}:{} {} {verb}", rule.file, rule.line, rule.id)
    };
    let mut says: Vec<String> = event.rules.iter().map(place).collect();
    if !is_allowed {
        says.insert(0, why(known.entry));
    }
    let mark = if is_allowed { Mark::Good } else { Mark::Bad };
    Some(Link { part: Part::Rules, mark, says, blocked: None })
}

/// A permit that grants, a forbid that takes away.
fn speaks(rule: &RuleOutcome) -> bool {
    rule.held && rule.effect == RuleEffect::Permit
}

/// The permit that was nearest, and each policy that took it away.
fn told(decision: &Decision) -> impl Iterator<Item = &RuleOutcome> {
    let permits = decision.rules.iter().filter(|rule| rule.effect == RuleEffect::Permit);
    let forbids = decision.rules.iter().filter(|rule| rule.effect == RuleEffect::Forbid);
    permits.take(1).chain(forbids.filter(|rule| rule.held))
}

fn lacking(decision: &Decision) -> impl Iterator<Item = &Missing> {
    told(decision)
        .filter(|rule| rule.held == (rule.effect == RuleEffect::Forbid))
        .flat_map(|rule| &rule.missing)
}

fn needs(decision: &Decision) -> String {
    let mut needs: Vec<&str> = lacking(decision).map(|missing| missing.needs.as_str()).collect();
    needs.dedup();
    match needs.as_slice() {
        [] => decision.cure.clone().unwrap_or_default(),
        needs => needs.join(" and "),
    }
}

fn target(known: &Known<'_>) -> Option<Link> {
    let link = |mark, says, blocked| Some(Link { part: Part::Target, mark, says, blocked });
    if stopped_at(known.entry) == Some(Part::Target) {
        return link(Mark::Bad, vec![why(known.entry)], None);
    }
    let Some((change, steps)) = known.change else {
        let (mark, says) = match goes_on(known.entry) {
            true => (Mark::Good, "nothing was to be written"),
            false => (Mark::Open, NOT_REACHED),
        };
        return link(mark, vec![says.to_owned()], None);
    };
    let stopped = steps.iter().find(|step| step.state != StepState::Done);
    let blocked = stopped.map(|step| Blocked {
        action: step.name.as_str().to_owned(),
        scope: format!("target {}", step.target),
        who: "this server".to_owned(),
        has: format!("{} of {} steps done", done(steps), steps.len()),
        needs: step.detail.clone().unwrap_or_else(|| "somebody to look: its end is unknown".into()),
    });
    match change.outcome {
        Outcome::Verified => {
            link(Mark::Good, vec![format!("change {} is what it serves", change.number)], None)
        }
        Outcome::Applied => {
            let says = format!("change {} is written and not verified", change.number);
            link(Mark::Bad, vec![says], blocked)
        }
        Outcome::UnderWay
        | Outcome::Unhealthy
        | Outcome::Failed
        | Outcome::Abandoned
        | Outcome::Superseded => link(Mark::Bad, vec![end(known)], blocked),
    }
}

fn done(steps: &[StepRecord]) -> usize {
    steps.iter().filter(|step| step.state == StepState::Done).count()
}

fn vault(known: &Known<'_>) -> Option<Link> {
    let link = |mark, says: String| {
        Some(Link { part: Part::Vault, mark, says: vec![says], blocked: None })
    };
    if !goes_on(known.entry) {
        return link(Mark::Open, NOT_REACHED.to_owned());
    }
    let bound = known.plan.map(|plan| &plan.facts.binds_secrets).filter(|it| !it.is_empty());
    let Some(bound) = bound else {
        return link(Mark::Open, "not asked: no secret is bound anew".to_owned());
    };
    let names: Vec<String> = bound.iter().map(|name| format!("`{name}`")).collect();
    let says = format!("asked by the gateway itself, for {}", text::list(&names));
    link(Mark::Open, format!("{says}; `gatewright show secrets` tells more"))
}

fn why(entry: &Entry) -> String {
    let why = fact(entry, "why").unwrap_or("it is not on the record why").to_owned();
    match code(entry) {
        Some(code) => format!("{why} [{code}]"),
        None => why,
    }
}

fn end(known: &Known<'_>) -> String {
    let Some((change, _)) = known.change else { return "nothing was written".to_owned() };
    match change.outcome {
        Outcome::Verified => format!("change {} is applied and verified", change.number),
        Outcome::Applied => format!("change {} is applied, not verified", change.number),
        Outcome::UnderWay => format!("change {} stopped half way", change.number),
        outcome => format!("change {} is {}", change.number, outcome.as_str()),
    }
}

fn cure(known: &Known<'_>) -> Option<String> {
    let program =
        format!("gatewright --server {} --env {}", known.links.server(), known.environment);
    if let Some((change, _)) = known.change {
        let is_open = matches!(change.outcome, Outcome::UnderWay | Outcome::Applied);
        return is_open.then(|| "the same command again continues it".to_owned());
    }
    if is_allowed(known.entry) {
        return None;
    }
    if let Err(error) = &known.host.repository
        && let Some(help) = error.help()
    {
        return Some(help);
    }
    if let Some(code) = code(known.entry) {
        let asked = format!("gatewright explain {code}");
        return Some(match fact(known.entry, "cure") {
            Some(cure) => format!("{cure}\n{asked}"),
            None => asked,
        });
    }
    let told = fact(known.entry, "cure").map(str::to_owned);
    let Some(plan) = known.plan else { return told };
    let told = told.or_else(|| plan.decision.cure.clone());
    let is_approval = |missing: &Missing| APPROVALS.contains(&missing.fact.as_str());
    match lacking(&plan.decision).any(is_approval) {
        true => {
            let told = told.unwrap_or_else(|| needs(&plan.decision));
            Some(format!("{told}\n{program} approve {}", plan.id))
        }
        false => told,
    }
}

#[cfg(test)]
mod tests;
