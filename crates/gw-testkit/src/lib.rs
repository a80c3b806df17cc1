//! What only tests need: real servers started and stopped, clocks, folders, attacks.
//!
//! Nothing here is shipped. A part whose set-up fails stops the test that asked for it.
#![expect(clippy::expect_used, reason = "a set-up that fails must stop the test that asked for it")]

pub mod absent;
pub mod attack;
pub mod authority;
pub mod backend;
pub mod canary;
pub mod clock;
pub mod corpus;
pub mod forge;
pub mod git;
pub mod issuer;
pub mod moto;
pub mod network;
pub mod oidc_provider;
pub mod secured;
pub mod shared;
pub mod signer;
pub mod watch;
pub mod wire;
pub mod workspace;
