//! Quota arithmetic: at most N are let through in any window, wherever the window begins.
//!
//! Token buckets and fixed windows let up to twice N through around a boundary; a promise of
//! `100/1m` should not. So the times of what was let through are remembered. Who is counted
//! together, and where the counters live, is for whoever owns them.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use gw_model::scalar::Rate;

/// Up to this count every admission is remembered by itself and the answer is exact. Above it,
/// neighbours share one memory: never more than N pass, a few may be refused early by at most
/// one part in so many of the window.
pub const EXACT_COUNT_MAX: u64 = 4096;

/// What was let through of late, for one rate and one key.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// The oldest first.
    admissions: VecDeque<Admissions>,
    total: u64,
}

/// Some that were let through at about the same time.
#[derive(Clone, Copy, Debug)]
struct Admissions {
    first_ms: u64,
    /// All of them leave the window when the newest does.
    last_ms: u64,
    count: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Admitted {
        /// How many more would pass at this moment.
        remaining: u64,
        /// When the whole quota is free again.
        reset_ms: u64,
    },
    Refused {
        /// After this long the next one passes.
        retry_after_ms: u64,
    },
}

impl Window {
    /// Counts one request. Time never runs backwards here: an earlier `now_ms` is taken as the
    /// latest one seen, so a clock that is set back opens nothing.
    pub fn admit(&mut self, rate: Rate, now_ms: u64) -> Admission {
        let now_ms = self.admissions.back().map_or(now_ms, |newest| now_ms.max(newest.last_ms));
        let window_ms = rate.window.as_ms();
        self.forget(window_ms, now_ms);
        if self.total >= rate.count {
            return Admission::Refused { retry_after_ms: self.until_free(window_ms, now_ms) };
        }
        self.remember(granularity_ms(rate), now_ms);
        Admission::Admitted { remaining: rate.count - self.total, reset_ms: window_ms }
    }

    /// Whether nothing is remembered any more, so that the counter itself may be forgotten.
    pub fn is_idle(&self, rate: Rate, now_ms: u64) -> bool {
        let window_ms = rate.window.as_ms();
        self.admissions.back().is_none_or(|newest| newest.last_ms + window_ms <= now_ms)
    }

    fn forget(&mut self, window_ms: u64, now_ms: u64) {
        while let Some(oldest) = self.admissions.front() {
            if oldest.last_ms + window_ms > now_ms {
                break;
            }
            self.total -= oldest.count;
            self.admissions.pop_front();
        }
    }

    fn remember(&mut self, granularity_ms: u64, now_ms: u64) {
        self.total += 1;
        if let Some(newest) = self.admissions.back_mut()
            && now_ms - newest.first_ms <= granularity_ms
        {
            newest.last_ms = now_ms;
            newest.count += 1;
            return;
        }
        self.admissions.push_back(Admissions { first_ms: now_ms, last_ms: now_ms, count: 1 });
    }

    fn until_free(&self, window_ms: u64, now_ms: u64) -> u64 {
        self.admissions.front().map_or(0, |oldest| oldest.last_ms + window_ms - now_ms)
    }
}

fn granularity_ms(rate: Rate) -> u64 {
    if rate.count <= EXACT_COUNT_MAX { 0 } else { rate.window.as_ms() / EXACT_COUNT_MAX }
}
