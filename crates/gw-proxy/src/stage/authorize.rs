//! Whether this caller may make this call. The rules are asked for each call, never remembered.

use std::net::IpAddr;

use gw_policy::{authorize::Permit, principal::Caller, snapshot::Operation};
use time::OffsetDateTime;

use super::identify::Identified;
use crate::respond::Refusal;

/// A proof that was refused is the reason for a denial, not the denial's own words: whoever sent a
/// token wants to know what is wrong with it.
pub(crate) fn authorize<'s, 'c>(
    operation: Operation<'s>,
    identified: &'c Identified,
    ip: IpAddr,
    now: OffsetDateTime,
) -> Result<Permit<'s, 'c>, Refusal> {
    let caller: &Caller = &identified.caller;
    operation.authorize(caller, ip, now).map_err(|denial| match &identified.refused {
        Some(refused) if caller.principals.is_empty() => refused.refusal(),
        Some(_) | None => Refusal::Denied(denial),
    })
}
