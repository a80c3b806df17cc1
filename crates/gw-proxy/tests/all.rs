//! The gateway as callers, backends and operators see it: over the wire.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a set-up that fails must stop the test that asked for it"
)]

#[path = "all/agreement.rs"]
mod agreement;
#[path = "all/bench.rs"]
mod bench;
#[path = "all/calls.rs"]
mod calls;
#[path = "all/certificates.rs"]
mod certificates;
#[path = "all/credentials.rs"]
mod credentials;
#[path = "all/crowds.rs"]
mod crowds;
#[path = "all/generations.rs"]
mod generations;
#[path = "all/identity_headers.rs"]
mod identity_headers;
#[path = "all/issuers.rs"]
mod issuers;
#[path = "all/panics.rs"]
mod panics;
#[path = "all/reach.rs"]
mod reach;
#[path = "all/slow.rs"]
mod slow;
#[path = "all/tokens.rs"]
mod tokens;
#[path = "all/upstreams.rs"]
mod upstreams;
