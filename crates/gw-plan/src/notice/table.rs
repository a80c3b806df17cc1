//! Who may call an operation before and after, side by side: for changes that are small enough to be
//! read like that. A table that would say less than the notices is not made.

use std::collections::BTreeSet;

use gw_model::{api::Claims, openapi::Operation};
use gw_policy::access::{Access, AccessChange, Address, CallerClass, Direction};
use serde::{Deserialize, Serialize};

/// Rows are operations whose callers change, columns are classes of callers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessTable {
    pub classes: Vec<String>,
    pub rows: Vec<AccessRow>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessRow {
    pub operation: Operation,
    /// Beside each class: whether a rule lets it in.
    pub cells: Vec<Cell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cell {
    pub before: bool,
    pub after: bool,
}

const ROWS_MAX: usize = 12;
const CLASSES_MAX: usize = 6;

impl AccessTable {
    pub(super) fn of(changes: &[AccessChange], old: &Access, new: &Access) -> Option<Self> {
        let addresses: BTreeSet<&Address> = changes.iter().map(|change| &change.address).collect();
        if addresses.is_empty() || addresses.len() > ROWS_MAX {
            return None;
        }
        let mut classes: Vec<CallerClass> = vec![];
        for address in &addresses {
            let changed = changes.iter().filter(|change| change.address == **address);
            let changed = changed.map(|change| change.class.clone());
            for class in old.callers(address).into_iter().chain(new.callers(address)).chain(changed)
            {
                for class in single(&class)? {
                    if !classes.contains(&class) {
                        classes.push(class);
                    }
                }
            }
        }
        if classes.len() > CLASSES_MAX {
            return None;
        }
        let cell = |address: &Address, class: &CallerClass| Cell {
            before: lets_in(&old.callers(address), class),
            after: lets_in(&new.callers(address), class),
        };
        // What policies or ways of proving an identity change is not seen in the rules alone.
        let is_told = |change: &AccessChange| {
            let cells = single(&change.class).unwrap_or_default();
            let mut cells = cells.iter().map(|class| cell(&change.address, class));
            let changed = match change.direction {
                Direction::Widens => Cell { before: false, after: true },
                Direction::Narrows => Cell { before: true, after: false },
            };
            // Some of those whom a rule names may have had it before, or keep it by another rule.
            cells.clone().any(|cell| cell == changed)
                && cells.all(|cell| cell == changed || cell.before == cell.after)
        };
        if !changes.iter().all(is_told) {
            return None;
        }
        let row = |address: &&Address| AccessRow {
            operation: operation(changes, address),
            cells: classes.iter().map(|class| cell(address, class)).collect(),
        };
        let rows = addresses.iter().map(row).collect();
        Some(Self { rows, classes: classes.iter().map(ToString::to_string).collect() })
    }
}

fn operation(changes: &[AccessChange], address: &Address) -> Operation {
    let named = changes.iter().find(|change| change.address == *address);
    let id = named.map(|change| change.operation.clone()).unwrap_or_default();
    Operation { id, method: address.method, path: address.path.clone() }
}

/// The classes of a class that each have one value of a claim: of `group a or b`, those of `a` alone
/// may have had access before. None: they are more than a table has columns.
fn single(class: &CallerClass) -> Option<Vec<CallerClass>> {
    let CallerClass::Proven { identity, claims, when, until, proved } = class else {
        return Some(vec![class.clone()]);
    };
    let mut singles = vec![Claims::new()];
    for (claim, values) in claims {
        if singles.len() * values.len() > CLASSES_MAX {
            return None;
        }
        let with = |single: &Claims, value: &String| {
            let mut single = single.clone();
            single.insert(claim.clone(), vec![value.clone()]);
            single
        };
        singles = singles
            .iter()
            .flat_map(|single| values.iter().map(|value| with(single, value)))
            .collect();
    }
    let proven = |claims| CallerClass::Proven {
        identity: identity.clone(),
        claims,
        when: when.clone(),
        until: *until,
        proved: proved.clone(),
    };
    Some(singles.into_iter().map(proven).collect())
}

/// Whether everybody in a class satisfies one of these.
fn lets_in(callers: &[CallerClass], class: &CallerClass) -> bool {
    callers.iter().any(|wider| match (wider, class) {
        (CallerClass::Anyone, _) => true,
        (
            CallerClass::Proven { identity, claims, when, until, proved: _ },
            CallerClass::Proven {
                identity: of,
                claims: held,
                when: condition,
                until: end,
                proved: _,
            },
        ) => {
            identity == of
                && (when.is_none() || when == condition)
                && (until.is_none() || end.is_some_and(|end| until.is_some_and(|it| end <= it)))
                && claims.iter().all(|(claim, values)| {
                    held.get(claim).is_some_and(|held| held.iter().all(|it| values.contains(it)))
                })
        }
        (_, _) => false,
    })
}
