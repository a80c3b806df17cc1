//! Refusals of one cause within a short while: the first stands whole, the others by id and number.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::{BuildHasher as _, DefaultHasher, Hash as _, Hasher as _},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use gw_policy::decision::{DecisionId, Reason, Record};
use serde::{Deserialize, Serialize};

/// The groups of this while.
#[derive(Debug, Default)]
pub(super) struct Groups {
    open: HashMap<Cause, Group>,
    keys: [RandomState; 2],
}

/// A keyed hash of what makes refusals equal: nobody can make two causes meet.
type Cause = (u64, u64);

#[derive(Debug)]
struct Group {
    began: Instant,
    repeats: Repeats,
}

/// Refusals that are equal to a first one, as they stand on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeats {
    pub(super) reason: Reason,
    /// The record that stands whole.
    pub(super) first: DecisionId,
    /// Of all of them, the first too.
    pub(super) count: u64,
    /// Those that can be asked for; where there were more, they are only counted.
    pub(super) ids: Vec<DecisionId>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It stands whole.
    First,
    /// It is told under this id: its own, or where too many are, that of the first.
    Further(DecisionId),
}

/// For so long refusals of one cause are one group.
pub(super) const WHILE: Duration = Duration::from_secs(10);
/// So many ids of a group are kept.
pub(super) const IDS: usize = 256;
/// With so many causes in one while, further ones are told apart by their reason and kind alone: a
/// flood that varies its causes is one too.
pub(super) const CAUSES: usize = 1024;

impl Groups {
    pub(super) fn admit(&mut self, record: &Record, kind: &'static str, now: Instant) -> Place {
        let mut cause = self.cause(|hasher| {
            kind.hash(hasher);
            hash_cause(record, hasher);
        });
        if self.open.len() >= CAUSES && !self.open.contains_key(&cause) {
            cause = self.cause(|hasher| (record.reason, kind).hash(hasher));
        }
        let first = || Group {
            began: now,
            repeats: Repeats {
                reason: record.reason,
                first: record.id.clone(),
                count: 0,
                ids: vec![],
            },
        };
        let Repeats { count, ids, first, .. } =
            &mut self.open.entry(cause).or_insert_with(first).repeats;
        *count += 1;
        if *count == 1 {
            return Place::First;
        }
        if ids.len() >= IDS {
            return Place::Further(first.clone());
        }
        ids.push(record.id.clone());
        Place::Further(record.id.clone())
    }

    /// Ends the groups whose while is over, or all; those that stand for more than their first
    /// record are to be written down.
    pub(super) fn close(&mut self, is_over: impl Fn(Instant) -> bool) -> Vec<Repeats> {
        let over = self.open.extract_if(|_, group| is_over(group.began));
        over.map(|(_, group)| group.repeats).filter(|repeats| repeats.count > 1).collect()
    }

    /// The group that a decision of this while belongs to.
    pub(super) fn find(&self, id: &DecisionId) -> Option<Repeats> {
        let mut all = self.open.values().map(|group| &group.repeats);
        all.find(|repeats| repeats.speaks_of(id)).cloned()
    }

    fn cause(&self, hash: impl Fn(&mut DefaultHasher)) -> Cause {
        let hash = |key: &RandomState| {
            let mut hasher = key.build_hasher();
            hash(&mut hasher);
            hasher.finish()
        };
        let [one, other] = &self.keys;
        (hash(one), hash(other))
    }
}

impl Repeats {
    pub(super) fn speaks_of(&self, id: &DecisionId) -> bool {
        self.first == *id || self.ids.contains(id)
    }
}

/// Reason, operation, caller, rule, beside the kind of the refusal: what an operator would call the
/// same. What callers make up, the path above all, is no part of it.
fn hash_cause(record: &Record, hasher: &mut DefaultHasher) {
    (record.reason, record.status, record.generation).hash(hasher);
    let asked = record.operation.as_ref();
    asked.map(|asked| (asked.api.as_str(), asked.operation.as_str())).hash(hasher);
    for asker in &record.who {
        (asker.identity.as_str(), &asker.issuer, &asker.subject).hash(hasher);
    }
    if record.who.is_empty() {
        record.client.map(network).hash(hasher);
    }
    let rule = record.candidates.first().map(|candidate| &candidate.rule);
    rule.map(|rule| (&rule.file, rule.line)).hash(hasher);
    record.policies.first().map(|hit| &hit.id).hash(hasher);
}

/// One customer holds a whole /64 of IPv6 addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests;
