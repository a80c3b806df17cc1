//! May it happen? Decides from plain data; never does I/O, never reads a clock.

pub mod access;
pub mod again;
pub mod authorize;
pub mod can;
pub mod cedar;
pub mod change;
pub mod check;
mod claims;
pub mod decision;
pub mod denial;
pub mod gateway;
pub mod generation;
pub mod hours;
mod json;
mod jws;
pub mod keys;
#[cfg(test)]
mod laws;
pub mod limit;
pub mod principal;
pub mod route;
#[cfg(test)]
mod sample;
pub mod service;
pub mod snapshot;
pub mod token;
