//! Credentials of ours that end. One that renews itself is renewed before it ends; where that fails,
//! and where somebody has to bring another one, people are told while it still works.

use time::{Duration, macros::format_description};

use crate::{
    answer::Answer, host::Ending, notify::Notification, server::Server, stop::Stop, tell::Links,
};

/// So long before its end it is told that somebody has to bring another one: once a day.
const NOTICE: Duration = Duration::days(14);

/// Renews what can be renewed, and has people told of what cannot.
pub(crate) async fn renew(server: &Server) -> Result<Answer, Stop> {
    let now = server.clock.now();
    let ending = server.host.ending().await;
    let due = ending.filter(|it| it.trouble.is_some() || it.at - now <= NOTICE);
    let Some(ending) = due else {
        server.shared.told_of_ending(None);
        return Ok(Answer::done("nothing of ours ends soon"));
    };
    let text = words(&ending, ending.at - now);
    if !server.shared.told_of_ending(Some(&text)) {
        return Ok(Answer::done("it is told"));
    }
    let links = Links::to(&server.address);
    for environment in server.environments().await? {
        let Some(rules) = server.in_force(&environment).await? else { continue };
        server.notify(Notification::rotation_due(&rules, now, &text, &links)).await?;
    }
    Ok(Answer::done(text))
}

fn words(ending: &Ending, left: Duration) -> String {
    let Ending { secret, at, trouble } = ending;
    let Some(why) = trouble else {
        let days = left.whole_days().max(0);
        return match left.is_negative() {
            true => format!("`{secret}`, by which the Git host is asked, ended on {}", at.date()),
            false => format!(
                "`{secret}`, by which the Git host is asked, ends on {}: in {days} days",
                at.date()
            ),
        };
    };
    let form = format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let until = at.format(&form).unwrap_or_default();
    match left.is_positive() {
        true => format!("the token by `{secret}` cannot be renewed, and ends at {until}: {why}"),
        false => format!("there is no token by `{secret}`: {why}"),
    }
}

#[cfg(test)]
mod tests;
