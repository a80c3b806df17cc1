//! A clock that stands still until a test moves it, or moves on each time that somebody looks at it.

use std::sync::Arc;

use gw_model::clock::Clock;
use parking_lot::Mutex;
use time::{Duration, OffsetDateTime};

/// Clones show the same time.
#[derive(Clone, Debug)]
pub struct FixedClock {
    now: Arc<Mutex<OffsetDateTime>>,
    step: Arc<Mutex<Duration>>,
}

impl FixedClock {
    pub fn at(now: OffsetDateTime) -> Self {
        Self { now: Arc::new(Mutex::new(now)), step: Arc::new(Mutex::new(Duration::ZERO)) }
    }

    /// From now on whoever looks sees it so much later than whoever looked before.
    pub fn step(&self, by: Duration) {
        *self.step.lock() = by;
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
        let mut now = self.now.lock();
        *now += *self.step.lock();
        *now
    }
}
