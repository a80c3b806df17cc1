//! The effect digest: one entry for each API, and one for what belongs to the environment itself.
//!
//! An entry says what callers and objects will be, and which rules judge that. No commit, no time
//! and no version of the target is in it, so what was approved for one commit holds for its merge.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    api::Who,
    desired::{Api, Desired},
    id::{ApiName, IdentityName, TargetName},
    workspace::Identity,
};
use gw_policy::generation::Part;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{difference::without_origins, digest::Digest, driver::Object, notice};

/// Digests by entry: `api/NAME` for each API, and `environment`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Effects(BTreeMap<String, Digest>);

const ENVIRONMENT: &str = "environment";

impl Effects {
    pub(super) fn of(
        desired: &Desired,
        in_force: &Desired,
        objects: &BTreeMap<TargetName, Vec<Object>>,
    ) -> Self {
        let rules = Digest::of_json(&json!(notice::parts(in_force)));
        let mut of_apis: BTreeMap<&str, Vec<(&TargetName, &Value)>> = BTreeMap::new();
        let mut others = vec![];
        for (target, objects) in objects {
            for object in objects {
                if object.kind == Part::API {
                    of_apis.entry(&object.name).or_default().push((target, &object.body));
                } else {
                    others.push((target, object));
                }
            }
        }
        let mut entries = BTreeMap::new();
        for (name, api) in &desired.apis {
            let entry = json!({
                "environment": desired.environment,
                "api": bare(api),
                "identities": callers(desired, api),
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

/// The identities that may call, as they are proved here.
fn callers<'a>(desired: &'a Desired, api: &'a Api) -> BTreeMap<&'a IdentityName, &'a Identity> {
    let named = api.spec.access.iter().flat_map(|rule| match &rule.who {
        Who::Public => &[][..],
        Who::Proven { identities, claims: _, when: _ } => identities.as_slice(),
    });
    named.filter_map(|name| desired.identities.get_key_value(name)).collect()
}

fn bare<T: Serialize>(value: &T) -> Value {
    without_origins(&serde_json::to_value(value).unwrap_or_default())
}
