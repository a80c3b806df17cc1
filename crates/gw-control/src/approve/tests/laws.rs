use proptest::prelude::*;

use super::*;

const NAMES: [&str; 5] = ["bob", "erik", "mira", "nils", "eve"];
const ENTRIES: [&str; 3] = ["api/orders", "api/pay", "environment"];
const STATES: [&str; 3] = ["new", "newer", "older"];

fn entries() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let entry = (prop::sample::select(&ENTRIES[..]), prop::sample::select(&STATES[..]));
    prop::collection::vec(entry, 0..3)
}

fn candidate(number: u64) -> impl Strategy<Value = Candidate> {
    let approvals = prop::collection::vec((prop::sample::select(&NAMES[..]), -5_i64..60), 0..4);
    let name = || prop::sample::select(&NAMES[..]);
    let plans = prop::collection::vec((-5_i64..60, entries(), any::<bool>()), 0..3);
    (name(), prop::option::of(name()), approvals, plans).prop_map(
        move |(opened, pushed, approvals, plans)| {
            let mut candidate = merged(number, opened, &[]);
            candidate.pull_request.pushed_by.extend(pushed.map(account));
            for (by, at) in approvals {
                candidate.pull_request.approvals.push(approval(by, at));
            }
            candidate.shown = plans
                .into_iter()
                .map(|(at, entries, on_head)| Shown {
                    head: if on_head { format!("h{number}") } else { "former".to_owned() },
                    at: minute(at),
                    entries: effects(&entries),
                })
                .collect();
            candidate
        },
    )
}

/// Three pull requests of which each was merged, any approvals, any plans.
fn worlds() -> impl Strategy<Value = World> {
    let rules = prop::sample::select(vec![matrix::HOST.read(), matrix::DECLARED.read()]);
    let candidates = (candidate(1), candidate(2), candidate(3));
    let given = prop::collection::vec((prop::sample::select(&NAMES[..]), entries()), 0..3);
    (rules, entries(), candidates, given).prop_map(|(rules, changed, (one, two, three), given)| {
        let mut world = world(rules, &[]);
        world.changed = effects(&changed);
        world.history = ["m1", "m2", "m3"].map(str::to_owned).to_vec();
        world.candidates = vec![one, two, three];
        let given =
            given.into_iter().map(|(subject, entries)| super::given(subject, &[], &entries));
        world.given = given.collect();
        world
    })
}

/// Whether nothing that rules may look at speaks more for the change.
fn is_no_better(one: &Approved, than: &Approved) -> bool {
    one.count <= than.count
        && one.approvers.is_subset(&than.approvers)
        && one.teams.is_subset(&than.teams)
        && one.authors.is_superset(&than.authors)
}

/// The same for the change, whatever is told beside it.
fn is_equal(one: &Approved, other: &Approved) -> bool {
    is_no_better(one, other) && is_no_better(other, one) && one.unshown == other.unshown
}

proptest! {
    #[test]
    fn an_approval_by_an_author_never_helps(mut world in worlds(), at in 0..3_usize, pushed: bool) {
        let before = world.judge();
        let pull_request = &mut world.candidates[at].pull_request;
        let by = match (pushed, pull_request.pushed_by.last()) {
            (true, Some(account)) => account.clone(),
            _ => pull_request.opened_by.clone(),
        };
        pull_request.approvals.push(Approval { by, at: minute(90), commit: None });
        prop_assert!(is_equal(&world.judge(), &before));
    }

    #[test]
    fn taking_an_approval_back_never_helps(mut world in worlds(), at in 0..3_usize) {
        let before = world.judge();
        world.candidates[at].pull_request.approvals.pop();
        world.given.pop();
        prop_assert!(is_no_better(&world.judge(), &before));
    }

    #[test]
    fn to_write_no_more_never_helps(mut world in worlds(), who in prop::sample::select(&NAMES[..])) {
        let before = world.judge();
        world.permissions.insert(uuid(who), Some(Permission::Read));
        prop_assert!(is_no_better(&world.judge(), &before));
    }

    /// Whatever is merged in between, by whomever, with whatever approvals.
    #[test]
    fn a_merge_of_another_entry_changes_nothing(
        mut world in worlds(),
        mut other in candidate(4),
        at in 0..4_usize,
    ) {
        for shown in &mut other.shown {
            shown.entries = effects(&[("api/elsewhere", "new")]);
        }
        let before = world.judge();
        world.candidates.push(other);
        world.history.insert(at, "m4".to_owned());
        prop_assert!(is_equal(&world.judge(), &before));
    }

    #[test]
    fn a_push_voids_what_was_approved_before(mut world in worlds(), at in 0..3_usize) {
        let pull_request = &mut world.candidates[at].pull_request;
        pull_request.head_since = minute(100);
        pull_request.source.commit = Some("pushed".to_owned());
        world.candidates[at].shown.push(Shown {
            head: "pushed".to_owned(),
            at: minute(101),
            entries: world.changed.clone(),
        });
        let pushed = world.judge();
        world.candidates[at].pull_request.approvals.clear();
        prop_assert!(is_equal(&pushed, &world.judge()));
    }

    /// Another commit, another time, and the plan shown again: only the effect matters.
    #[test]
    fn an_equal_effect_keeps_approvals(mut world in worlds(), at in 0..3_usize) {
        let before = world.judge();
        world.history[at] = "squashed".to_owned();
        world.candidates[at].pull_request.merge_commit = Some("squashed".to_owned());
        let again: Vec<Shown> = world.candidates[at].shown.clone();
        let again = again.into_iter().filter(|shown| shown.head != "former");
        let newest = again.max_by_key(|shown| shown.at);
        world.candidates[at].shown.extend(newest.map(|it| Shown { at: minute(95), ..it }));
        prop_assert!(is_equal(&world.judge(), &before));
    }

    /// An entry that nobody was shown is never approved, whatever else was.
    #[test]
    fn what_was_not_shown_is_not_approved(mut world in worlds()) {
        world.changed.extend(effects(&[("api/unseen", "new")]));
        let approved = world.judge();
        prop_assert_eq!(approved.count, 0);
        prop_assert!(approved.approvers.is_empty() && approved.teams.is_empty());
    }

    /// In which order facts come says nothing.
    #[test]
    fn the_order_of_facts_is_none(mut world in worlds()) {
        let before = world.judge();
        world.candidates.reverse();
        world.given.reverse();
        for candidate in &mut world.candidates {
            candidate.shown.reverse();
            candidate.pull_request.approvals.reverse();
        }
        prop_assert!(is_equal(&world.judge(), &before));
    }
}
