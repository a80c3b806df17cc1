//! What must change? Compares, explains, and never changes anything.

pub mod difference;
pub mod digest;
pub mod driver;
pub mod notice;
pub mod plan;
pub mod render;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod memory;
