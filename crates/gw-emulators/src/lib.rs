//! Parts of the world that run on this machine, for `gatewright dev`.
//!
//! They listen on loopback only and hold nothing worth stealing: their keys live as long as the
//! process does.

pub mod backend;
pub mod bitbucket;
pub mod issuer;
mod key;
mod serving;

pub use serving::StartError;
