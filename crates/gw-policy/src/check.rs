//! What `check` finds about access: rules that never match, operations that nobody may call, routes
//! that hide one another, policies that speak of nothing.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use gw_model::{
    api::{AccessRule, Who},
    code::Code,
    desired::{Api, Desired},
    diagnostic::{Diagnostic, Meant},
    environment::{Accept, ChangeAction, ChangeRule},
    id::{ApiName, IdentityName},
    shape::nearest,
};
use time::{Date, Duration};

use crate::{
    cedar::{
        NotEvaluated, Vocabulary, operation_id,
        policy::{self, Forbid},
    },
    change::ChangeRules,
    snapshot::Snapshot,
};

/// A rule that ends within this time is worth a word.
const SOON: Duration = Duration::days(14);

/// So many places of one finding are shown.
const SHOWN: usize = 3;

/// Everything to tell about one environment on one day, errors among it.
pub fn findings(desired: &Desired, today: Date) -> Vec<Diagnostic> {
    let mut findings = vec![];
    for target in desired.spec.targets.keys() {
        let (_, found) = Snapshot::compile_with_warnings(desired, target);
        for finding in found {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    if let Err(found) = ChangeRules::compile(desired) {
        for finding in found {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings.extend(nobody_applies(desired));
    findings.extend(desired.spec.accept.iter().filter_map(|accept| look_at_accept(accept, today)));
    for (name, api) in &desired.apis {
        for rule in &api.spec.access {
            findings.extend(look_at_rule(name, api, rule, today));
        }
        findings.extend(nobody_may_call(name, api, today));
    }
    findings
}

fn nobody_applies(desired: &Desired) -> Option<Diagnostic> {
    let applies = |rule: &ChangeRule| rule.actions.contains(&ChangeAction::Apply);
    if desired.spec.changes.iter().any(applies) {
        return None;
    }
    let environment = &desired.environment;
    let message = format!("no rule under `changes` of environment `{environment}` names `apply`");
    let told = Diagnostic::new(Code::NobodyApplies, message)
        .help("once this is in force, no later file can be applied: add a rule for `apply`");
    Some(match desired.spec.changes.first() {
        Some(rule) => told.on(&rule.at, "the rules begin here"),
        None => told,
    })
}

/// What is accepted for ever; a plan refuses that.
pub fn endless_acceptances(desired: &Desired) -> Vec<Diagnostic> {
    let endless = desired.spec.accept.iter().filter(|accept| accept.until.is_none());
    let told = |Accept { at, code, .. }: &Accept| {
        let message = format!("the acceptance of {code} never ends");
        Diagnostic::new(Code::AcceptanceEndless, message)
            .on(at, "accepted for ever")
            .help("say by which day somebody looks at it again: `until: YYYY-MM-DD`")
    };
    endless.map(told).collect()
}

/// What was accepted for a time is told like a rule that ends.
fn look_at_accept(accept: &Accept, today: Date) -> Option<Diagnostic> {
    let Accept { at, code, target: _, because: _, until } = accept;
    let until = (*until)?;
    if until < today {
        let message = format!("the acceptance of {code} ended on {until}");
        return Some(Diagnostic::new(Code::AcceptanceEnded, message).on(at, "accepts nothing"));
    }
    (until - today <= SOON).then(|| {
        let message = format!("the acceptance of {code} ends on {until}");
        Diagnostic::new(Code::AcceptanceEndsSoon, message).on(at, "accepted until then")
    })
}

fn look_at_rule(name: &ApiName, api: &Api, rule: &AccessRule, today: Date) -> Option<Diagnostic> {
    let never = |why: String| {
        let message = format!("this rule of API `{name}` can never match: {why}");
        Some(Diagnostic::new(Code::RuleNeverMatches, message).on(&rule.at, "grants nothing"))
    };
    if !api.operations.iter().any(|operation| rule.selection().covers(operation)) {
        return never("no operation has such a method and name".to_owned());
    }
    if let Who::Proven { identities, claims, when: _ } = &rule.who {
        if identities.is_empty() {
            return never("it names no identity".to_owned());
        }
        if let Some((claim, _)) = claims.iter().find(|(_, values)| values.is_empty()) {
            return never(format!("claim `{claim}` has no accepted value"));
        }
    }
    let until = rule.until?;
    if until < today {
        let message = format!("this rule of API `{name}` ended on {until}");
        return Some(Diagnostic::new(Code::RuleEnded, message).on(&rule.at, "grants nothing"));
    }
    (until - today <= SOON).then(|| {
        let message = format!("this rule of API `{name}` ends on {until}");
        Diagnostic::new(Code::RuleEndsSoon, message).on(&rule.at, "grants until then")
    })
}

fn nobody_may_call(name: &ApiName, api: &Api, today: Date) -> Option<Diagnostic> {
    let grants = |rule: &AccessRule| rule.until.is_none_or(|until| until >= today);
    let rules: Vec<_> = api.spec.access.iter().filter(|rule| grants(rule)).collect();
    let shut = api
        .operations
        .iter()
        .filter(|operation| !rules.iter().any(|rule| rule.selection().covers(operation)));
    let shut: Vec<&str> = shut.map(|operation| operation.id.as_str()).collect();
    let message = match shut.as_slice() {
        [] => return None,
        [one] => format!("nobody may call operation `{one}` of API `{name}`"),
        several => {
            let listed: Vec<String> = several.iter().map(|id| format!("`{id}`")).collect();
            format!("nobody may call {} of API `{name}`", listed.join(", "))
        }
    };
    let mut finding = Diagnostic::new(Code::NobodyMayCall, message);
    for id in shut.iter().take(SHOWN) {
        let meant = Meant::Operation { api: name.clone(), id: (*id).to_owned() };
        finding = finding.on_meant(meant, &api.at, "listed here");
    }
    if let Some(first) = api.spec.access.first() {
        finding = finding.on(&first.at, "no rule from here on grants it");
    }
    Some(finding.help("add a rule under `access`, or leave it: every call of it is refused"))
}

/// Policies that name what no environment has: a forbid with a misspelt name forbids nothing, or for ever.
///
/// One file speaks to every environment, so all of them are asked. They share their policies.
pub fn policies(environments: &[&Desired]) -> Vec<Diagnostic> {
    let Some(first) = environments.first() else { return vec![] };
    let words = match Vocabulary::get() {
        Ok(words) => words,
        Err(NotEvaluated(error)) => return vec![Diagnostic::new(Code::PolicyInvalid, error)],
    };
    let known = Known::of(environments);
    // What cannot be read was told with the snapshot.
    let forbids = policy::read_files(&first.policies, words, &mut vec![]);
    forbids.iter().filter_map(|forbid| known.look_at_policy(forbid)).collect()
}

/// Every name that a policy may use, in all environments together.
#[derive(Default)]
struct Known {
    environments: BTreeSet<String>,
    identities: BTreeSet<String>,
    apis: BTreeSet<String>,
    operations: BTreeSet<String>,
    people: BTreeSet<String>,
    teams: BTreeSet<String>,
}

impl Known {
    fn of(environments: &[&Desired]) -> Self {
        let mut known = Self::default();
        known.identities.extend([IdentityName::LOCAL, IdentityName::SERVER].map(str::to_owned));
        for desired in environments {
            known.environments.insert(desired.environment.to_string());
            known.identities.extend(desired.identities.keys().map(ToString::to_string));
            known.people.extend(desired.people.keys().map(ToString::to_string));
            known.teams.extend(desired.teams.keys().map(ToString::to_string));
            for (name, api) in &desired.apis {
                known.apis.insert(name.to_string());
                known.operations.extend(api.operations.iter().map(|it| operation_id(name, &it.id)));
            }
        }
        known
    }

    /// The first name of a policy that nothing has.
    fn look_at_policy(&self, forbid: &Forbid) -> Option<Diagnostic> {
        let of_entity = forbid.names().into_iter().filter_map(|uid| {
            let kind = uid.type_name().basename().to_lowercase();
            let name = uid.id().unescaped().to_owned();
            Some((kind, name, self.names(&uid)?, "this policy forbids nothing"))
        });
        let of_fact = forbid.compared().into_iter().map(|(fact, name)| {
            let (kind, names) = self.fact(fact);
            (kind.to_owned(), name, names, "no change ever has that")
        });
        let mut all = of_entity.chain(of_fact);
        let (kind, name, names, label) = all.find(|(_, name, names, _)| !names.contains(name))?;
        let message = format!("policy `{}` names {kind} `{name}`, which does not exist", forbid.id);
        let told = Diagnostic::new(Code::PolicyNamesNothing, message);
        let told = match nearest(&name, names.iter().map(String::as_str)) {
            Some(meant) => told.help(format!("did you mean `{meant}`?")),
            None => told,
        };
        Some(told.on(&forbid.source, label))
    }

    /// What a fact about a change holds the names of.
    fn fact(&self, fact: &str) -> (&'static str, &BTreeSet<String>) {
        match fact {
            "approverTeams" => ("team", &self.teams),
            "verifiedIn" => ("environment", &self.environments),
            _ => ("person", &self.people),
        }
    }

    /// The names that an entity of this kind may have; `None` where any will do.
    fn names(&self, uid: &EntityUid) -> Option<&BTreeSet<String>> {
        match uid.type_name().basename() {
            "Environment" => Some(&self.environments),
            "Identity" => Some(&self.identities),
            "Api" => Some(&self.apis),
            "Operation" => Some(&self.operations),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
