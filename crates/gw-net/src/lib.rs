//! Connections: to which addresses, with which certificates and keys; and the sockets of this machine.

pub mod address;
pub mod client;
pub mod issuer;
pub mod socket;
pub mod tls;
