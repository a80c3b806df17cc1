//! Breaking glass: somebody whom a rule for `breakGlass` names puts a commit in force without what an
//! ordinary apply needs. It says why and until when, everybody hears of it, and it stays open until an
//! ordinary change takes its place; at its end the server goes back, where a rule lets it.

use gw_model::id::EnvironmentName;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime, macros::format_description};

use crate::{
    answer::{Answer, End},
    asker::Asker,
    notify::Notification,
    reconcile::{self, Aim, Order},
    server::Server,
    stop::Stop,
    store::{Action, Change},
    tell::Links,
};

/// What lasts longer is no emergency.
const LONGEST: Duration = Duration::days(7);
const REASON_BYTES: usize = 1_000;

/// Why glass is broken, and until when that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Glass {
    pub reason: String,
    #[serde(with = "time::serde::rfc3339")]
    pub until: OffsetDateTime,
}

/// Why nobody breaks glass like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoGlass {
    Reason,
    Long,
    Past,
}

impl Glass {
    pub fn parse(
        reason: &str,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<Self, NoGlass> {
        let reason = reason.trim();
        if reason.is_empty() || reason.len() > REASON_BYTES {
            return Err(NoGlass::Reason);
        }
        match until - now {
            left if !left.is_positive() => Err(NoGlass::Past),
            left if left > LONGEST => Err(NoGlass::Long),
            _ => Ok(Self { reason: reason.to_owned(), until }),
        }
    }
}

/// Whether a change is one that went round the ordinary rules and whose time is over.
pub fn is_over(change: &Change, now: OffsetDateTime) -> bool {
    change.begun.action == Action::BreakGlass && change.begun.until.is_some_and(|it| it <= now)
}

/// Goes back to the last ordinary change, as the server. Where no rule lets it, people are told, and
/// what somebody did in need stays open.
pub(crate) async fn expire(server: &Server, environment: &EnvironmentName) -> Result<Answer, Stop> {
    let now = server.clock.now();
    let in_force = server.store.in_force(environment).await?;
    let Some(broken) = in_force.filter(|change| is_over(change, now)) else {
        return Ok(Answer::done(format!("no glass is broken in {environment}")));
    };
    let number = broken.number;
    let back = server.store.ordinary_before(environment, number).await?;
    let answer = match back {
        Some(to) => {
            let aim = Aim::Expired { to };
            let order = Order { environment: environment.clone(), asker: Asker::server(), aim };
            reconcile::reconcile(server, &order).await?
        }
        None => Answer::new(End::Denied, "there was no change before it"),
    };
    let what = match answer.end {
        End::Done => "went back".to_owned(),
        _ => format!("does not go back ({}): an ordinary change has to follow", answer.text),
    };
    let text = format!(
        "{environment}: the time of change {number}, which went round the ordinary rules, is over; \
         the server {what}"
    );
    if let Some(rules) = server.in_force(environment).await? {
        let links = Links::to(&server.address);
        let told = Notification::glass(&rules, now, &text, answer.change.unwrap_or(number), &links);
        server.notify(told).await?;
    }
    Ok(answer)
}

/// In one line, for those who are told.
pub(crate) fn words(environment: &EnvironmentName, number: u64, by: &str, glass: &Glass) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let until = glass.until.to_offset(time::UtcOffset::UTC).format(&form).unwrap_or_default();
    format!(
        "{environment}: {by} broke glass: change {number} went round the ordinary rules, until \
         {until}: {}",
        glass.reason
    )
}

impl std::fmt::Display for NoGlass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reason => "`reason` says why, in at most 1000 bytes",
            Self::Long => "`until` is at most 7 days from now",
            Self::Past => "`until` is over",
        })
    }
}

#[cfg(test)]
mod tests;
