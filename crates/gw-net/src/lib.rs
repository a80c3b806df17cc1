//! Connections: to which addresses, with which certificates and keys; the sockets of this machine; and
//! what becomes of a request whose handler panics.

pub mod address;
pub mod client;
pub mod issuer;
pub mod outlive;
pub mod socket;
pub mod tls;
