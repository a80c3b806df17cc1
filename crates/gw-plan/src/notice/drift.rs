//! What callers notice when a target is put back to what is declared: somebody else changed it, and
//! they live with that until the apply.

use std::collections::BTreeSet;

use time::Date;

use super::{Cause, Notice, Noticed};
use crate::{
    difference::{Action, Difference, Drift},
    driver::{Driver, Object, ObjectKey},
};

/// From what is served to what is wanted, in the objects that drifted and in nothing else: what is
/// declared otherwise is told beside what was in force.
pub(crate) fn compare(
    driver: &dyn Driver,
    differences: &[Difference],
    live: &[Object],
    wanted: &[Object],
    today: Date,
) -> Vec<Notice> {
    let goes_back = |it: &&Difference| it.drift != Drift::None && it.action != Action::None;
    let drifted: BTreeSet<&ObjectKey> =
        differences.iter().filter(goes_back).map(|it| &it.key).collect();
    if drifted.is_empty() {
        return vec![];
    }
    let has_drifted = |object: &Object| drifted.contains(&object.key());
    let kept = wanted.iter().filter(|object| !has_drifted(object));
    let before = kept.chain(live.iter().filter(|object| has_drifted(object)));
    let before: Vec<Object> = before.cloned().collect();
    let (Some(before), Some(after)) = (driver.raise(&before), driver.raise(wanted)) else {
        return vec![];
    };
    let mut notices = Noticed::compare(Some(&before), &after, today).notices;
    for notice in &mut notices {
        notice.cause = Cause::Drift;
        notice.text.push_str(" · drift goes back");
    }
    notices
}
