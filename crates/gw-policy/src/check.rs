//! What `check` finds about access: rules that never match, operations that nobody may call, routes
//! that hide one another, policies that speak of nothing.

use std::collections::BTreeSet;

use cedar_policy::EntityUid;
use gw_model::{
    api::{AccessRule, Who},
    code::Code,
    desired::{Api, Desired},
    diagnostic::Diagnostic,
    id::{ApiName, IdentityName},
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
    for (name, api) in &desired.apis {
        for rule in &api.spec.access {
            findings.extend(look_at_rule(name, api, rule, today));
        }
        findings.extend(nobody_may_call(name, api, today));
    }
    findings.append(&mut idle_policies(desired));
    findings
}

fn look_at_rule(name: &ApiName, api: &Api, rule: &AccessRule, today: Date) -> Option<Diagnostic> {
    let never = |why: String| {
        let message = format!("this rule of API `{name}` can never match: {why}");
        Some(Diagnostic::new(Code::RuleNeverMatches, message).on(&rule.at, "grants nothing"))
    };
    if !api.operations.iter().any(|operation| admits(rule, operation)) {
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

fn admits(rule: &AccessRule, operation: &gw_model::openapi::Operation) -> bool {
    (rule.methods.is_empty() || rule.methods.contains(&operation.method))
        && (rule.operations.is_empty() || rule.operations.contains(&operation.id))
}

fn nobody_may_call(name: &ApiName, api: &Api, today: Date) -> Option<Diagnostic> {
    let grants = |rule: &AccessRule| rule.until.is_none_or(|until| until >= today);
    let rules: Vec<_> = api.spec.access.iter().filter(|rule| grants(rule)).collect();
    let shut =
        api.operations.iter().filter(|operation| !rules.iter().any(|rule| admits(rule, operation)));
    let shut: Vec<_> = shut.map(|operation| format!("`{}`", operation.id)).collect();
    let message = match shut.as_slice() {
        [] => return None,
        [one] => format!("nobody may call operation {one} of API `{name}`"),
        several => format!("nobody may call {} of API `{name}`", several.join(", ")),
    };
    let finding = Diagnostic::new(Code::NobodyMayCall, message).on(&api.at, "has no rule for it");
    Some(finding.help("add a rule under `access`, or leave it: the gateway answers 403"))
}

/// Policies that name something of this workspace which does not exist.
fn idle_policies(desired: &Desired) -> Vec<Diagnostic> {
    let words = match Vocabulary::get() {
        Ok(words) => words,
        Err(NotEvaluated(error)) => return vec![Diagnostic::new(Code::PolicyInvalid, error)],
    };
    let operations: BTreeSet<String> = desired
        .apis
        .iter()
        .flat_map(|(name, api)| api.operations.iter().map(|it| operation_id(name, &it.id)))
        .collect();
    let known = |uid: &EntityUid| {
        let id = uid.id().unescaped();
        match uid.type_name().basename() {
            "Identity" => {
                desired.identities.contains_key(id)
                    || matches!(id, IdentityName::LOCAL | IdentityName::SERVER)
            }
            "Api" => desired.apis.contains_key(id),
            "Operation" => operations.contains(id),
            // Another environment's policies stand in the same files.
            _ => true,
        }
    };
    let describe = |forbid: &Forbid| {
        let unknown = forbid.names().into_iter().find(|uid| !known(uid))?;
        let (kind, id) = (unknown.type_name().basename().to_lowercase(), unknown.id().unescaped());
        let message = format!("policy `{}` names {kind} `{id}`, which is not here", forbid.id);
        Some(Diagnostic::new(Code::PolicyNeverMatches, message).on(&forbid.source, "this policy"))
    };
    // What cannot be read was told with the snapshot.
    let forbids = policy::read_files(&desired.policies, words, &mut vec![]);
    forbids.iter().filter_map(describe).collect()
}

#[cfg(test)]
mod tests;
