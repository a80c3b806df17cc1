//! What must change? Compares, explains, and never changes anything.

pub mod difference;
pub mod digest;
pub mod driver;
