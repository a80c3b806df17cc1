use proptest::prelude::*;
use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);
const SECURITY: &str = "approval by team security";

fn wait(gate: &str) -> Wait {
    let (gate, head) = (gate.to_owned(), "aaa".to_owned());
    Wait { pull_request: 7, gate, head, since: NOON, until: None }
}

#[test]
fn a_wait_ends_when_what_was_waited_for_came() {
    let (given, at) = (NOON + Duration::hours(2), NOON + Duration::hours(3));
    let rows = [
        (SECURITY, "aaa", vec![SECURITY], None, Fate::GoesOn),
        (SECURITY, "bbb", vec![SECURITY], Some(given), Fate::GoesOn),
        (SECURITY, "aaa", vec![], Some(given), Fate::Over(given)),
        // Another one approved, and is still waited for.
        (SECURITY, "aaa", vec!["2 approvals"], Some(given), Fate::Over(given)),
        // Another commit asks for less, or nobody approved: nothing was given.
        (SECURITY, "bbb", vec![], Some(given), Fate::Moot),
        (SECURITY, "aaa", vec![], None, Fate::Moot),
        // Given before: it was not what was waited for last.
        (SECURITY, "aaa", vec![], Some(NOON - Duration::hours(1)), Fate::Over(NOON)),
        ("within the hours", "aaa", vec![], None, Fate::Over(at)),
    ];
    for (gate, head, gates, approved_at, expected) in rows {
        let gates: Vec<String> = gates.iter().map(|it| (*it).to_owned()).collect();
        let look = Look { head, gates: &gates, approved_at, at };
        assert_eq!(wait(gate).fate(look), expected, "{gate} {head} {gates:?} {approved_at:?}");
    }
}

/// Shows S1.25: part (counts and times; what low-risk plans pass by is the rules')
#[test]
fn each_gate_says_how_long_one_waits_there() {
    let hours = |gate: &str, hours| (gate.to_owned(), Duration::hours(hours));
    let over = vec![
        hours(SECURITY, 1),
        hours("verified in staging", 30),
        hours(SECURITY, 9),
        (SECURITY.to_owned(), Duration::minutes(130)),
        hours(SECURITY, 5),
        hours("2 approvals", 72),
    ];
    let told: Vec<String> = Gate::all(over).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "median wait for 2 approvals: 3 days, 1 approval",
            "median wait for security: 2 h 10 min, 4 approvals",
            "median wait for verified in staging: 30 h, 1 change",
        ]
    );
    assert_eq!(Gate::all([]), []);
}

proptest! {
    #[test]
    fn half_of_them_waited_at_most_as_long_as_is_told(waits in prop::collection::vec(0..100_000_i64, 1..40)) {
        let over = waits.iter().map(|secs| (SECURITY.to_owned(), Duration::seconds(*secs)));
        let gates = Gate::all(over);
        let median = gates[0].median;
        let at_most = waits.iter().filter(|secs| Duration::seconds(**secs) <= median).count();
        let less = waits.iter().filter(|secs| Duration::seconds(**secs) < median).count();
        prop_assert!(at_most * 2 >= waits.len() && less * 2 <= waits.len());
        prop_assert_eq!(gates[0].passed, waits.len());
    }
}
