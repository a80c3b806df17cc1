//! One rule under `changes` and one change: what held, what lacks.

use std::collections::BTreeSet;

use gw_model::{
    environment::{ChangeAction, ChangeRule, CommitRule, Hours},
    id::IdentityName,
};

use super::{Asked, ChangeRules, Missing, PlanFacts, RuleEffect, RuleOutcome, forbid, is_reserved};
use crate::{
    cedar::{NotEvaluated, policy::When, unknown},
    hours,
    principal::{Caller, Principal},
};

/// A rule, and whom it grants the change.
pub(super) struct Judged<'a> {
    pub(super) outcome: RuleOutcome,
    pub(super) principal: Option<&'a Principal>,
}

/// What is said while a rule is looked at.
#[derive(Default)]
struct Findings {
    met: Vec<String>,
    missing: Vec<Missing>,
}

impl Findings {
    fn say(&mut self, held: bool, fact: &str, met: String, needs: String) {
        if held {
            self.met.push(met);
        } else {
            self.missing.push(Missing::new(fact, needs));
        }
    }
}

impl ChangeRules<'_> {
    pub(super) fn look_at<'a>(
        &self,
        number: usize,
        rule: &ChangeRule,
        condition: Option<&When>,
        asked: &'a Asked,
        plan: &PlanFacts,
    ) -> Judged<'a> {
        let mut common = Findings::default();
        let approvals_more = self.look_at_deletes(rule, asked, plan, &mut common);
        Self::look_at_facts(rule, approvals_more, asked, &mut common);
        if let Some(hours) = &rule.hours {
            look_at_hours(hours, asked, &mut common);
        }
        let admitted = asked.actor.principals.iter();
        let admitted = admitted.filter(|it| rule.identities.contains(&it.identity));
        let views = admitted.map(|principal| {
            let found = self.look_at_principal(rule, condition, principal, asked, plan);
            (found, principal)
        });
        let nearest = views.min_by_key(|(found, _)| found.missing.len());
        let (mut found, principal) = match nearest {
            Some((found, principal)) => (found, Some(principal)),
            None => (no_identity(rule, &asked.actor), None),
        };
        found.met.append(&mut common.met);
        found.missing.append(&mut common.missing);
        let held = found.missing.is_empty();
        let outcome = RuleOutcome {
            id: format!("env/{}/changes[{number}]", self.desired.environment),
            effect: RuleEffect::Permit,
            held,
            at: rule.at.clone(),
            met: found.met,
            missing: found.missing,
            because: rule.because.clone(),
            owner: rule.owner.clone(),
        };
        Judged { outcome, principal: principal.filter(|_| held) }
    }

    fn look_at_principal(
        &self,
        rule: &ChangeRule,
        condition: Option<&When>,
        principal: &Principal,
        asked: &Asked,
        plan: &PlanFacts,
    ) -> Findings {
        let mut found = self.look_at_who(rule, principal, asked.action);
        if let (Some(when), Some(text)) = (condition, &rule.when) {
            let result = self.holds(when, principal, asked, plan);
            let needs = match &result {
                Err(NotEvaluated(error)) => {
                    format!("condition `{text}` could not be evaluated: {error}")
                }
                Ok(_) => format!("condition `{text}` is false"),
            };
            found.say(result == Ok(true), "when", format!("condition `{text}`"), needs);
        }
        found
    }

    /// Whether somebody is whom a rule is for, by their identity and claims alone.
    fn look_at_who(
        &self,
        rule: &ChangeRule,
        principal: &Principal,
        action: ChangeAction,
    ) -> Findings {
        let mut found = Findings { met: vec![principal.identity.to_string()], missing: vec![] };
        if is_reserved(&principal.identity)
            && let Some(needs) = self.refuse_reserved(&principal.identity, rule, action)
        {
            found.missing.push(Missing::new("identity", needs));
        }
        for (name, accepted) in &rule.claims {
            let held = principal.claims.get(name);
            let shared = |held: &BTreeSet<String>| {
                accepted.iter().find(|value| held.contains(*value)).cloned()
            };
            let needs = match held {
                None if principal.leaves_out(name) => {
                    let left_out = "unknown: the issuer left it out of the token, overage";
                    format!("claim {name}: {} ({left_out})", accepted.join(" or "))
                }
                None => format!("claim {name}: {} (there is none)", accepted.join(" or ")),
                Some(held) => {
                    let has = held.iter().cloned().collect::<Vec<_>>().join(", ");
                    format!("claim {name}: {} (it holds {has})", accepted.join(" or "))
                }
            };
            let shared = held.and_then(shared);
            let met = format!("{name} {}", shared.clone().unwrap_or_default());
            found.say(shared.is_some(), &format!("claims.{name}"), met, needs);
        }
        found
    }

    /// What somebody lacks to be whom a rule is for; in words, and nothing where they are.
    pub(super) fn lacks(
        &self,
        rule: &ChangeRule,
        caller: &Caller,
        action: ChangeAction,
    ) -> Vec<Missing> {
        let admitted = caller.principals.iter();
        let admitted = admitted.filter(|it| rule.identities.contains(&it.identity));
        let found = admitted.map(|principal| self.look_at_who(rule, principal, action));
        let nearest = found.min_by_key(|found| found.missing.len());
        nearest.unwrap_or_else(|| no_identity(rule, caller)).missing
    }

    /// What the two reserved identities may never do, whatever a rule says.
    pub(super) fn refuse_reserved(
        &self,
        identity: &IdentityName,
        rule: &ChangeRule,
        action: ChangeAction,
    ) -> Option<String> {
        if identity.as_str() == IdentityName::LOCAL {
            let told = "`local` may change only environments whose targets are all `builtin`";
            return (!self.is_local_only()).then(|| told.to_owned());
        }
        match action {
            ChangeAction::Plan | ChangeAction::Rollback | ChangeAction::Rotate => None,
            ChangeAction::Apply if rule.commit.is_some() => None,
            ChangeAction::Apply => {
                Some("`server` may apply only by a rule with `commit`".to_owned())
            }
            ChangeAction::View
            | ChangeAction::Approve
            | ChangeAction::AcceptDrift
            | ChangeAction::BreakGlass => Some(format!("`server` may never {}", action.as_str())),
        }
    }

    /// How many approvals more a large deletion needs.
    fn look_at_deletes(
        &self,
        rule: &ChangeRule,
        asked: &Asked,
        plan: &PlanFacts,
        found: &mut Findings,
    ) -> u32 {
        if !self.deletes(asked, plan) {
            return 0;
        }
        let count = plan.deletes;
        let needs =
            format!("`deletes: true` in the rule: this deletes {}", count_of(count, "object"));
        found.say(rule.deletes, "deletes", format!("deletes {count}"), needs);
        let ceiling = u64::from(self.desired.spec.deletions.ceiling);
        let large = count > ceiling && count.saturating_mul(10) > plan.objects;
        u32::from(large)
    }

    fn look_at_facts(rule: &ChangeRule, approvals_more: u32, asked: &Asked, found: &mut Findings) {
        if let Some(wanted) = &rule.commit {
            look_at_commit(wanted, asked, found);
        }
        let declared = rule.commit.as_ref().and_then(|wanted| wanted.approvals);
        let approvals = declared.map_or(0, u32::from) + approvals_more;
        if approvals > 0 {
            look_at_approvals(approvals, approvals_more, asked, found);
        }
    }

    fn holds(
        &self,
        when: &When,
        principal: &Principal,
        asked: &Asked,
        plan: &PlanFacts,
    ) -> Result<bool, NotEvaluated> {
        if let Some(unknown) = unknown(&when.looks, principal) {
            return Err(unknown);
        }
        let (request, entities) = forbid::lower(self, principal, asked, plan)?;
        crate::cedar::ask(&self.authorizer, &request, &when.policies, &entities)
    }
}

