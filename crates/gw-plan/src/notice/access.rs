//! Who gains and who loses what.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{api::Claims, desired::Desired, id::ApiName, openapi::Operation};
use gw_policy::{
    access::{self, Access, AccessChange, Address, Direction},
    snapshot::Snapshot,
};
use time::Date;

use super::{AccessTable, Class, Effect, Kept, Notice, Noticed};

pub(super) fn compare(
    before: Option<&Desired>,
    after: &Desired,
    today: Date,
    noticed: &mut Noticed,
) {
    for target in after.spec.targets.keys() {
        if let Err(found) = Snapshot::compile(after, target) {
            noticed.diagnostics.extend(found);
        }
    }
    let settled = before.map(|before| settled(before, after)).unwrap_or_default();
    let describe = |desired: &Desired| describe(desired, &settled, today);
    let (old, new) = (before.map(describe).unwrap_or_default(), describe(after));
    let mut moved: BTreeSet<Address> = BTreeSet::new();
    let changes = old.changes_to(&new);
    for change in &changes {
        moved.insert(change.address.clone());
        noticed.access(change);
    }
    noticed.access = AccessTable::of(&changes, &old, &new);
    let (before, after_all): (BTreeSet<&Address>, BTreeSet<&Address>) =
        (old.addresses().collect(), new.addresses().collect());
    let still = settled.iter().filter_map(|name| after.apis.get(*name));
    let still: usize = still.map(|api| api.operations.len()).sum();
    let stayed = before.intersection(&after_all).filter(|it| !moved.contains(**it)).count();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    noticed.kept = Kept { unchanged: count(still + stayed), all: count(still + after_all.len()) };
    // Nobody gains or loses these, yet callers meet another answer there.
    for (addresses, text) in [
        (after_all.difference(&before), "new, nobody may call it"),
        (before.difference(&after_all), "no longer listed, nobody could call it"),
    ] {
        for address in addresses.filter(|address| !moved.contains(**address)) {
            let text = format!("{} {}: {text}", address.method, address.path);
            noticed.push(Effect::Setting, None, text, None);
        }
    }
}

/// The APIs that are the same on both sides, where everything that decides beside them is the same
/// too: there nobody gains or loses anything.
fn settled<'a>(before: &'a Desired, after: &'a Desired) -> BTreeSet<&'a ApiName> {
    let shared =
        |desired: &'a Desired| (&desired.environment, &desired.identities, &desired.policies);
    if shared(before) != shared(after) {
        return BTreeSet::new();
    }
    let same = after.apis.iter().filter(|(name, api)| before.apis.get(*name) == Some(*api));
    same.map(|(name, _)| name).collect()
}

fn describe(desired: &Desired, settled: &BTreeSet<&ApiName>, today: Date) -> Access {
    let wanted = |name: &ApiName| !settled.contains(name);
    // A state whose policies cannot be read has been told, and has none to compare.
    Access::compile(desired, today, wanted)
        .unwrap_or_else(|_| Access::describe(desired, today, wanted, |_, _| vec![]))
}

impl Noticed {
    fn access(&mut self, change: &AccessChange) {
        let AccessChange { direction, address, api, operation, class, at } = change;
        let anyone = matches!(class, access::Class::Anyone);
        let (effect, text) = match direction {
            Direction::Widens if anyone => {
                (Effect::Public, "+ anyone may call, without proof".into())
            }
            Direction::Widens => (Effect::Widen, format!("+ {class} may call")),
            Direction::Narrows => (Effect::Narrow, format!("- {class} may no longer call")),
        };
        self.push(effect, Some(api), text, Some(at));
        if let Some(notice) = self.notices.last_mut() {
            notice.operation = Some(Operation {
                id: operation.clone(),
                method: address.method,
                path: address.path.clone(),
            });
            notice.who = Some(class_of(class));
        }
    }
}

fn class_of(class: &access::Class) -> Class {
    let (identity, claims) = match class {
        access::Class::Anyone | access::Class::NamedByPolicy { id: _ } => (None, Claims::new()),
        access::Class::Proven { identity, claims, when: _, until: _, only: _ } => {
            (Some(identity.clone()), claims.clone())
        }
    };
    Class { identity, claims, text: class.to_string() }
}

/// Notices that say the same about several operations of one API, as one line each.
pub(crate) fn fold(notices: &[Notice]) -> Vec<(Notice, Vec<Operation>)> {
    let mut folded: Vec<(Notice, Vec<Operation>)> = vec![];
    let mut index: BTreeMap<(Option<ApiName>, Effect, String), usize> = BTreeMap::new();
    for notice in notices {
        let key = (notice.api.clone(), notice.effect, notice.text.clone());
        let place = *index.entry(key).or_insert_with(|| {
            folded.push((notice.clone(), vec![]));
            folded.len() - 1
        });
        if let Some((_, operations)) = folded.get_mut(place) {
            operations.extend(notice.operation.clone());
        }
    }
    folded
}
