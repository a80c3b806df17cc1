//! Whether a change may happen: `changes` of the environment grant, Cedar takes away, facts decide.
//!
//! Facts about the commit come from whoever asked the Git host, facts about the plan from the plan.
//! Which rules are in force is for the caller: this judges by the ones it is given, and what cannot
//! be judged is refused. Only this makes a [`ChangePermit`].

pub mod may;

mod asked;
mod forbid;
mod owner;
mod rule;

use std::fmt;

use cedar_policy::Authorizer;
use gw_model::{
    desired::Desired,
    diagnostic::Diagnostic,
    environment::{ChangeAction, ChangeRule, DeletionMode, Target},
    id::{EnvironmentName, IdentityName},
    source::Origin,
};
use serde::{Deserialize, Serialize};

pub use self::{
    asked::{Asked, CommitFacts, PlanFacts},
    owner::{Owner, OwnerIs, judge_first},
    rule::is_like,
};
use crate::{
    cedar::{
        NotEvaluated, Vocabulary,
        policy::{self, Forbid, When},
    },
    principal::Principal,
};

/// A change that may happen, by which rules, as asked.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePermit {
    action: ChangeAction,
    environment: EnvironmentName,
    principal: Principal,
    rule: Origin,
    rules: Vec<RuleOutcome>,
}

/// A change that may not happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDenial {
    pub action: ChangeAction,
    pub environment: EnvironmentName,
    pub reason: ChangeReason,
    /// In one sentence.
    pub why: String,
    pub rules: Vec<RuleOutcome>,
    /// The smallest thing that would help.
    pub cure: String,
}

/// Why a change may not happen. The codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReason {
    /// No rule names the action.
    NoRule,
    /// Rules name it, and none of them holds.
    NotGranted,
    /// A policy takes it away.
    ForbiddenByPolicy,
    /// A policy or the rules themselves could not be evaluated.
    PolicyError,
    /// `deletions.mode: refuse` beats every rule.
    DeletionsRefused,
    /// Whoever breaks glass may not change who may do what.
    RulesTouched,
}

/// What one rule says about one change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleOutcome {
    /// `env/prod/changes[2]`, or the `@id` of a policy.
    pub id: String,
    pub effect: RuleEffect,
    /// Whether it speaks: a permit that grants, a forbid that takes away.
    pub held: bool,
    pub at: Origin,
    /// What held, in a few words each: `pipeline`, `on main`, `1 approval (erik)`.
    pub met: Vec<String>,
    /// Of a permit: what lacks. Of a forbid: what would make it let go.
    pub missing: Vec<Missing>,
    /// Why the rule exists.
    pub because: Option<String>,
    pub owner: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RuleEffect {
    Permit,
    Forbid,
}

/// A fact that is not as a rule wants it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    pub fact: String,
    pub needs: String,
}

impl Missing {
    fn new(fact: &str, needs: impl Into<String>) -> Self {
        Self { fact: fact.to_owned(), needs: needs.into() }
    }
}

impl ChangePermit {
    pub fn action(&self) -> ChangeAction {
        self.action
    }

    pub fn environment(&self) -> &EnvironmentName {
        &self.environment
    }

    /// Whom it was granted to.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The rule that granted it.
    pub fn rule(&self) -> &Origin {
        &self.rule
    }

    /// Everything that was looked at.
    pub fn rules(&self) -> &[RuleOutcome] {
        &self.rules
    }
}

/// The rules of one environment, ready to judge.
#[derive(Debug)]
pub struct ChangeRules<'d> {
    desired: &'d Desired,
    words: &'static Vocabulary,
    forbids: Vec<Forbid>,
    /// Beside each rule: its condition.
    conditions: Vec<Option<When>>,
    authorizer: Authorizer,
}

/// Judges a change by the rules in force. Rules that cannot be read deny.
pub fn judge(
    in_force: &Desired,
    asked: &Asked,
    plan: &PlanFacts,
) -> Result<ChangePermit, Box<ChangeDenial>> {
    match ChangeRules::compile(in_force) {
        Ok(rules) => rules.judge(asked, plan),
        Err(findings) => {
            let first = findings.first().map(|found| found.message.clone()).unwrap_or_default();
            Err(Box::new(ChangeDenial {
                action: asked.action,
                environment: in_force.environment.clone(),
                reason: ChangeReason::PolicyError,
                why: format!("the rules in force cannot be read: {first}"),
                rules: vec![],
                cure: "mend the rules; until then nothing may be changed".to_owned(),
            }))
        }
    }
}

