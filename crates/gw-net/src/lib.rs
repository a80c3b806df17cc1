//! Connections to the outside: which addresses, which certificates, which keys.
