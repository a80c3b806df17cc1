//! The plan for programs, `gatewright.io/plan/v1`: it names objects and does not carry them.

use gw_policy::change::RuleOutcome;
use serde_json::{Value, json as value};

use crate::{
    difference::Difference,
    notice::Notice,
    plan::{Decision, Note, Plan, TargetPlan},
};

pub fn json(plan: &Plan) -> Value {
    let facts = &plan.facts;
    value!({
        "schema": "gatewright.io/plan/v1",
        "id": plan.id,
        "workspace": plan.workspace,
        "environment": plan.environment,
        "commit": plan.commit,
        "comparedWith": plan.compared_with,
        "targets": plan.targets.iter().map(target).collect::<Vec<_>>(),
        "callers": callers(plan),
        "access": plan.access,
        "objects": plan.targets.iter().flat_map(objects).collect::<Vec<_>>(),
        "notes": plan.notes.iter().map(note).collect::<Vec<_>>(),
        "facts": facts,
        "decision": decision(&plan.decision),
        "counts": {"create": facts.creates, "update": facts.updates, "delete": facts.deletes},
        "digests": {
            "source": plan.digests.source,
            "effect": plan.digests.effect.total(),
            "entries": plan.digests.effect,
            "plan": plan.digests.plan,
        },
    })
}

/// Everything that callers will notice.
pub fn callers(plan: &Plan) -> Vec<Value> {
    plan.notices.iter().map(caller).collect()
}

fn target(target: &TargetPlan) -> Value {
    value!({
        "name": target.target,
        "kind": target.kind,
        "place": target.place,
        "observed": target.observed,
        "steps": target.steps.iter().map(crate::driver::Step::name).collect::<Vec<_>>(),
    })
}

fn caller(notice: &Notice) -> Value {
    let Notice { effect, api, operation, who, text, change, cause, at } = notice;
    value!({
        "api": api,
        "operation": operation.as_ref().map(|operation| &operation.id),
        "effect": effect,
        "risk": effect.is_risk(),
        "who": who,
        "text": text,
        "before": change.as_ref().map(|change| &change.before),
        "after": change.as_ref().map(|change| &change.after),
        "cause": cause,
        "source": at,
    })
}

fn objects(target: &TargetPlan) -> Vec<Value> {
    let object = |difference: &Difference| {
        let Difference { key, action, drift, pending: _, declared, changes: _, drifted: _ } =
            difference;
        value!({
            "target": target.target,
            "action": action,
            "drift": drift,
            "type": key.kind,
            "name": key.name,
            "digest": declared,
        })
    };
    target.differences.iter().map(object).collect()
}

fn decision(decision: &Decision) -> Value {
    let Decision { id, allowed, rules, why, cure } = decision;
    let rules: Vec<Value> = rules.iter().map(rule).collect();
    value!({"id": id, "allowed": allowed, "rules": rules, "why": why, "cure": cure})
}

fn rule(rule: &RuleOutcome) -> Value {
    let RuleOutcome { id, effect, held, at, met, missing, because, owner } = rule;
    value!({
        "id": id,
        "effect": effect,
        "held": held,
        "source": at,
        "met": met,
        "missing": missing,
        "because": because,
        "owner": owner,
    })
}

fn note(note: &Note) -> Value {
    let Note { code, severity, text, at, help } = note;
    value!({"code": code, "severity": severity, "text": text, "source": at, "help": help})
}
