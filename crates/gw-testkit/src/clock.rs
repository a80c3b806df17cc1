//! A clock that stands still until a test moves it.

use std::sync::Arc;

use gw_model::clock::Clock;
use parking_lot::Mutex;
use time::{Duration, OffsetDateTime};

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct FixedClock {
    now: Arc<Mutex<OffsetDateTime>>,
}

impl FixedClock {
    pub fn at(now: OffsetDateTime) -> Self {
        Self { now: Arc::new(Mutex::new(now)) }
    }

    pub fn advance(&self, by: Duration) {
        *self.now.lock() += by;
    }

    pub fn set(&self, now: OffsetDateTime) {
        *self.now.lock() = now;
    }
}

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        *self.now.lock()
    }
}
