use time::macros::datetime;

use super::*;

fn hours(days: &[Day], from: &str, to: &str, zone: &str) -> Hours {
    Hours { days: days.to_vec(), from: from.to_owned(), to: to.to_owned(), zone: zone.to_owned() }
}

const WORK: &[Day] = &[Day::Mon, Day::Tue, Day::Wed, Day::Thu];

#[test]
fn the_clock_is_that_of_the_zone_in_summer_and_in_winter() {
    let berlin = hours(WORK, "08:00", "16:00", "Europe/Berlin");
    // Berlin is two hours ahead in July and one in January.
    assert_eq!(contains(&berlin, datetime!(2026-07-01 06:00 UTC)), Ok(true));
    assert_eq!(contains(&berlin, datetime!(2026-07-01 05:59 UTC)), Ok(false));
    assert_eq!(contains(&berlin, datetime!(2026-01-07 06:30 UTC)), Ok(false));
    assert_eq!(contains(&berlin, datetime!(2026-01-07 07:00 UTC)), Ok(true));
}

#[test]
fn the_end_is_not_part_of_it_and_the_day_is_the_local_one() {
    let berlin = hours(WORK, "08:00", "16:00", "Europe/Berlin");
    assert_eq!(contains(&berlin, datetime!(2026-07-01 13:59:59 UTC)), Ok(true));
    assert_eq!(contains(&berlin, datetime!(2026-07-01 14:00 UTC)), Ok(false));
    // A Friday.
    assert_eq!(contains(&berlin, datetime!(2026-07-03 10:00 UTC)), Ok(false));
    // Sunday in UTC, Monday in Auckland.
    let auckland = hours(&[Day::Mon], "00:00", "24:00", "Pacific/Auckland");
    assert_eq!(contains(&auckland, datetime!(2026-07-05 20:00 UTC)), Ok(true));
}

#[test]
fn hours_over_midnight_belong_to_the_day_they_begin() {
    let night = hours(&[Day::Fri], "22:00", "02:00", "UTC");
    assert_eq!(contains(&night, datetime!(2026-07-03 23:00 UTC)), Ok(true));
    assert_eq!(contains(&night, datetime!(2026-07-04 01:59 UTC)), Ok(true));
    assert_eq!(contains(&night, datetime!(2026-07-04 02:00 UTC)), Ok(false));
    assert_eq!(contains(&night, datetime!(2026-07-03 01:00 UTC)), Ok(false));
}

#[test]
fn what_cannot_be_judged_is_an_error() {
    let nowhere = hours(WORK, "08:00", "16:00", "Europe/Atlantis");
    let zone = "Europe/Atlantis".to_owned();
    assert_eq!(
        contains(&nowhere, datetime!(2026-07-01 10:00 UTC)),
        Err(UnclearHours::UnknownZone { zone })
    );
    let late = hours(WORK, "08:00", "24:01", "UTC");
    assert_eq!(
        contains(&late, datetime!(2026-07-01 10:00 UTC)),
        Err(UnclearHours::BadTime { text: "24:01".to_owned() })
    );
}
