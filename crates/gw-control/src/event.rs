//! What the ledger says of each act: plain data in, an event out.

mod login;

use gw_audit::entry::{self, Act, Actor, Event, Proof};
use gw_model::id::{EnvironmentName, IdentityName};
use gw_plan::{
    difference::Drift,
    digest::Digest,
    driver::Class,
    plan::{Changed, Plan, Planned},
};
use gw_policy::change::{RuleEffect, RuleOutcome};
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub use self::login::{issued, revoked, turned_away};
use crate::{
    asker::Asker,
    deployment::{Asked, ReadBack},
    host::DeploymentState,
    stop::Stop,
    store::{Begun, Ending, Hold, Outcome, StepRecord, StepState},
    tell::Waiting,
    trial::Trial,
};

/// Longer texts are cut: an entry has a largest size, and the journal has the whole.
const MAX_TEXT: usize = 2_000;
/// More rules than this are counted only.
const MAX_RULES: usize = 200;
/// More entries of an effect than this are counted only.
const MAX_ENTRIES: usize = 100;

/// The user of this machine, proved by owning the state folder.
pub fn local_user() -> Actor {
    Actor {
        identity: IdentityName::LOCAL.to_owned(),
        issuer: None,
        subject: None,
        proof: Proof::State,
        via: vec![],
    }
}

/// That a plan was made and shown.
pub fn planned(by: Actor, plan: &Plan) -> Event {
    let event = of_plan(Act::Planned, entry::Outcome::Done, by, plan);
    event.fact("allowed", plan.decision.allowed).fact("planDigest", plan.digests.plan.as_str())
}

/// That a plan can be read below a pull request.
pub fn shown(by: Actor, planned: &Planned, pull_request: u64) -> Event {
    let event = of_plan(Act::Shown, entry::Outcome::Done, by, &planned.plan);
    let event = with_changed(event, &planned.changed).fact("pullRequest", pull_request);
    match Waiting::of(&planned.plan.decision) {
        Some(waiting) => event.fact("waitsFor", waiting.gates()),
        None => event,
    }
}

/// That somebody approves what a plan changes.
pub fn approved(by: Actor, planned: &Planned) -> Event {
    let event = of_plan(Act::Approved, entry::Outcome::Done, by, &planned.plan);
    let event = with_changed(event, &planned.changed);
    match planned.plan.restores {
        Some(change) => event.fact("restores", change),
        None => event,
    }
}

/// The entries of the effect that become others, and one digest over what becomes of them.
fn with_changed(event: Event, changed: &Changed) -> Event {
    let names: Vec<&str> = changed.keys().map(String::as_str).take(MAX_ENTRIES).collect();
    let event = match changed.len() {
        all if all > names.len() => event.fact("entriesInAll", all),
        _ => event,
    };
    event.fact("entries", names).fact("changed", digest_of(changed).as_str())
}

/// By which entries tell what is changed.
pub(crate) fn digest_of(changed: &Changed) -> Digest {
    Digest::of_json(&json!(changed))
}

/// Whether a plan may be executed, and which rules said so.
pub fn decided(by: Actor, plan: &Plan) -> Event {
    let decision = &plan.decision;
    let outcome = match decision.allowed {
        true => entry::Outcome::Done,
        false => entry::Outcome::Refused,
    };
    let mut event = of_plan(Act::Decided, outcome, by, plan);
    event.rules = decision.rules.iter().take(MAX_RULES).map(rule).collect();
    if decision.rules.len() > MAX_RULES {
        event = event.fact("rulesInAll", decision.rules.len());
    }
    with_text(with_text(event, "why", decision.why.as_deref()), "cure", decision.cure.as_deref())
}

fn of_plan(act: Act, outcome: entry::Outcome, by: Actor, plan: &Plan) -> Event {
    let mut event = Event::new(act, outcome, by);
    event.environment = Some(plan.environment.to_string());
    event.decision = Some(plan.decision.id.to_string());
    event.plan = Some(plan.id.clone());
    event.effect = Some(plan.digests.effect.total().to_string());
    event.commit = plan.commit.as_ref().map(|commit| commit.sha.clone());
    event.fact("source", plan.digests.source.as_str())
}

fn rule(rule: &RuleOutcome) -> entry::Rule {
    entry::Rule {
        id: rule.id.clone(),
        effect: match rule.effect {
            RuleEffect::Permit => entry::Effect::Permit,
            RuleEffect::Forbid => entry::Effect::Forbid,
        },
        held: rule.held,
        file: rule.at.file.clone(),
        line: rule.at.line.into(),
    }
}

