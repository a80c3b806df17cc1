//! Plans of a small shop, to test with what is told of them.

use std::collections::BTreeSet;

use gw_model::{
    id::{ApiName, EnvironmentName, TargetName, WorkspaceName},
    openapi::Operation,
    scalar::Method,
    source::Origin,
};
use gw_plan::{
    difference::{Action, Difference, Drift},
    digest::Digest,
    driver::ObjectKey,
    notice::{AccessRow, AccessTable, Cause, Cell, Effect, Kept, Notice},
    plan::{Commit, Decision, Digests, Effects, Note, Plan, TargetPlan, Weight},
};
use gw_policy::{
    change::{Missing, PlanFacts, RuleEffect, RuleOutcome},
    decision::DecisionId,
};
use time::{OffsetDateTime, macros::datetime};
use url::Url;

use super::Links;

pub(crate) const AT: OffsetDateTime = datetime!(2026-09-10 09:12:31 UTC);
pub(crate) const COMMIT: &str = "9f2c1e7000000000000000000000000000000000";

pub(crate) fn links() -> Links {
    Links::to(&Url::parse("https://gatewright.acme.com/").unwrap())
}

pub(crate) fn origin(file: &str, line: u32) -> Origin {
    Origin { file: file.to_owned(), line }
}

pub(crate) fn outcome(
    id: &str,
    effect: RuleEffect,
    held: bool,
    missing: &[(&str, &str)],
) -> RuleOutcome {
    let missing = missing
        .iter()
        .map(|(fact, needs)| Missing { fact: (*fact).to_owned(), needs: (*needs).to_owned() });
    RuleOutcome {
        id: id.to_owned(),
        effect,
        held,
        at: match effect {
            RuleEffect::Permit => origin("environments/prod.yaml", 17),
            RuleEffect::Forbid => origin("policies/changes.cedar", 1),
        },
        met: vec!["pipeline".to_owned(), "on main".to_owned()],
        missing: missing.collect(),
        because: None,
        owner: None,
    }
}

pub(crate) fn allowed() -> Decision {
    Decision {
        id: DecisionId::new(1_789_031_551_000, [1; 5]),
        allowed: true,
        rules: vec![outcome("env/prod/changes[1]", RuleEffect::Permit, true, &[])],
        why: None,
        cure: None,
    }
}

pub(crate) fn waits_for_security() -> Decision {
    let security = [("approverTeams", "approval by team security")];
    let mut forbid = outcome("widening-needs-security", RuleEffect::Forbid, true, &security);
    forbid.because = Some("In prod, new access needs a review by security".to_owned());
    let permit = outcome("env/prod/changes[1]", RuleEffect::Permit, true, &[]);
    Decision {
        allowed: false,
        rules: vec![permit, forbid],
        why: Some("In prod, new access needs a review by security".to_owned()),
        cure: Some("approval by team security (policies/changes.cedar:1)".to_owned()),
        ..allowed()
    }
}

pub(crate) fn operation() -> Operation {
    Operation { id: "createOrder".to_owned(), method: Method::Post, path: "/orders".to_owned() }
}

pub(crate) fn notice(effect: Effect, text: &str, line: u32) -> Notice {
    Notice {
        effect,
        api: Some(ApiName::parse("orders").unwrap()),
        operation: (effect == Effect::Widen).then(operation),
        who: None,
        text: text.to_owned(),
        change: None,
        cause: Cause::Declared,
        at: Some(origin("apis/orders/api.yaml", line)),
    }
}

pub(crate) fn difference(name: &str, action: Action) -> Difference {
    Difference {
        key: ObjectKey { kind: "api".to_owned(), name: name.to_owned() },
        action,
        drift: Drift::None,
        pending: false,
        declared: None,
        changes: vec![],
        drifted: vec![],
    }
}

/// Nothing changes there.
pub(crate) fn unchanged(environment: &str) -> Plan {
    Plan {
        id: format!("p-{}", Digest::of_bytes(environment.as_bytes()).short()),
        workspace: WorkspaceName::parse("acme").unwrap(),
        environment: EnvironmentName::parse(environment).unwrap(),
        commit: Some(Commit { sha: COMMIT.to_owned(), subject: None, branches: BTreeSet::new() }),
        restores: None,
        made_at: AT,
        compared_with: None,
        only: BTreeSet::new(),
        notices: vec![],
        access: None,
        kept: Kept::default(),
        targets: vec![],
        notes: vec![],
        facts: PlanFacts::default(),
        decision: allowed(),
        digests: Digests {
            source: Digest::of_bytes(b"source"),
            effect: Effects::default(),
            plan: Digest::of_bytes(b"plan"),
        },
    }
}

/// Group sales may create orders, and callers may call less often.
pub(crate) fn widens(environment: &str, decision: Decision) -> Plan {
    let sales = Cell { before: false, after: true };
    let others = Cell { before: true, after: true };
    Plan {
        notices: vec![
            notice(Effect::Widen, "+ group sales (staff) may call", 17),
            notice(Effect::TightenLimit, "100/1m → 60/1m per caller", 19),
        ],
        access: Some(AccessTable {
            classes: vec!["group orders-team (staff)".to_owned(), "group sales (staff)".to_owned()],
            rows: vec![AccessRow { operation: operation(), cells: vec![others, sales] }],
        }),
        facts: PlanFacts { updates: 2, widens_access: true, ..PlanFacts::default() },
        targets: vec![TargetPlan {
            target: TargetName::parse("default").unwrap(),
            kind: "builtin".to_owned(),
            place: "the gateway".to_owned(),
            observed: Digest::of_bytes(b"observed"),
            read_at: AT,
            differences: vec![
                difference("orders", Action::Update),
                difference("pay", Action::Update),
                difference("other", Action::None),
            ],
            unchanged: 4,
            steps: vec![],
        }],
        decision,
        ..unchanged(environment)
    }
}

pub(crate) fn error(text: &str, at: Option<Origin>) -> Note {
    Note {
        code: "GW2301".to_owned(),
        severity: Weight::Error,
        text: text.to_owned(),
        at,
        help: vec!["leave it out".to_owned(), "or say it otherwise".to_owned()],
    }
}
