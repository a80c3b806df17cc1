//! Whether a moment lies in the hours of a rule, on the clock of the rule's own zone.

#[cfg(test)]
mod tests;

use std::fmt;

use gw_model::environment::{Day, Hours};
use jiff::{
    Timestamp,
    civil::{Time, Weekday},
    tz::TimeZone,
};
use time::OffsetDateTime;

/// Why the hours cannot be judged. Whoever asks must deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnclearHours {
    UnknownZone { zone: String },
    BadTime { text: String },
    OutOfRange,
}

/// From `from` until just before `to`. Hours that end before they begin go over midnight and belong
/// to the day on which they begin.
pub fn contains(hours: &Hours, at: OffsetDateTime) -> Result<bool, UnclearHours> {
    let zone = TimeZone::get(&hours.zone)
        .map_err(|_| UnclearHours::UnknownZone { zone: hours.zone.clone() })?;
    let moment =
        Timestamp::from_second(at.unix_timestamp()).map_err(|_| UnclearHours::OutOfRange)?;
    let local = zone.to_datetime(moment);
    let (from, to) = (minute_of_day(&hours.from)?, minute_of_day(&hours.to)?);
    let now = minutes(local.time());
    let on = |day: Weekday| hours.days.iter().any(|wanted| weekday(*wanted) == day);
    let today = local.weekday();
    Ok(if from <= to {
        on(today) && (from..to).contains(&now)
    } else {
        (on(today) && now >= from) || (on(today.previous()) && now < to)
    })
}

fn minutes(time: Time) -> i32 {
    i32::from(time.hour()) * 60 + i32::from(time.minute())
}

/// `HH:MM`, up to `24:00`.
fn minute_of_day(text: &str) -> Result<i32, UnclearHours> {
    let parse = || {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
        let total = hour * 60 + minute;
        ((0..60).contains(&minute) && (0..=24 * 60).contains(&total)).then_some(total)
    };
    parse().ok_or_else(|| UnclearHours::BadTime { text: text.to_owned() })
}

const fn weekday(day: Day) -> Weekday {
    match day {
        Day::Mon => Weekday::Monday,
        Day::Tue => Weekday::Tuesday,
        Day::Wed => Weekday::Wednesday,
        Day::Thu => Weekday::Thursday,
        Day::Fri => Weekday::Friday,
        Day::Sat => Weekday::Saturday,
        Day::Sun => Weekday::Sunday,
    }
}

impl fmt::Display for UnclearHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownZone { zone } => {
                write!(f, "`{zone}` is not a time zone (an IANA name such as `Europe/Berlin`)")
            }
            Self::BadTime { text } => write!(f, "`{text}` is not a time of day such as `08:00`"),
            Self::OutOfRange => f.write_str("the moment is outside of the calendar"),
        }
    }
}

impl std::error::Error for UnclearHours {}
