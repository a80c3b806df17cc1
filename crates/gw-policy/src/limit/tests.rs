use proptest::prelude::*;

use super::*;

fn rate(text: &str) -> Rate {
    text.parse().unwrap()
}

/// The times at which a request passed.
fn passed(rate: Rate, times_ms: &[u64]) -> Vec<u64> {
    let mut window = Window::default();
    let admitted = |time: &u64| matches!(window.admit(rate, *time), Admission::Admitted { .. });
    times_ms.iter().copied().filter(admitted).collect()
}

#[test]
fn the_count_passes_and_the_next_waits_for_the_oldest_to_leave() {
    let mut window = Window::default();
    let two = rate("2/1s");
    assert_eq!(window.admit(two, 0), Admission::Admitted { remaining: 1, reset_ms: 1000 });
    assert_eq!(window.admit(two, 400), Admission::Admitted { remaining: 0, reset_ms: 1000 });
    assert_eq!(window.admit(two, 999), Admission::Refused { retry_after_ms: 1 });
    assert_eq!(window.admit(two, 1000), Admission::Admitted { remaining: 0, reset_ms: 1000 });
    assert_eq!(window.admit(two, 1001), Admission::Refused { retry_after_ms: 399 });
}

#[test]
fn a_refused_request_does_not_count() {
    assert_eq!(passed(rate("1/1s"), &[0, 500, 900, 1000]), [0, 1000]);
}

#[test]
fn a_clock_that_is_set_back_opens_nothing() {
    assert_eq!(passed(rate("1/1s"), &[5000, 100, 5999, 6000]), [5000, 6000]);
}

#[test]
fn a_counter_is_idle_once_everything_left_the_window() {
    let mut window = Window::default();
    let one = rate("1/1s");
    assert!(window.is_idle(one, 0));
    window.admit(one, 0);
    assert!(!window.is_idle(one, 999));
    assert!(window.is_idle(one, 1000));
}

#[test]
fn memory_is_bounded_however_large_the_count() {
    let large = rate("1000000/1h");
    let mut window = Window::default();
    for time in 0..100_000 {
        window.admit(large, time * 30);
    }
    assert!(window.admissions.len() <= 4097, "{}", window.admissions.len());
}

proptest! {
    #[test]
    fn never_more_than_the_count_in_any_window(
        count in 1u64..20,
        steps in prop::collection::vec(0u64..700, 1..300),
    ) {
        let rate = rate(&format!("{count}/1s"));
        let mut now = 0;
        let times: Vec<u64> = steps.iter().map(|step| { now += step; now }).collect();
        let passed = passed(rate, &times);
        for start in &passed {
            let inside = passed.iter().filter(|time| (*start..start + 1000).contains(*time));
            prop_assert!(inside.count() as u64 <= count);
        }
    }

    #[test]
    fn whoever_could_pass_does_pass(
        count in 1u64..20,
        steps in prop::collection::vec(0u64..700, 1..300),
    ) {
        let rate = rate(&format!("{count}/1s"));
        let mut now = 0;
        let times: Vec<u64> = steps.iter().map(|step| { now += step; now }).collect();
        let mut expected: Vec<u64> = vec![];
        for time in &times {
            let inside = expected.iter().filter(|passed| **passed + 1000 > *time).count() as u64;
            if inside < count {
                expected.push(*time);
            }
        }
        prop_assert_eq!(passed(rate, &times), expected);
    }

    #[test]
    fn grouped_counts_never_let_more_through(
        steps in prop::collection::vec(0u64..5, 1..3000),
    ) {
        // 5,000 in a second is above what is remembered one by one only in its granularity.
        let rate = rate("5000/1s");
        let mut now = 0;
        let mut window = Window::default();
        let mut passed: Vec<u64> = vec![];
        for step in steps {
            now += step;
            for _ in 0..4 {
                if matches!(window.admit(rate, now), Admission::Admitted { .. }) {
                    passed.push(now);
                }
            }
        }
        let mut begin = 0;
        for (end, time) in passed.iter().enumerate() {
            while passed[begin] + 1000 <= *time {
                begin += 1;
            }
            prop_assert!((end - begin) < 5000);
        }
    }
}
