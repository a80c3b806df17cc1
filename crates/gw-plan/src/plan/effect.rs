//! The effect digest: one entry for each API, and one for what belongs to the environment itself.
//!
//! An entry says what callers and objects will be, and which rules judge that. No commit, no time
//! and no version of the target is in it, so what was approved for one commit holds for its merge.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    api::Who,
    desired::{Api, Desired},
    id::{ApiName, IdentityName, TargetName},
};
use gw_policy::generation::Part;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    difference::without_origins,
    digest::Digest,
    driver::{Driver, Object},
    notice,
};

/// Digests by entry: `api/NAME` for each API, and `environment`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Effects(BTreeMap<String, Digest>);

/// Entries that become others, each with what it becomes; none: it goes away.
pub type Changed = BTreeMap<String, Option<Digest>>;

const ENVIRONMENT: &str = "environment";

impl Effects {
    /// What each target holds afterwards goes in with the driver that knows what of it means the
    /// same.
    pub(super) fn of<'a>(
        desired: &Desired,
        in_force: &Desired,
        targets: impl Iterator<Item = ((&'a TargetName, &'a [Object]), &'a dyn Driver)>,
    ) -> Self {
        let rules = Digest::of_json(&json!(notice::parts(in_force)));
        let identities: BTreeMap<&IdentityName, Digest> = desired
            .identities
            .iter()
            .map(|(name, identity)| (name, Digest::of_json(&bare(identity))))
            .collect();
        let mut of_apis: BTreeMap<&str, Vec<(&TargetName, Digest)>> = BTreeMap::new();
        let mut others = vec![];
        for ((target, wanted), driver) in targets {
            for object in wanted {
                if object.kind == Part::API {
                    let digest = Digest::of_json(&driver.canonical(object));
                    of_apis.entry(&object.name).or_default().push((target, digest));
                } else {
                    others.push((target, object.key(), driver.canonical(object)));
                }
            }
        }
        let mut entries = BTreeMap::new();
        for (name, api) in &desired.apis {
            let entry = json!({
                "environment": desired.environment,
                "api": bare(api),
                "identities": callers(&identities, api),
                "objects": of_apis.get(name.as_str()),
                "rules": rules,
            });
            entries.insert(key(name), Digest::of_json(&entry));
        }
        let entry = json!({
            "environment": desired.environment,
            "workspace": desired.workspace,
            "parts": notice::parts(desired),
            "spec": bare(&desired.spec),
            "objects": others,
            "rules": rules,
        });
        entries.insert(ENVIRONMENT.to_owned(), Digest::of_json(&entry));
        Self(entries)
    }

    /// What a state in force would be by its own rules, so that only what differs from it differs.
    pub(super) fn lowered<'a>(
        in_force: &Desired,
        targets: impl Iterator<Item = (&'a TargetName, &'a dyn Driver)>,
    ) -> Self {
        Self::on(in_force, in_force, targets)
    }

    /// What a state would be on these targets, by the rules in force.
    pub fn on<'a>(
        desired: &Desired,
        in_force: &Desired,
        targets: impl Iterator<Item = (&'a TargetName, &'a dyn Driver)>,
    ) -> Self {
        let lowered: Vec<_> =
            targets.map(|(name, driver)| (name, driver.lower(desired).objects, driver)).collect();
        let wanted = lowered.iter().map(|(name, objects, driver)| ((*name, &**objects), *driver));
        Self::of(desired, in_force, wanted)
    }

    /// Those of a change that are others here than what it makes of them.
    pub fn unlike(&self, changed: &Changed) -> BTreeSet<String> {
        let unlike = changed.iter().filter(|(name, digest)| self.0.get(*name) != digest.as_ref());
        unlike.map(|(name, _)| name.clone()).collect()
    }

    /// What becomes another than it was.
    pub(super) fn since(&self, former: &Self) -> Changed {
        let names = self.differing(former).into_iter();
        names.map(|name| (name.clone(), self.0.get(&name).cloned())).collect()
    }

    /// One digest over all entries.
    pub fn total(&self) -> Digest {
        Digest::of_json(&json!(self.0))
    }

    pub fn entries(&self) -> impl Iterator<Item = (&str, &Digest)> {
        self.0.iter().map(|(name, digest)| (name.as_str(), digest))
    }

    /// The entries that are not equal on both sides.
    pub fn differing(&self, other: &Self) -> BTreeSet<String> {
        let names = self.0.keys().chain(other.0.keys());
        names.filter(|name| self.0.get(*name) != other.0.get(*name)).cloned().collect()
    }
}

fn key(name: &ApiName) -> String {
    format!("api/{name}")
}

/// The identities that may call, by the digest of how they are proved here.
fn callers<'a>(
    identities: &'a BTreeMap<&'a IdentityName, Digest>,
    api: &'a Api,
) -> BTreeMap<&'a IdentityName, &'a Digest> {
    let named = api.spec.access.iter().flat_map(|rule| match &rule.who {
        Who::Public => &[][..],
        Who::Proven { identities, claims: _, when: _ } => identities.as_slice(),
    });
    named.filter_map(|name| Some((name, identities.get(name)?))).collect()
}

fn bare<T: Serialize>(value: &T) -> Value {
    without_origins(serde_json::to_value(value).unwrap_or_default())
}