impl<'d> ChangeRules<'d> {
    pub fn compile(in_force: &'d Desired) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = vec![];
        let words = Vocabulary::get().map_err(|NotEvaluated(error)| {
            vec![Diagnostic::new(gw_model::code::Code::PolicyInvalid, error)]
        })?;
        let mut forbids = policy::read_files(&in_force.policies, words, &mut findings);
        forbids.retain(Forbid::judges_changes);
        let mut conditions = vec![];
        for rule in &in_force.spec.changes {
            let Some(text) = &rule.when else {
                conditions.push(None);
                continue;
            };
            match policy::read_condition(text, &rule.at, &action_scope(rule), words) {
                Ok(when) => conditions.push(Some(when)),
                Err(finding) => findings.push(*finding),
            }
        }
        if findings.is_empty() {
            let authorizer = Authorizer::new();
            Ok(Self { desired: in_force, words, forbids, conditions, authorizer })
        } else {
            Err(findings)
        }
    }

    /// Whether a policy may take an action away.
    pub fn forbids(&self, action: ChangeAction) -> bool {
        self.forbids.iter().any(|forbid| forbid.judges(action.as_str()))
    }

    pub fn judge(
        &self,
        asked: &Asked,
        plan: &PlanFacts,
    ) -> Result<ChangePermit, Box<ChangeDenial>> {
        let mut rules = vec![];
        let mut blocked: Vec<RuleOutcome> = vec![];
        let mut granted = None;
        let barred = self.barred(asked, plan);
        let candidates = self.desired.spec.changes.iter().zip(&self.conditions).enumerate();
        for (number, (declared, condition)) in candidates {
            if !declared.actions.contains(&asked.action) {
                continue;
            }
            let judged = self.look_at(number, declared, condition.as_ref(), asked, plan);
            if granted.is_none()
                && let Some(principal) = judged.principal
            {
                let found = self.forbidding(principal, asked, plan);
                if found.iter().any(|outcome| outcome.held) {
                    blocked.extend(found);
                } else {
                    granted = Some((principal.clone(), declared.at.clone(), found));
                }
            }
            rules.push(judged.outcome);
        }
        if let Some((principal, rule, mut forbids)) = granted
            && barred.is_none()
        {
            rules.append(&mut forbids);
            let (action, environment) = (asked.action, self.desired.environment.clone());
            return Ok(ChangePermit { action, environment, principal, rule, rules });
        }
        Err(Box::new(self.deny(asked, plan, rules, blocked, barred)))
    }

    /// What no rule can grant.
    fn barred(&self, asked: &Asked, plan: &PlanFacts) -> Option<ChangeReason> {
        let refused = self.desired.spec.deletions.mode == DeletionMode::Refuse;
        if self.deletes(asked, plan) && refused {
            return Some(ChangeReason::DeletionsRefused);
        }
        let emergency = asked.action == ChangeAction::BreakGlass;
        (emergency && plan.touches_change_rules).then_some(ChangeReason::RulesTouched)
    }

    /// Whether the change would delete something of those who are served.
    fn deletes(&self, asked: &Asked, plan: &PlanFacts) -> bool {
        let writes = matches!(
            asked.action,
            ChangeAction::Apply | ChangeAction::Rollback | ChangeAction::BreakGlass
        );
        writes && plan.deletes > 0
    }

    fn is_local_only(&self) -> bool {
        self.desired.spec.targets.values().all(|target| matches!(target, Target::Builtin(_)))
    }

    fn deny(
        &self,
        asked: &Asked,
        plan: &PlanFacts,
        mut rules: Vec<RuleOutcome>,
        mut blocked: Vec<RuleOutcome>,
        barred: Option<ChangeReason>,
    ) -> ChangeDenial {
        let environment = self.desired.environment.clone();
        let action = asked.action;
        // Of two that lack as much, the one that is for whoever asks is nearer.
        let lacks_who = |rule: &RuleOutcome| rule.missing.iter().any(|it| it.fact == "identity");
        rules.sort_by_key(|rule| {
            (rule.missing.len(), lacks_who(rule), std::cmp::Reverse(rule.met.len()))
        });
        blocked.retain(|outcome| outcome.held);
        blocked.dedup();
        if blocked.is_empty() && !rules.iter().any(|rule| rule.held) {
            // Nobody was granted it, yet who reads this wants to know what else stands in the way.
            let first = asked.actor.principals.first();
            let also = first.map(|principal| self.forbidding(principal, asked, plan));
            blocked = also.unwrap_or_default();
            blocked.retain(|outcome| outcome.held);
        }
        let verb = action.as_str();
        let granted = rules.iter().any(|rule| rule.held);
        let failed = blocked.iter().find_map(|outcome| {
            outcome.missing.iter().find(|missing| missing.fact == forbid::EVALUATION)
        });
        let barred = barred.filter(|_| granted && blocked.is_empty());
        let (reason, why) = if let Some(reason) = barred {
            let why = match reason {
                ChangeReason::RulesTouched => {
                    "breaking glass may not change who may do what".to_owned()
                }
                _ => format!("{environment} refuses every change that deletes"),
            };
            (reason, why)
        } else if rules.is_empty() {
            (ChangeReason::NoRule, format!("no rule under `changes` of {environment} names {verb}"))
        } else if !granted {
            let nearest = rules.first().map(needs_of).map(|(needs, _)| needs.join(", "));
            let lacks = nearest.map(|needs| format!(": the nearest lacks {needs}"));
            let rules = format!("no rule for {verb} under `changes` of {environment} holds");
            (ChangeReason::NotGranted, format!("{rules}{}", lacks.unwrap_or_default()))
        } else if let Some(failed) = failed {
            (
                ChangeReason::PolicyError,
                format!("a policy could not be evaluated: {}", failed.needs),
            )
        } else {
            let told = blocked.first().and_then(|outcome| outcome.because.clone());
            let why = told.unwrap_or_else(|| format!("a policy does not allow {verb} here"));
            (ChangeReason::ForbiddenByPolicy, why)
        };
        let cure = cure(reason, action, &environment, &rules, &blocked);
        rules.append(&mut blocked);
        ChangeDenial { action, environment, reason, why, rules, cure }
    }
}

