use time::macros::datetime;

use super::*;

const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

#[test]
fn glass_is_broken_for_a_reason_and_not_for_long() {
    let long = "x".repeat(REASON_BYTES + 1);
    let rows = [
        (" orders are down ", Duration::hours(4), Ok("orders are down")),
        ("orders are down", Duration::days(7), Ok("orders are down")),
        ("  ", Duration::hours(4), Err(NoGlass::Reason)),
        (long.as_str(), Duration::hours(4), Err(NoGlass::Reason)),
        ("orders are down", Duration::ZERO, Err(NoGlass::Past)),
        ("orders are down", Duration::hours(-1), Err(NoGlass::Past)),
        ("orders are down", Duration::days(7) + Duration::SECOND, Err(NoGlass::Long)),
    ];
    for (reason, left, expected) in rows {
        let glass = Glass::parse(reason, NOON + left, NOON);
        let expected =
            expected.map(|reason| Glass { reason: reason.to_owned(), until: NOON + left });
        assert_eq!(glass, expected, "{left}");
    }
}
