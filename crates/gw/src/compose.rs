//! The only place where concrete types meet.

mod attended;
mod failure;
mod gateway;
mod ledger;
mod scene;
mod server;
mod sign_ins;
mod socket;
mod state;
mod stores;
mod test_issuer;
mod workspace;

use gw_model::clock::Clock;
use time::OffsetDateTime;

pub(crate) use self::{
    attended::Wanted,
    gateway::{GatewayStart, declared_address, gateway_settings},
    scene::{Basis, Scene},
    server::{Served, serve},
    sign_ins::{SignIns, SignedIn},
    socket::{decision, gateway_status},
    state::{DEMO, ID, Purpose, State, demo_api, has_id, no_random, store_failure},
    stores::Stores,
    test_issuer::DemoIssuer,
    workspace::{Workspace, openapi_or_refuse, root},
};

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// Random bytes of the system.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(bytes)
}
