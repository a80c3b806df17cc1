//! Decisions seen from outside the crate.

#[cfg(test)]
mod all {
    mod replay;
}
