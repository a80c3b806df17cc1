use std::collections::{BTreeMap, BTreeSet};

use gw_model::environment::ChangeAction;
use time::macros::datetime;

use super::*;
use crate::principal::Caller;

fn identity(name: &str) -> IdentityName {
    IdentityName::parse(name).unwrap()
}

fn asked(name: &str, subject: &str, groups: &[&str]) -> Asked {
    let held: BTreeSet<String> = groups.iter().map(ToString::to_string).collect();
    Asked {
        action: ChangeAction::Apply,
        actor: Caller {
            principals: vec![Principal {
                identity: identity(name),
                issuer: "https://login.test".to_owned(),
                subject: subject.to_owned(),
                claims: BTreeMap::from([("groups".to_owned(), held)]),
                expires_at: None,
            }],
        },
        commit: None,
        approvers: BTreeSet::new(),
        approver_teams: BTreeSet::new(),
        authors: BTreeSet::new(),
        approvals: 0,
        verified_in: BTreeSet::new(),
        at: datetime!(2026-03-01 12:00 UTC),
    }
}

fn owner(line: u32, who: OwnerIs) -> Owner {
    Owner { who, at: Origin { file: "gatewright.toml".to_owned(), line } }
}

#[test]
fn only_an_owner_brings_the_first_state() {
    let subject = OwnerIs::Subject { identity: identity("operators"), subject: "erik".into() };
    let holder = OwnerIs::Holder {
        identity: identity("people"),
        claim: "groups".into(),
        value: "platform".into(),
    };
    let owners = [owner(3, subject), owner(4, holder)];
    let prod = EnvironmentName::parse("prod").unwrap();
    for (allowed, identity, subject, groups) in [
        (Some(3), "operators", "erik", &[][..]),
        (Some(4), "people", "mira", &["platform", "other"][..]),
        (None, "people", "erik", &[][..]),
        (None, "operators", "dana", &["sales"][..]),
    ] {
        let judged = judge_first(&owners, &prod, &asked(identity, subject, groups));
        assert_eq!(judged.ok().map(|permit| permit.rule().line), allowed, "{identity} {subject}");
    }
    let nobody = judge_first(&[], &prod, &asked("operators", "erik", &[])).unwrap_err();
    assert_eq!(nobody.reason, ChangeReason::NoRule);
}
