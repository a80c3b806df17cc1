//! Whether a change alters who may change what, or what keeps a change honest.

use std::collections::BTreeMap;

use gw_model::{
    desired::{Desired, Intake},
    environment::EnvironmentSpec,
    id::IdentityName,
    workspace::Identity,
};
use serde::Serialize;
use serde_json::Value;

use super::{Effect, Noticed};
use crate::difference::without_origins;

pub(super) fn compare(before: Option<&Desired>, after: &Desired, noticed: &mut Noticed) {
    let Some(before) = before else {
        noticed.push(Effect::Rules, None, "the first rules of this environment", None);
        return;
    };
    let (old, new) = (parts(before), parts(after));
    for (part, value) in &new {
        if old.get(part) != Some(value) {
            noticed.push(
                Effect::Rules,
                None,
                format!("{part} differ from the rules in force"),
                None,
            );
        }
    }
    let named = |desired: &Desired| json(&desired.spec.targets);
    if named(before) != named(after) {
        noticed.push(Effect::Setting, None, "the targets or their settings differ", None);
    }
    if json(&before.spec.on) != json(&after.spec.on)
        || json(&before.spec.notify) != json(&after.spec.notify)
    {
        noticed.push(Effect::Setting, None, "events or notifications differ", None);
    }
}

/// Every part that `touchesChangeRules` speaks of, by its name in the format.
pub(crate) fn parts(desired: &Desired) -> BTreeMap<&'static str, Value> {
    let Desired {
        workspace: _,
        source,
        intake: Intake { files, policies: policy_globs, delivery },
        environment: _,
        spec,
        identities,
        people,
        teams,
        apis: _,
        policies,
    } = desired;
    let EnvironmentSpec {
        // Values are filled in, so what they change is compared where they stand.
        values: _,
        targets: _,
        secrets,
        egress,
        changes,
        // Laid over the workspace's identities already.
        identities: _,
        drift,
        on: _,
        deletions,
        accept,
        notify: _,
    } = spec;
    let judges: BTreeMap<&IdentityName, &Identity> = identities
        .iter()
        .filter(|(name, _)| changes.iter().any(|rule| rule.identities.contains(name)))
        .collect();
    let allow = secrets.as_ref().map(|secrets| &secrets.allow);
    BTreeMap::from([
        ("source", json(source)),
        ("files", json(files)),
        ("policy globs", json(policy_globs)),
        ("delivery", json(delivery)),
        ("secrets.allow", json(&allow)),
        ("egress", json(egress)),
        ("changes", json(changes)),
        ("identities of changes", json(&judges)),
        ("drift", json(drift)),
        ("deletions", json(deletions)),
        ("accept", json(accept)),
        ("people", json(people)),
        ("teams", json(teams)),
        ("policies", json(policies)),
    ])
}

fn json<T: Serialize>(value: &T) -> Value {
    without_origins(serde_json::to_value(value).unwrap_or_default())
}
