//! Where declarations come from.

pub mod git;
pub mod local;
pub mod pace;
