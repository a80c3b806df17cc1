//! Who gains and who loses what.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{api::Claims, desired::Desired, id::ApiName, openapi::Operation};
use gw_policy::{
    access::{self, Access, AccessChange, Address, Direction, Forbid},
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
    let old = before.map(|before| describe(before, today, &mut vec![])).unwrap_or_default();
    let new = describe(after, today, &mut noticed.diagnostics);
    let mut moved: BTreeSet<Address> = BTreeSet::new();
    let changes = old.changes_to(&new);
    for change in &changes {
        moved.insert(change.address.clone());
        noticed.access(change);
    }
    noticed.access = AccessTable::of(&changes, &old, &new);
    let (before, after): (BTreeSet<&Address>, BTreeSet<&Address>) =
        (old.addresses().collect(), new.addresses().collect());
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    noticed.kept = Kept {
        unchanged: count(before.intersection(&after).filter(|it| !moved.contains(**it)).count()),
        all: count(after.len()),
    };
    // Nobody gains or loses these, yet callers meet another answer there.
    for (addresses, text) in [
        (after.difference(&before), "new, nobody may call it"),
        (before.difference(&after), "no longer listed, nobody could call it"),
    ] {
        for address in addresses.filter(|address| !moved.contains(**address)) {
            let text = format!("{} {}: {text}", address.method, address.path);
            noticed.push(Effect::Setting, None, text, None);
        }
    }
}

fn describe(
    desired: &Desired,
    today: Date,
    diagnostics: &mut Vec<gw_model::diagnostic::Diagnostic>,
) -> Access {
    let mut forbids: BTreeMap<(ApiName, String), Vec<Forbid>> = BTreeMap::new();
    for target in desired.spec.targets.keys() {
        match Snapshot::compile(desired, target) {
            Ok(snapshot) => collect(&snapshot, &mut forbids),
            Err(found) => diagnostics.extend(found),
        }
    }
    Access::describe(desired, today, |api, operation| {
        forbids.get(&(api.clone(), operation.id.clone())).cloned().unwrap_or_default()
    })
}

fn collect(snapshot: &Snapshot, forbids: &mut BTreeMap<(ApiName, String), Vec<Forbid>>) {
    for operation in snapshot.operations() {
        let found: Vec<Forbid> = operation
            .forbids()
            .map(|forbid| Forbid {
                id: forbid.id.clone(),
                text: forbid.canonical(),
                at: forbid.source.clone(),
            })
            .collect();
        if !found.is_empty() {
            let key = (operation.api().name.clone(), operation.id().to_owned());
            forbids.insert(key, found);
        }
    }
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
