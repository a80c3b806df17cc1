//! How far a gateway is in its life. Threads watch it.

/// Only ever goes on, never back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serve,
    /// No new calls; those under way are answered.
    Drain,
    End,
}