/// That something was refused before the rules were asked, or that somebody was not reached.
pub fn stopped(by: Actor, at: &EnvironmentName, stop: &Stop) -> Event {
    let outcome = match stop.class() {
        Class::Human => entry::Outcome::Refused,
        Class::Retry { .. } | Class::Wait => entry::Outcome::Failed,
    };
    let mut event = Event::new(Act::Decided, outcome, by);
    event.environment = Some(at.to_string());
    event.commit = stop.commit().map(str::to_owned);
    let event = with_text(event, "why", Some(&stop.to_string()));
    let event = with_text(event, "cure", stop.help().as_deref());
    match stop.code() {
        Some(code) => event.fact("code", code.to_string()),
        None => event,
    }
}

/// That targets do not hold what was written, and which objects differ.
pub fn drifted(at: &EnvironmentName, plan: &Plan, digest: &str) -> Event {
    let mut event = of_plan(Act::DriftFound, entry::Outcome::Done, Asker::server().actor, plan);
    event.environment = Some(at.to_string());
    let objects = plan.targets.iter().flat_map(|target| {
        let drifted = target.differences.iter().filter(|it| it.drift != Drift::None);
        drifted.map(move |it| format!("{} {}", target.target, it.key))
    });
    let objects: Vec<String> = objects.take(MAX_RULES).collect();
    event.fact("drift", digest).fact("objects", objects)
}

/// That somebody leaves a difference as it is for a while.
pub fn accepted(by: Actor, at: &EnvironmentName, digest: &str, until: OffsetDateTime) -> Event {
    let mut event = Event::new(Act::DriftAccepted, entry::Outcome::Done, by);
    event.environment = Some(at.to_string());
    let event = event.fact("drift", digest);
    match until.format(&Rfc3339) {
        Ok(until) => event.fact("until", until),
        Err(_) => event,
    }
}

/// That somebody proposed to keep what differs.
pub fn adopted(by: Actor, at: &EnvironmentName, digest: &str, pull_request: u64) -> Event {
    let mut event = Event::new(Act::DriftAdopted, entry::Outcome::Done, by);
    event.environment = Some(at.to_string());
    event.fact("drift", digest).fact("pullRequest", pull_request.to_string())
}

/// That a change began.
pub fn began(begun: &Begun, number: u64) -> Event {
    let by = begun.actor.clone();
    let mut event = of_change(Act::Began, entry::Outcome::Done, by, &begun.environment, number);
    event.plan = Some(begun.plan_id.clone());
    event.effect = Some(begun.effect_digest.clone());
    event.commit.clone_from(&begun.commit);
    let event =
        event.fact("action", begun.action.as_str()).fact("source", begun.source_digest.as_str());
    let event = match begun.restores {
        Some(restored) => event.fact("restores", restored),
        None => event,
    };
    let event = match begun.until.and_then(|until| until.format(&Rfc3339).ok()) {
        Some(until) => event.fact("until", until),
        None => event,
    };
    match &begun.reason {
        // Whoever gives a reason wants it on the record in whole.
        Some(reason) => event.fact("reason", reason.as_str()),
        None => event,
    }
}

/// That a step is about to be done.
pub fn intended(by: Actor, at: &EnvironmentName, number: u64, step: &StepRecord) -> Event {
    of_step(Act::StepIntended, entry::Outcome::Done, by, at, number, step)
}

/// How a step ended. Where nobody can tell whether the target acted, it is not called failed.
pub fn settled(by: Actor, at: &EnvironmentName, number: u64, step: &StepRecord) -> Event {
    let outcome = match step.state {
        StepState::Done => entry::Outcome::Done,
        StepState::Failed => entry::Outcome::Failed,
        StepState::Intended => entry::Outcome::Unproven,
    };
    let event = of_step(Act::StepEnded, outcome, by, at, number, step);
    with_text(event, "detail", step.detail.as_deref())
}

fn of_step(
    act: Act,
    outcome: entry::Outcome,
    by: Actor,
    at: &EnvironmentName,
    number: u64,
    step: &StepRecord,
) -> Event {
    let mut event = of_change(act, outcome, by, at, number);
    event.target = Some(step.target.to_string());
    event.fact("step", step.name.as_str()).fact("position", step.position)
}

