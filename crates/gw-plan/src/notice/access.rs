//! Who gains and who loses what.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{api::Claims, desired::Desired, id::ApiName, openapi::Operation};
use gw_policy::{
    access::{Access, AccessChange, Address, CallerClass, Direction, Proved},
    snapshot::Snapshot,
};
use time::Date;

use super::{AccessTable, Change, Class, Effect, Kept, Notice, Noticed};

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
    for of_one in changes.chunk_by(|one, other| one.address == other.address) {
        moved.extend(of_one.first().map(|change| change.address.clone()));
        noticed.operation(of_one);
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
    for (access, addresses, text) in [
        (&new, after_all.difference(&before), "new, nobody may call it"),
        (&old, before.difference(&after_all), "no longer listed, nobody could call it"),
    ] {
        for address in addresses.filter(|address| !moved.contains(**address)) {
            let Some((api, id)) = access.operation(address) else { continue };
            noticed.push(Effect::Setting, Some(api), text, None);
            noticed.beside(address, id, None);
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
    /// Tells everything that changes about one operation.
    fn operation(&mut self, changes: &[AccessChange]) {
        let mut told = BTreeSet::new();
        for (place, lost) in changes.iter().enumerate() {
            let partner = changes.iter().enumerate().find_map(|(partner, gained)| {
                let free = partner != place && !told.contains(&partner);
                let redefined = free.then(|| Redefined::of(lost, gained)).flatten()?;
                Some((partner, gained, redefined))
            });
            if let Some((partner, gained, redefined)) = partner {
                told.extend([place, partner]);
                self.redefined(gained, redefined);
            }
        }
        for (_, change) in changes.iter().enumerate().filter(|(place, _)| !told.contains(place)) {
            self.access(change);
        }
    }

    /// An identity is proved in another way: the former callers are gone, and there are others.
    fn redefined(&mut self, gained: &AccessChange, redefined: Redefined) {
        let AccessChange { api, class, at, address, operation, .. } = gained;
        let Redefined { words, change } = redefined;
        let text = format!("{}: {words}", class.however_proved());
        self.push(Effect::Widen, Some(api), text, Some(at));
        self.facts.narrows_access = true;
        self.beside(address, operation, Some(class));
        if let Some(notice) = self.notices.last_mut() {
            notice.change = Some(change);
        }
    }

    fn access(&mut self, change: &AccessChange) {
        let AccessChange { direction, address, api, operation, class, within, at } = change;
        let part = words(within, class);
        let mut kept = None;
        let (effect, text) = match direction {
            Direction::Widens if matches!(class, CallerClass::Anyone) => {
                (Effect::Public, "+ anyone may call, without proof".to_owned())
            }
            Direction::Widens if within.is_empty() => {
                (Effect::Widen, format!("+ {class} may call"))
            }
            Direction::Widens => (Effect::Widen, format!("+ {class} may call (before: {part})")),
            Direction::Narrows if within.is_empty() => {
                (Effect::Narrow, format!("- {class} may no longer call"))
            }
            Direction::Narrows => {
                let text = format!("- {class} → {part}");
                kept = Some(Change { before: class.to_string(), after: part });
                (Effect::Narrow, text)
            }
        };
        self.push(effect, Some(api), text, Some(at));
        self.beside(address, operation, Some(class));
        if let Some(notice) = self.notices.last_mut() {
            notice.change = kept;
        }
    }

    /// Says of the last notice which operation it is about, and whom.
    fn beside(&mut self, address: &Address, id: &str, class: Option<&CallerClass>) {
        if let Some(notice) = self.notices.last_mut() {
            let (id, path) = (id.to_owned(), address.path.clone());
            notice.operation = Some(Operation { id, method: address.method, path });
            notice.who = class.map(class_of);
        }
    }
}

/// Who is left of a class: `only group a or group b`.
fn words(within: &[CallerClass], class: &CallerClass) -> String {
    let parts: Vec<String> = within.iter().map(|part| part.beyond(class)).collect();
    let only: Option<Vec<&str>> = parts.iter().map(|part| part.strip_prefix("only ")).collect();
    match only {
        Some(only) if !only.is_empty() => format!("only {}", only.join(" or ")),
        Some(_) | None => parts.join(", or "),
    }
}

/// The same callers by their rule, proved in another way.
struct Redefined {
    /// `issuer https://a.test → https://b.test`.
    words: String,
    change: Change,
}

impl Redefined {
    fn of(lost: &AccessChange, gained: &AccessChange) -> Option<Self> {
        let directions = (lost.direction, gained.direction);
        if directions != (Direction::Narrows, Direction::Widens)
            || lost.class.however_proved() != gained.class.however_proved()
        {
            return None;
        }
        let ([Proved(before)], [Proved(after)]) = (lost.class.proofs(), gained.class.proofs())
        else {
            return None;
        };
        if !before.keys().eq(after.keys()) {
            return None;
        }
        let list = |values: &BTreeSet<String>| {
            values.iter().map(String::as_str).collect::<Vec<_>>().join(" or ")
        };
        let facets = before.iter().zip(after.values());
        let facets =
            facets.map(|((facet, old), new)| format!("{facet} {} → {}", list(old), list(new)));
        let side = |class: &CallerClass| class.proofs().iter().map(Proved::to_string).collect();
        Some(Self {
            words: facets.collect::<Vec<_>>().join(", "),
            change: Change { before: side(&lost.class), after: side(&gained.class) },
        })
    }
}

fn class_of(class: &CallerClass) -> Class {
    let (identity, claims) = match class {
        CallerClass::Anyone | CallerClass::NamedByPolicy { id: _ } => (None, Claims::new()),
        CallerClass::Proven { identity, claims, when: _, until: _, proved: _ } => {
            (Some(identity.clone()), claims.clone())
        }
    };
    Class { identity, claims, text: class.to_string() }
}

/// Notices that say the same about several operations of one API, as one line each; what a reviewer
/// must not overlook comes first.
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
    folded.sort_by_key(|(notice, _)| notice.effect);
    folded
}
