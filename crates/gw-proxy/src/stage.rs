//! The stages of a call, one file each. Their order stands in [`crate::pipeline`].

pub(crate) mod authorize;
pub(crate) mod cors;
pub(crate) mod forward;
pub(crate) mod identify;
pub(crate) mod limit;
pub(crate) mod validate;
