//! How many calls pass: counters shared by all threads of this gateway.
//!
//! A counter belongs to one limit of one API and to one caller, address or nobody in particular. It
//! outlives a swap of generations as long as the limit keeps its place and rate, so that a reload
//! gives nobody a fresh quota.

use std::{
    collections::{HashMap, hash_map::RandomState},
    hash::BuildHasher as _,
    net::{IpAddr, Ipv6Addr},
};

use gw_model::{
    api::{Limit, Per},
    scalar::Rate,
};
use gw_policy::{
    limit::{Admission, Window},
    principal::Principal,
    snapshot::Operation,
};
use parking_lot::Mutex;

/// Every counter of one gateway, spread over locks so that threads seldom meet.
#[derive(Debug)]
pub(crate) struct Counters {
    shards: Box<[Mutex<HashMap<Fingerprint, Counter>>]>,
    keys: [RandomState; 2],
}

/// What is counted together, of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key<'a> {
    api: &'a str,
    limit: usize,
    rate: Rate,
    who: Who<'a>,
}

/// Whose calls are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who<'a> {
    Everybody,
    Address(IpAddr),
    /// Issuer and subject, never the subject alone.
    Caller(&'a str, &'a str),
}

/// A keyed hash of a key: nobody can make two of them meet, and nothing is copied for a call.
type Fingerprint = (u64, u64);

#[derive(Debug)]
struct Counter {
    rate: Rate,
    window: Window,
}

/// What the tightest limit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    pub(crate) rate: Rate,
    pub(crate) remaining: u64,
    pub(crate) reset_ms: u64,
}

/// The limit that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) rate: Rate,
    pub(crate) per: Per,
    pub(crate) retry_after_ms: u64,
}

const SHARDS: usize = 64;

impl Default for Counters {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, keys: Default::default() }
    }
}

impl Counters {
    /// Counts a call by each limit of its operation, for whom it was permitted to. The first that is used up refuses it; those
    /// before have counted it then, which never lets more through.
    pub(crate) fn count(
        &self,
        operation: Operation<'_>,
        principal: Option<&Principal>,
        address: IpAddr,
        now_ms: u64,
    ) -> Result<Option<Quota>, Exhausted> {
        let mut tightest: Option<Quota> = None;
        for (place, Limit { rate, per, .. }) in operation.limits() {
            let (rate, who) = (*rate, who(*per, principal, address));
            let api = operation.api().name.as_str();
            match self.admit(Key { api, limit: place, rate, who }, now_ms) {
                Admission::Refused { retry_after_ms } => {
                    return Err(Exhausted { rate, per: *per, retry_after_ms });
                }
                Admission::Admitted { remaining, reset_ms } => {
                    if tightest.is_none_or(|quota| remaining < quota.remaining) {
                        tightest = Some(Quota { rate, remaining, reset_ms });
                    }
                }
            }
        }
        Ok(tightest)
    }

    /// Forgets counters that remember nothing any more.
    pub(crate) fn sweep(&self, now_ms: u64) {
        for shard in &self.shards {
            shard.lock().retain(|_, counter| !counter.window.is_idle(counter.rate, now_ms));
        }
    }

    fn admit(&self, key: Key<'_>, now_ms: u64) -> Admission {
        let [one, other] = &self.keys;
        let fingerprint = (one.hash_one(key), other.hash_one(key));
        let place = fingerprint.0 % u64::try_from(SHARDS).unwrap_or(1);
        let place = usize::try_from(place).unwrap_or_default();
        let Some(shard) = self.shards.get(place) else {
            return Admission::Refused { retry_after_ms: key.rate.window.as_ms() };
        };
        let rate = key.rate;
        let mut shard = shard.lock();
        let fresh = || Counter { rate, window: Window::default() };
        shard.entry(fingerprint).or_insert_with(fresh).window.admit(rate, now_ms)
    }
}

fn who(per: Per, principal: Option<&Principal>, address: IpAddr) -> Who<'_> {
    match (per, principal) {
        (Per::Api, _) => Who::Everybody,
        (Per::Caller, Some(principal)) => Who::Caller(&principal.issuer, &principal.subject),
        // Nobody in particular is counted by where the call comes from.
        (Per::Caller, None) | (Per::Ip, _) => Who::Address(network(address)),
    }
}

/// One customer holds a whole /64 of IPv6 addresses, so those count as one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
    }
}

#[cfg(test)]
mod tests;
