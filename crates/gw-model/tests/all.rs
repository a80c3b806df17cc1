//! The declarations seen from outside the crate.

#[cfg(test)]
mod all {
    mod published;
    mod replay;
}
