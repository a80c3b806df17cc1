//! When a source is asked again that did not answer: later each time, never at the same moment as
//! everybody else, and not at all where only a person can help.

use std::time::Duration;

use gw_plan::driver::Class;

const FIRST: Duration = Duration::from_secs(2);
/// A source that comes back is seen after this time at the latest.
const LONGEST: Duration = Duration::from_mins(5);

/// How often a source has failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// Of a source that failed so often in a row.
    pub const fn after(failures: u32) -> Self {
        Self { failures }
    }

    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after a failure; `None`: until somebody did something. The dice is any number,
    /// and spreads those who failed together over half of the time.
    pub fn fail(&mut self, class: Class, dice: u32) -> Option<Duration> {
        let doubled = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let whole = FIRST.saturating_mul(doubled).min(LONGEST);
        let waited = whole.mul_f64(0.5 + 0.5 * f64::from(dice) / f64::from(u32::MAX));
        match class {
            Class::Wait => Some(waited),
            Class::Retry { after_ms } => Some(waited.max(Duration::from_millis(after_ms))),
            Class::Human => None,
        }
    }
}

#[cfg(test)]
mod tests;
