//! Secret stores, one file each. They read on demand and keep nothing.

pub mod environment;
pub mod files;
pub mod stores;
