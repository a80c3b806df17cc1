//! Which limits let more through than before, and which let less.
//!
//! A limit implies another when whatever satisfies the first satisfies the second. Looser means: an
//! old limit that no new one implies. Limits are compared one by one, so two limits that only
//! together imply a third are reported as looser: too much is told, never too little.

use std::collections::BTreeSet;

use gw_model::{
    api::{Limit, Per},
    desired::Api,
    id::ApiName,
};

use super::{Effect, Noticed};

/// A limit and the operations that it counts together.
struct Scoped<'a> {
    limit: &'a Limit,
    operations: BTreeSet<&'a str>,
}

pub(super) fn compare(name: &ApiName, before: &Api, after: &Api, noticed: &mut Noticed) {
    // Operations that are gone are no longer limited, and nobody gains by it.
    let (old, new) = (scoped(before, after), scoped(after, after));
    let mut unpaired: Vec<&Scoped<'_>> = new.iter().collect();
    for was in &old {
        let loosened = !new.iter().any(|is| is.implies(was));
        let place = unpaired.iter().position(|is| is.same_place(was));
        let Some(is) = place.map(|place| unpaired.remove(place)) else {
            if loosened {
                let text = format!("no longer {}", was.words());
                noticed.push(Effect::LoosenLimit, Some(name), text, Some(&after.at));
            }
            continue;
        };
        let tightened = !old.iter().any(|other| other.implies(is));
        let effect = match (loosened, tightened) {
            (true, _) => Effect::LoosenLimit,
            (false, true) => Effect::TightenLimit,
            (false, false) => continue,
        };
        let text = format!("{} → {}", was.limit.rate, is.words());
        noticed.push(effect, Some(name), text, Some(&is.limit.at));
    }
    for is in unpaired {
        if !old.iter().any(|was| was.implies(is)) {
            let text = format!("now {}", is.words());
            noticed.push(Effect::TightenLimit, Some(name), text, Some(&is.limit.at));
        }
    }
}

fn scoped<'a>(api: &'a Api, among: &'a Api) -> Vec<Scoped<'a>> {
    let covers = |limit: &Limit| {
        let operations = among.operations.iter();
        let covered = operations.filter(|operation| limit.selection().covers(operation));
        covered.map(|operation| operation.id.as_str()).collect()
    };
    let limits = api.spec.limits.iter();
    limits.map(|limit| Scoped { limit, operations: covers(limit) }).collect()
}

impl Scoped<'_> {
    fn implies(&self, other: &Self) -> bool {
        if !self.operations.is_superset(&other.operations) {
            return false;
        }
        // Counting all callers together lets each of them have no more than all.
        let together = self.limit.per == other.limit.per || self.limit.per == Per::Api;
        let (rate, wanted) = (self.limit.rate, other.limit.rate);
        let windows = wanted.window.as_ms().div_ceil(rate.window.as_ms());
        together && rate.count.saturating_mul(windows) <= wanted.count
    }

    fn same_place(&self, other: &Self) -> bool {
        self.limit.per == other.limit.per
            && self.limit.methods == other.limit.methods
            && self.limit.operations == other.limit.operations
    }

    fn words(&self) -> String {
        let Limit { at: _, methods, operations, rate, per } = self.limit;
        let per = match per {
            Per::Caller => "caller",
            Per::Api => "API",
            Per::Ip => "address",
        };
        let methods: Vec<&str> = methods.iter().map(|method| method.as_str()).collect();
        let mut words = format!("{rate} per {per}");
        for names in [methods.join(", "), operations.join(", ")] {
            if !names.is_empty() {
                words = format!("{words}, {names}");
            }
        }
        words
    }
}
