//! May it happen? Decides from plain data; never does I/O, never reads a clock.

mod claims;
mod json;
mod jws;
pub mod keys;
pub mod principal;
pub mod token;
