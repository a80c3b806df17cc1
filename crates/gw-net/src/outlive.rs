//! A request whose handler panics takes nothing with it but itself.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

/// None: it panicked. What it had borrowed mutably must be sound in whatever state it was left.
pub async fn outlive<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answered)) => Poll::Ready(Some(answered)),
            Err(_) => Poll::Ready(None),
        }
    })
    .await
}