/// How a change ended.
pub fn ended(by: Actor, at: &EnvironmentName, number: u64, ending: &Ending) -> Event {
    let outcome = match ending.outcome {
        Outcome::Verified => entry::Outcome::Done,
        Outcome::Applied | Outcome::UnderWay => entry::Outcome::Unproven,
        Outcome::Failed | Outcome::Abandoned | Outcome::Superseded | Outcome::Unhealthy => {
            entry::Outcome::Failed
        }
    };
    let event = of_change(Act::Ended, outcome, by, at, number);
    let event = event.fact("outcome", ending.outcome.as_str());
    with_text(event, "detail", ending.detail.as_deref())
}

/// What the Git host of that kind calls the deployment of the step that asked for a change.
pub(crate) fn deployed(kind: &str, asked: Asked<'_>, read: &ReadBack, why: Option<&str>) -> Event {
    let Asked { environment, change, commit, run } = asked;
    let by = Actor {
        identity: kind.to_owned(),
        issuer: None,
        subject: None,
        proof: Proof::GitHost,
        via: vec![],
    };
    let found = match read {
        ReadBack::Found(found) => Some(found),
        ReadBack::Nothing | ReadBack::Withheld(_) => None,
    };
    let outcome = match found.map(|found| found.state) {
        Some(DeploymentState::Done) => entry::Outcome::Done,
        Some(DeploymentState::Failed | DeploymentState::Stopped) => entry::Outcome::Failed,
        Some(DeploymentState::UnderWay) | None => entry::Outcome::Unproven,
    };
    let mut event = of_change(Act::Deployed, outcome, by, environment, change);
    event.commit = Some(commit.to_owned());
    let at = found.and_then(|found| found.at?.format(&Rfc3339).ok());
    let facts = [
        ("deployment", found.map(|found| found.environment.as_str())),
        ("state", found.map(|found| found.state.as_str())),
        ("run", found.and_then(|found| found.release.as_deref())),
        ("url", found.and_then(|found| found.url.as_deref())),
        ("endedAt", at.as_deref()),
        ("pipeline", run.pipeline.as_deref()),
        ("pipelineStep", run.step.as_deref()),
        ("why", why),
    ];
    facts.into_iter().fold(event, |event, (name, text)| with_text(event, name, text))
}

/// That a backend does not work any more since a change.
pub fn unhealthy(by: Actor, at: &EnvironmentName, number: u64, why: &str) -> Event {
    let event = of_change(Act::Unhealthy, entry::Outcome::Failed, by, at, number);
    with_text(event, "why", Some(why))
}

/// That the table of access was tried on what is in force.
pub fn tested(
    by: Actor,
    at: &EnvironmentName,
    number: u64,
    source: &Digest,
    trial: &Trial,
) -> Event {
    let outcome = match trial.passed() {
        true => entry::Outcome::Done,
        false => entry::Outcome::Failed,
    };
    let mut event = Event::new(Act::Tested, outcome, by);
    event.environment = Some(at.to_string());
    event.change = Some(number);
    let wrong = trial.wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let event = event.fact("source", source.as_str()).fact("calls", trial.calls);
    with_text(event, "why", Some(wrong.as_str()).filter(|wrong| !wrong.is_empty()))
}

/// That the state of a change was left by going back, so that it does not come again by itself.
pub fn held(by: Actor, hold: &Hold) -> Event {
    let done = entry::Outcome::Done;
    let mut event = of_change(Act::Held, done, by, &hold.environment, hold.number);
    event.effect = Some(hold.effect_digest.clone());
    event
}

/// That a change brought another state, so that nothing is held any more.
pub fn released(by: Actor, at: &EnvironmentName, number: u64) -> Event {
    of_change(Act::Released, entry::Outcome::Done, by, at, number)
}

fn of_change(
    act: Act,
    outcome: entry::Outcome,
    by: Actor,
    at: &EnvironmentName,
    number: u64,
) -> Event {
    let mut event = Event::new(act, outcome, by);
    event.environment = Some(at.to_string());
    event.change = Some(number);
    event
}

fn with_text(event: Event, name: &str, text: Option<&str>) -> Event {
    let Some(text) = text else { return event };
    match text.char_indices().nth(MAX_TEXT) {
        None => event.fact(name, text),
        Some((end, _)) => event.fact(name, format!("{} …", text.get(..end).unwrap_or_default())),
    }
}
