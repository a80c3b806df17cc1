//! Where declarations come from.

pub mod local;