fn no_identity(rule: &ChangeRule, caller: &Caller) -> Findings {
    let names = |all: Vec<&str>| all.join(" or ");
    let wanted = names(rule.identities.iter().map(IdentityName::as_str).collect());
    let held: Vec<_> = caller.principals.iter().map(|it| it.identity.as_str()).collect();
    let needs = match held.as_slice() {
        [] => format!("identity {wanted} (nobody is signed in)"),
        _ => format!("identity {wanted} (this is {})", names(held)),
    };
    Findings { met: vec![], missing: vec![Missing::new("identity", needs)] }
}

fn look_at_commit(wanted: &CommitRule, asked: &Asked, found: &mut Findings) {
    for environment in &wanted.verified_in {
        let held = asked.verified_in.contains(environment);
        let needs = format!("the same source verified in {environment}");
        found.say(held, "verifiedIn", format!("verified in {environment}"), needs);
    }
    let Some(commit) = &asked.commit else {
        let needs = "a commit that the Git host can be asked about".to_owned();
        found.missing.push(Missing::new("commit", needs));
        return;
    };
    if let Some(branch) = &wanted.branch {
        let held = commit.branches.contains(branch);
        let needs = format!("a commit on branch {branch}");
        found.say(held, "commit.branch", format!("on {branch}"), needs);
    }
    if let Some(pattern) = &wanted.tag {
        let tag = commit.tags.iter().find(|tag| is_like(pattern, tag));
        let met = format!("tag {}", tag.cloned().unwrap_or_default());
        found.say(tag.is_some(), "commit.tag", met, format!("a tag like {pattern}"));
    }
    if wanted.signed == Some(true) {
        let why = commit.unproven.as_deref().unwrap_or("it is not signed");
        let needs = format!("a commit signed by a key of `people` ({why})");
        found.say(commit.signed, "commit.signed", "signed".to_owned(), needs);
    }
}

fn look_at_approvals(wanted: u32, more: u32, asked: &Asked, found: &mut Findings) {
    let by: Vec<_> = asked.approvers.iter().map(ToString::to_string).collect();
    let by = if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) };
    let has = asked.approvals;
    let met = match has {
        u32::MAX => "nothing to approve".to_owned(),
        _ => format!("{}{by}", count_of(u64::from(has), "approval")),
    };
    let wants = count_of(u64::from(wanted), "approval");
    let why = if more > 0 { ", one of them because it deletes so many objects" } else { "" };
    found.say(has >= wanted, "approvals", met, format!("{wants}{why} (it has {has})"));
}

fn look_at_hours(wanted: &Hours, asked: &Asked, found: &mut Findings) {
    let Hours { days: _, from, to, zone } = wanted;
    let text = format!("{from} to {to} {zone}");
    match hours::contains(wanted, asked.at) {
        Ok(held) => {
            let needs = format!("the hours {text} on the days of the rule");
            found.say(held, "hours", format!("within {text}"), needs);
        }
        Err(unclear) => found.missing.push(Missing::new("hours", unclear.to_string())),
    }
}

fn count_of(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Whether a text is like a pattern in which `*` stands for any part without `/`.
pub fn is_like(pattern: &str, text: &str) -> bool {
    let Some((before, behind)) = pattern.split_once('*') else { return pattern == text };
    let Some(rest) = text.strip_prefix(before) else { return false };
    let mut cuts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
    cuts.any(|at| {
        let (skipped, tail) = rest.split_at_checked(at).unwrap_or((rest, ""));
        !skipped.contains('/') && is_like(behind, tail)
    })
}