fn cure(
    reason: ChangeReason,
    action: ChangeAction,
    environment: &EnvironmentName,
    rules: &[RuleOutcome],
    blocked: &[RuleOutcome],
) -> String {
    match reason {
        ChangeReason::NoRule => {
            format!("add a rule for `{}` under `changes` of {environment}", action.as_str())
        }
        ChangeReason::RulesTouched => {
            "leave the rules as they are, or go the ordinary way".to_owned()
        }
        ChangeReason::DeletionsRefused => {
            format!("leave the objects in place, or change `deletions.mode` of {environment}")
        }
        ChangeReason::NotGranted => match rules.first() {
            Some(nearest) if nearest.missing.iter().all(|missing| missing.fact == "deletes") => {
                let at = &nearest.at;
                format!(
                    "add `deletes: true` to the rule at {at}, or leave in place what it deletes"
                )
            }
            Some(nearest) => {
                let (needs, at) = needs_of(nearest);
                format!("bring what the rule at {at} asks for: {}", needs.join(" and "))
            }
            None => format!("look at `changes` of {environment}"),
        },
        ChangeReason::ForbiddenByPolicy | ChangeReason::PolicyError => {
            match blocked.first().map(needs_of) {
                Some((needs, at)) if !needs.is_empty() => format!("{} ({at})", needs.join(" or ")),
                Some((_, at)) => format!("look at the policy at {at}"),
                None => "look at the policies".to_owned(),
            }
        }
    }
}

fn needs_of(outcome: &RuleOutcome) -> (Vec<&str>, &Origin) {
    let needs = outcome.missing.iter().map(|missing| missing.needs.as_str());
    (needs.collect(), &outcome.at)
}

fn action_scope(rule: &ChangeRule) -> String {
    let named = |action: &ChangeAction| format!("Gatewright::Action::\"{}\"", action.as_str());
    let actions: Vec<_> = rule.actions.iter().map(named).collect();
    format!("action in [{}]", actions.join(", "))
}

/// Whether a name is one of the two that nobody declares.
fn is_reserved(identity: &IdentityName) -> bool {
    matches!(identity.as_str(), IdentityName::LOCAL | IdentityName::SERVER)
}

/// `✔ environments/prod.yaml:17   pipeline · on main · 1 approval (erik)`, and what lacks below it.
impl fmt::Display for RuleOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let good = self.held == (self.effect == RuleEffect::Permit);
        let sign = if good { '✔' } else { '✘' };
        let said = match self.effect {
            RuleEffect::Permit => self.met.join(" · "),
            // A policy without `@id` is called by its place.
            RuleEffect::Forbid if self.id == self.at.to_string() => String::new(),
            RuleEffect::Forbid => self.id.clone(),
        };
        write!(f, "{sign} {}", self.at)?;
        if !said.is_empty() {
            write!(f, "   {said}")?;
        }
        if let Some(because) = &self.because {
            write!(f, "\n    \"{because}\"")?;
        }
        let needs: Vec<_> = self.missing.iter().map(|missing| missing.needs.as_str()).collect();
        if !good && !needs.is_empty() {
            let glue = if self.effect == RuleEffect::Permit { ", " } else { " or " };
            write!(f, "\n    missing: {}", needs.join(glue))?;
        }
        Ok(())
    }
}

impl fmt::Display for ChangeDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "DENIED  {} {}", self.action.as_str(), self.environment)?;
        writeln!(f, "  blocked   {}", self.why)?;
        for rule in &self.rules {
            for line in rule.to_string().lines() {
                writeln!(f, "  {line}")?;
            }
        }
        writeln!(f, "  cure      {}", self.cure)
    }
}

#[cfg(test)]
mod tests;
