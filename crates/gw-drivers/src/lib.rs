//! One folder per gateway that is managed.

pub mod builtin;
pub mod registry;
