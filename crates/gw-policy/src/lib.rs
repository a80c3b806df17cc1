//! May it happen? Decides from plain data; never does I/O, never reads a clock.

pub mod access;
pub mod hours;
pub mod limit;
pub mod principal;
