use proptest::prelude::*;

use super::*;

#[test]
fn it_is_asked_later_each_time_until_it_answers() {
    let mut pace = Pace::default();
    let mut wait = || pace.fail(Class::Wait, u32::MAX).unwrap().as_secs();
    let waits: Vec<_> = (0..10).map(|_| wait()).collect();
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    pace.succeed();
    assert_eq!(pace.fail(Class::Wait, 0), Some(Duration::from_secs(1)));
}

#[test]
fn a_host_that_says_when_is_asked_then_and_a_person_is_waited_for() {
    let mut pace = Pace::default();
    let after = Class::Retry { after_ms: 90_000 };
    assert_eq!(pace.fail(after, 7), Some(Duration::from_secs(90)));
    assert_eq!(pace.fail(Class::Human, 7), None);
}

proptest! {
    #[test]
    fn no_failure_is_asked_again_at_once_or_never(failures in 0_u32..100, dice: u32) {
        let mut pace = Pace { failures };
        let wait = pace.fail(Class::Wait, dice).unwrap();
        prop_assert!(wait >= FIRST / 2 && wait <= LONGEST);
    }
}
