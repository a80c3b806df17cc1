//! What the ledger says of whoever asks to be let in.

use gw_audit::entry::{Act, Actor, Event, Outcome};
use time::OffsetDateTime;

use crate::{asker::Asker, login::Scope};

/// That a token of ours was given, and what it is for.
pub fn issued(by: Actor, id: &str, scope: &Scope, expires_at: OffsetDateTime) -> Event {
    let mut event = Event::new(Act::TokenIssued, Outcome::Done, by);
    event.environment = Some(scope.environment.to_string());
    event.plan.clone_from(&scope.plan);
    event.fact("token", id).fact("scope", scope.words()).fact("until", expires_at.unix_timestamp())
}

/// That a token of ours is worth nothing any more.
pub fn revoked(by: Actor, id: &str) -> Event {
    Event::new(Act::TokenRevoked, Outcome::Done, by).fact("token", id)
}

/// That nobody was let in. Who it was is not known; whose proof it would have been, where that is one
/// of the declared.
pub fn turned_away(source: &str, reason: &str, times: u64, since: OffsetDateTime) -> Event {
    let event = Event::new(Act::LoggedIn, Outcome::Refused, Asker::server().actor);
    let event = event.fact("reason", reason).fact("source", source);
    match times {
        1 => event,
        _ => event.fact("times", times).fact("since", since.unix_timestamp()),
    }
}
