//! How many connections fit below the limit on open files. What callers get is what is left when
//! everything else has its share: whoever looks after the gateway, files, and for each call one
//! connection to a backend.

/// How much room there is. A thread counts for itself, so no two ever wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// Of callers, on one thread; there are as many for backends.
    pub(crate) callers: usize,
    /// Beyond them, of callers who are only told to come back, on one thread.
    pub(crate) latecomers: usize,
}

/// Too few files may be open to serve even one call on each thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom {
    pub(crate) needed: usize,
}

/// To each way of looking after the gateway.
pub(crate) const ADMIN_CONNECTIONS: usize = 16;

/// Of the process: both ways of looking after it, the files that it reads and writes, the identity
/// providers and the resolver.
const RESERVE: usize = 2 * ADMIN_CONNECTIONS + 64;
/// Of each thread: its listener, and what it waits on.
const RESERVE_OF_THREAD: usize = 8;
/// One call, and one latecomer.
const LEAST: usize = 3;

impl Room {
    /// `most` is the bound on callers of one thread, however many files may be open.
    pub(crate) fn of(open_files: u64, threads: usize, most: usize) -> Result<Self, NoRoom> {
        let open_files = usize::try_from(open_files).unwrap_or(usize::MAX);
        let left = open_files.saturating_sub(RESERVE) / threads.max(1);
        let left = left.saturating_sub(RESERVE_OF_THREAD);
        if left < LEAST {
            let needed = RESERVE + threads.saturating_mul(RESERVE_OF_THREAD + LEAST);
            return Err(NoRoom { needed });
        }
        let latecomers = (left / 8).clamp(1, 64);
        Ok(Self { callers: ((left - latecomers) / 2).min(most.max(1)), latecomers })
    }

    /// So many that do nothing are closed together when it is full: looking for them costs something.
    pub(crate) fn batch(self) -> usize {
        (self.callers / 8).clamp(1, 32)
    }
}

#[cfg(test)]
mod tests;
