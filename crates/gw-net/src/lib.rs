//! Connections to the outside: which addresses, which certificates, which keys.

pub mod address;
pub mod client;
pub mod issuer;
